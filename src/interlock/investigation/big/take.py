"""The first step: every line of an input as a row in the spill, or counted."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import numpy as np

from interlock.investigation.big.lines import PIECE_BYTES, SIZE_BITS, Places, Share, lines_of, whole_lines
from interlock.investigation.big.names import Names
from interlock.investigation.big.parse import Columns, Rows
from interlock.investigation.big.spill import WORKER_BITS, Entries, Spill
from interlock.investigation.compact import AT, INPUT_SHIFT, ORDER, PLACE, SESSIONS, Row, compact_of
from interlock.investigation.finding import LISTED_MAX, Input, Refused, Repair
from interlock.investigation.observation import Audit, Place
from interlock.investigation.readers import jsonlines
from interlock.investigation.readers.audit import MESSAGE
from interlock.investigation.readers.envelopes import Envelopes
from interlock.investigation.readers.reading import Reading
from interlock.investigation.readers.source import LINE_BYTES_MAX, Line

BATCH_LINES, COLLECTED_LINES = 4_096, 128
"""So many lines become rows at once, and so many are held decoded: as many as stay in the processor's cache."""

LINES_AT_FIRST, BYTES_AT_FIRST = 4, 2_000
"""The first portions are small: names are learnt in them. So is the last: lines beyond the share are another's."""

GROWTH = 4
"""By so much each portion is longer than the one before it."""

SLOW_BYTES_MAX = 2 << 20
"""A longer line that the fast parser does not know is not read: as objects it would be twenty times as large."""

HELD_BYTES_MAX = 64 << 10
"""A longer line that the parser does not know is not held until the portion is done, but read again."""

_SPEAKING = (b"attributes", b"conversationId", b"workItemId", b"\\u")
"""Valid JSON without any of these says nothing of a record, however deep an export has wrapped it."""

DECODE_ERRORS = (msgspec.DecodeError, ValueError, RecursionError, UnicodeDecodeError)
Progress = Callable[[int], bool]
"""Told how many bytes more were read; answers whether to go on."""


class Took(msgspec.Struct):
    """What a worker took in. Line numbers in lists are the share's; `begin`: the offset of its first line; `sessions`:
    whether any record was one that can state what a user may hold."""

    share: Share
    begin: int = 0
    lines: int = 0
    entries: int = 0
    observations: int = 0
    refusals: int = 0
    repaired: int = 0
    refused: list[Refused] = []
    repairs: list[Repair] = []
    end: int = -1
    sessions: bool = False


def take(share: Share, spill: Spill, progress: Progress) -> Took:
    """Every line of a share."""
    taker = _Taker(share, spill)
    with lines_of(share) as (lines, begin):
        taker.took.begin = offset = begin
        count = LINES_AT_FIRST
        while offset < share.end:
            left = (share.end - offset) * (taker.took.lines + 1) // (offset - begin + BYTES_AT_FIRST)
            read = taker.portion(lines, offset, max(LINES_AT_FIRST, min(count, left)))
            offset += read
            count = min(GROWTH * count, BATCH_LINES)
            if not read or not progress(read):
                break
    return taker.done()


class _Taker:
    def __init__(self, share: Share, spill: Spill) -> None:
        self.took = Took(share)
        self._add = spill.add
        self._names = Names()
        self._columns = Columns(self._names)
        self._audits = Columns(self._names, told=True)
        self._decode = self._names.decoder()
        self._places = Places(share.path, [])

    def done(self) -> Took:
        """What was taken in."""
        self.took.sessions |= self._columns.sessions
        return self.took

    def portion(self, lines: Iterator[bytes], offset: int, count: int) -> int:
        """Some lines; how many bytes they have. Lines that begin beyond the share are left out."""
        sizes: list[int] = []
        others: list[_Other] = []
        audits: list[int] = []
        while len(sizes) < count:
            some = list(islice(lines, min(COLLECTED_LINES, count - len(sizes))))
            if not some:
                break
            length_of = [*map(len, some)]
            if max(length_of) >= PIECE_BYTES:
                some, length_of = whole_lines(some, lines)
            self._collect(some, len(sizes), others, audits)
            sizes += length_of
        if not sizes:
            return 0
        length = np.array(sizes)
        begins = np.cumsum(length) - length + offset
        inside = int(np.searchsorted(begins, self.took.share.end))
        where = _Where(self.took.share.input, self.took.lines, begins, length)
        events = np.ones(len(sizes), bool)
        events[audits] = False
        events[[o.position for o in others]] = False
        for columns, positions in ((self._columns, np.flatnonzero(events)), (self._audits, np.array(audits, int))):
            self._rows(columns, positions[: int(np.searchsorted(positions, inside))], where)
        self._others([o for o in others if o.position < inside], where)
        self.took.lines += inside
        return int(length.sum())

    def _collect(self, some: list[bytes], begin: int, others: list[_Other], audits: list[int]) -> None:
        """Some lines as columns, as far as they are events or audits that the parser knows."""
        said = self._decoded(some)
        events = [s for s in said if s is not None and s.body is not None]
        told: list[Any] = []
        for n in [n for n, s in enumerate(said) if s is None or s.body is None]:
            line, s = some[n], said[n]
            if s is not None and s.msg == MESSAGE:
                told.append(s)
                audits.append(begin + n)
            elif s is not None and not any(word in line for word in _SPEAKING):
                others.append(_Other(begin + n, silent=True))
            else:
                others.append(_Other(begin + n, line if len(line) < HELD_BYTES_MAX else None))
        if events:
            self._columns.collect(events)
        if told:
            self._audits.audits(told)

    def _decoded(self, some: list[bytes]) -> list[Any]:
        """Some lines decoded, `None` for those that do not fit. A loop in Python for the latter only."""
        said: list[Any] = []
        each = map(self._decode, some)
        while len(said) < len(some):
            try:
                # What was decoded before an error stays in the list, and `each` goes on behind it.
                said.extend(each)
            except DECODE_ERRORS:
                said.append(None)
        return said

    def _rows(self, columns: Columns, positions: Rows, where: _Where) -> None:
        rows, slow = columns.rows()
        rows, slow = rows[: len(positions)], slow[slow < len(positions)]
        if not len(rows):
            return
        rows[:, ORDER] = where.order(positions)
        rows[:, PLACE] = where.place(positions)
        if len(slow):
            for position in positions[slow].tolist():
                self._read(where, position, None)
            rows = np.delete(rows, slow, axis=0)
        self._added(rows)

    def _others(self, others: list[_Other], where: _Where) -> None:
        for o in others:
            if o.silent:
                self.took.entries += 1
            else:
                self._read(where, o.position, o.line)

    def _added(self, rows: Rows) -> None:
        took = self.took
        took.entries += len(rows)
        took.observations += len(rows)
        if len(rows):
            took.end = max(took.end, int(rows[:, AT].max()))
            self._add(rows)

    def _read(self, where: _Where, position: int, line: bytes | None) -> None:
        """A line read as any other reader would."""
        took = self.took
        offset, size = int(where.begins[position]), int(where.length[position])
        place = Place(where.input, where.before + position + 1, offset)
        if size > LINE_BYTES_MAX or size > SLOW_BYTES_MAX:
            _refuse(took, Refused(place, f"the line is {size:,} bytes long; it is passed over"))
            return
        data = self._places.read(offset, size) if line is None else line.rstrip(b"\r\n")
        if b"{" not in data and b"\0" not in data:
            return
        rows: list[Row] = []
        for found in jsonlines.items_of(iter([Line(place.line, offset, data)]), where.input):
            if isinstance(found, Refused):
                _refuse(took, found)
                continue
            took.entries += 1
            took.repaired += len(found.repairs)
            took.repairs += found.repairs[: max(0, LISTED_MAX - len(took.repairs))]
            for entry in Envelopes().entries(found) or ():
                rows.append(compact_of(entry))
                took.sessions |= entry.record.type in SESSIONS
                if not isinstance(entry, Audit) and self._names.learn(entry):
                    self._decode = self._names.decoder()
        if rows:
            laid = np.array(rows)
            laid[:, ORDER] = where.order(position)
            laid[:, PLACE] = where.place(position)
            self._added(laid)
            took.entries -= len(rows)


class _Other(NamedTuple):
    """A line of a portion that is left to the readers: the line, if it is short; or it certainly says nothing."""

    position: int
    line: bytes | None = None
    silent: bool = False


class _Where(NamedTuple):
    """Where the lines of a portion stand. `before`: lines of the share before it."""

    input: int
    before: int
    begins: Rows
    length: Rows

    def order(self, positions: Any) -> Any:
        """ORDER of some lines."""
        return self.begins[positions] | self.input << INPUT_SHIFT

    def place(self, positions: Any) -> Any:
        """PLACE of some lines: their number in the share, and their bytes."""
        return (positions + self.before + 1) << SIZE_BITS | self.length[positions]


def _refuse(took: Took, refused: Refused) -> None:
    took.refusals += 1
    if len(took.refused) < LISTED_MAX:
        took.refused.append(refused)


class Slowly(NamedTuple):
    """What came of an input of another kind: its number, its report, its last moment (ms), whether it has sessions."""

    input: int
    report: Input
    end: int
    sessions: bool


def take_slowly(reading: Reading, number: int, spill: Spill, entries: Entries, progress: Progress) -> Slowly:
    """An input of any other kind, through its reader, with the entries themselves."""
    end, before, sessions = -1, 0, False
    report = reading.inputs[number]
    rows: list[Row] = []
    for seen, entry in enumerate(reading.read(number)):
        row = compact_of(entry)
        sessions = sessions or entry.record.type in SESSIONS
        end = max(end, row[AT])
        at = entries.add(pickle.dumps(entry, pickle.HIGHEST_PROTOCOL))
        # Several rows or objects may stand on one line: the order of the reader is the order of the input.
        rows.append((*row[:ORDER], number << INPUT_SHIFT | seen, *row[ORDER + 1 : PLACE], packed_place(entries, at)))
        if len(rows) == 256:
            spill.add(np.array(rows))
            rows.clear()
            more, before = report.bytes - before, report.bytes
            if not progress(more):
                break
    if rows:
        spill.add(np.array(rows))
    return Slowly(number, report, end, sessions)


def packed_place(entries: Entries, at: int) -> int:
    """PLACE of an entry that is kept packed: below zero."""
    return -1 - (at << WORKER_BITS | entries.number)
