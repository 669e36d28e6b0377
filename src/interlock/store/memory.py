"""The store in memory: every promise of the port but survival. Tests and simulator run on it; it is the others' model.

Each method is one step: nothing in here waits, so whoever schedules the callers decides the order of everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from interlock.domain import kinds
from interlock.domain.errors import Fenced, RevMoved
from interlock.domain.log import Row, RuleRun, decode_row, decode_run, encode_entry, encode_record, rows_up_to
from interlock.domain.record import Address, Index, Record
from interlock.ports import Clock, Commit, Mark, Query, Sought
from interlock.store.claims import Held, moved_claims, taken_by

MarkKey = tuple[str, str, str]
Group = dict[Address, None]
LISTED_BY_CHANGE = frozenset({"conversation", "customer", "message", "note"})
LISTED_BY_OWNER = frozenset({"work_session", "reservation", "message"})


class MemoryStore:
    """Records, log and marks as Python objects.

    `checked`: every record and row that is written must equal what a reader of its encoded form gets (`ValueError`);
    one that does not would be another one after a restart.
    """

    def __init__(self, clock: Clock, *, checked: bool = False) -> None:
        self._clock = clock
        self._checked = checked
        self._records: dict[Address, tuple[Record, Index]] = {}
        self._claims: dict[str, Address] = {}
        self._marks: dict[MarkKey, Mark] = {}
        self._leases: dict[str, tuple[str, int, int]] = {}
        self._log: list[Row] = []
        self._by_state: dict[tuple[str, str], dict[str, Group]] = {}
        self._by_parent: dict[tuple[str, str, str], Group] = {}
        self._due: dict[str, Group] = {}
        self._listeners: list[Callable[[Sequence[Row]], None]] = []

    async def ready(self) -> None:
        """It is."""

    async def close(self) -> None:
        """Nothing is let go of: it lasts as long as its process refers to it."""

    def on_news(self, heard: Callable[[int], None]) -> None:
        """Nobody else writes here."""

    def listen(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Have `listener` called with the rows of each commit, in order, before its author gets the answer."""
        self._listeners.append(listener)

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """The current versions, in the order asked, `None` where there is none."""
        records = self._records
        return [found[0] if (found := records.get(address)) is not None else None for address in addresses]

    async def find(self, query: Query) -> list[Record]:
        """The answers to a named query."""
        found = _QUESTIONS[query.name](self, query)
        return found[query.offset : query.offset + query.limit]

    async def commit(self, commit: Commit) -> Row | None:
        """All of it or nothing; see the port."""
        if commit.entry is None and (commit.writes or commit.earlier):
            raise ValueError("a commit with writes needs an entry for the log")
        if self._checked:
            _check_encoding(commit)
        released, taken = self._check(commit)
        for name, _ in released:
            del self._claims[name]
        self._claims.update(taken)
        for write in commit.writes:
            self._put(write.after)
        for mark in commit.marks:
            if mark.value is None:
                self._marks.pop(_key(mark), None)
            else:
                self._marks[_key(mark)] = Mark(
                    space=mark.space, org=mark.org, key=mark.key, value=mark.value, until=mark.until
                )
        if commit.entry is None:
            return None
        rows = rows_up_to(commit.earlier, commit.entry.at_position(len(self._log) + len(commit.entries)))
        self._log += rows
        for listener in self._listeners:
            listener(rows)
        return rows[-1]

    async def lease(self, name: str, holder: str, for_ms: int) -> int | None:
        """Take or keep a lease: its epoch, or `None` while somebody else holds it; see the port."""
        now = self._clock.now()
        owner, epoch, until = self._leases.get(name, ("", 0, 0))
        live = epoch > 0 and until > now
        if owner != holder if live else for_ms <= 0:
            return None
        epoch += not live
        self._leases[name] = (holder, epoch, now + max(0, for_ms))
        return epoch

    async def changes(
        self, after: int, limit: int, *, org: str = "", partition: str = "", newest: bool = False
    ) -> list[Row]:
        """Rows after a position, in order; the last `limit` of them if `newest`."""
        rows = self._log[after:]
        if org or partition:
            rows = [r for r in rows if org in ("", r.org) and partition in ("", r.partition)]
        return rows[max(0, len(rows) - limit) :] if newest else rows[:limit]

    async def bodies(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Rows after a position, encoded."""
        return [(r.position, encode_entry(r)) for r in self._log[after : after + limit]]

    async def rule_runs(
        self, org: str, *, since: int, before: tuple[int, int], limit: int, whole: bool = False
    ) -> list[RuleRun]:
        """Runs of the queue rules, the latest first; see the port."""
        rows = [r for r in self._log if r.org == org and r.why.direction == "rule"]
        found = [r for r in rows if r.at >= since and (r.at, r.position) < before]
        found.sort(key=lambda r: (r.at, r.position), reverse=True)
        return [self._run(r, whole) for r in found[:limit]]

    def _run(self, run: Row, whole: bool) -> RuleRun:
        rows = [r for r in self._log[: run.position] if r.partition == run.partition and r.org == run.org]
        earlier = [(r.position, encode_entry(r)) for r in rows]
        return decode_run(run.position, encode_entry(run), earlier[0][1], earlier if whole else ())

    async def versions(self, sought: Sequence[Sought]) -> list[Record | None]:
        """Records as they were; see the port."""
        wanted = {(s.address, s.rev) for s in sought}
        found = {
            (address, c.rev): (row.position, kinds.decode(c.type, bytes(c.snapshot)))
            for row in self._log
            for c in row.changes
            if row.partition == c.id and ((address := Address(c.type, row.org, c.id)), c.rev) in wanted
        }
        there = [(s, found.get((s.address, s.rev))) for s in sought]
        return [version[1] if version and version[0] < s.before else None for s, version in there]

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """One mark, if it is there and its time has not passed."""
        mark = self._marks.get((space, org, key))
        return mark if mark is not None and self._lives(mark) else None

    async def all_marks(self, after: tuple[str, str, str], limit: int) -> list[Mark]:
        """Marks behind `after`, in the order of (space, org, key), for `db copy`."""
        return [m for key, m in sorted(self._marks.items()) if key > after and self._lives(m)][:limit]

    async def last_position(self) -> int:
        """The position of the newest row, 0 in an empty store."""
        return len(self._log)

    def _check(self, commit: Commit) -> tuple[list[Held], list[Held]]:
        """Raises what stands against the commit; the claims that it moves."""
        fence = commit.fence
        epoch = self._leases.get(fence.name, ("", 0, 0))[1] if fence is not None else 0
        if fence is not None and epoch != fence.epoch:
            raise Fenced(f"{fence.name} is at epoch {epoch}.", epoch=epoch)
        released, taken = moved_claims(commit.writes)
        revs: dict[Address, int] = {}
        for write in commit.writes:
            address = write.after.address
            found = self._records.get(address)
            current = revs.get(address, found[0].rev if found else 0)
            if current != (write.before.rev if write.before is not None else 0):
                raise RevMoved(f"{address.type} {address.id} is at rev {current}.", rev=current)
            revs[address] = write.after.rev
        released = [(name, holder) for name, holder in released if self._claims.get(name) == holder]
        free = {name for name, _ in released}
        for name, _ in taken:
            if name in self._claims and name not in free:
                raise taken_by(name)
        self._check_marks(commit.marks)
        return released, taken

    def _check_marks(self, marks: Sequence[Mark]) -> None:
        staged: dict[MarkKey, Mark | None] = {}
        for mark in marks:
            key = _key(mark)
            held = staged[key] if key in staged else self._marks.get(key)
            if mark.once and mark.value is not None and held is not None and self._lives(held):
                raise taken_by("/".join(key))
            staged[key] = mark if mark.value is not None else None

    def _lives(self, mark: Mark) -> bool:
        return mark.until is None or self._clock.now() < mark.until

    def _put(self, record: Record) -> None:
        address, index = record.address, record.index()
        old = self._records.get(address)
        self._records[address] = (record, index)
        if old is not None:
            if old[1] == index:
                return
            self._group_by_state(address, old[1]).pop(address, None)
            self._by_parent.get((address.type, address.org, old[1].parent), {}).pop(address, None)
            self._due.get(address.type, {}).pop(address, None)
        self._group_by_state(address, index)[address] = None
        if index.parent:
            self._by_parent.setdefault((address.type, address.org, index.parent), {})[address] = None
        if index.due_at is not None:
            self._due.setdefault(address.type, {})[address] = None

    def _group_by_state(self, address: Address, index: Index) -> Group:
        return self._by_state.setdefault((address.type, address.org), {}).setdefault(index.state, {})

    def _in_states(self, type: str, org: str, states: Sequence[str] = (), *, but: Sequence[str] = ()) -> list[Address]:
        groups = self._by_state.get((type, org), {})
        chosen = dict.fromkeys(states) if states else [s for s in groups if s not in but]
        return [address for state in chosen for address in groups.get(state, ())]

    def _ordered(self, addresses: Iterable[Address], q: Query) -> list[Record]:
        found = [self._records[a] for a in addresses]
        found.sort(key=_by_id if q.by_id else _by_sort, reverse=q.descending)
        return [record for record, _ in found]

    def _listing(self, q: Query) -> list[Record]:
        return self._ordered(self._in_states(q.type, q.org, q.states), q)

    def _children(self, q: Query) -> list[Record]:
        among = self._by_parent.get((q.type, q.org, q.parent), {})
        return self._ordered((a for a in among if not q.states or self._records[a][1].state in q.states), q)

    def _of_queue(self, type: str, q: Query, states: Sequence[str]) -> list[tuple[Record, Index]]:
        among = self._in_states(type, q.org, states)
        found = [self._records[a] for a in among if q.queue and self._records[a][1].queue == q.queue]
        return sorted(found, key=_by_sort, reverse=q.descending)

    def _waiting(self, q: Query) -> list[Record]:
        return [record for record, _ in self._of_queue("work_item", q, q.states or ("queued", "routed"))]

    def _left_passes(self, q: Query) -> list[Record]:
        since = f"{q.since:015d}"
        return [r for r, index in self._of_queue("work_item_revision", q, ("left",)) if index.sort >= since]

    def _updated(self, q: Query) -> list[Record]:
        if q.type not in LISTED_BY_CHANGE:
            return []
        among = (self._records[a][0] for a in self._in_states(q.type, q.org))
        found = [r for r in among if q.since <= r.updated_at and (not q.before or r.updated_at < q.before)]
        return sorted(found, key=lambda r: (r.updated_at, r.id), reverse=q.descending)

    def _of_owner(self, q: Query) -> list[Record]:
        if q.type not in LISTED_BY_OWNER or not q.owner:
            return []
        among = self._in_states(q.type, q.org, q.states)
        return self._ordered((a for a in among if self._records[a][1].owner == q.owner), q)

    def _open_of_owner(self, q: Query) -> list[Record]:
        among = self._in_states("work_item", q.org, but=("completed",))
        found = [self._records[a] for a in among if q.owner and self._records[a][1].owner == q.owner]
        return [record for record, _ in sorted(found, key=_by_id)]

    def _live_sessions(self, q: Query) -> list[Record]:
        among = self._in_states("work_session", q.org, but=("ended",))
        found = [self._records[a] for a in among if q.owner in ("", self._records[a][1].owner)]
        return [record for record, _ in sorted(found, key=_by_sort)]

    def _overdue(self, q: Query) -> list[Record]:
        found = [
            (index.due_at, record.id, record.org, record)
            for record, index in (self._records[a] for a in self._due.get(q.type, ()) if q.org in ("", a.org))
            if index.due_at is not None and index.due_at <= q.before
        ]
        found.sort(key=lambda f: f[:3])
        return [record for *_, record in found]

    def _out_of_step(self, q: Query) -> list[Record]:
        """The open items by conversation; then whoever differs from theirs, or is live and has none."""
        items: dict[str, tuple[Record, Index]] = {}
        for a in self._in_states("work_item", q.org, but=("completed",)):
            record, index = self._records[a]
            items[index.parent] = (record, index)
        live = {a.id for a in self._in_states("conversation", q.org, but=("done", "deleted"))}
        found: list[Record] = []
        for id in sorted(live | items.keys()):
            pair = self._records.get(Address("conversation", q.org, id))
            item = items.get(id)
            if pair is None or (item is not None and item[1].mark == pair[1].mark):
                continue
            if pair[0].updated_at <= q.before and (item is None or item[0].updated_at <= q.before):
                found.append(pair[0])
        return found

    def _claimed(self, q: Query) -> list[Record]:
        address = self._claims.get(q.claim)
        if address is None or address.type != q.type or q.org not in ("", address.org):
            return []
        return [self._records[address][0]]

    def _orgs(self, q: Query) -> list[Record]:
        found = [
            a
            for (type, org), groups in self._by_state.items()
            if type == "org" and org > q.org
            for g in groups.values()
            for a in g
        ]
        return [self._records[a][0] for a in sorted(found)]


def _key(mark: Mark) -> MarkKey:
    return mark.space, mark.org, mark.key


def _by_id(pair: tuple[Record, Index]) -> str:
    return pair[0].id


def _by_sort(pair: tuple[Record, Index]) -> tuple[str, str]:
    return pair[1].sort, pair[0].id


def _check_encoding(commit: Commit) -> None:
    for write in commit.writes:
        after = write.after
        if kinds.decode(after.TYPE, encode_record(after)) != after:
            raise ValueError(f"{after.TYPE} {after.id} is another record once it is encoded and read again")
    for entry in commit.entries:
        if decode_row(1, encode_entry(entry)) != entry.at_position(1):
            raise ValueError(f"the row of {entry.id} is another one once it is encoded and read again")


_QUESTIONS: dict[str, Callable[[MemoryStore, Query], list[Record]]] = {
    "listing": MemoryStore._listing,
    "children": MemoryStore._children,
    "waiting": MemoryStore._waiting,
    "left_passes": MemoryStore._left_passes,
    "updated": MemoryStore._updated,
    "of_owner": MemoryStore._of_owner,
    "open_of_owner": MemoryStore._open_of_owner,
    "live_sessions": MemoryStore._live_sessions,
    "overdue": MemoryStore._overdue,
    "out_of_step": MemoryStore._out_of_step,
    "claimed": MemoryStore._claimed,
    "orgs": MemoryStore._orgs,
}
