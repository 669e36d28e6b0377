"""The engines under test, each with a second handle on the same data where the engine knows such a thing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.builders import Hands
from tests.conformance.buses import Buses
from tests.conformance.pairs import CollectedStore

from interlock.ports import Store
from interlock.runtime.local_nats import NatsNode
from interlock.store.memory import MemoryStore
from interlock.store.postgres import PostgresStore
from interlock.store.sqlite import SqliteStore

ENGINES = ("memory", "sqlite", "sqlite-asked", "postgres", "two-memories", "two-sqlite", "two-postgres")
"""`two-…`: each service has its own database. `sqlite-asked` cannot look at the shared index (as off Linux): every load
asks SQLite.
"""


class Engine:
    """One engine with one set of data. `open` gives a handle; closing and opening again must change nothing."""

    def __init__(self, name: str, folder: Path, clock: Hands, urls: Sequence[str] = ()) -> None:
        self.name = name
        self.urls = urls
        self.clock = clock
        self._path = folder / "store.db"
        self._memory = MemoryStore(clock, checked=True)
        self._two = CollectedStore(MemoryStore(clock, checked=True), MemoryStore(clock, checked=True))
        self._opened: list[SqliteStore | PostgresStore | CollectedStore] = []

    def open(self) -> Any:
        """Another handle on the same data."""
        if self.name == "memory":
            return self._memory
        if self.name == "two-memories":
            return self._two
        if self.name == "two-sqlite":
            two = (SqliteStore.open(self._path.with_name(f"{side}.db"), self.clock) for side in ("records", "routing"))
            self._opened.append(CollectedStore(*two))
            return self._opened[-1]
        if self.name == "two-postgres":
            self._opened.append(CollectedStore(*(PostgresStore.open(url, self.clock) for url in self.urls)))
            return self._opened[-1]
        opened = PostgresStore.open(self.urls[0], self.clock) if self.urls else SqliteStore.open(self._path, self.clock)
        self._opened.append(opened)
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
    databases = {"postgres": 1, "two-postgres": 2}.get(request.param, 0)
    urls = [request.getfixturevalue("databases").new() for _ in range(databases)]
    engine = Engine(request.param, tmp_path, clock, urls)
    yield engine
    await engine.close()


@pytest.fixture
async def store(engine: Engine) -> Store:
    """An empty store."""
    return engine.open()


@pytest.fixture(scope="session")
def nats_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsNode]:
    """A NATS server on a free port of loopback, for the whole session."""
    node = NatsNode(tmp_path_factory.mktemp("nats"))
    asyncio.run(node.start())
    yield node
    asyncio.run(node.stop())


@pytest.fixture(params=["embedded", "nats"])
async def buses(request: pytest.FixtureRequest, engine: Engine, nats_node: NatsNode) -> AsyncIterator[Buses]:
    """Buses of one kind, over the engine of the test."""
    del engine  # closed after us: buses write their positions into it
    buses = Buses(request.param, nats_node.url)
    yield buses
    await buses.crash()
