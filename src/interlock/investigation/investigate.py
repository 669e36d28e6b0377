"""From entries to a report, in memory; and the report itself, the structure behind every output."""

from __future__ import annotations

import msgspec

from interlock.investigation.finding import Finding, Hole, Refused, Repair, Verdict
from interlock.investigation.observation import RecordRef


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One input as it was read: `entries` are lines, rows or blocks, `observations` what they came to (audits included)."""

    name: str
    format: str = ""
    bytes: int = 0
    entries: int = 0
    observations: int = 0
    repairs: tuple[Repair, ...] = ()
    refused: tuple[Refused, ...] = ()


class RecordSeen(msgspec.Struct, frozen=True):
    """A record that the log tells of: first and last rev seen (`None`: it has no revs), and how many observations."""

    record: RecordRef
    first_rev: int | None
    last_rev: int | None
    observations: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an investigation says. Findings are ranked; holes refer to them by index.

    partial   it was interrupted: what is said holds for what was read
    """

    verdict: Verdict
    inputs: tuple[Input, ...] = ()
    records: tuple[RecordSeen, ...] = ()
    findings: tuple[Finding, ...] = ()
    holes: tuple[Hole, ...] = ()
    ask_for: tuple[str, ...] = ()
    partial: bool = False
