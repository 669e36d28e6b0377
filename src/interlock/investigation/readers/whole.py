"""JSON that is not one object a line: one object, an array, several objects one after the other, pretty or compact.

Objects are cut out by their braces while the bytes pass, so that an array of any length takes the memory of its longest
object. A list inside one object (`{"results": [ … ]}`) is cut in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from interlock.investigation.finding import Refused
from interlock.investigation.observation import Place
from interlock.investigation.readers.jsonlines import REPAIR_BYTES_MAX
from interlock.investigation.readers.shape import Found, Item
from interlock.investigation.readers.source import LINE_BYTES_MAX, Line
from interlock.investigation.repair import Block, settle
from interlock.investigation.schema import Schema
from interlock.investigation.tolerant import Unreadable

OBJECT_BYTES_MAX = LINE_BYTES_MAX

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}]')
"""A string, to the line's end if it is not closed, or a brace. Never goes back, so that no line takes long."""
_LIST_INSIDE = re.compile(rb'\s*\{\s*"(?:results|data|logs|events|logEvents|items|records|rows|entries)"\s*:\s*\[\s*$')
_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def items_of(lines: Iterator[Line], input: int) -> Iterator[Found]:
    """The objects of an input, in order."""
    schema = Schema()
    for place, data, why in _objects(lines, input):
        if why:
            yield Refused(place, why)
            continue
        try:
            value = msgspec.json.decode(data)
        except _ERRORS:
            yield _repaired(data, place, schema)
            continue
        yield Item(place, value)


def _repaired(data: bytes, place: Place, schema: Schema) -> Found:
    if len(data) > REPAIR_BYTES_MAX:
        return Refused(place, f"not JSON, and too long to repair: {len(data):,} bytes")
    try:
        block = Block(data.decode("utf-8"), place)
    except Unreadable as why:
        return Refused(Place(place.input, place.line + why.line - 1, place.offset), f"not JSON: {why.why}")
    except UnicodeDecodeError as why:
        return Refused(place, f"not UTF-8 at byte {why.start + 1} of the object")
    settle([block], schema)
    done = block.result(schema)
    return Item(place, done.value, done.grade, done.repairs, done.unknown)


def _objects(lines: Iterator[Line], input: int) -> Iterator[tuple[Place, bytes, str]]:
    """(place, bytes, why it is refused or empty) of each outermost object."""
    depth, size = 0, 0
    parts: list[bytes] = []
    place = Place(input, 1)
    for line in lines:
        if line.over:
            yield Place(input, line.number, line.offset), b"", f"the line is longer than {len(line.data):,} bytes"
            depth, size, parts = 0, 0, []
            continue
        begun = 0
        if depth == 0 and _LIST_INSIDE.match(line.data):
            continue
        for token in _TOKEN.finditer(line.data):
            if token[0] == b"{":
                if depth == 0:
                    begun, place, parts, size = (
                        token.start(),
                        Place(input, line.number, line.offset + token.start()),
                        [],
                        0,
                    )
                depth += 1
            elif token[0] == b"}" and depth > 0:
                depth -= 1
                if depth == 0:
                    parts.append(line.data[begun : token.end()])
                    yield place, b"".join(parts), ""
        if depth > 0:
            parts.append(line.data[begun:] + b"\n")
            size += len(line.data) - begun + 1
            if size > OBJECT_BYTES_MAX:
                yield place, b"", f"the object is longer than {OBJECT_BYTES_MAX:,} bytes"
                depth, size, parts = 0, 0, []
    if depth > 0:
        yield place, b"".join(parts), ""
