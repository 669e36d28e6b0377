"""The engines under test, each with a second handle on the same data where the engine knows such a thing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.builders import Hands

from interlock.ports import Store
from interlock.store.memory import MemoryStore
from interlock.store.sqlite import SqliteStore

ENGINES = ("memory", "sqlite", "sqlite-asked")
"""`sqlite-asked` cannot look at the shared index (as off Linux): every load asks SQLite."""


class Engine:
    """One engine with one set of data. `open` gives a handle; closing and opening again must change nothing."""

    def __init__(self, name: str, folder: Path, clock: Hands) -> None:
        self.name = name
        self.clock = clock
        self._path = folder / "store.db"
        self._memory = MemoryStore(clock, checked=True)
        self._opened: list[SqliteStore] = []

    def open(self) -> Any:
        """Another handle on the same data."""
        if self.name == "memory":
            return self._memory
        self._opened.append(SqliteStore.open(self._path, self.clock))
        return self._opened[-1]

    async def close(self) -> None:
        """Close what was opened."""
        for store in self._opened:
            await store.close()
        self._opened.clear()


@pytest.fixture
def clock() -> Hands:
    """The time as the engine sees it."""
    return Hands()


@pytest.fixture(params=ENGINES)
async def engine(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Engine]:
    """An engine without data."""
    if request.param == "sqlite-asked":
        monkeypatch.setattr("interlock.store.watch._mapped", lambda _path: None)
    engine = Engine(request.param, tmp_path, clock)
    yield engine
    await engine.close()


@pytest.fixture
async def store(engine: Engine) -> Store:
    """An empty store."""
    return engine.open()
