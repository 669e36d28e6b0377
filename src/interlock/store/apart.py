"""Two databases behind one port: the records service's own, and routing's, which holds the one log and copies.

Each commit is on one side; one that would write on both is refused, for nothing here commits twice. What routing
commits on versions of the other side waits until the log has the rows of those versions: so in the one log a cause
stands before its effects, as it does in a store of one database. docs/adr/0012 has the reasons.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import msgspec

from interlock.domain.errors import Fenced, Unavailable
from interlock.domain.log import Entry, Row, RuleRun
from interlock.domain.record import Address, Record
from interlock.domain.side import Side, side_of
from interlock.ports import Commit, Fence, Mark, Query, Sought, Store
from interlock.store.opening import OpenStore

S = TypeVar("S", bound=Store)
T = TypeVar("T")

PATIENCE_S = 5.0
"""How long a commit of routing waits for the log to have what it rests on."""
LOOK_AGAIN_S = 0.02
BRIEFLY_S = 1.0
"""How long the records database is waited for where its answer is not needed, and then not asked again."""
BY_TYPE = frozenset({"listing", "children", "updated", "of_owner", "overdue", "claimed"})
"""Queries about records of one type, which one side owns; all others are about routing's records, or its copies."""
KNOWN_BY_COPIES = frozenset({"user", "team"})
"""Whose copies do while the records database is away: an agent who signs in or out is known by them."""
ON_COPIES = frozenset({"routing", "rules"})
"""Roles that never ask the records database: they go by the copies, and go on while it is away."""


class ApartStore:
    """The port over two stores. A record is read where it is owned; log, leases and positions are routing's.

    The row that a commit on the records side answers with has position 0: it has its place in the log when it has been
    taken in. While the records database is away a lease is kept without it, and nothing fenced is written there.
    """

    def __init__(self, records: OpenStore, routing: OpenStore, *, patience_s: float = PATIENCE_S) -> None:
        self.records = records
        self.routing = routing
        self._patience_s = patience_s
        self._leases: dict[tuple[str, int], int] = {}
        """(name, epoch in routing) → the epoch of the lease of that name in the records database."""
        self._held: dict[str, tuple[str, int]] = {}
        self._away_until = 0.0
        self._news = asyncio.Event()
        routing.listen(lambda _: self._wake())

    async def ready(self) -> None:
        """Reach both. Raises `Unavailable` with what to do."""
        await self.routing.ready()
        await self.records.ready()

    async def close(self) -> None:
        """Finish what waits on both, and let go of them."""
        await self.records.close()
        await self.routing.close()

    def listen(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Have `listener` called with the rows that the one log got, before their authors are answered."""
        self.routing.listen(listener)

    def on_news(self, heard: Callable[[int], None]) -> None:
        """Have `heard` called when another process has written to the one log."""
        self.routing.on_news(heard)

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """The current versions, in the order asked; those of one side are of one moment."""
        theirs = [side_of(a.type) == "records" for a in addresses]
        if not any(theirs):
            return await self.routing.load(addresses)
        if all(theirs):
            return await self._load_there(addresses)
        there = iter(await self._load_there([a for a, t in zip(addresses, theirs, strict=True) if t]))
        here = iter(await self.routing.load([a for a, t in zip(addresses, theirs, strict=True) if not t]))
        return [next(there if t else here) for t in theirs]

    async def _load_there(self, addresses: Sequence[Address]) -> list[Record | None]:
        try:
            return await self.records.load(addresses)
        except Unavailable:
            if any(a.type not in KNOWN_BY_COPIES for a in addresses):
                raise
            return await self.routing.load(addresses)

    async def find(self, query: Query) -> list[Record]:
        """The answers to a named query. Pairs out of step are looked for among the copies, where an index knows."""
        theirs = query.name in BY_TYPE and side_of(query.type) == "records"
        return await (self.records if theirs else self.routing).find(query)

    async def commit(self, commit: Commit) -> Row | None:
        """All of it on one side; see the port. Raises `ValueError` for writes on both."""
        if commit.entry is None:
            return await self._commit_marks(commit)
        if _side_of(commit) == "records":
            return await self._commit_records(commit)
        for entry in commit.entries:
            await self._has_what_it_rests_on(entry)
        return await self.routing.commit(commit)

    async def lease(self, name: str, holder: str, for_ms: int) -> int | None:
        """Routing's lease counts. The same one is held in the records database, whose commits check their own."""
        epoch = await self.routing.lease(name, holder, for_ms)
        if epoch is None:
            return None
        if for_ms > 0:
            self._held[name] = (holder, for_ms)
        else:
            self._held.pop(name, None)
        theirs = await self._if_there(lambda: self._lease_there(name, holder, for_ms))
        if theirs is not None:
            self._keep(name, epoch, theirs[0])
        return epoch

    async def changes(
        self, after: int, limit: int, *, org: str = "", partition: str = "", newest: bool = False
    ) -> list[Row]:
        """Rows of the one log."""
        return await self.routing.changes(after, limit, org=org, partition=partition, newest=newest)

    async def bodies(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Stored rows of the one log."""
        return await self.routing.bodies(after, limit)

    async def rule_runs(
        self, org: str, *, since: int, before: tuple[int, int], limit: int, whole: bool = False
    ) -> list[RuleRun]:
        """Runs of the queue rules, from the one log."""
        return await self.routing.rule_runs(org, since=since, before=before, limit=limit, whole=whole)

    async def versions(self, sought: Sequence[Sought]) -> list[Record | None]:
        """Records as they were, from the one log."""
        return await self.routing.versions(sought)

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """One mark: it is beside what it was committed with, so on either side; one of no org is routing's.

        While the records database is away its marks are not seen. Whoever must not do a thing twice leaves a mark
        `once` in the commit that does it, and there it is seen.
        """
        found = await self.routing.mark(space, org, key)
        if found is not None or not org:
            return found
        return await self._if_there(lambda: self.records.mark(space, org, key))

    async def all_marks(self, after: tuple[str, str, str], limit: int) -> list[Mark]:
        """Routing's marks; each database is copied by itself."""
        return await self.routing.all_marks(after, limit)

    async def last_position(self) -> int:
        """The position of the newest row of the one log."""
        return await self.routing.last_position()

    async def _lease_there(self, name: str, holder: str, for_ms: int) -> tuple[int | None]:
        return (await self.records.lease(name, holder, for_ms),)

    async def _if_there(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """The records database's answer, or `None` while it is away: what can do without does not wait for it."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until:
            return None
        try:
            async with asyncio.timeout(BRIEFLY_S):
                return await ask()
        except (Unavailable, TimeoutError):
            self._away_until = loop.time() + BRIEFLY_S
            return None

    async def _commit_records(self, commit: Commit) -> Row | None:
        fence = commit.fence
        if fence is not None:
            commit = msgspec.structs.replace(commit, fence=Fence(fence.name, await self._epoch_there(fence)))
        row = await self.records.commit(commit)
        return row if row is None else msgspec.structs.replace(row, position=0)

    async def _commit_marks(self, commit: Commit) -> Row | None:
        """Marks alone are routing's. One that is there `once` is first there: some commit on that side may be about to
        leave the same one beside what it writes.
        """
        once = tuple(m for m in commit.marks if m.once and m.org)
        if once:
            await self._commit_records(msgspec.structs.replace(commit, marks=once))
        return await self.routing.commit(commit)

    async def _epoch_there(self, fence: Fence) -> int:
        """The epoch of a fence as the records database counts it; taken there now if it was away before."""
        known = self._leases.get((fence.name, fence.epoch))
        if known is not None:
            return known
        held = self._held.get(fence.name)
        if held is not None:
            epoch = await self.lease(fence.name, *held)
            if epoch != fence.epoch:
                raise Fenced(f"{fence.name} is at epoch {epoch}.", epoch=epoch or 0)
            known = self._leases.get((fence.name, fence.epoch))
            if known is None:
                raise Unavailable(f"The records database does not give the lease {fence.name} yet.")
            return known
        return -1  # never held here: its commit is refused, and says which epoch there is

    def _keep(self, name: str, epoch: int, theirs: int | None) -> None:
        for key in [k for k in self._leases if k[0] == name and k[1] != epoch]:
            if key[1] < epoch - 1:
                del self._leases[key]  # fences of long ago
        if theirs is None:
            self._leases.pop((name, epoch), None)
        else:
            self._leases[name, epoch] = theirs

    async def _has_what_it_rests_on(self, entry: Entry) -> None:
        """Return once the log has the rows of all versions of the other side that the decision had read.

        A copy is written with its row, so where the copy is, the row is. Raises `Unavailable` after `patience_s`.
        """
        wanted = {Address(b.type, entry.org, b.id): b.rev for b in entry.basis if side_of(b.type) == "records"}
        if not wanted:
            return
        give_up_at = asyncio.get_running_loop().time() + self._patience_s
        while True:
            news = self._news
            copies = await self.routing.load(list(wanted))
            late = [a for a, copy in zip(wanted, copies, strict=True) if (copy.rev if copy else 0) < wanted[a]]
            if not late or not await self._to_come({a: wanted[a] for a in late}):
                return
            if asyncio.get_running_loop().time() >= give_up_at:
                what = f"rev {wanted[late[0]]} of {late[0].type} {late[0].id}"
                raise Unavailable(
                    f"The log does not have {what} yet: is a process with the role sync running, and does it reach the "
                    "records database?"
                )
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await news.wait()
            except TimeoutError:
                continue

    async def _to_come(self, wanted: dict[Address, int]) -> bool:
        """Whether the records database has one of these versions: what it has not got is not waited for."""
        found = await self.records.load(list(wanted))
        return any(r is not None and r.rev >= rev for r, rev in zip(found, wanted.values(), strict=True))

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _side_of(commit: Commit) -> Side:
    """The side of what it writes; of a decision not to write, the side of the record that it is about."""
    sides = {side_of(w.after.TYPE) for w in commit.writes}
    if len(sides) > 1:
        raise ValueError(f"a commit writes on both sides: {sorted({w.after.TYPE for w in commit.writes})}")
    if commit.writes:
        return side_of(commit.writes[0].after.TYPE)
    about = commit.entry.why.record if commit.entry is not None else None
    return side_of(about.type) if about is not None else "routing"


class OnCopies:
    """The two as routing sees them: everything in its own database, the other side's records as copies of them.

    It works without the records database and cannot write there.
    """

    def __init__(self, apart: ApartStore) -> None:
        self._apart = apart

    async def commit(self, commit: Commit) -> Row | None:
        """As routing's database does. Raises `ValueError` for a write of what the other side owns."""
        if any(side_of(w.after.TYPE) == "records" for w in commit.writes):
            raise ValueError("routing writes its own records only; the records service has to decide this")
        return await self._apart.routing.commit(commit)

    async def lease(self, name: str, holder: str, for_ms: int) -> int | None:
        """As both do."""
        return await self._apart.lease(name, holder, for_ms)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._apart.routing, name)


def seen_by(role: str, store: S) -> S:
    """The store as a role sees it: routing and rules go by the copies, where there are two databases."""
    return cast("S", OnCopies(store)) if isinstance(store, ApartStore) and role in ON_COPIES else store
