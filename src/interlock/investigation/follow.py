"""The same rules online: a file that grows, looked at again and again; a finding comes once, soon after its write.

`run_once` takes what has been added since the last time, joins each entry to its conversation, and asks the rules about
the conversations that moved. Only the most recent conversations are kept; one that was forgotten and moves again starts
late, as one whose beginning the log does not show.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from interlock.domain.log import Row
from interlock.investigation import own
from interlock.investigation.finding import Finding, History, Limits, Refused
from interlock.investigation.investigate import examine
from interlock.investigation.observation import Audit, Entry, Observation
from interlock.investigation.readers import jsonlines
from interlock.investigation.readers.reading import shapes_of
from interlock.investigation.readers.shape import Shape
from interlock.investigation.readers.source import LINE_BYTES_MAX, Line

LIVE = Limits(rest_ms=15_000, live=True)
GROUPS_MAX = 20_000
ENTRIES_MAX = 500
READ_BYTES = 4 << 20
HEAD_BYTES = 1 << 10
REFUSED_MAX = 100


class _Group(msgspec.Struct):
    observations: list[Observation] = []
    audits: list[Audit] = []


class Watch:
    """Conversations as they move, and what has been said of them. Memory: the last 20,000, 500 entries of each."""

    def __init__(self, limits: Limits = LIVE) -> None:
        self._limits = limits
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        self._told: dict[str, set[tuple[object, ...]]] = {}
        self._end: int | None = None

    def take(self, entries: Iterable[Entry]) -> list[Finding]:
        """What these entries bring to light that has not been said before."""
        moved: dict[str, None] = {}
        for entry in entries:
            self._add(entry)
            moved[entry.group] = None
        found = [f for group in moved for f in self._new(group)]
        while len(self._groups) > GROUPS_MAX:
            old, _ = self._groups.popitem(last=False)
            self._told.pop(old, None)
        return found

    def _add(self, entry: Entry) -> None:
        group = self._groups.setdefault(entry.group, _Group())
        self._groups.move_to_end(entry.group)
        if isinstance(entry, Audit):
            group.audits.append(entry)
            at = entry.at
            del group.audits[:-ENTRIES_MAX]
        else:
            group.observations.append(entry)
            at = entry.times.best
            del group.observations[:-ENTRIES_MAX]
        if at is not None:
            self._end = at if self._end is None else max(self._end, at)

    def _new(self, name: str) -> list[Finding]:
        group, told = self._groups[name], self._told.setdefault(name, set())
        found = examine(History(name, group.observations, group.audits, self._limits), self._end).findings
        fresh = [f for f in found if mark(f) not in told]
        told.update(map(mark, fresh))
        return fresh


def mark(f: Finding) -> tuple[object, ...]:
    """What makes two findings one: rule, record, field, rev. Surer words about the same are no news."""
    return f.rule, f.record.type, f.record.id, f.field, f.rev


class Follower:
    """A growing file of JSON lines. A file that is cut or replaced is read from its beginning.

    shapes   makes what understands its objects, anew for each file, since some remember; by default all that are known
    """

    def __init__(
        self,
        path: str | Path,
        watch: Watch | None = None,
        *,
        input: int = 0,
        shapes: Callable[[], Sequence[Shape]] = shapes_of,
    ) -> None:
        self.path = Path(path)
        self.watch = watch or Watch()
        self.lines = 0
        self.refused: list[Refused] = []
        self._input = input
        self._fresh_shapes = shapes
        self._shapes = shapes()
        self._at = 0
        self._head = b""

    def run_once(self) -> list[Finding]:
        """Findings that what was added since the last time brings to light. A line without its end waits for it."""
        found: list[Finding] = []
        while lines := self._added():
            found += self.watch.take(self._entries(lines))
        return found

    def _added(self) -> list[Line]:
        try:
            with self.path.open("rb") as file:
                self._same(file)
                file.seek(self._at)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            return []
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) >= min(READ_BYTES, LINE_BYTES_MAX):
            whole = len(data)
        lines: list[Line] = []
        for line in data[:whole].removesuffix(b"\n").split(b"\n") if whole else ():
            self.lines += 1
            lines.append(Line(self.lines, self._at, line.rstrip(b"\r")))
            self._at += len(line) + 1
        return lines

    def _same(self, file: BinaryIO) -> None:
        """Begins anew where this is another file than last time, or the same one cut short.

        It is told by its first bytes: a new file may well be given the old one's number.
        """
        head = file.read(HEAD_BYTES)
        if not head.startswith(self._head) or file.seek(0, 2) < self._at:
            self._at = self.lines = 0
            self._shapes = self._fresh_shapes()
        self._head = head

    def _entries(self, lines: Iterable[Line]) -> Iterable[Entry]:
        entries, refused = entries_of(lines, self._input, shapes=self._shapes)
        self.refused = [*self.refused, *refused][-REFUSED_MAX:]
        return entries


class Subject:
    """Messages of a bus, one after the other: lines of JSON in each, or a row of a change log of ours.

    Evidence names a message's line by its number among all that were heard; a row's, by its position.
    """

    def __init__(self, shapes: Sequence[Shape], watch: Watch | None = None) -> None:
        self.watch = watch or Watch()
        self._shapes = shapes
        self._lines = 0

    def take(self, data: bytes, row: Row | None) -> list[Finding]:
        """The findings that a message brings to light."""
        if row is not None:
            return self.watch.take(own.entries_of(row))
        lines: list[Line] = []
        for line in data.removesuffix(b"\n").split(b"\n"):
            self._lines += 1
            lines.append(Line(self._lines, 0, line.rstrip(b"\r")))
        entries, _ = entries_of(lines, shapes=self._shapes)
        return self.watch.take(entries)


def entries_of(lines: Iterable[Line], input: int = 0, *, shapes: Sequence[Shape]) -> tuple[list[Entry], list[Refused]]:
    """What some lines of JSON come to, and those that cannot be read. `shapes`: the first that knows an object reads
    it.
    """
    entries: list[Entry] = []
    refused: list[Refused] = []
    for found in jsonlines.items_of(iter(lines), input):
        if isinstance(found, Refused):
            refused.append(found)
            continue
        for shape in shapes:
            told = shape.entries(found)
            if told is not None:
                entries += told
                break
    return entries, refused
