"""What an investigation says: findings, holes, repairs, a verdict; as JSON a contract, `interlock.investigation/1`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from interlock.investigation.observation import Audit, Observation, Place, RecordRef

Severity = Literal["high", "medium", "low"]
Certainty = Literal["proven", "inferred", "possible"]
Verdict = Literal["broken", "unknown", "sound"]


LISTED_MAX = 1_000
"""Repairs and refusals of one input that are kept with their places; beyond that they are counted only."""


class Evidence(msgspec.Struct, frozen=True):
    """Where it stands in the input."""

    place: Place
    event_id: str = ""


class Lost(msgspec.Struct, frozen=True):
    """The value that a finding says was lost: whose it was, at which rev, when (ms)."""

    value: Any
    rev: int
    client: str
    source_id: str
    at: int | None


class SeenBasis(msgspec.Struct, frozen=True):
    """What a write's author had seen: the peer version it read, and which rev of the written record that one knew."""

    record: RecordRef
    rev: int | None
    saw_rev: int | None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One anomaly, with its proof. Words come later (`explain.py`); `facts` holds what the words need.

    rule  R1 … R27    guard  the rev sent, or None    grade  the worst grade of any value it rests on
    """

    rule: str
    severity: Severity
    certainty: Certainty
    record: RecordRef
    field: str = ""
    rev: int | None = None
    at: int | None = None
    client: str = ""
    guard: int | None = None
    grade: str = "A"
    lost: Lost | None = None
    basis: SeenBasis | None = None
    intervals_ms: dict[str, int] = {}
    evidence: tuple[Evidence, ...] = ()
    facts: dict[str, Any] = {}


class Hole(msgspec.Struct, frozen=True):
    """Revs of a record that the log does not show, and which findings that matters to (indexes into the findings)."""

    record: RecordRef
    revs: tuple[int, ...]
    matters_to: tuple[int, ...] = ()
    open_ended: Literal["", "before", "after"] = ""


class Repair(msgspec.Struct, frozen=True):
    """One edit that made a damaged entry readable: where, which rule, what was assumed, and what proves it."""

    place: Place
    kind: str
    assumed: str
    proof: Literal["proven", "unproven", "none"]
    path: str = ""
    column: int = 0
    alternatives: tuple[str, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """An entry that could not be read, and why."""

    place: Place
    why: str


class Input(msgspec.Struct):
    """What became of one input: counted while it is read.

    bytes, lines       plain bytes read, after unpacking; number of the last line read
    entries    lines, rows, blocks that are objects          silent   of these, how many say nothing of any record
    repaired, refusals   how many there were in all          repairs, refused   the first `LISTED_MAX` of them
    packing    `gzip`, `zstd` or empty
    """

    name: str
    format: str = ""
    packing: str = ""
    bytes: int = 0
    lines: int = 0
    entries: int = 0
    observations: int = 0
    audits: int = 0
    silent: int = 0
    repaired: int = 0
    refusals: int = 0
    repairs: list[Repair] = []
    refused: list[Refused] = []

    @property
    def told(self) -> int:
        """What was understood: observations and audits."""
        return self.observations + self.audits

    def refuse(self, refused: Refused) -> None:
        """Counts what could not be read."""
        self.refusals += 1
        if len(self.refused) < LISTED_MAX:
            self.refused.append(refused)

    def note(self, repairs: Iterable[Repair]) -> None:
        """Counts what was repaired."""
        for repair in repairs:
            self.repaired += 1
            if len(self.repairs) < LISTED_MAX:
                self.repairs.append(repair)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The windows of the rules, in ms; defaults of decisions 9. `live`: the log has not ended, absence proves less."""

    revert_ms: int = 5_000
    flapping_ms: int = 60_000
    rest_ms: int = 60_000
    lease_ms: int = 600_000
    skew_ms: int = 0
    live: bool = False


class History(msgspec.Struct, frozen=True):
    """Everything the log shows of one conversation (or one record, where there is no link), in the order of the input.

    observations and audits are in input order; `versions(record)` style orderings are made in `history.py`.
    """

    group: str
    observations: Sequence[Observation]
    audits: Sequence[Audit] = ()
    limits: Limits = Limits()
