"""Two databases in a world we own: the records service's log reaches the one log only through the collector, which is
a task like any other: it may stand still, be doubled, or die between any two of its calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from interlock.domain.log import Row, rows_up_to
from interlock.domain.record import Address, Record
from interlock.domain.side import Collected, side_of
from interlock.ports import Commit, Mark, Query, Store
from interlock.service.collector import run_once
from interlock.simulation.stage import Part, Seat
from interlock.simulation.world import Clock, Memory, Room, Step, at_once
from interlock.store.apart import BY_TYPE, ON_COPIES

COLLECTOR = "collector"


class Apart(Memory):
    """Routing's database, with the records service's beside it; as in production each record is read where it is owned,
    and the copies by those who go by them.
    """

    def __init__(self, clock: Clock, *, checked: bool = False) -> None:
        super().__init__(clock, checked=checked)
        self.records = Memory(clock)

    def fork(self, clock: Clock) -> Apart:
        """Both as they are, in stores of their own."""
        twin = super().fork(clock)
        assert isinstance(twin, Apart)
        twin.records = self.records.fork(clock)
        return twin

    def at(self, address: Address) -> Record | None:
        """The current version, where it is owned."""
        return self.records.at(address) if side_of(address.type) == "records" else super().at(address)

    def copy_at(self, address: Address) -> Record | None:
        """The version that routing has."""
        return super().at(address)

    def all(self, type: str) -> list[Record]:
        """Every record of a type, where they are owned."""
        return self.records.all(type) if side_of(type) == "records" else super().all(type)

    def parted(self, records: Sequence[Record]) -> list[list[Record]]:
        """Records of a set-up as they can be committed: side by side."""
        sides = [[r for r in records if side_of(r.TYPE) == side] for side in ("routing", "records")]
        return [side for side in sides if side]

    def catch_up(self) -> None:
        """The collector has its turn, in a set-up."""
        while at_once(run_once(self.records, _as_store(Copies(self)))):
            pass

    def delivers(self, commit: Commit) -> bool:
        """Whether a commit's row is in the one log at once."""
        return not any(side_of(w.after.TYPE) == "records" for w in commit.writes)

    def may(self, commit: Commit) -> Callable[[], bool] | None:
        """When a commit can be performed: once the log has the rows of what it rests on."""
        entry = commit.entry
        if entry is None or not self.delivers(commit):
            return None
        wanted = [(Address(b.type, entry.org, b.id), b.rev) for b in entry.basis if side_of(b.type) == "records"]
        return (lambda: self.has(wanted)) if wanted else None

    def has(self, wanted: Sequence[tuple[Address, int]]) -> bool:
        """Whether the copies have come to these revs."""
        found = [(self.copy_at(address), rev) for address, rev in wanted]
        return all(r is not None and r.rev >= rev for r, rev in found)

    def seen_by(self, task: str) -> Store:
        """The store that a task reads."""
        return _as_store(Copies(self)) if task.partition("-")[0] in ON_COPIES else self

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """The current versions, where they are owned."""
        return [self.at(address) for address in addresses]

    async def find(self, query: Query) -> list[Record]:
        """As the store over two databases asks."""
        theirs = query.name in BY_TYPE and side_of(query.type) == "records"
        return await (self.records.find(query) if theirs else super().find(query))

    async def commit(self, commit: Commit) -> Row | None:
        """On one side; raises `ValueError` for writes on both."""
        if self.delivers(commit):
            return await super().commit(commit)
        if any(side_of(w.after.TYPE) == "routing" for w in commit.writes):
            raise ValueError("a commit writes on both sides")
        return await self.records.commit(commit)


class Copies:
    """Routing's database by itself, with its copies."""

    def __init__(self, apart: Apart) -> None:
        self._apart = apart

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """Routing's records, and copies."""
        return [self._apart.copy_at(address) for address in addresses]

    async def find(self, query: Query) -> list[Record]:
        """The same."""
        return await Memory.find(self._apart, query)

    async def commit(self, commit: Commit) -> Row | None:
        """Into routing's database, whatever it is."""
        return await Memory.commit(self._apart, commit)

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """Routing's."""
        return await self._apart.mark(space, org, key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._apart, name)


def _as_store(part: Copies | _Steps) -> Store:
    """As much of the port as is asked of it."""
    return cast("Store", part)


class _Steps:
    """What the collector asks of one side, each call a step."""

    def __init__(self, room: Room, *, routing: bool) -> None:
        self._room, self._routing = room, routing

    def _side(self) -> Store:
        store = self._room.store
        assert isinstance(store, Apart)
        return _as_store(Copies(store)) if self._routing else store.records

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """A step."""
        reads = self._copies(addresses)
        return await Step("load copies", lambda _: at_once(self._side().load(addresses)), reads=reads)

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """A step."""
        reads = self._room.places.bit("collected")
        return await Step("mark", lambda _: at_once(self._side().mark(space, org, key)), reads=reads)

    async def changes(self, after: int, limit: int, **more: Any) -> list[Row]:
        """A step."""
        reads = self._room.places.bit("list", "records-log")
        return await Step("records log", lambda _: at_once(self._side().changes(after, limit, **more)), reads=reads)

    async def commit(self, commit: Commit) -> Row | None:
        """A step: the rows join the log and the channels, as rows of routing's own do."""
        room, bit = self._room, self._room.places.bit
        told = [e.at_position(0) for e in commit.entries]
        wanted = [[c for c in room.channels.values() if c.wants(row)] for row in told]
        writes = self._copies([w.after.address for w in commit.writes])
        adds = bit("log")
        for row, channels in zip(told, wanted, strict=True):
            for channel in channels:
                writes |= bit("inbox", channel.name, row.partition)
                adds |= bit("inbox", channel.name)

        def do(_: int) -> Row | None:
            last = at_once(self._side().commit(commit))
            rows = rows_up_to(commit.earlier, last) if last is not None else ()
            for row, channels in zip(rows, wanted, strict=True):
                for channel in channels:
                    channel.rows.append(row)
            return last

        return await Step("collect", do, writes=writes, adds=adds)

    def _copies(self, addresses: Sequence[Address]) -> int:
        bits = 0
        for a in addresses:
            bits |= self._room.places.bit("collected" if a.type == Collected.TYPE else "copy", a.type, a.id)
        return bits | self._room.places.bit("collected")


def collector(name: str = COLLECTOR, do: Callable[[Store, Store], Any] | None = None) -> Part:
    """The collector as a task; `do` stands in for production's own."""
    take_in: Any = do or run_once

    async def act(seat: Seat) -> None:
        room = seat.room
        await Step(
            "sees news", lambda _: None, reads=room.places.bit("list", "records-log"), ready=lambda: _behind(room)
        )
        await take_in(_as_store(_Steps(room, routing=False)), _as_store(_Steps(room, routing=True)))

    return Part(name, act, again=True, unsure=False)


def _behind(room: Room) -> bool:
    store = room.store
    assert isinstance(store, Apart)
    last = store.copy_at(Address(Collected.TYPE, "", "records"))
    return len(store.records.rows) > (last.rev if last is not None else 0)
