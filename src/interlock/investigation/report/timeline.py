"""One conversation's story as rows: clock, what its record became, what was decided, what the other record became.

Terminal, page and Markdown show the same rows. The order is by cause: a record's revs never run backwards, whatever its
clock says; the clock that is shown is the raw one. Words, not colours, say what is repaired, inferred or not seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET

from interlock.investigation import vocabulary
from interlock.investigation.finding import Finding, Repair
from interlock.investigation.observation import Audit, Moved, Observation, ReadMark, RecordRef

REPAIRED, INFERRED, NOT_SEEN = "repaired", "inferred", "not seen in this log"
APPLIED, WRONG = "applied", "should not have applied"
_VALUE_CHARACTERS = 80


class Cell(msgspec.Struct, frozen=True):
    """A record at one rev. `moves`: (field, before, after) as text; `notes`: sentences; `tags`: words to mark it."""

    rev: int | None
    head: str
    tags: tuple[str, ...] = ()
    moves: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()


class Card(msgspec.Struct, frozen=True):
    """A decision: what it was, what became of it, and what is known of it as (label, text)."""

    title: str
    outcome: str
    facts: tuple[tuple[str, str], ...] = ()


class Line(msgspec.Struct, frozen=True):
    """One row. `at` in ms; `place` = (input, line); `findings`: indexes of those that rest on it, worst `severity`."""

    at: int | None
    clock: str
    delta: str
    left: Cell | None = None
    card: Card | None = None
    right: Cell | None = None
    place: tuple[int, int] | None = None
    findings: tuple[int, ...] = ()
    severity: str = ""


class Timeline(msgspec.Struct, frozen=True):
    """The rows of one conversation. `left` and `right` name the records of the two columns."""

    group: str
    left: str
    right: str
    lines: tuple[Line, ...]
    span_ms: int | None
    day: str


def short(text: str) -> str:
    """A long id, cut in its middle; anything else as it is."""
    if len(text) >= 16 and text.isalnum() and any(c.isdigit() for c in text):
        return f"{text[:4]}…{text[-4:]}"
    return text


def value_text(value: Any) -> str:
    """A value in a cell: compact, ids shortened; absent is said so."""
    if value is UNSET:
        return "absent"
    if isinstance(value, str):
        out = short(value) if value else '""'
    elif isinstance(value, list | tuple):
        out = "[" + ", ".join(value_text(v) for v in value) + "]"
    elif value is None or isinstance(value, bool | int | float):
        out = msgspec.json.encode(value).decode()
    else:
        out = msgspec.json.encode(value, enc_hook=str).decode()
    return out if len(out) <= _VALUE_CHARACTERS else out[: _VALUE_CHARACTERS - 1] + "…"


def clock_text(at: int | None) -> str:
    """Time of day with milliseconds, UTC; out of range or unknown: a dash."""
    if at is None or not 0 <= at < 4_102_444_800_000:
        return "–"
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%H:%M:%S") + f".{at % 1000:03d}"


def gap_text(ms: int) -> str:
    """A distance in time, with its sign."""
    sign, size = ("−" if ms < 0 else "+"), abs(ms)
    if size < 10_000:
        return f"{sign}{size} ms"
    if size < 600_000:
        return f"{sign}{size / 1000:.1f} s"
    return f"{sign}{size // 60_000} min" if size < 36_000_000 else f"{sign}{size // 3_600_000} h"


def word_for(type: str) -> str:
    """A record's type in words."""
    return type.replace("_", " ").replace("-", " ")


class _Story:
    """What is known of a conversation while its rows are made."""

    def __init__(
        self, group: str, observations: Sequence[Observation], audits: Sequence[Audit], findings: Sequence[Finding],
        repairs: Iterable[Repair],
    ) -> None:  # fmt: skip
        self.group = group
        self.seen: dict[tuple[RecordRef, int | None, str], int] = {}
        self.observations = self._once(observations)
        self.audits = list(audits)
        self.findings = findings
        self.repaired = _repaired_entries([*observations, *audits], repairs)
        self.revs = {(o.record, o.rev) for o in self.observations}
        self.used: set[int] = set()
        self.known = _known_since(self.observations)
        self.by_rev: dict[tuple[RecordRef, int | None], list[int]] = {}
        self.by_place: dict[tuple[int, int], list[int]] = {}
        for n, f in enumerate(findings):
            self.by_rev.setdefault((f.record, f.rev), []).append(n)
            for e in f.evidence:
                self.by_place.setdefault((e.place.input, e.place.line), []).append(n)

    def _once(self, observations: Sequence[Observation]) -> list[Observation]:
        """Deliveries of the same event once."""
        kept: list[Observation] = []
        for o in observations:
            key = (o.record, o.rev, o.event_id or str(o.place.offset))
            self.seen[key] = self.seen.get(key, 0) + 1
            if self.seen[key] == 1:
                kept.append(o)
        return kept

    def lines(self) -> list[tuple[float, Line]]:
        """Rows with the time they are ordered by."""
        rows: list[tuple[float, Line]] = []
        by_record: dict[RecordRef, list[Observation]] = {}
        for o in self.observations:
            by_record.setdefault(o.record, []).append(o)
        for versions in by_record.values():
            # A record's revs are its order; its clock is only shown.
            versions.sort(key=lambda o: (o.rev if o.rev is not None else 0, o.place))
            latest = float("-inf")
            for o in versions:
                latest = max(latest, float(o.times.best) if o.times.best is not None else latest)
                rows += self._unseen(o, latest)
                rows.append((latest, self._line(o)))
        for n, audit in enumerate(self.audits):
            if n not in self.used:
                rows.append((float(audit.at or 0), self._audit_alone(audit)))
        return rows

    def _line(self, o: Observation) -> Line:
        found = self._findings_on(o)
        cell, card = self._cell(o), self._card(o, found)
        left = o.record.id == self.group
        return Line(
            o.times.best, clock_text(o.times.best), "", cell if left else None, card, None if left else cell,
            (o.place.input, o.place.line), tuple(found), _worst(self.findings[n].severity for n in found),
        )  # fmt: skip

    def _findings_on(self, o: Observation) -> list[int]:
        own = self.by_rev.get((o.record, o.rev), []) if o.rev is not None else []
        return sorted({*own, *self.by_place.get((o.place.input, o.place.line), ())})

    def _cell(self, o: Observation) -> Cell:
        tags = [REPAIRED] if (o.place.input, o.place.line) in self.repaired else []
        notes: list[str] = []
        proof = self.repaired.get((o.place.input, o.place.line))
        if proof:
            notes.append(proof)
        times = self.seen[o.record, o.rev, o.event_id or str(o.place.offset)]
        if times > 1:
            notes.append(f"delivered {times} times")
        if o.unknown:
            notes.append("unknown: " + ", ".join(sorted(o.unknown)))
        by = f"by {o.client}" if o.client else ("created" if o.verb == "create" else "writer not named")
        if o.is_sync:
            by += " (isSync)"
        if o.source_id:
            by += f", {o.source_type or 'source'} {short(o.source_id)}"
        return Cell(o.rev, by, tuple(tags), _moves(o), tuple(notes))

    def _unseen(self, o: Observation, before: float) -> list[tuple[float, Line]]:
        """The rev that this one replaced, where the log does not show it: at the time that this one says it had."""
        if o.before_rev is None or o.before_rev < 1 or (o.record, o.before_rev) in self.revs:
            return []
        self.revs.add((o.record, o.before_rev))
        moved = o.changes.get("updatedAt")
        at = _ms(moved.before) if moved is not None else None
        note = (
            f"time from the “before” of rev {o.rev}; writer unknown"
            if at is not None
            else "known from the next rev only"
        )
        cell = Cell(o.before_rev, "", (NOT_SEEN, INFERRED), (), (note,))
        left = o.record.id == self.group
        line = Line(at, clock_text(at), "", cell if left else None, None, None if left else cell)
        return [(min(float(at), before) if at is not None else before - 0.5, line)]

    def _card(self, o: Observation, found: Sequence[int]) -> Card | None:
        facts: list[tuple[str, str]] = []
        here = [self.findings[n] for n in found if self.findings[n].rev == o.rev]
        overwrite = next((f for f in here if f.rule == "R1"), None)
        lost = next((self.findings[n] for n in found if (x := self.findings[n].lost) and x.rev == o.rev), None)
        audits = self._audits_of(o)
        if overwrite is not None:
            facts += _overwrite_facts(overwrite, inferred=any(f.rule == "R21" for f in here))
        elif o.marks:
            facts.append(("seen", "; ".join(dict.fromkeys(self._mark(m, o) for m in o.marks))))
        for audit in audits:
            facts.append(("sent rev", f"{audit.guard if audit.guard is not None else 'none'} in the audit line"))
            if audit.trace and audit.trace == o.trace:
                facts.append(
                    ("trace", f"{short(audit.trace)} on this rev and on the audit line at {clock_text(audit.at)}")
                )
        for f in here:
            if f is not overwrite and f.severity != "low":
                facts.append((f.rule, f"{f.certainty}: {f.field or word_for(f.record.type)}"))
        if o.is_sync:
            title = "reverse sync" if o.record.id == self.group else "forward sync"
            bad = overwrite is not None or any(f.rule == "R16" for f in here)
            return Card(title, WRONG if bad else APPLIED, tuple(facts))
        if lost is not None:
            facts.append(("then", f"replaced at rev {lost.rev} without having been seen"))
            if not self._copied(o):
                facts.append(("copy", f"of {lost.field} to the other record: {NOT_SEEN}"))
        if o.verb == "create":
            return Card(f"create {word_for(o.record.type)}", APPLIED, tuple(facts))
        return Card("write", APPLIED, tuple(facts)) if facts else None

    def _copied(self, o: Observation) -> bool:
        """Whether the other side was written by a sync after this."""
        return any(
            p.is_sync and p.record != o.record and (p.times.best or 0) >= (o.times.best or 0) for p in self.observations
        )

    def _mark(self, mark: ReadMark, o: Observation) -> str:
        at = o.times.best
        revs = (rev for rev, since in self.known.get(mark.record.id, ()) if at is None or since <= at)
        now = max(revs, default=0)
        return f"{word_for(mark.record.type)} rev {mark.rev}" + (f" (now {now})" if now > mark.rev else "")

    def _audits_of(self, o: Observation) -> list[Audit]:
        out: list[Audit] = []
        for n, audit in enumerate(self.audits):
            same = audit.record.id == o.record.id and o.is_sync
            if same and (
                (audit.guard is not None and audit.guard + 1 == o.rev) or (audit.trace and audit.trace == o.trace)
            ):
                self.used.add(n)
                out.append(audit)
        return out

    def _audit_alone(self, audit: Audit) -> Line:
        title = (
            "reverse sync" if audit.record.id == self.group else "forward sync"
        ) + f", {audit.outcome or 'audit line'}"
        facts = [("record", f"{word_for(audit.record.type)} {short(audit.record.id)}")]
        if audit.guard is not None:
            facts.append(("sent rev", str(audit.guard)))
        if audit.patch:
            facts.append(("wrote", ", ".join(f"{k} = {value_text(v)}" for k, v in audit.patch.items())))
        outcome = audit.outcome if audit.outcome and audit.outcome not in ("written", "merge") else "write " + NOT_SEEN
        return Line(
            audit.at, clock_text(audit.at), "", card=Card(title, outcome, tuple(facts)),
            place=(audit.place.input, audit.place.line),
        )  # fmt: skip


def _overwrite_facts(f: Finding, *, inferred: bool) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if f.basis is not None:
        source = (
            f"{word_for(f.basis.record.type)} rev {f.basis.rev}"
            if f.basis.rev is not None
            else word_for(f.basis.record.type)
        )
        saw = f", which had seen rev {f.basis.saw_rev}" if f.basis.saw_rev is not None else ""
        said = f" ({INFERRED})" if inferred or f.certainty != "proven" else ""
        facts.append(("source", source + said + saw))
        if f.guard is not None and f.basis.saw_rev is not None:
            unseen = f.guard - f.basis.saw_rev
            facts.append(("target", f"rev {f.guard}: {unseen} revision{'s' if unseen != 1 else ''} unseen"))
    if f.lost is not None:
        facts.append(("lost", f"{f.field} = {value_text(f.lost.value)}, set at rev {f.lost.rev} by {f.lost.client}"))
    if "lived" in f.intervals_ms:
        facts.append(("lived", f"{f.intervals_ms['lived']} ms"))
    return facts


def _moves(o: Observation) -> tuple[tuple[str, str, str], ...]:
    """What moved and may be somebody's wish; what follows from it is left out, unless there is nothing else."""
    wished = {name: m for name, m in o.changes.items() if vocabulary.says_something(name)}
    shown = wished or {name: m for name, m in o.changes.items() if vocabulary.bare(name) not in vocabulary.BOOKKEEPING}
    return tuple(
        (name, _before(moved), value_text(moved.after) if moved.op != "remove" else "removed")
        for name, moved in sorted(shown.items(), key=lambda pair: vocabulary.word_of(pair[0]) not in vocabulary.UNIT)
    )


def _before(moved: Moved) -> str:
    return "" if moved.before is UNSET else value_text(moved.before)


def _worst(severities: Iterable[str]) -> str:
    return min(severities, key=("high", "medium", "low").index, default="")


def _known_since(observations: Iterable[Observation]) -> dict[str, list[tuple[int, int]]]:
    """Id of a record → (rev, since when in ms), also of revs that only the next one tells of."""
    known: dict[str, list[tuple[int, int]]] = {}
    for o in observations:
        moved = o.changes.get("updatedAt")
        for rev, at in ((o.rev, o.times.best), (o.before_rev, _ms(moved.before) if moved is not None else None)):
            if rev is not None and at is not None:
                known.setdefault(o.record.id, []).append((rev, at))
    return known


def _ms(value: Any) -> int | None:
    if not isinstance(value, str):
        return value if isinstance(value, int) and value > 10**11 else None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return round(moment.timestamp() * 1000) if moment.tzinfo else None


def _repaired_entries(entries: Sequence[Observation | Audit], repairs: Iterable[Repair]) -> dict[tuple[int, int], str]:
    """(input, line) of each repaired entry → what proves its repair. A repair belongs to the entry it comes after."""
    begins = sorted({(e.place.input, e.place.line) for e in entries})
    proofs: dict[tuple[int, int], set[str]] = {}
    for repair in repairs:
        n = bisect_right(begins, (repair.place.input, repair.place.line))
        if n and begins[n - 1][0] == repair.place.input:
            proofs.setdefault(begins[n - 1], set()).add(repair.proof)
    words = {"proven": "repaired; proven by its length", "unproven": "repaired; its length does not fit"}
    return {
        at: words["proven"]
        if found == {"proven"}
        else words["unproven"]
        if "unproven" in found
        else "repaired; no proof"
        for at, found in proofs.items()
    }


def timeline_of(
    group: str, observations: Sequence[Observation], audits: Sequence[Audit], findings: Sequence[Finding],
    repairs: Iterable[Repair] = (),
) -> Timeline:  # fmt: skip
    """The rows of one conversation. `findings`: all of the report, since rows name them by index."""
    rows = sorted(_Story(group, observations, audits, findings, repairs).lines(), key=lambda row: row[0])
    lines: list[Line] = []
    before: int | None = None
    for _, line in rows:
        delta = "start" if before is None else gap_text(line.at - before) if line.at is not None else ""
        before = line.at if line.at is not None else before
        lines.append(msgspec.structs.replace(line, delta=delta))
    times = [line.at for line in lines if line.at is not None]
    own = next((o.record for o in observations if o.record.id == group), None)
    others = list(dict.fromkeys(o.record for o in observations if o.record.id != group))
    left = f"{word_for(own.type)} {short(group)}" if own else f"record {short(group)}"
    right = ", ".join(f"{word_for(r.type)} {short(r.id)}" for r in others[:3]) + (" …" if len(others) > 3 else "")
    day = datetime.fromtimestamp(min(times) // 1000, UTC).strftime("%Y-%m-%d") if times else ""
    return Timeline(
        group, left, right or "other records", tuple(lines), max(times) - min(times) if times else None, day
    )
