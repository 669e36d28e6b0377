"""JSON lines, mixed with lines that say nothing, behind the prefixes that collectors put before a line.

A damaged line is repaired by itself, with what the lines around it teach about the fields; it never stops the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from interlock.investigation.finding import Refused
from interlock.investigation.observation import Place
from interlock.investigation.readers.shape import Found, Item
from interlock.investigation.readers.source import Line
from interlock.investigation.repair import LENGTHS, STRIPPED_BYTES_MIN, Block, settle
from interlock.investigation.schema import Schema
from interlock.investigation.tolerant import Unreadable

AHEAD_LINES, AHEAD_BYTES = 500, 4 << 20
"""How far a damaged line's reader looks ahead to learn the fields; once for an input."""

REPAIR_BYTES_MAX = 1 << 20
"""Longer damaged lines are refused: no event is that long, and repair is no work for megabytes."""

_DECODE_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_decode = msgspec.json.Decoder().decode


def items_of(lines: Iterator[Line], input: int) -> Iterator[Found]:
    """The objects of an input of lines, in order; lines without an object are passed over in silence."""
    return _Lines(lines, input).items()


class _Lines:
    def __init__(self, lines: Iterator[Line], input: int) -> None:
        self._lines = lines
        self._input = input
        self._schema = Schema()
        self._behind: deque[Any] = deque(maxlen=100)
        self._ahead: deque[Line] = deque()
        self._looked = False

    def items(self) -> Iterator[Found]:
        while True:
            line = self._ahead.popleft() if self._ahead else next(self._lines, None)
            if line is None:
                return
            yield from self._read(line)

    def _read(self, line: Line) -> Iterator[Found]:
        place = Place(self._input, line.number, line.offset)
        if line.over:
            yield Refused(place, f"the line is longer than {len(line.data):,} bytes; the rest of it is passed over")
            return
        data = line.data.strip(b" \t\0")
        zeros = line.data.count(b"\0")
        if zeros:
            yield Refused(place, f"{zeros:,} NUL bytes, as a log has that was cut while it was open")
        begin = data.find(b"{")
        if begin < 0:
            return
        body = data[begin:].rstrip(b",")
        if begin and not _is_object(body):
            return
        try:
            value = _decode(body)
        except _DECODE_ERRORS as error:
            yield from self._damaged(body, place, begin, error)
            return
        if (
            b"[" not in body
            and len(body) >= STRIPPED_BYTES_MIN
            and b'"fullBodyLength"' in body
            and not _is_whole(value)
        ):
            yield from self._damaged(body, place, begin, None)
        elif isinstance(value, dict):
            self._behind.append(value)
            yield Item(place, value)

    def _damaged(self, body: bytes, place: Place, indent: int, error: Exception | None) -> Iterator[Found]:
        several = _several(body) if error else []
        if several:
            yield from (Item(place, value) for value in several)
            return
        if len(body) > REPAIR_BYTES_MAX:
            yield Refused(place, f"not JSON, and too long to repair: {_reason(error)}")
            return
        try:
            block = Block(body.decode("utf-8"), place, indent=indent)
        except Unreadable as why:
            yield Refused(place, f"not JSON: {why.why} (column {why.column + indent})")
            return
        except UnicodeDecodeError as why:
            yield Refused(place, f"not UTF-8 at byte {why.start + indent + 1} of the line")
            return
        self._learn(block)
        block.solve(self._schema)
        repaired = block.result(self._schema)
        yield Item(place, repaired.value, repaired.grade, repaired.repairs, repaired.unknown)

    def _learn(self, block: Block) -> None:
        """What the lines around a damaged one show, and what it shows itself: some of its lists are sure."""
        for value in self._behind:
            self._schema.learn(value)
        self._behind.clear()
        block.learn(self._schema)
        if self._looked:
            return
        self._looked = True
        taken = 0
        blocks: list[Block] = [block]
        while len(self._ahead) < AHEAD_LINES and taken < AHEAD_BYTES:
            line = next(self._lines, None)
            if line is None:
                break
            self._ahead.append(line)
            taken += len(line.data)
            blocks += self._taught(line)
        settle(blocks, self._schema)

    def _taught(self, line: Line) -> list[Block]:
        """Learns from one line; what is damaged comes back, to be solved."""
        begin = line.data.find(b"{")
        if begin < 0 or line.over:
            return []
        body = line.data[begin:].rstrip(b",")
        try:
            self._schema.learn(_decode(body)) if b"[" in body else None
            if b"[" in body:
                return []
        except _DECODE_ERRORS:
            pass
        try:
            block = Block(body[:REPAIR_BYTES_MAX].decode("utf-8"), Place(self._input, line.number, line.offset))
        except (Unreadable, UnicodeDecodeError):
            return []
        block.learn(self._schema)
        return [block]


def _is_object(body: bytes) -> bool:
    """Whether what stands behind a prefix looks like an object rather than like text with a brace in it."""
    return body[1:].lstrip()[:1] in (b'"', b"}")


def _is_whole(value: Any) -> bool:
    """Whether the length that the line declares is the length of what it holds: then nothing was stripped from it."""
    for name, of in LENGTHS.items():
        if isinstance(value, dict) and name in value and of in value:
            text = msgspec.json.encode(value[of])
            return value[name] in (len(text), len(text.decode()))
    return False


def _several(body: bytes) -> list[Any]:
    """The objects of a line that holds more than one, as two writers leave it; none if that is not what is wrong."""
    parts = body.replace(b"}{", b"}\n{").split(b"\n")
    if len(parts) < 2 or len(parts) > 1_000:
        return []
    values: list[Any] = []
    for part in parts:
        try:
            values.append(_decode(part))
        except _DECODE_ERRORS:
            return []
    return values


def _reason(error: Exception | None) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)
