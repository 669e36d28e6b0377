"""What one worker does: rows of its shares into its spill, then the groups of its partitions against the catalogue.

It answers with figures, segments and findings. A group whose rows are boring is never read again; of the others each
entry is read once more, whole, from where it stands.
"""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from interlock.investigation.anomalies import severity_of
from interlock.investigation.big.lines import Numbers, Share, blocks_of
from interlock.investigation.big.parse import Parser
from interlock.investigation.big.spill import Segment, Spill, groups_of
from interlock.investigation.compact import AT, AUDIT, DIGEST, ID, INPUT_SHIFT, ORDER, REV, SIDE, Row, compact_of
from interlock.investigation.finding import Evidence, Finding, History, Hole, Limits, Refused, Repair
from interlock.investigation.history import worst
from interlock.investigation.investigate import Examined, examine
from interlock.investigation.observation import Audit, Entry, Observation, Place
from interlock.investigation.readers import jsonlines
from interlock.investigation.readers.envelopes import Envelopes
from interlock.investigation.readers.reading import LISTED_MAX, Input, Reading
from interlock.investigation.readers.source import Line
from interlock.investigation.screen import Gap, screen
from interlock.investigation.verdict import revs_between

BLOB = DIGEST + 1
"""Behind a row's fields: the packed entry, where the input cannot be read a second time; else nothing."""

COLLECT_EVERY = 100
"""Examined groups between two collections: histories are full of cycles; rows, far more of them, have none."""

_OFFSETS = (1 << INPUT_SHIFT) - 1
MARK_BYTES = 16 << 10

Progress = Callable[[int], bool]
"""Told how many bytes more were read; answers whether to go on."""


class Took(msgspec.Struct):
    """What a worker took in. `marks`: (offset, lines of the share before it); line numbers in lists are the share's."""

    share: Share
    lines: int = 0
    entries: int = 0
    observations: int = 0
    refusals: int = 0
    repaired: int = 0
    refused: list[Refused] = []
    repairs: list[Repair] = []
    marks: list[tuple[int, int]] = []
    end: int = -1


class Tally(msgspec.Struct):
    """Groups, and what was only counted in the boring ones: low findings by kind."""

    groups: int = 0
    examined: int = 0
    checked: int = 0
    holes: int = 0
    skewed: int = 0
    empty: int = 0
    blind: int = 0


def take(share: Share, spill: Spill, progress: Progress, mark_bytes: int = MARK_BYTES) -> Took:
    """Every line of a share as a row in the spill, or counted."""
    took = Took(share)
    parser = Parser(share.input)
    parse, add = parser.row, spill.add
    end, marked = -1, -mark_bytes
    for block in blocks_of(share):
        took.lines = block.before + len(block.lines) + bool(block.over)
        if block.over:
            place = Place(share.input, block.before + 1, block.offset)
            _refuse(took, Refused(place, f"the line is {block.over:,} bytes long; it is passed over"))
            continue
        offset, rows = block.offset, 0
        for n, line in enumerate(block.lines):
            if offset - marked >= mark_bytes:
                marked = offset
                took.marks.append((offset, block.before + n))
            row = parse(line, offset)
            if row is None:
                end = max(end, _slow(took, line, Place(share.input, block.before + n + 1, offset), add))
            else:
                rows += 1
                if row[AT] > end:
                    end = row[AT]
                add(row)
            offset += len(line) + 1
        took.entries += rows
        took.observations += rows
        if not progress(offset - block.offset):
            break
    took.end = end
    return took


def _refuse(took: Took, refused: Refused) -> None:
    took.refusals += 1
    if len(took.refused) < LISTED_MAX:
        took.refused.append(refused)


def _slow(took: Took, line: bytes, place: Place, add: Callable[[Row], None]) -> int:
    """A line that the parser does not know, read as any other reader would; the latest time in it, -1 if none."""
    end = -1
    if b"{" not in line and b"\0" not in line:
        return end
    for found in jsonlines.items_of(iter([Line(place.line, place.offset, line.rstrip(b"\r"))]), place.input):
        if isinstance(found, Refused):
            _refuse(took, found)
            continue
        took.entries += 1
        took.repaired += len(found.repairs)
        took.repairs += found.repairs[: max(0, LISTED_MAX - len(took.repairs))]
        for entry in Envelopes().entries(found) or ():
            took.observations += 1
            row = _row_at(entry, place)
            end = max(end, row[AT])
            add(row)
    return end


def _row_at(entry: Entry, place: Place) -> Row:
    """The row of an entry; the first line's offset is 0, for which `compact_of` puts the line's number."""
    row = compact_of(entry)
    return (*row[:ORDER], place.input << INPUT_SHIFT | place.offset, *row[ORDER + 1 :])


def take_slowly(reading: Reading, number: int, spill: Spill, progress: Progress) -> tuple[Input, int]:
    """An input of any other kind, through its reader, with the entries themselves; its report and its last moment."""
    end, before = -1, 0
    report = reading.inputs[number]
    for seen, entry in enumerate(reading.read(number)):
        row = compact_of(entry)
        end = max(end, row[AT])
        # Several rows or objects may stand on one line: the order of the reader is the order of the input.
        order = number << INPUT_SHIFT | seen
        spill.add((*row[:ORDER], order, *row[ORDER + 1 :], pickle.dumps(entry, pickle.HIGHEST_PROTOCOL)))
        if seen % 256 == 255:
            more, before = report.bytes - before, report.bytes
            if not progress(more):
                break
    return report, end


class Judge:
    """Judges groups, and keeps the first `kept_max` histories with findings of weight, for timelines.

    numbers   for each input that can be read again, where its lines are      end   the last moment of the log (ms)
    """

    def __init__(self, numbers: dict[int, Numbers], limits: Limits, end: int, kept_max: int = 0) -> None:
        self._numbers = numbers
        self._limits = limits
        self._end = end
        self._seen_digest = msgspec.json.Decoder(_Contents).decode
        self._kept_max = kept_max
        self.kept: list[History] = []
        self.tally = Tally()

    def partition(self, paths: Sequence[Path], segments: Iterable[Segment]) -> list[Examined]:
        """The groups of one partition that are not boring."""
        out: list[Examined] = []
        for group, rows in groups_of(paths, segments).items():
            found = self.group(group, rows)
            if found is not None:
                out.append(found)
        return out

    def group(self, group: str, rows: list[Row]) -> Examined | None:
        """One conversation: `None` if it is boring."""
        tally = self.tally
        tally.groups += 1
        tally.checked += len(rows) > 1
        self._twins(rows)
        screened = screen(rows, self._limits, self._end)
        if not screened.suspect:
            tally.holes += screened.holes
            tally.skewed += screened.skewed
            tally.empty += screened.empty
            tally.blind += screened.blind
            return self._gaps(group, screened.gaps) if screened.gaps else None
        tally.examined += 1
        if not tally.examined % COLLECT_EVERY:
            gc.collect()
        history = self.history(group, rows)
        found = examine(history, self._end if self._end >= 0 else None)
        if len(self.kept) < self._kept_max and any(f.severity != "low" for f in found.findings):
            self.kept.append(history)
        return found

    def _gaps(self, group: str, gaps: Iterable[Gap]) -> Examined:
        """A conversation of which nothing is to be said but that revs are missing: two lines of it are read again."""
        findings: list[Finding] = []
        holes: list[Hole] = []
        for gap in gaps:
            later, earlier = (self._entry(row, group) for row in (gap.later, gap.earlier))
            low, high = gap.after + 1, gap.later[REV] - 1
            findings.append(
                Finding(
                    rule="R5", severity=severity_of("R5"), certainty="proven", record=later.record, rev=later.rev,
                    at=later.times.best, client=later.client, facts={"from": low, "to": high, "after": gap.after},
                    grade=worst((later.grade, earlier.grade)),
                    evidence=tuple(Evidence(o.place, o.event_id) for o in (later, earlier)),
                )
            )  # fmt: skip
            holes.append(Hole(later.record, revs_between(low, high)))
        return Examined(group=group, findings=tuple(findings), holes=tuple(holes), doubtful=True)

    def _entry(self, row: Row, group: str) -> Observation:
        """The observation that a row was made of."""
        known = (e for e in self._entries(row) if not isinstance(e, Audit) and e.group == group)
        return next(e for e in known if e.record.id == row[ID] and e.rev == row[REV])

    def history(self, group: str, rows: Iterable[Row]) -> History:
        """A group's entries, whole, in the order of the input."""
        observations, audits = [], []
        for row in sorted(rows, key=lambda r: r[ORDER]):
            for entry in self._entries(row):
                if entry.group == group:
                    (audits if isinstance(entry, Audit) else observations).append(entry)
        return History(group, observations, audits, self._limits)

    def _entries(self, row: Row) -> list[Entry]:
        if len(row) > BLOB:
            return [pickle.loads(row[BLOB])]
        input, offset = row[ORDER] >> INPUT_SHIFT, row[ORDER] & _OFFSETS
        numbers = self._numbers[input]
        line = Line(numbers.line(offset), offset, numbers.read(offset))
        return [
            entry
            for found in jsonlines.items_of(iter([line]), input)
            if not isinstance(found, Refused)
            for entry in Envelopes().entries(found) or ()
        ]

    def _twins(self, rows: list[Row]) -> None:
        """Where one rev of a record comes twice, whether the contents are equal: those lines are looked at again."""
        first: dict[tuple[str, int], int] = {}
        for n, row in enumerate(rows):
            if row[SIDE] == AUDIT:
                continue
            known = first.setdefault((row[ID], row[REV]), n)
            if known != n:
                for at in (known, n):
                    if not rows[at][DIGEST]:
                        rows[at] = self._digested(rows[at])

    def _digested(self, row: Row) -> Row:
        if len(row) > BLOB:
            return row
        numbers = self._numbers[row[ORDER] >> INPUT_SHIFT]
        line = numbers.read(row[ORDER] & _OFFSETS)
        try:
            inner = self._seen_digest(line).body.body
            digest = hash((bytes(inner.data), bytes(inner.changes))) or 1
        except (msgspec.DecodeError, UnicodeDecodeError):
            digest = hash(line) or 1
        return [*row[:DIGEST], digest]  # type: ignore[return-value] - rows read back are lists, and lists sort with lists


class _Inner(msgspec.Struct):
    data: msgspec.Raw
    changes: msgspec.Raw = msgspec.Raw(b"")


class _Outer(msgspec.Struct):
    body: _Inner


class _Contents(msgspec.Struct):
    body: _Outer
