"""The first step: every line of an input as a row in the spill, or counted."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np

from interlock.investigation.big.audits import Audits
from interlock.investigation.big.columns import Rows
from interlock.investigation.big.lines import SIZE_BITS, Block, Places, Share, blocks_of, first_offset, place_of, placed
from interlock.investigation.big.names import Names
from interlock.investigation.big.parse import Events
from interlock.investigation.big.spill import WORKER_BITS, Entries, Spill
from interlock.investigation.compact import AT, INPUT_SHIFT, ORDER, PLACE, SESSIONS, Row, compact_of
from interlock.investigation.finding import LISTED_MAX, Input, Refused, Repair
from interlock.investigation.observation import Audit, Place
from interlock.investigation.readers import jsonlines
from interlock.investigation.readers.envelopes import Envelopes
from interlock.investigation.readers.reading import Reading
from interlock.investigation.readers.source import LINE_BYTES_MAX, Line

BATCH_LINES = 4_096
"""So many lines become rows at once."""

SLOW_BYTES_MAX = 2 << 20
"""A longer line that the fast parser does not know is not read: as objects it would be twenty times as large."""

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
    done = begin = taker.took.begin
    for block in blocks_of(share, begin):
        taker.block(block)
        if taker.collected >= BATCH_LINES:
            taker.rows()
            if not progress(block.ends[-1] - done):
                break
            done = block.ends[-1]
    else:
        taker.rows()
        progress(max(0, share.end - done))
    return taker.took


class _Taker:
    """`_begin`, `_ends`: of the lines whose rows are not yet made, with those that will have none."""

    def __init__(self, share: Share, spill: Spill) -> None:
        self.took = Took(share, first_offset(share))
        self._add = spill.add
        self._names = Names()
        self._events = Events(self._names)
        self._audits = Audits()
        self._places = Places(share.path, [])
        self._begin = self.took.begin
        self._ends: list[int] = []

    @property
    def collected(self) -> int:
        """Lines that are collected, and not yet rows."""
        return len(self._ends)

    def block(self, block: Block) -> None:
        """Collects some lines; those that the parser does not know are read while they are there."""
        first = len(self._ends)
        others = self._events.collect(block.lines, first)
        if others:
            others, silent = self._audits.collect(block.lines, first, others)
            self.took.entries += silent
        for n in others:
            begin = block.ends[n - first - 1] if n > first else block.begin
            place = place_of(self.took.lines + n - first + 1, block.ends[n - first] - begin)
            self._read(begin, place, block.lines[n - first])
        self._ends += block.ends
        self.took.lines += len(block.lines)

    def rows(self) -> None:
        """Makes rows of what is collected, and puts them aside."""
        took = self.took
        ends = np.array([self._begin, *self._ends])
        begins, sizes = ends[:-1], np.diff(ends)
        before = took.lines - len(sizes)
        for columns in (self._events, self._audits):
            rows, slow = columns.rows()
            number = rows[:, ORDER].copy()
            rows[:, ORDER] = begins[number] | took.share.input << INPUT_SHIFT
            rows[:, PLACE] = (number + (before + 1)) << SIZE_BITS | sizes[number]
            for row in rows[slow].tolist():
                self._read(row[ORDER], row[PLACE], None)
            self._added(np.delete(rows, slow, axis=0) if len(slow) else rows)
        took.sessions |= self._events.sessions
        self._begin = int(ends[-1])
        self._ends.clear()

    def _added(self, rows: Rows) -> None:
        took = self.took
        took.entries += len(rows)
        took.observations += len(rows)
        if len(rows):
            took.end = max(took.end, int(rows[:, AT].max()))
            self._add(rows)

    def _read(self, order: int, place: int, line: memoryview | None) -> None:
        """A line read as any other reader would."""
        took = self.took
        number, offset, size = placed(order, place)
        at = Place(took.share.input, number, offset)
        if size > LINE_BYTES_MAX or size > SLOW_BYTES_MAX:
            _refuse(took, Refused(at, f"the line is {size:,} bytes long; it is passed over"))
            return
        data = self._places.read(offset, place) if line is None else bytes(line).rstrip(b"\r\n")
        if b"{" not in data and b"\0" not in data:
            return
        rows: list[Row] = []
        for found in jsonlines.items_of(iter([Line(number, offset, data)]), at.input):
            if isinstance(found, Refused):
                _refuse(took, found)
                continue
            took.entries += 1
            took.repaired += len(found.repairs)
            took.repairs += found.repairs[: max(0, LISTED_MAX - len(took.repairs))]
            for entry in Envelopes().entries(found) or ():
                rows.append((*compact_of(entry)[:PLACE], place))
                took.sessions |= entry.record.type in SESSIONS
                if not isinstance(entry, Audit) and self._names.learn(entry):
                    self._events.learn()
        if rows:
            laid = np.array(rows)
            laid[:, ORDER] = order | at.input << INPUT_SHIFT
            self._added(laid)
            took.entries -= len(rows)


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
