"""The bus: durable positions, at least once, in order, from however far behind; each consumer by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.conformance.builders import commit_of, conversation
from tests.conformance.conftest import Engine

from interlock.bus.embedded import SPACE, EmbeddedBus
from interlock.domain.decision import birth
from interlock.domain.errors import Unavailable
from interlock.ports import Batch, Bus, Store


def bus_over(store: Any, **options: Any) -> EmbeddedBus:
    """A bus that hears of the store's commits, and looks into the store by itself once in an hour."""
    quiet: dict[str, Any] = {"poll_s": 3600.0, "flush_after_s": 3600.0}
    bus = EmbeddedBus(store, **(quiet | options))
    store.listen(bus.announce)
    return bus


async def write(store: Store, first: int, last: int) -> None:
    """Rows with these positions, a commit each."""
    for n in range(first, last + 1):
        await store.commit(commit_of(birth(conversation(f"c{n}"))))


async def received(bus: Bus, consumer: str, limit: int = 10) -> list[int]:
    """The positions of the next batch, acknowledged."""
    async with asyncio.timeout(30):
        batch = await bus.receive(consumer, limit)
    await bus.acknowledge(batch)
    return [r.position for r in batch.rows]


async def begun(work: Any) -> asyncio.Task[Any]:
    """A task that has run until it waits."""
    task = asyncio.ensure_future(work)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_rows_come_in_order_from_the_beginning(store: Store) -> None:
    await write(store, 1, 3)
    bus = bus_over(store)
    await write(store, 4, 5)
    assert await received(bus, "a") == [1, 2, 3, 4, 5]
    await write(store, 6, 7)
    assert await received(bus, "a", 1) == [6]
    assert await received(bus, "a", 1) == [7]


async def test_the_rows_are_the_rows_of_the_store(store: Store) -> None:
    bus = bus_over(store)
    await write(store, 1, 4)
    batch = await bus.receive("a", 10)
    assert list(batch.rows) == await store.changes(0, 10)
    assert batch.consumer == "a"


async def test_what_is_not_acknowledged_comes_again(store: Store) -> None:
    bus = bus_over(store)
    await write(store, 1, 4)
    first = await bus.receive("a", 2)
    assert await bus.receive("a", 2) == first
    await bus.acknowledge(first)
    assert await received(bus, "a", 2) == [3, 4]


async def test_an_old_acknowledgement_moves_nobody_back(store: Store) -> None:
    bus = bus_over(store)
    await write(store, 1, 4)
    old = await bus.receive("a", 2)
    await bus.acknowledge(old)
    assert await received(bus, "a", 1) == [3]
    await bus.acknowledge(old)
    await bus.acknowledge(Batch("a", ()))
    assert await received(bus, "a", 5) == [4]


async def test_consumers_are_independent(store: Store) -> None:
    bus = bus_over(store)
    await write(store, 1, 3)
    assert await received(bus, "a") == [1, 2, 3]
    assert await received(bus, "b", 2) == [1, 2]
    await write(store, 4, 4)
    assert await received(bus, "a") == [4]
    assert await received(bus, "b") == [3, 4]


async def test_a_waiting_consumer_is_woken_by_a_commit(store: Store) -> None:
    bus = bus_over(store)
    tasks = [await begun(received(bus, name)) for name in ("a", "b")]
    assert not any(t.done() for t in tasks)
    await write(store, 1, 1)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*tasks) == [[1], [1]]


async def test_a_consumer_at_the_head_does_not_read_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = bus_over(store)
    await write(store, 1, 1)
    assert await received(bus, "a") == [1]

    async def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("the store was read")

    monkeypatch.setattr(store, "changes", never)
    task = await begun(received(bus, "a"))
    await write(store, 2, 2)
    assert await task == [2]
    await write(store, 3, 4)
    assert await received(bus, "a") == [3, 4]


async def test_a_consumer_far_behind_the_ring_catches_up(store: Store) -> None:
    bus = bus_over(store, ring_max=5)
    await write(store, 1, 40)
    found: list[int] = []
    while len(found) < 40:
        found += await received(bus, "late", 7)
    assert found == list(range(1, 41))
    task = await begun(received(bus, "late"))
    await write(store, 41, 41)
    assert await task == [41]


async def test_a_position_is_durable_once_enough_was_acknowledged(engine: Engine) -> None:
    store = engine.open()
    bus = bus_over(store, flush_rows=4)
    await write(store, 1, 10)
    for _ in range(3):
        assert len(await received(bus, "a", 2)) == 2
    await engine.close()
    again = engine.open()
    assert await received(bus_over(again), "a", 3) == [5, 6, 7], "rows 5 and 6 were acknowledged but not yet durably"


async def test_closing_writes_the_positions(engine: Engine) -> None:
    store = engine.open()
    bus = bus_over(store)
    await write(store, 1, 5)
    await received(bus, "a", 3)
    await received(bus, "b", 1)
    await bus.close()
    await engine.close()
    again = engine.open()
    assert await received(bus_over(again), "a") == [4, 5]
    assert await received(bus_over(again), "b") == [2, 3, 4, 5]


async def test_after_a_crash_everything_is_delivered_at_least_once(engine: Engine) -> None:
    """A consumer that dies between its work and the durable position sees the rows again, and none is left out."""
    seen: list[int] = []
    for life in range(4):
        store = engine.open()
        bus = bus_over(store, flush_rows=3)
        await write(store, life * 6 + 1, life * 6 + 6)
        for _ in range(3):
            seen += await received(bus, "a", 2)
        await engine.close()
    bus = bus_over(engine.open())
    seen += await received(bus, "a", 100)
    assert sorted(set(seen)) == list(range(1, 25))


async def test_an_idle_consumer_gets_its_position_written(store: Store) -> None:
    bus = bus_over(store, flush_after_s=0.0)
    written = asyncio.Event()
    flush = bus.flush

    async def watched() -> None:
        await flush()
        written.set()

    bus.flush = watched
    await write(store, 1, 2)
    await received(bus, "a")
    task = await begun(bus.receive("a", 1))
    async with asyncio.timeout(10):
        await written.wait()
    mark = await store.mark(SPACE, "", "a")
    assert mark is not None
    assert mark.value == b"2"
    task.cancel()


async def test_writes_of_another_process_are_found_and_keep_their_place(engine: Engine) -> None:
    """The other process announces nothing here: its rows are seen by looking, or with our own next row."""
    ours, theirs = engine.open(), engine.open()
    bus = EmbeddedBus(ours, poll_s=0.001, flush_after_s=0.001)
    if theirs is not ours:
        ours.listen(bus.announce)
    await write(ours, 1, 2)
    assert await received(bus, "a") == [1, 2]
    task = await begun(received(bus, "a"))
    await write(theirs, 3, 4)
    async with asyncio.timeout(10):
        found = await task
    assert found[0] == 3
    quiet = EmbeddedBus(ours, poll_s=3600.0)
    if theirs is not ours:
        ours.listen(quiet.announce)
    await write(ours, 5, 5)
    assert await received(quiet, "b", 5) == [1, 2, 3, 4, 5]
    assert await received(quiet, "c", 4) == [1, 2, 3, 4]
    await write(theirs, 6, 6)
    task = await begun(received(quiet, "b"))
    await write(ours, 7, 7)
    if theirs is not ours:
        async with asyncio.timeout(10):
            assert await task == [6, 7], "nobody is led past what the ring lacks"
            assert await received(quiet, "c") == [5, 6, 7]
    task.cancel()


async def test_a_failing_store_costs_a_repetition_and_no_row(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = bus_over(store, flush_rows=1)
    await write(store, 1, 2)

    async def fails(*_: Any) -> Any:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "commit", fails)
        assert await received(bus, "a", 1) == [1]
        with pytest.raises(Unavailable):
            await bus.flush()
    assert await store.mark(SPACE, "", "a") is None
    assert await received(bus, "a", 1) == [2]
    mark = await store.mark(SPACE, "", "a")
    assert mark is not None
    assert mark.value == b"2"


async def test_a_cancelled_consumer_goes_and_others_stay(store: Store) -> None:
    bus = bus_over(store)
    gone, stays = await begun(received(bus, "a")), await begun(received(bus, "b"))
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await write(store, 1, 1)
    assert await stays == [1]
    assert await received(bus, "a") == [1]


async def test_a_closed_bus_sends_its_consumers_home(store: Store) -> None:
    bus = bus_over(store)
    task = await begun(received(bus, "a"))
    await bus.close()
    with pytest.raises(Unavailable):
        await task
    with pytest.raises(Unavailable):
        await bus.receive("a", 1)
