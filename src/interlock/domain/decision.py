"""Decisions: what must be committed together, and the record that says why, kept also when nothing was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from interlock.domain.assignment import Actor
from interlock.domain.record import Record, Ref

Direction = Literal["forward", "reverse", "routing", "rule", "offer", "person", "workflow", "system"]
Kind = Literal[
    "intent",
    "merge",
    "noop",
    "duplicate",
    "declined",
    "stale-refused",
    "conflict",
    "parked",
    "fenced",
    "restored",
    "change",
]
"""What a decision came to. `change`: records moved that no sync carries (a queue renamed, an agent signed in)."""


class Provenance(msgspec.Struct, frozen=True, omit_defaults=True):
    """On whose behalf, through which door and because of what a decision is made; stored with everything it writes.

    client  api console workflow rules routing sync bulk cli system      trace   W3C trace id, 32 hex digits
    cause   the event reacted to (its id)          source  the workflow, rule, bulk job … behind it
    depth   how many workflows, one started by the write of another, led here
    """

    org: str
    actor: Actor
    client: str
    trace: str = ""
    span: str = ""
    cause: str = ""
    source: Ref | None = None
    depth: int = 0


class Basis(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version that the decider had read, and when (ms). `seen: false` on an unconditional write: the author's is
    not known.
    """

    type: str
    id: str
    rev: int
    read_at: int = 0
    seen: bool = True


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `routingReasons`: what was done and why, by code."""

    action: str
    code: str
    meta: dict[str, Any] = {}


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent that was considered for an item; `reason` is empty for the one that was chosen."""

    user: str
    session: str
    rev: int
    eligible: bool
    reason: str = ""
    rank: int = 0


class Tried(msgspec.Struct, frozen=True, omit_defaults=True):
    """A queue rule that was looked at, and its first condition that failed (none: it matched)."""

    rule: str
    rev: int
    failed: str = ""


class Party(msgspec.Struct, frozen=True, omit_defaults=True):
    """One side of a conflict: the intent's value, its author, the version that carried it, and the version its author
    had seen.
    """

    value: dict[str, Any]
    actor: Actor
    record: Ref
    rev: int
    dot: tuple[str, int, int]
    seen: tuple[tuple[str, int, int], ...] = ()


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The decision record without what every decision has: everything a rule adds to explain itself.

    `in_step`: after this sync the record holds exactly the coupled state of the peer that was read. The peer's own
    state only grows from there, so this write is no news to it, and nobody has to look.
    """

    direction: Direction
    kind: Kind
    reason: str = ""
    record: Ref | None = None
    rev_before: int = 0
    rev_after: int = 0
    guard: int | None = None
    rule: Basis | None = None
    tried: tuple[Tried, ...] = ()
    meant: dict[str, Any] = {}
    written: dict[str, Any] = {}
    candidates: tuple[Candidate, ...] = ()
    counts: dict[str, int] = {}
    strategy: str = ""
    settings: tuple[Basis, ...] = ()
    winner: Party | None = None
    losers: tuple[Party, ...] = ()
    policy: int = 0
    peer: Basis | None = None
    reasons: tuple[Reason, ...] = ()
    is_sync: bool = False
    in_step: bool = False
    unconditional: bool = False


def changed(present: Record, direction: Direction, *, kind: Kind = "change", **more: Any) -> Why:
    """Why one record goes to its next rev: held against the present one. `more`: what else there is to say."""
    rev = present.rev
    return Why(direction=direction, kind=kind, record=present.ref, rev_before=rev, rev_after=rev + 1, guard=rev, **more)


class Write(msgspec.Struct, frozen=True):
    """One record's move: from the version that was read (`None`: it is new) to the next."""

    before: Record | None
    after: Record


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The writes that are committed together or not at all (none: it was decided not to write), and why.

    `partition` orders a decision's events: the conversation's id where there is one, else the id of its record.
    `intake` marks new work, which waits behind work already begun when the writer is busy.
    """

    partition: str
    why: Why
    writes: tuple[Write, ...] = ()
    intake: bool = False

    def after(self, type: str) -> Record | None:
        """The first written record of this type, as it will be."""
        return next((w.after for w in self.writes if type == w.after.TYPE), None)


class Moment(msgspec.Struct, frozen=True):
    """What a decision knows besides records: the time (ms), who asks, a source of new ids, and this site's epoch."""

    now: int
    by: Provenance
    fresh: Callable[[], str]
    epoch: int = 1


def step(before: Record, after: Record, now: int, *, by_hand: bool = False) -> Write:
    """The write that makes `after` the next version of `before`: `rev` + 1 and `updatedAt`; `modifiedAt` when done by
    hand.
    """
    times: dict[str, int] = {"updated_at": now}
    if by_hand:
        times["modified_at"] = now
    return Write(before, msgspec.structs.replace(after, rev=before.rev + 1, **times))


def birth(record: Record) -> Write:
    """The write that creates a record."""
    return Write(None, record)
