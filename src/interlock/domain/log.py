"""The log: one row per decision, with its change sets. Audit, events, explain, the relay and the detectors all read
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from interlock.domain import kinds
from interlock.domain.change import ChangeSet, diff
from interlock.domain.decision import Basis, Decision, Provenance, Why
from interlock.domain.record import Record


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decision as it was committed. `position` grows with every row of the store; `at` is the commit's clock (ms).

    `partition` orders what belongs together: the conversation's id where there is one. A row without change sets is a
    decision not to write: it has no event and moves no rev.
    """

    position: int
    id: str
    org: str
    partition: str
    at: int
    by: Provenance
    why: Why
    basis: tuple[Basis, ...] = ()
    changes: tuple[ChangeSet, ...] = ()

    def change_of(self, type: str) -> ChangeSet | None:
        """The first change set of a record of this type."""
        return next((c for c in self.changes if c.type == type), None)

    def entry(self) -> Entry:
        """What it was committed as, to be committed in another log."""
        return Entry(self.id, self.org, self.partition, self.at, self.by, self.why, self.basis, self.changes)


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row that is about to be committed: everything but its position."""

    id: str
    org: str
    partition: str
    at: int
    by: Provenance
    why: Why
    basis: tuple[Basis, ...] = ()
    changes: tuple[ChangeSet, ...] = ()

    @property
    def listed_direction(self) -> str:
        """The direction, of those by which a store finds rows again; else empty."""
        return "rule" if self.why.direction == "rule" else ""

    def at_position(self, position: int) -> Row:
        """The row, once its position is known."""
        return Row(position, self.id, self.org, self.partition, self.at, self.by, self.why, self.basis, self.changes)


def rows_up_to(earlier: Sequence[Entry], last: Row) -> tuple[Row, ...]:
    """All rows of one commit: those of `earlier` stand directly before the last one."""
    return (*(e.at_position(n) for n, e in enumerate(earlier, last.position - len(earlier))), last)


encode_record = msgspec.json.Encoder().encode


def entry_of(decision: Decision, id: str, by: Provenance, at: int, basis: tuple[Basis, ...]) -> Entry:
    """The log entry of a decision: its writes turned into change sets, each with the record as it will be."""
    changes: list[ChangeSet] = []
    for write in decision.writes:
        before, after = write.before, write.after
        snapshot = msgspec.Raw(encode_record(after))
        if before is None:
            changes.append(ChangeSet(after.TYPE, after.id, 0, after.rev, snapshot))
        else:
            attributes, relationships = diff(before, after)
            changes.append(ChangeSet(after.TYPE, after.id, before.rev, after.rev, snapshot, attributes, relationships))
    return Entry(id, by.org, decision.partition, at, by, decision.why, basis, tuple(changes))


def snapshot_of(change: ChangeSet) -> Record:
    """The record as it was at `change.rev`."""
    return kinds.decode(change.type, bytes(change.snapshot))


encode_entry = msgspec.json.Encoder().encode
_row_decoder = msgspec.json.Decoder(Entry)


def decode_row(position: int, body: bytes) -> Row:
    """A stored row."""
    return _row_decoder.decode(body).at_position(position)


class Moved(msgspec.Struct, frozen=True):
    """Of a change set, which record it is about. `snapshot` is the encoded record."""

    type: str
    snapshot: msgspec.Raw


class Heading(msgspec.Struct, frozen=True):
    """What says where a stored row goes, and no more of it."""

    id: str
    org: str
    partition: str
    changes: tuple[Moved, ...] = ()


decode_heading = msgspec.json.Decoder(Heading).decode


class Version(msgspec.Struct, frozen=True):
    """One version of a record as a row of the log brought it. `snapshot` is the encoded record."""

    type: str
    id: str
    rev: int
    snapshot: msgspec.Raw

    def record(self) -> Record:
        """The record as it was then."""
        return kinds.decode(self.type, bytes(self.snapshot))


class RuleRun(msgspec.Struct, frozen=True):
    """One run of the queue rules as it was committed: what came of it, and what it rested on.

    Runs are read by the hundred thousand, so no more is decoded than every run is asked for: `queue` is what it chose
    (empty: none), `rule` the rule that chose it. `body` is the stored row; `why` reads the rest of the reasons from it.
    `first` is the first row of its partition as it is stored: most conversations are judged as they began. `earlier`
    are all its rows until then, itself included, oldest first, each as (position, stored row), if they were asked for.
    """

    position: int
    id: str
    org: str
    partition: str
    at: int
    kind: str
    queue: str
    rule: Basis | None
    basis: tuple[Basis, ...]
    body: bytes
    first: bytes
    earlier: tuple[tuple[int, bytes], ...] = ()

    @property
    def why(self) -> Why:
        """Everything it was explained with, the rules that were tried included."""
        return _why_decoder.decode(self.body).why

    def versions(self) -> Iterator[tuple[int, Version]]:
        """The versions that its partition had brought until then, oldest first, with the position of each."""
        for position, body in self.earlier:
            for version in decode_versions(body):
                yield position, version

    def rests_on(self, type: str) -> Basis | None:
        """The version of the record of this type that it had read."""
        for basis in self.basis:
            if basis.type == type:
                return basis
        return None


class _Chosen(msgspec.Struct, frozen=True):
    queue: str = ""


class _Reason(msgspec.Struct, frozen=True):
    meta: _Chosen = _Chosen()


class _Outcome(msgspec.Struct, frozen=True):
    kind: str
    rule: Basis | None = None
    reasons: tuple[_Reason, ...] = ()


class _Head(msgspec.Struct, frozen=True):
    id: str
    org: str
    partition: str
    at: int
    why: _Outcome
    basis: tuple[Basis, ...] = ()


class _Explained(msgspec.Struct, frozen=True):
    why: Why


class _Changed(msgspec.Struct, frozen=True):
    changes: tuple[Version, ...] = ()


_head_decoder = msgspec.json.Decoder(_Head)
_why_decoder = msgspec.json.Decoder(_Explained)
_changed_decoder = msgspec.json.Decoder(_Changed)


def decode_run(position: int, body: bytes, first: bytes, earlier: Sequence[tuple[int, bytes]] = ()) -> RuleRun:
    """A run of the rules from its stored row and the first of its partition."""
    head = _head_decoder.decode(body)
    why = head.why
    queue = why.reasons[0].meta.queue if why.reasons else ""
    return RuleRun(
        position, head.id, head.org, head.partition, head.at, why.kind, queue, why.rule, head.basis, body, first,
        tuple(earlier),
    )  # fmt: skip


def decode_versions(body: bytes) -> tuple[Version, ...]:
    """The versions that a stored row brought."""
    return _changed_decoder.decode(body).changes


Json = dict[str, Any]
