"""What a role is told by the log: cues, the reactions that they lead to, and which of them leave anything to do.

A cue tells where to look and never what to write. Most rows are none of a role's business, and of those that are most
say by themselves that nothing is to be done: that is seen here, before a task is made or a record is loaded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from interlock.domain import log
from interlock.domain.change import ChangeSet
from interlock.domain.event import event_id
from interlock.domain.log import Row
from interlock.domain.record import Record, Ref
from interlock.ports import World

Role = Literal["sync", "rules", "routing", "workflow"]
ROLES: tuple[Role, ...] = ("sync", "rules", "routing", "workflow")
"""Each runs as a task of its own with a durable position of its own; they meet only through the log."""
Keeper = Role | Literal["records"]
"""Who does something by the clock: the roles, and `records`, which looks after conversations and hears of no event."""


class Cue:
    """A committed change, as a place to look: the record, what moved, and the trace to carry on.

    `snapshot` is the change set, `seen` the record as it was then: good enough to see that there is nothing to do,
    never to decide on.
    """

    __slots__ = ("_n", "_seen", "row", "snapshot")

    def __init__(self, row: Row, change: ChangeSet, n: int) -> None:
        self.row = row
        self.snapshot = change
        self._n = n
        self._seen: Record | None = None

    @property
    def org(self) -> str:
        """The org that it happened in."""
        return self.row.org

    @property
    def record(self) -> Ref:
        """The record that moved."""
        return Ref(self.snapshot.type, self.snapshot.id)

    @property
    def verb(self) -> str:
        """What happened to it: create or update."""
        return self.snapshot.verb

    @property
    def changed(self) -> frozenset[str]:
        """The outward names of the fields that moved."""
        return self.snapshot.moved

    @property
    def trace(self) -> str:
        """The W3C trace id of what led here."""
        return self.row.by.trace

    @property
    def cause(self) -> str:
        """The id of the event."""
        return event_id(self.row.id, self._n)

    @property
    def source(self) -> Ref | None:
        """The workflow, rule or bulk job behind it."""
        return self.row.by.source

    @property
    def is_sync(self) -> bool:
        """Whether a sync wrote it."""
        return self.row.why.is_sync

    @property
    def depth(self) -> int:
        """How many workflows, one started by the write of another, led here."""
        return self.row.by.depth

    @property
    def seen(self) -> Record:
        """The record as it was then; decoded once, however many look."""
        if self._seen is None:
            self._seen = log.snapshot_of(self.snapshot)
        return self._seen


React = Callable[[World, Cue], Awaitable[Any]]
Concerns = Callable[[Cue], bool]
ReactAtOnce = Callable[[World, Sequence[Cue]], Awaitable[Any]]


class Reaction(msgspec.Struct, frozen=True):
    """On a change of `type` that moves one of `fields` (empty: any), `role` calls `do`. A creation moves every field.

    `each`: every event counts by itself. Otherwise the function looks at the record as it is now, so that of several
    cues about one record the last is enough. `echo`: also called for a copy that ended in step with the record it came
    from; the two syncs are not, since such a copy holds nothing that its peer has not. `concerns`: whether the cue
    alone leaves anything to do; asked of the cue that counts, before anything is loaded.
    """

    role: Role
    type: str
    do: React
    fields: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = ("create", "update")
    each: bool = False
    echo: bool = True
    concerns: Concerns | None = None


class Round(msgspec.Struct, frozen=True):
    """All the news of a batch about the `watched` types that moves one of their fields (empty: any), handed over at
    once.
    """

    role: Role
    watched: Mapping[str, frozenset[str]]
    do: ReactAtOnce


ByType = Mapping[str, Sequence[Reaction]]
"""A role's reactions by the type of record that they look at, in the order of the table."""


def by_type(role: Role, table: Sequence[Reaction]) -> ByType:
    """What a role reacts to: made once for a batch, since most rows are none of its business."""
    found: dict[str, list[Reaction]] = {}
    for reaction in table:
        if reaction.role == role:
            found.setdefault(reaction.type, []).append(reaction)
    return found


def cues(row: Row, mine: ByType) -> list[tuple[Reaction, Cue]]:
    """What a role is told by a committed row, in the order of the table; `due` says what it has to do about it."""
    found: list[tuple[Reaction, Cue]] = []
    in_step = row.why.in_step
    for n, change in enumerate(row.changes):
        cue: Cue | None = None
        for reaction in mine.get(change.type, ()):
            if (in_step and not reaction.echo) or change.verb not in reaction.verbs:
                continue
            if _moves(change, reaction.fields):
                cue = cue or Cue(row, change, n)
                found.append((reaction, cue))
    return found


def due(told: Sequence[tuple[Reaction, Cue]]) -> list[tuple[Reaction, Cue]]:
    """What is to be done about the cues of one partition, in order: of several about one record the last is enough,
    unless each counts, and of some the cue alone says that there is nothing to do.
    """
    latest = {(r.do, cue.snapshot.type, cue.snapshot.id): n for n, (r, cue) in enumerate(told)}
    return [
        (r, cue)
        for n, (r, cue) in enumerate(told)
        if (r.each or latest[r.do, cue.snapshot.type, cue.snapshot.id] == n) and (r.concerns is None or r.concerns(cue))
    ]


def rounds(row: Row, mine: Sequence[Round]) -> list[tuple[Round, Cue]]:
    """What a committed row adds to a role's rounds."""
    if not mine:
        return []
    return [
        (each, cue_of(row, change, n))
        for n, change in enumerate(row.changes)
        for each in mine
        if change.type in each.watched and _moves(change, each.watched[change.type])
    ]


def _moves(change: ChangeSet, fields: frozenset[str]) -> bool:
    return not fields or change.touches(fields)


def cue_of(row: Row, change: ChangeSet, n: int) -> Cue:
    """The cue that a row's `n`-th change set gives; its cause is the id of that event."""
    return Cue(row, change, n)
