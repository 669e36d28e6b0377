"""A run over inputs: opens each, tells its format, takes its objects apart and counts what became of them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from interlock.investigation.finding import Input, Refused
from interlock.investigation.mapping import Mapping
from interlock.investigation.mapping import load as load_map
from interlock.investigation.observation import Audit, Entry, Place
from interlock.investigation.readers import document, jsonlines, table, whole
from interlock.investigation.readers.couchdb import CouchChanges
from interlock.investigation.readers.debezium import Debezium
from interlock.investigation.readers.detect import FORMATS, Format, detect
from interlock.investigation.readers.envelopes import Envelopes
from interlock.investigation.readers.kubernetes import KubernetesAudit
from interlock.investigation.readers.mapped import Mapped
from interlock.investigation.readers.shape import Found, Item, Shape
from interlock.investigation.readers.source import Line, Named, Stream, lines_of, named_inputs

BUFFER_BYTES = 1 << 20

Container = Callable[[Iterator[Line], int], Iterator[Found]]
CONTAINERS: dict[str, Container] = {
    "json-lines": jsonlines.items_of,
    "json": whole.items_of,
    "incident-document": document.items_of,
    "csv": table.items_of,
    "tsv": table.items_of,
}
"""How objects are cut out of an input."""

SHAPES: tuple[Callable[[], Shape], ...] = (Debezium, KubernetesAudit, CouchChanges, Envelopes)
"""How an object is understood; the first that knows it reads it."""


class UnknownFormat(ValueError):
    """There is no format of that name."""


class Reading:
    """The entries of all inputs, once, in order; `inputs` fills while it is read."""

    def __init__(self, named: Sequence[Named], format: str | None, mapping: Mapping | None = None) -> None:
        self._named = named
        self._mapping = mapping
        self._format = format
        self.inputs = [Input(n.name) for n in named]

    def __iter__(self) -> Iterator[Entry]:
        for number in range(len(self.inputs)):
            yield from self.read(number)

    def read(self, number: int) -> Iterator[Entry]:
        """The entries of one input."""
        named, report = self._named[number], self.inputs[number]
        opener = named.open
        if opener is None:
            report.refuse(Refused(Place(number, 0), named.why))
            return
        try:
            packed = opener()
        except OSError as error:
            report.refuse(Refused(Place(number, 0), f"it cannot be opened: {error.strerror or error}"))
            return
        stream = Stream(packed)
        try:
            yield from self._entries(stream, number, report)
        finally:
            report.bytes = stream.taken
            if packed is not sys.stdin.buffer:
                stream.close()

    def _entries(self, stream: Stream, number: int, report: Input) -> Iterator[Entry]:
        report.packing = stream.packing
        forced = self._format or (self._mapping.format or None if self._mapping else None)
        found, why = detect(stream.head, report.name, forced)
        if found is None:
            report.refuse(Refused(Place(number, 0), stream.trouble or why))
            return
        buffered = io.BufferedReader(stream, BUFFER_BYTES)
        yield from self.read_lines(number, lines_of(buffered), found)
        if stream.trouble:
            report.refuse(Refused(Place(number, report.lines), stream.trouble))
        if found.container in ("csv", "tsv") and report.entries and not report.observations + report.audits:
            report.refuse(Refused(Place(number, 1), "no column is called an id or a rev: say with --map what is what"))

    def read_lines(self, number: int, lines: Iterator[Line], found: Format) -> Iterator[Entry]:
        """The entries of lines of an input, counted in `inputs`: of all, or of a share where nothing `remembers`."""
        report = self.inputs[number]
        report.format = found.name
        shapes = self._shapes(found)
        for item in CONTAINERS[found.container](_watched(lines, report), number):
            if isinstance(item, Refused):
                report.refuse(item)
            else:
                yield from self._understood(item, shapes, report, found)

    def remembers(self, number: int, head: bytes, found: Format) -> bool:
        """Whether what an entry comes to depends on those before it, so that the input is read in one piece."""
        if self._mapping is not None or found.container != "json-lines":
            return True
        if found.shape:
            return True
        lines = (Line(n, 0, line) for n, line in enumerate(head.split(b"\n")[:-1] or [head], 1))
        items = [i for i in jsonlines.items_of(lines, number) if not isinstance(i, Refused)]
        return any(shape().entries(item) is not None for item in items for shape in SHAPES if shape is not Envelopes)

    def _shapes(self, found: Format) -> list[Shape]:
        if self._mapping is not None:
            return shapes_of(mapping=self._mapping)
        shapes = shapes_of(found.shape)
        if found.container in ("csv", "tsv"):
            shapes.append(table.GuessedTable())
        return shapes

    def _understood(self, item: Item, shapes: list[Shape], report: Input, format: Format) -> Iterator[Entry]:
        report.entries += 1
        report.note(item.repairs)
        for shape in shapes:
            entries = shape.entries(item)
            if entries is None:
                continue
            for entry in entries:
                if isinstance(entry, Audit):
                    report.audits += 1
                else:
                    report.observations += 1
                yield entry
            if shape.NAME not in ("envelopes", "table") and report.format == format.container:
                report.format = shape.NAME
            return
        report.silent += 1


def shapes_of(shape: str = "", mapping: Mapping | None = None) -> list[Shape]:
    """How the objects of one input are understood: by its map, as the one shape that it is, or as any that is known."""
    if mapping is not None:
        return [Mapped(mapping)]
    return [known for make in SHAPES if (known := make()).NAME.startswith(shape)]


def _watched(lines: Iterator[Line], report: Input) -> Iterator[Line]:
    """The lines, with lines and bytes counted as they pass."""
    for line in lines:
        report.lines = line.number
        report.bytes = line.offset + len(line.data)
        yield line


def open_inputs(
    paths: Sequence[str | Path] | str | Path,
    *,
    format: str | None = None,
    mapping: Mapping | Path | None = None,
    stdin: BinaryIO | None = None,
) -> Reading:
    """A reading of files, folders, globs or `-`.

    Raises `UnknownFormat` for a `format` that is none of `FORMATS`, `BadMapping` for a map that cannot be used.
    """
    if format is not None and format not in FORMATS:
        raise UnknownFormat(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    several = [paths] if isinstance(paths, str | Path) else paths
    known = load_map(mapping) if isinstance(mapping, Path) else mapping
    return Reading(named_inputs(several, stdin or sys.stdin.buffer), format, known)
