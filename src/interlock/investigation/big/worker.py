"""The second step: the conversations of some partitions against the catalogue.

Three looks, each at what the one before it suspects: all rows as columns (`sieve`), one conversation's rows (`screen`),
its entries, read once more from where they stand (`examine`). What is said of a conversation is always said by the
last; but for missing revs, of which the two lines around them are read and nothing else.
"""

from __future__ import annotations

import gc
import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from interlock.investigation.anomalies import severity_of
from interlock.investigation.big.holdings import Holdings
from interlock.investigation.big.lines import Places
from interlock.investigation.big.shape import line_type
from interlock.investigation.big.sieve import Sifted, sift
from interlock.investigation.big.spill import WORKER_BITS, Put, Rows, entry_at, read_back
from interlock.investigation.compact import (
    AT,
    DIGEST,
    GROUP,
    ID,
    INPUT_SHIFT,
    ITEM,
    ORDER,
    PLACE,
    REV,
    SIDE,
    STATUS_AT,
    Row,
    id_code,
)
from interlock.investigation.detectors.capacity import holdings as holdings_of
from interlock.investigation.finding import Evidence, Finding, History, Hole, Limits, Refused
from interlock.investigation.history import Chronicle, worst
from interlock.investigation.investigate import Examined, examine
from interlock.investigation.observation import Audit, Entry, Observation, Place, RecordRef, Times
from interlock.investigation.readers import jsonlines
from interlock.investigation.readers.audit import audit_of
from interlock.investigation.readers.envelopes import Envelopes
from interlock.investigation.readers.event import observation_of
from interlock.investigation.readers.source import Line
from interlock.investigation.screen import HELD, screen
from interlock.investigation.verdict import revs_between

FINDINGS_MAX = 10_000
"""So many findings of a worker are listed; more are counted, by rule."""

COLLECT_EVERY = 100
"""Examined groups between two collections: histories are full of cycles."""

_OFFSETS = (1 << INPUT_SHIFT) - 1
_WORKERS = (1 << WORKER_BITS) - 1


class Tally(msgspec.Struct):
    """Conversations: how many in all, looked at row by row, read again whole. Of the others, what the columns show.

    checked   conversations of which versions could be held against each other
    holes     records whose first revs the log does not show      low   findings of low severity that are not listed
    left_out  findings of weight that are not listed
    """

    groups: int = 0
    walked: int = 0
    examined: int = 0
    checked: int = 0
    holes: int = 0
    low: dict[str, int] = {}
    left_out: dict[str, int] = {}


class Sources:
    """Where entries are read again: inputs by their places, and the workers' files of packed entries."""

    def __init__(self, places: dict[int, Places], packed: Sequence[Path]) -> None:
        self._places = places
        self._packed = packed
        self._files: dict[int, BinaryIO] = {}
        self._decode = msgspec.json.Decoder().decode

    def line(self, row: Any) -> bytes | None:
        """The line of a row, `None` if its entry is kept packed."""
        place = int(row[PLACE])
        if place < 0:
            return None
        order = int(row[ORDER])
        return self._places[order >> INPUT_SHIFT].read(order & _OFFSETS, place)

    def place(self, row: Any) -> Place:
        """Where the line of a row stands."""
        order = int(row[ORDER])
        input, offset = order >> INPUT_SHIFT, order & _OFFSETS
        return Place(input, self._places[input].number(offset, int(row[PLACE])), offset)

    def entries(self, row: Any) -> list[Entry]:
        """The entries that stand where a row came from."""
        data = self.line(row)
        if data is None:
            return [pickle.loads(self._unpacked(-1 - int(row[PLACE])))]
        place = self.place(row)
        if not row[DIGEST]:
            known = self._known(data, place)
            if known is not None:
                return [known]
        line = Line(place.line, place.offset, data)
        return [
            entry
            for found in jsonlines.items_of(iter([line]), place.input)
            if not isinstance(found, Refused)
            for entry in Envelopes().entries(found) or ()
        ]

    def _known(self, data: bytes, place: Place) -> Entry | None:
        """The entry of a line that the parser knew: nothing has to be looked for, and nothing repaired."""
        value = self._decode(data)
        return observation_of(value, place) or audit_of(value, place)

    def _unpacked(self, place: int) -> bytes:
        number, at = place & _WORKERS, place >> WORKER_BITS
        if number not in self._files:
            self._files[number] = self._packed[number].open("rb")
        return entry_at(self._files[number], at)


class Judge:
    """Judges conversations, and keeps the first `kept_max` histories with findings of weight, for timelines.

    end        the last moment of the log (ms)
    holdings   where to note who held what; `None`: the log shows no limit that could be exceeded
    """

    def __init__(
        self, sources: Sources, limits: Limits, end: int, kept_max: int = 0, holdings: Holdings | None = None
    ) -> None:
        self._holdings = holdings
        self._sources = sources
        self._limits = limits
        self._end = end
        self._contents = msgspec.json.Decoder(_Contents).decode
        self._event = msgspec.json.Decoder(line_type([], [], strict=False)).decode
        self._kept_max = kept_max
        self._listed = 0
        self.kept: list[History] = []
        self.tally = Tally()

    def batch(self, paths: Sequence[Path], puts: Sequence[Sequence[Put]], first: int, last: int) -> list[Examined]:
        """The conversations of the partitions in [first, last) of which something is to be said."""
        return self.rows(read_back(paths, puts, first, last))

    def rows(self, rows: Rows) -> list[Examined]:
        """Whole conversations, in any order."""
        if not len(rows):
            return []
        sifted = sift(rows, self._limits, self._end, self._same)
        out: list[Examined] = []
        tally = self.tally
        suspects = sifted.suspect.nonzero()[0].tolist()
        tally.groups += len(sifted.suspect)
        tally.walked += len(suspects)
        whole: list[int] = []
        for n in suspects:
            found = self._walk(sifted.rows[sifted.begins[n] : sifted.begins[n + 1]])
            if found is None:
                continue
            whole.append(n)
            if self._holdings is not None:
                self._holdings.add(found.rows)
            out += self._bounded(msgspec.structs.replace(found, rows=()))
        self._count(sifted, whole)
        if self._holdings is not None:
            self._hold(self._holdings, sifted, whole)
        gaps: dict[int, list[tuple[Any, Any]]] = {}
        for later, earlier in sifted.gaps:
            gaps.setdefault(int(sifted.rows[later, GROUP]), []).append((sifted.rows[later], sifted.rows[earlier]))
        for missing in gaps.values():
            if self._listed >= FINDINGS_MAX:
                self._leave_out("R5", len(missing))
            else:
                out += self._bounded(self._gaps(missing))
        return out

    def _bounded(self, found: Examined) -> list[Examined]:
        """What was found, as long as there is not too much of it."""
        if self._listed < FINDINGS_MAX:
            self._listed += len(found.findings)
            return [found]
        for f in found.findings:
            if f.severity != "low":
                self._leave_out(f.rule, 1)
        return []

    def _leave_out(self, rule: str, count: int) -> None:
        self.tally.left_out[rule] = self.tally.left_out.get(rule, 0) + count

    def _count(self, sifted: Sifted, whole: list[int]) -> None:
        """What is only counted, of the conversations that are not read again."""
        tally = self.tally
        rest = sifted.suspect.copy()
        rest[:] = True
        rest[whole] = False
        sizes = sifted.begins[1:] - sifted.begins[:-1]
        tally.checked += int((sizes > 1).sum())
        for name, counts in sifted.low.items():
            n = int(counts[rest].sum())
            if name == "holes":
                tally.holes += n
            elif n:
                tally.low[name] = tally.low.get(name, 0) + n

    def _hold(self, holdings: Holdings, sifted: Sifted, whole: list[int]) -> None:
        """What items were held in the conversations that are not read again: only their items are."""
        rows = sifted.rows
        items = rows[:, SIDE] == ITEM
        number = np.repeat(np.arange(len(sifted.suspect)), np.diff(sifted.begins))
        wanted = np.setdiff1d(number[items & np.isin(rows[:, STATUS_AT], list(HELD))], whole)
        for n in wanted.tolist():
            begin, end = sifted.begins[n], sifted.begins[n + 1]
            theirs = rows[begin:end][items[begin:end]].tolist()
            holdings.add(holdings_of(Chronicle(self.history(map(tuple, theirs)))))

    def _walk(self, rows: Rows) -> Examined | None:
        """One conversation that the sieve suspects; `None` if its rows show that nothing is wrong."""
        known = [tuple(row) for row in rows.tolist()]
        self._digested(known)
        screened = screen(known, self._limits, self._end)
        if not screened.suspect:
            return self._gaps([(g.later, g.earlier) for g in screened.gaps]) if screened.gaps else None
        self.tally.examined += 1
        if not self.tally.examined % COLLECT_EVERY:
            gc.collect()
        history = self.history(known)
        found = examine(history, self._end if self._end >= 0 else None)
        if len(self.kept) < self._kept_max and any(f.severity != "low" for f in found.findings):
            self.kept.append(history)
        return found

    def _gaps(self, gaps: Iterable[tuple[Any, Any]]) -> Examined:
        """A conversation of which nothing is to be said but that revs are missing: two lines of each are read again."""
        findings: list[Finding] = []
        holes: list[Hole] = []
        group = ""
        for later, earlier in gaps:
            o, before = self._observation(later), self._observation(earlier)
            low, high = int(earlier[REV]) + 1, int(later[REV]) - 1
            group = o.group
            findings.append(
                Finding(
                    rule="R5", severity=severity_of("R5"), certainty="proven", record=o.record, rev=o.rev,
                    at=o.times.best, client=o.client, facts={"from": low, "to": high, "after": low - 1},
                    grade=worst((o.grade, before.grade)),
                    evidence=tuple(Evidence(x.place, x.event_id) for x in (o, before)),
                )
            )  # fmt: skip
            holes.append(Hole(o.record, revs_between(low, high)))
        return Examined(group=group, findings=tuple(findings), holes=tuple(holes), doubtful=True)

    def _observation(self, row: Any) -> Observation:
        """The observation that a row was made of; of an event that the parser knew, what a gap says of it."""
        line = None if row[DIGEST] else self._sources.line(row)
        if line is None:
            known = (e for e in self._sources.entries(row) if not isinstance(e, Audit))
            return next(e for e in known if e.rev == row[REV] and id_code(e.record.type, e.record.id) == row[ID])
        inner = self._event(line).body.body
        about = inner.data.relationships.resource
        return Observation(
            place=self._sources.place(row), record=RecordRef(inner.data.type, inner.data.id, inner.org),
            group=inner.data.id if about is None else about.data.id, rev=int(row[REV]), client=inner.client,
            times=Times(int(row[AT])), event_id=inner.id,
        )  # fmt: skip

    def history(self, rows: Iterable[Row]) -> History:
        """A conversation's entries, whole, in the order of the input."""
        observations: list[Observation] = []
        audits: list[Audit] = []
        group, read = "", set[tuple[int, int]]()
        for row in sorted(rows, key=lambda r: r[ORDER]):
            if (row[ORDER], row[PLACE]) in read:
                continue
            read.add((row[ORDER], row[PLACE]))
            for entry in self._sources.entries(row):
                if hash(entry.group) == row[GROUP]:
                    group = entry.group
                    (audits if isinstance(entry, Audit) else observations).append(entry)  # type: ignore[arg-type]
        return History(group, observations, audits, self._limits)

    def _same(self, a: Any, b: Any) -> int:
        """Whether two rows of one rev tell the same, and by ids of their own: see `sieve.Same`."""
        (said, id), (again, other) = self._told(a), self._told(b)
        return 0 if said != again else 2 if id and other and id != other else 1

    def _told(self, row: Any) -> tuple[Any, str]:
        """What a row's entry says, in a form that is equal for equal contents, and its event's id."""
        line = None if row[DIGEST] else self._sources.line(row)
        if line is None:
            known = (e for e in self._sources.entries(row) if not isinstance(e, Audit) and e.rev == row[REV])
            digest = int(row[DIGEST] or row[ORDER])
            return digest, next((e.event_id for e in known if id_code(e.record.type, e.record.id) == row[ID]), "")
        try:
            inner = self._contents(line).body.body
        except (msgspec.DecodeError, UnicodeDecodeError):
            return line, ""
        return (bytes(inner.data), bytes(inner.changes)), inner.id

    def _said(self, row: Any) -> Any:
        return int(row[DIGEST]) if row[DIGEST] else self._told(row)[0]

    def _digested(self, rows: list[Row]) -> None:
        """Where one rev of a record comes twice, digests that are equal for equal contents."""
        first: dict[tuple[int, int, int], int] = {}
        for n, row in enumerate(rows):
            known = first.setdefault((row[1], row[ID], row[REV]), n)
            if known != n:
                for at in (known, n):
                    digest = hash(self._said(rows[at]))
                    rows[at] = (*rows[at][:DIGEST], digest, *rows[at][DIGEST + 1 :])


class _Inner(msgspec.Struct):
    data: msgspec.Raw
    changes: msgspec.Raw = msgspec.Raw(b"")
    id: str = ""


class _Outer(msgspec.Struct):
    body: _Inner


class _Contents(msgspec.Struct):
    body: _Outer
