"""What any log comes to: one observation per committed version of a record, one audit per decision somebody wrote down.

Readers make them, repair grades them, detectors look at nothing else. Absent (`UNSET`), null and empty differ.
Times are milliseconds since 1970, `None` where the log does not say.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET

Grade = Literal["A", "B", "C"]
"""How far a value may be trusted: A proved (or never damaged), B consistent with its neighbours, C guessed."""

Op = Literal["add", "replace", "remove"]


class Place(NamedTuple):
    """Where something stands: number of the input, line (from 1), byte offset of the entry in that input."""

    input: int
    line: int
    offset: int = 0


class RecordRef(msgspec.Struct, frozen=True, order=True):
    """A record of whatever system: its type as that system names it, id and org (empty if the log does not say)."""

    type: str
    id: str
    org: str = ""


class Moved(msgspec.Struct, frozen=True):
    """One field's move. `before` and `after` are `UNSET` where the log does not have them."""

    op: Op
    before: Any = UNSET
    after: Any = UNSET
    relationship: bool = False


class ReadMark(msgspec.Struct, frozen=True):
    """A peer's version that the author says to have seen, and which member of the log said so (`resourceRev` …)."""

    record: RecordRef
    rev: int
    source: str


class Times(msgspec.Struct, frozen=True):
    """The clocks that touched an entry: commit (updatedAt), event (createdAt), publication, log line."""

    commit: int | None = None
    event: int | None = None
    publish: int | None = None
    log: int | None = None

    @property
    def best(self) -> int | None:
        """The time nearest to the commit."""
        return next((t for t in (self.commit, self.event, self.publish, self.log) if t is not None), None)


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one record, as an event told of it.

    changes    by outward name; a name that is attribute *and* relationship stands twice: the relationship's key has a
               leading `→` (as `lastRevision` does in the incident)
    snapshot   the whole resource at that rev, flat: attributes, and relationships as ids under `→name`; or `None`
    resource   the record this one is about (a work item's conversation); with it `group` = the conversation's id
    sequence   the log's own position of the entry, if it has one
    unknown    fields whose value was lost and could not be restored: no rule may rest on them
    """

    place: Place
    record: RecordRef
    group: str
    rev: int | None
    before_rev: int | None = None
    verb: Literal["create", "update", "delete"] = "update"
    client: str = ""
    actor: str = ""
    actor_class: str = ""
    is_sync: bool = False
    source_type: str = ""
    source_id: str = ""
    changes: dict[str, Moved] = {}
    snapshot: dict[str, Any] | None = None
    marks: tuple[ReadMark, ...] = ()
    resource: RecordRef | None = None
    times: Times = Times()
    service: str = ""
    host: str = ""
    version: str = ""
    trace: str = ""
    span: str = ""
    cause: str = ""
    event_id: str = ""
    outer_id: str = ""
    name: str = ""
    partition: str = ""
    sequence: int | None = None
    effect_key: str = ""
    lease_epoch: int | None = None
    grade: Grade = "A"
    unknown: frozenset[str] = frozenset()


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """A line in which a worker says what it wrote, or decided not to write, and what it had seen.

    guard   the rev sent as precondition (or shown as one)      patch   the fields it says it wrote
    peer    the other record and its rev as read, if said       outcome as said: written, noop, conflict, refused …
    """

    place: Place
    at: int | None
    record: RecordRef
    group: str
    guard: int | None = None
    patch: dict[str, Any] = {}
    peer: ReadMark | None = None
    basis: tuple[ReadMark, ...] = ()
    outcome: str = ""
    winner_class: str = ""
    loser_classes: tuple[str, ...] = ()
    policy: int | None = None
    item: RecordRef | None = None
    service: str = ""
    host: str = ""
    trace: str = ""
    span: str = ""
    grade: Grade = "A"


Entry = Observation | Audit
