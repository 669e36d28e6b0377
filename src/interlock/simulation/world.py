"""A world we own: the production ports over memory, in which every awaited call is one step that a scheduler performs.

A coroutine of the service awaits `store.commit(…)`; here that hands a `Step` to whoever drives the coroutine, and
nothing has happened yet. The step says what it touches (the *places*: a conversation, an item with everything that
hangs on it, a session, a delivery), so that the explorer knows which two steps could as well come in the other order.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from typing import Any, TypeVar

from interlock.domain.conversation import Conversation
from interlock.domain.ids import compose
from interlock.domain.log import Entry, Row, RuleRun
from interlock.domain.record import Address, Record
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Batch, Commit, Mark, Query, Sought, Store, World
from interlock.service.cues import Reaction, Role, by_type, cues, rounds
from interlock.service.reactions import rounds_of
from interlock.simulation.faults import Faults
from interlock.store.memory import MemoryStore

START_MS = 1_772_442_000_000
T = TypeVar("T")


class Step:
    """One awaited call, held until the scheduler performs it.

    label    what it is, for people                  do(n)   performs it; `n` < `choices()` picks the outcome
    reads, writes, adds   places as bits. `adds` are writes that commute with each other: a row joins a list
    ready    whether it can be performed now (a delivery needs something to deliver)
    """

    __slots__ = ("adds", "choices", "do", "label", "reads", "ready", "writes")

    def __init__(
        self, label: str, do: Callable[[int], Any], *, reads: int = 0, writes: int = 0, adds: int = 0,
        ready: Callable[[], bool] | None = None, choices: Callable[[], int] | None = None,
    ) -> None:  # fmt: skip
        self.label, self.do, self.ready, self.choices = label, do, ready, choices
        self.reads, self.writes, self.adds = reads, writes, adds

    def __await__(self) -> Generator[Step, Any, Any]:
        return (yield self)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits, as those of the store in memory are."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value
    raise RuntimeError("a call of the store in memory has waited")


class Places:
    """The names of what steps touch, each a bit. They outlive a run, so that bits mean the same in all of them."""

    def __init__(self) -> None:
        self._bits: dict[tuple[str, ...], int] = {}

    def bit(self, *name: str) -> int:
        """The bit of a name."""
        found = self._bits.get(name)
        if found is None:
            found = self._bits[name] = 1 << len(self._bits)
        return found

    def names(self, bits: int) -> list[list[str]]:
        """The names of these bits."""
        return [list(name) for name, bit in self._bits.items() if bit & bits]


class Clock:
    """The time of one run; each service reads it with its own error (`skew`, ms)."""

    def __init__(self, now: int = START_MS) -> None:
        self.at = now

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self.at


class Skewed:
    """Somebody's clock: the run's, so many ms off."""

    def __init__(self, clock: Clock, skew: int) -> None:
        self._clock, self._skew = clock, skew

    def now(self) -> int:
        """Milliseconds since 1970, as this service believes."""
        return self._clock.at + self._skew


class Counted:
    """Ids in order, of one task: the same whatever others do meanwhile."""

    def __init__(self, clock: Clock, salt: int) -> None:
        self._clock, self._salt, self._n = clock, salt << 32, 0

    def fresh(self) -> str:
        """The next id."""
        self._n += 1
        return compose(self._clock.at, self._salt + self._n)


class Memory(MemoryStore):
    """The store in memory, which can be copied whole. `guard` may change a commit: a mutant's lock that is none."""

    guard: Callable[[Commit, Memory], Commit] | None = None

    def fork(self, clock: Clock) -> Memory:
        """The same records, names, marks and log, in a store of its own."""
        twin = type(self)(clock)
        twin._records, twin._claims, twin._marks = dict(self._records), dict(self._claims), dict(self._marks)
        twin._log = list(self._log)
        twin._by_state = {k: {s: dict(g) for s, g in v.items()} for k, v in self._by_state.items()}
        twin._by_parent = {k: dict(g) for k, g in self._by_parent.items()}
        twin._due = {k: dict(g) for k, g in self._due.items()}
        twin.guard = self.guard
        return twin

    def at(self, address: Address) -> Record | None:
        """The current version."""
        found = self._records.get(address)
        return found[0] if found else None

    def all(self, type: str) -> list[Record]:
        """Every record of a type."""
        return [r for a, (r, _) in self._records.items() if a.type == type]

    def parted(self, records: Sequence[Record]) -> list[list[Record]]:
        """Records of a set-up as they can be committed: all at once."""
        return [list(records)]

    def catch_up(self) -> None:
        """What was committed is in the log: there is nothing to wait for."""

    def delivers(self, commit: Commit) -> bool:
        """Whether a commit's row is in the log at once: it is."""
        return True

    def may(self, commit: Commit) -> Callable[[], bool] | None:
        """When a commit can be performed: at any time."""
        return None

    def seen_by(self, task: str) -> Store:
        """The store that a task reads: this one."""
        return self

    def put_back(self, record: Record) -> None:
        """An earlier version in place of the present one, as a restored backup does it: no rev, no row, no guard."""
        self._put(record)

    @property
    def rows(self) -> list[Row]:
        """The log, to be read or, by a restore, cut."""
        return self._log


class Channel:
    """The rows that one consumer has still to be given; only those that give it a cue, for others change nothing."""

    def __init__(self, name: str, role: Role, table: Sequence[Reaction]) -> None:
        self.name = name
        self.rows: list[Row] = []
        self.again: set[str] = set()
        self._mine = by_type(role, table)
        self._together = rounds_of(role) if any(r.role == "routing" for r in table) else []

    def wants(self, row: Row) -> bool:
        """Whether a row would give a cue."""
        return bool(cues(row, self._mine) or rounds(row, self._together))

    def reset(self, rows: Iterable[Row]) -> None:
        """As it was when the run began."""
        self.rows, self.again = list(rows), set()


class Room:
    """Everything that the tasks of a run share. One room serves all runs of an exploration, `reset` before each.

    So a step that a task has come to once can be performed again in another run: it finds the room as it then is.
    """

    def __init__(
        self, places: Places, store: Memory, clock: Clock, channels: Iterable[Channel], faults: Faults, *,
        by_hand: bool = False,
    ) -> None:  # fmt: skip
        self.places, self.faults, self.by_hand = places, faults, by_hand
        self.channels = {c.name: c for c in channels}
        self.clock = Clock(clock.at)
        self.began = len(store.rows)
        self._base, self._starts_at = store, clock.at
        self._waiting = {c.name: tuple(c.rows) for c in self.channels.values()}
        self.reset()

    def reset(self) -> None:
        """As it was before anybody acted."""
        self.clock.at = self._starts_at
        self.store = self._base.fork(self.clock)
        for name, channel in self.channels.items():
            channel.reset(self._waiting[name])
        self.before: dict[Address, Record] = {}
        self.used: dict[tuple[str, str], int] = {}
        self.restarts = False
        self.forgotten: set[str] = set()

    def left(self, fault: str, who: str) -> int:
        """How often this fault may still befall a task or a channel; each has a count of its own."""
        return getattr(self.faults, fault) - self.used.get((fault, who), 0)

    def use(self, fault: str, who: str) -> None:
        """It has befallen it."""
        self.used[fault, who] = self.used.get((fault, who), 0) + 1

    def deliver(self, row: Row) -> None:
        """A committed row joins every channel that it gives a cue to."""
        for channel in self.channels.values():
            if channel.wants(row):
                channel.rows.append(row)

    def may(self, commit: Commit) -> bool:
        """Whether a commit can be performed in the run as it now is."""
        ready = self.store.may(commit)
        return ready is None or ready()

    def place(self, address: Address) -> int:
        """The place of a record: an item, its passes and offers are one place, named by their conversation."""
        record = self.store.at(address)
        return self.places.bit(address.type, address.id) if record is None else self.place_of(record)

    def place_of(self, record: Record) -> int:
        """The place of a record in hand."""
        bit = self.places.bit
        if isinstance(record, WorkItem):
            return bit("item", record.resource)
        if isinstance(record, Reservation):
            return bit("item", record.conversation)
        if isinstance(record, QueuePass):
            item = self.store.at(Address(WorkItem.TYPE, record.org, record.work_item))
            return bit("item", item.resource if isinstance(item, WorkItem) else record.work_item)
        return bit(record.TYPE, record.id)


class SimStore:
    """The store's port of one task: each call a step."""

    def __init__(self, room: Room, task: str) -> None:
        self._room, self._task = room, task

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """As the store does; under the fault `stale` a version may be the one before."""
        room = self._room
        reads = 0
        for address in addresses:
            reads |= room.place(address)

        def do(n: int) -> list[Record | None]:
            found = at_once(room.store.seen_by(self._task).load(addresses))
            return found if n == 0 else self._stale(found)

        may = (lambda: self._ages(addresses)) if room.faults.stale else None
        return await Step("load " + ", ".join(a.type for a in addresses), do, reads=reads, choices=may)

    async def find(self, query: Query) -> list[Record]:
        """As the store does."""
        room = self._room
        ask = lambda _: at_once(room.store.seen_by(self._task).find(query))  # noqa: E731
        return await Step(f"find {query.name}", ask, reads=self._asked(query))

    async def commit(self, commit: Commit) -> Row | None:
        """As the store does; what is committed joins the channels at once, for the log is the outbox."""
        room, entry = self._room, commit.entry
        writes, adds = _written(room, commit)
        told = entry.at_position(0) if entry is not None and room.store.delivers(commit) else None
        wanted = [c for c in room.channels.values() if told is not None and c.wants(told)]
        if told is None:
            adds |= room.places.bit("list", "records-log")
        made: list[Row] = []
        may = (lambda: room.may(commit)) if room.store.may(commit) else None
        step = Step(_words(entry), lambda _: _commit(room, commit, wanted, made), writes=writes, adds=adds, ready=may)
        if not room.by_hand:
            for channel in wanted:
                step.writes |= room.places.bit("inbox", channel.name, entry.partition if entry else "")
                step.adds |= room.places.bit("inbox", channel.name)
            return await step
        row = await step
        if row is not None and wanted:
            bits = [room.places.bit("inbox", c.name) for c in wanted]
            await Step("publish", lambda _: room.deliver(row), writes=sum(bits))
        return row

    async def changes(
        self, after: int, limit: int, *, org: str = "", partition: str = "", newest: bool = False
    ) -> list[Row]:
        """As the store does."""
        room = self._room
        ask = lambda _: at_once(room.store.changes(after, limit, org=org, partition=partition, newest=newest))  # noqa: E731
        return await Step("changes", ask, reads=room.places.bit("log"))

    async def bodies(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """As the store does."""
        room = self._room
        return await Step("bodies", lambda _: at_once(room.store.bodies(after, limit)), reads=room.places.bit("log"))

    async def rule_runs(
        self, org: str, *, since: int, before: tuple[int, int], limit: int, whole: bool = False
    ) -> list[RuleRun]:
        """As the store does."""
        room = self._room
        ask = lambda _: at_once(room.store.rule_runs(org, since=since, before=before, limit=limit, whole=whole))  # noqa: E731
        return await Step("rule runs", ask, reads=room.places.bit("log"))

    async def versions(self, sought: Sequence[Sought]) -> list[Record | None]:
        """As the store does."""
        room = self._room
        return await Step("versions", lambda _: at_once(room.store.versions(sought)), reads=room.places.bit("log"))

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """As the store does."""
        room = self._room
        return await Step(
            "mark", lambda _: at_once(room.store.mark(space, org, key)), reads=room.places.bit("mark", key)
        )

    async def lease(self, name: str, holder: str, for_ms: int) -> int | None:
        """As the store does."""
        room = self._room
        take = lambda _: at_once(room.store.lease(name, holder, for_ms))  # noqa: E731
        return await Step(f"lease {name}", take, writes=room.places.bit("lease", name))

    async def last_position(self) -> int:
        """As the store does."""
        room = self._room
        return await Step("last position", lambda _: len(room.store.rows), reads=room.places.bit("log"))

    def _asked(self, query: Query) -> int:
        bit = self._room.places.bit
        if query.name == "claimed":
            head, _, rest = query.claim.partition("/")
            kind, _, id = rest.partition("/")
            if kind == "open-item":
                return bit("item", id)
            if kind == "live-session":
                return bit("shift", id)
            return bit("list", query.type) if head else 0
        if query.name == "children" and query.type == WorkItem.TYPE:
            return bit("item", query.parent)
        if query.name == "out_of_step":
            return bit("list", Conversation.TYPE) | bit("list", WorkItem.TYPE)
        return bit("list", query.type or WorkItem.TYPE)

    def _ages(self, addresses: Sequence[Address]) -> int:
        """How many answers there are to this read: two if one of the records has an earlier version."""
        room = self._room
        return 2 if room.left("stale", self._task) > 0 and any(a in room.before for a in addresses) else 1

    def _stale(self, found: Sequence[Record | None]) -> list[Record | None]:
        """Each record as it was one version ago, where it was written in this run."""
        self._room.use("stale", self._task)
        return [self._room.before.get(r.address, r) if r is not None else None for r in found]


def _words(entry: Entry | None) -> str:
    if entry is None:
        return "commit marks"
    told = ", ".join(f"{c.type} rev {c.rev}" for c in entry.changes if c.type in ("conversation", "work_item"))
    return f"commit {entry.why.direction} {entry.why.kind}" + (f": {told}" if told else "")


def _written(room: Room, commit: Commit) -> tuple[int, int]:
    bit = room.places.bit
    writes = adds = 0
    items = {w.after.id: w.after.resource for w in commit.writes if isinstance(w.after, WorkItem)}
    for write in commit.writes:
        after = write.after
        if isinstance(after, QueuePass) and after.work_item in items:
            writes |= bit("item", items[after.work_item])
        else:
            writes |= room.place_of(after)
        if after.TYPE == "work_session":
            writes |= bit("shift", getattr(after, "user", ""))
        adds |= bit("list", after.TYPE)
    for mark in commit.marks:
        writes |= bit("mark", mark.key)
    return writes, adds | (bit("log") if commit.writes else 0)


def _commit(room: Room, commit: Commit, wanted: Sequence[Channel], made: list[Row]) -> Row | None:
    """`made` keeps the row, so that whoever comes to this commit in another run hands on the very same one."""
    store = room.store
    if store.guard is not None:
        commit = store.guard(commit, store)
    row = at_once(store.commit(commit))
    if row is None:
        return None
    if room.faults.stale:
        for write in commit.writes:
            if write.before is not None:
                room.before[write.after.address] = write.before
    if not made:
        made.append(row)
    if not room.by_hand:
        for channel in wanted:
            channel.rows.append(made[0])
    return made[0]


class SimBus:
    """The bus's port of one task: it takes from the channel of the task's own name."""

    def __init__(self, room: Room, channel: str, *, alone: bool = True) -> None:
        self._room, self._channel, self._alone = room, channel, alone

    async def receive(self, consumer: str, limit: int) -> Batch:
        """Everything that waits, partition by partition, once there is something; or what the faults make of it."""
        room, name, faults = self._room, self._channel, self._room.faults
        channel = room.channels[name]
        may_fail = faults.reorder or faults.repeat or faults.drop
        return await Step(
            "receive", lambda n: _receive(room, channel, n, limit),
            reads=room.places.bit("inbox", name), writes=room.places.bit("position", name) if may_fail else 0,
            ready=lambda: bool(channel.rows), choices=(lambda: len(_outcomes(room, channel))) if may_fail else None,
        )  # fmt: skip

    async def acknowledge(self, batch: Batch) -> None:
        """These rows do not come again."""
        room, name = self._room, self._channel
        channel = room.channels[name]

        def do(_: int) -> None:
            done = {r.id for r in batch.rows} - channel.again
            channel.again -= {r.id for r in batch.rows}
            channel.rows[:] = [r for r in channel.rows if r.id not in done]

        writes = room.places.bit("position", name) if self._alone else room.places.bit("inbox", name)
        await Step("acknowledge", do, writes=writes)


def _outcomes(room: Room, channel: Channel) -> list[tuple[str, tuple[Row, ...]]]:
    """What a delivery can be: all that waits; under faults also one row alone, a batch that comes again, or nothing."""
    rows = tuple(sorted(channel.rows, key=lambda r: r.partition))
    out = [("", rows)]
    if room.faults.reorder and len(rows) > 1:
        out += [("", (row,)) for row in rows]
    if room.left("repeat", channel.name) > 0:
        out.append(("repeat", rows))
    if room.left("drop", channel.name) > 0:
        out.append(("drop", ()))
    return out


def _receive(room: Room, channel: Channel, n: int, limit: int) -> Batch:
    fault, rows = _outcomes(room, channel)[n]
    if fault:
        room.use(fault, channel.name)
    if fault == "drop":
        channel.rows.clear()
    if fault == "repeat":
        channel.again |= {r.id for r in rows}
    return Batch(channel.name, tuple(rows[:limit]))


def world_of(room: Room, task: str, salt: int, *, channel: str = "", skew: int = 0, alone: bool = True) -> World:
    """The ports as one task sees them: its own clock and ids, and the channel it receives from."""
    bus = SimBus(room, channel or task, alone=alone)
    return World(SimStore(room, task), bus, Skewed(room.clock, skew), Counted(room.clock, salt))


class Silent:
    """No bus: whoever drives this world calls every consequence by name."""

    async def receive(self, consumer: str, limit: int) -> Batch:
        """Never called."""
        raise RuntimeError(f"this world has no bus for {consumer} to receive {limit} rows from")

    async def acknowledge(self, batch: Batch) -> None:
        """Never called."""


def world_of_memory(store: Memory, clock: Clock, ids: Counted) -> World:
    """The ports over a store in memory without steps or a bus; its floors are kept, as in a process that routes."""
    return World(store, Silent(), clock, ids, floors={})
