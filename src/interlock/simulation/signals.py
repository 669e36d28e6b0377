"""Named signals: a schedule is forced by holding a step at the port it must pass, never by sleeping.

A store and a bus wrapped in `gated` announce each step by name (`reverse.commit`, `sync.receive`); a test holds a name,
waits until the step stands there, does something else meanwhile, and lets it go.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from interlock.domain.log import Row, RuleRun
from interlock.domain.record import Address, Record
from interlock.ports import Batch, Bus, Commit, Mark, Query, Sought, Store, World


class Signals:
    """Names that can be held. A name that nobody holds is passed at once."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._standing: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._released: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.passed: list[str] = []

    def hold(self, name: str) -> None:
        """From now on a step of this name stands still."""
        self._held.add(name)
        self._standing[name].clear()
        self._released[name].clear()

    def release(self, name: str) -> None:
        """Let it go, and those after it."""
        self._held.discard(name)
        self._released[name].set()

    async def reached(self, name: str) -> None:
        """Wait until a step of this name stands at its gate."""
        await self._standing[name].wait()

    async def at(self, name: str) -> None:
        """A step says its name, and waits if it is held."""
        if name in self._held:
            self._standing[name].set()
            await self._released[name].wait()
        self.passed.append(name)


class GatedStore:
    """A store whose commits say `<direction>.commit` before they are made."""

    def __init__(self, store: Store, signals: Signals) -> None:
        self._store = store
        self._signals = signals

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """As the store does."""
        return await self._store.load(addresses)

    async def find(self, query: Query) -> list[Record]:
        """As the store does."""
        return await self._store.find(query)

    async def commit(self, commit: Commit) -> Row | None:
        """As the store does, once the gate is open."""
        if commit.entry is not None:
            await self._signals.at(f"{commit.entry.why.direction}.commit")
        return await self._store.commit(commit)

    async def changes(
        self, after: int, limit: int, *, org: str = "", partition: str = "", newest: bool = False
    ) -> list[Row]:
        """As the store does."""
        return await self._store.changes(after, limit, org=org, partition=partition, newest=newest)

    async def bodies(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """As the store does."""
        return await self._store.bodies(after, limit)

    async def rule_runs(
        self, org: str, *, since: int, before: tuple[int, int], limit: int, whole: bool = False
    ) -> list[RuleRun]:
        """As the store does."""
        return await self._store.rule_runs(org, since=since, before=before, limit=limit, whole=whole)

    async def versions(self, sought: Sequence[Sought]) -> list[Record | None]:
        """As the store does."""
        return await self._store.versions(sought)

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """As the store does."""
        return await self._store.mark(space, org, key)

    async def lease(self, name: str, holder: str, for_ms: int) -> int | None:
        """As the store does."""
        return await self._store.lease(name, holder, for_ms)

    async def last_position(self) -> int:
        """As the store does."""
        return await self._store.last_position()


class GatedBus:
    """A bus whose deliveries say `<consumer>.receive` before they are handed over."""

    def __init__(self, bus: Bus, signals: Signals) -> None:
        self._bus = bus
        self._signals = signals

    async def receive(self, consumer: str, limit: int) -> Batch:
        """As the bus does, once the gate is open."""
        batch = await self._bus.receive(consumer, limit)
        await self._signals.at(f"{consumer}.receive")
        return batch

    async def acknowledge(self, batch: Batch) -> None:
        """As the bus does."""
        await self._bus.acknowledge(batch)


def gated(world: World, signals: Signals) -> World:
    """The same world with gates at its store and bus."""
    return World(
        GatedStore(world.store, signals),
        GatedBus(world.bus, signals),
        world.clock,
        world.ids,
        world.together,
        world.floors,
    )
