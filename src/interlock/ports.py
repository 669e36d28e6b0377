"""What the services need from the world, on one page. Runtime, tests and simulation each hand in their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from interlock.domain.decision import Write
from interlock.domain.floor import Floor
from interlock.domain.log import Entry, Row, RuleRun
from interlock.domain.record import Address, Record
from interlock.domain.share import Share

QueryName = Literal[
    "listing",
    "children",
    "waiting",
    "left_passes",
    "updated",
    "of_owner",
    "open_of_owner",
    "live_sessions",
    "overdue",
    "out_of_step",
    "claimed",
    "orgs",
]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A named question; every engine answers the same names. Parameters that a query does not use are left empty.

    listing        records of `type` in `org`, in `states` if any are given; by (sort, id), or by id if `by_id`;
                   `descending` turns the order round
    children       records of `type` whose parent is `parent`, in `states` if any are given; by (sort, id), or by id if
                   `by_id`; `descending` turns the order round
    waiting        work items in `queue` in `states` (default queued, routed), in routing order (sort, id);
                   `descending` turns the order round
    left_passes    queue passes of `queue` that were left at or after `since` (ms), by the time of leaving (sort, id);
                   `descending` turns the order round
    updated        records of `type` (conversation, customer, message or note) changed at or after `since` and, if
                   given, before `before` (ms); by (time of the last change, id); `descending` turns the order round
    of_owner       records of `type` that belong to `owner` (work_session and reservation: a user; message: a customer),
                   in `states` if any are given; by (sort, id); `descending` turns the order round
    open_of_owner  work items owned by `owner` that are not completed
    live_sessions  work sessions of `org` that have not ended; of `owner` only, if given
    overdue        records of `type`, of every org (or of `org` if given), whose `due_at` <= `before`, earliest first
    out_of_step    conversations of `org` that differ from their open item, or are open and without one; only pairs not
                   written since `before` (ms)
    claimed        the record of `type` that holds the unique name `claim`; `org` may be empty for names that are unique
                   in the whole store
    orgs           the orgs whose id is greater than `org` (empty: all), by id
    """

    name: QueryName
    org: str
    type: str = ""
    parent: str = ""
    queue: str = ""
    owner: str = ""
    claim: str = ""
    states: tuple[str, ...] = ()
    since: int = 0
    before: int = 0
    by_id: bool = False
    descending: bool = False
    offset: int = 0
    limit: int = 100


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A row beside the records, written in the same transaction: a consumer's position, an idempotency answer, an
    effect.

    No rev, no event. `once`: the commit fails with `KeyTaken` if the mark is there already and has not passed its
    `until` (ms). `value=None` deletes it.
    """

    space: str
    org: str
    key: str
    value: bytes | None = b""
    until: int | None = None
    once: bool = False


class Fence(msgspec.Struct, frozen=True):
    """A lease and the epoch in which its holder believes to hold it."""

    name: str
    epoch: int


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `Store.commit` makes durable: all of it or nothing. `entry=None`: marks only, no row in the log.

    `urgent` work (already begun) goes before intake when many wait to be written. `fence`: the commit counts only while
    that lease is at that epoch. `earlier`: entries whose rows stand directly before that of `entry`, for who takes in
    rows of another log: each of them goes with writes of this commit, and it is one commit all the same.
    """

    entry: Entry | None = None
    earlier: tuple[Entry, ...] = ()
    writes: tuple[Write, ...] = ()
    marks: tuple[Mark, ...] = ()
    urgent: bool = True
    fence: Fence | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them, in the order of their rows."""
        return (*self.earlier, self.entry) if self.entry is not None else ()


class Sought(NamedTuple):
    """A record as it was at `rev`, which a row before position `before` has brought."""

    address: Address
    rev: int
    before: int


class Store(Protocol):
    """Revisioned records, their log, and marks. One suite (`tests/conformance`) holds every engine to this page."""

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """The current versions, in the order asked, `None` where there is none."""
        ...

    async def find(self, query: Query) -> list[Record]:
        """The answers to a named query."""
        ...

    async def commit(self, commit: Commit) -> Row | None:
        """Make it durable and answer with the row of `entry`. Checks that every `before` is still the current version.

        Raises `Fenced` if the lease of its fence has passed on, `RevMoved` if a record has moved, `KeyTaken` if a
        unique name or a `once` mark is held already, `Busy` if more waits than the store holds, `Unavailable` if it
        cannot be reached. In every case nothing was written, unless `Unavailable` says that this is not known.
        """
        ...

    async def lease(self, name: str, holder: str, for_ms: int) -> int | None:
        """Take the lease `name`, or keep it for `for_ms` from now: its epoch, or `None` while somebody else holds it.

        The epoch grows by one each time that the lease passes to another holder, or to the same one after it had run
        out; a commit fenced with an earlier epoch is refused from then on. `for_ms=0` gives it back. Time only decides
        when a lease may be taken, never whether a commit counts.
        """
        ...

    async def changes(
        self, after: int, limit: int, *, org: str = "", partition: str = "", newest: bool = False
    ) -> list[Row]:
        """Rows with a position greater than `after`, in order; of one org or partition if given; `newest`: from the
        end.
        """
        ...

    async def bodies(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """The rows of `changes` as (position, stored row), for whoever passes them on; `decode_row` reads one."""
        ...

    async def rule_runs(
        self, org: str, *, since: int, before: tuple[int, int], limit: int, whole: bool = False
    ) -> list[RuleRun]:
        """Rows of direction `rule` from `since` (ms) on and before the (time, position) given, the latest first.

        Each with the first row of its partition; `whole`: with all of them until then, itself included.
        """
        ...

    async def versions(self, sought: Sequence[Sought]) -> list[Record | None]:
        """Records as they were, in the order asked; `None`: the log does not have it.

        Only for records that are a partition of their own, as conversations and customers are.
        """
        ...

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """One mark, if it is there."""
        ...

    async def last_position(self) -> int:
        """The position of the newest row, 0 in an empty store."""
        ...


class Batch(msgspec.Struct, frozen=True):
    """Rows handed to a consumer, in order; acknowledged by the position of the last one."""

    consumer: str
    rows: tuple[Row, ...]


class Bus(Protocol):
    """Delivery of the log to named, durable consumers: at least once, in the order of positions."""

    async def receive(self, consumer: str, limit: int) -> Batch:
        """The rows after the consumer's acknowledged position; waits until there is at least one."""
        ...

    async def acknowledge(self, batch: Batch) -> None:
        """The consumer is done with these rows, whatever came of them; it will not see them again."""
        ...


class Clock(Protocol):
    """The time, for stamping and for offers that run out; no decision compares two sites' clocks."""

    def now(self) -> int:
        """Milliseconds since 1970."""
        ...


class Ids(Protocol):
    """New ids."""

    def fresh(self) -> str:
        """An id that was never given before: 24 hex digits, the first 8 the second of creation."""
        ...


Together = Callable[[Sequence[Awaitable[object]]], Awaitable[None]]
"""Runs several steps that do not depend on each other and waits for all; raises the first failure when all have
ended.
"""


async def in_turn(steps: Sequence[Awaitable[object]]) -> None:
    """One after the other: right everywhere, and what simulation and tests use. A process runs them at once."""
    for step in steps:
        await step


class World(msgspec.Struct, frozen=True):
    """Everything a service may touch.

    `floors`: the floor of each org that routing keeps in this process, by org id, fed from the log, or, where the
    bus brings every row of these orgs, with those (`service.floors.Fed`). `None`: none is kept, and every round takes
    one look at the store. `share`: the part of a role that is done here; `None`: all of it.
    """

    store: Store
    bus: Bus
    clock: Clock
    ids: Ids
    together: Together = in_turn
    floors: MutableMapping[str, Floor] | None = None
    share: Share | None = None
