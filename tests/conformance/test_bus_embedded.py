"""What only the bus inside the process promises: at the head it costs no look into the store."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.buses import Buses, took
from tests.conformance.conftest import Engine
from tests.conformance.test_bus import begun, write

from interlock.runtime.tasks import end
from interlock.store.sqlite import SqliteStore


async def test_a_consumer_at_the_head_does_not_read_the_disk(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest rows are in memory, in the store's own keeping."""
    store = engine.open()
    if not isinstance(store, SqliteStore) or engine.name == "sqlite-asked":
        return  # in memory there is no disk; and where the shared index cannot be seen, SQLite is asked each time
    bus = Buses("embedded", "").over(store)
    await write(store, 1, 1)
    assert await took(bus, "a", 1) == [1]

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("the disk was read")

    monkeypatch.setattr(store, "_read_execute", never)
    task = await begun(took(bus, "a", 1))
    await write(store, 2, 2)
    assert await task == [2]
    await write(store, 3, 4)
    assert await took(bus, "a", 2) == [3, 4]


async def test_a_consumer_with_nothing_to_do_asks_the_store_once_in_a_while(engine: Engine) -> None:
    """Woken by rows it has had already, it does not look again."""
    store = engine.open()
    bus = Buses("embedded", "").over(store)
    await write(store, 1, 1)
    assert await took(bus, "a", 1) == [1]
    asked = 0
    changes = store.changes

    async def counted(*args: Any, **more: Any) -> Any:
        nonlocal asked
        asked += 1
        return await changes(*args, **more)

    store.changes = counted
    task = await begun(took(bus, "a", 1))
    bus.announce(await changes(0, 1))
    assert await took(bus, "b", 1) == [1]
    assert asked == 1, "only b, which is at the beginning, looked"
    await end([task], again_s=0.5)
