"""An incident document: Markdown or text with JSON blocks between prose and headings, damaged by copy and paste.

All blocks are found first, learn from each other, then are repaired; so a document is held in memory, up to a bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from interlock.investigation.finding import Refused
from interlock.investigation.observation import Place
from interlock.investigation.readers.shape import Found, Item
from interlock.investigation.readers.source import Line
from interlock.investigation.readers.witness import Witnesses
from interlock.investigation.repair import Block, settle
from interlock.investigation.schema import Schema
from interlock.investigation.tolerant import Unreadable

DOCUMENT_BYTES_MAX = 64 << 20
BLOCK_BYTES_MAX = 4 << 20

_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r"#{1,6} ")
_QUOTE = re.compile(r"(?:> ?)+")
_BEGIN = re.compile(r"\s*(?:[{]|\[\s*(?:[{]|$))")
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}]')
_OPENS = re.compile(r'\s*\{\s*(?:["“}]|$|…|\.\.\.)')


class Piece(msgspec.Struct):
    """One block before it is read: where it begins, its text, the prose lines above it."""

    place: Place
    text: str
    prose: list[str]


def items_of(lines: Iterator[Line], input: int) -> Iterator[Found]:
    """The blocks of a document, in order."""
    refused: list[Refused] = []
    pieces = [*_pieces(_bounded(lines, input, refused), input)]
    schema, witnesses = Schema(), Witnesses()
    blocks: list[Block | None] = []
    for piece in pieces:
        try:
            if len(piece.text) > BLOCK_BYTES_MAX:
                raise Unreadable(f"the block is longer than {BLOCK_BYTES_MAX:,} characters")
            blocks.append(Block(piece.text, piece.place))
        except Unreadable as why:
            blocks.append(None)
            at = Place(input, piece.place.line + why.line - 1, piece.place.offset)
            refused.append(Refused(at, f"not JSON: {why.why} (column {why.column})"))
    settle([b for b in blocks if b], schema)
    for piece, block in zip(pieces, blocks, strict=True):
        if block is not None:
            witnesses.hear(piece.prose, block, schema)
    for piece, block in zip(pieces, blocks, strict=True):
        if block is not None:
            yield from _items(piece, block, schema, witnesses)
    yield from sorted(refused, key=lambda r: r.place)


def _items(piece: Piece, block: Block, schema: Schema, witnesses: Witnesses) -> Iterator[Found]:
    repaired = block.result(schema, witnesses.of(block))
    value: Any = repaired.value
    if not isinstance(value, dict | list):
        return
    yield Item(piece.place, value, repaired.grade, repaired.repairs, repaired.unknown)


def _bounded(lines: Iterator[Line], input: int, refused: list[Refused]) -> Iterator[tuple[Line, str]]:
    """The lines as text, while the document is of a bearable size; what is no text is said and passed over."""
    for line in lines:
        place = Place(input, line.number, line.offset)
        if line.offset > DOCUMENT_BYTES_MAX:
            refused.append(Refused(place, f"a document is read up to {DOCUMENT_BYTES_MAX:,} bytes; the rest is not"))
            return
        if line.over:
            refused.append(Refused(place, f"the line is longer than {len(line.data):,} bytes; the rest is passed over"))
            continue
        try:
            text = line.data.decode("utf-8")
        except UnicodeDecodeError as why:
            refused.append(Refused(place, f"not UTF-8 at byte {why.start + 1} of the line"))
            text = line.data.decode("utf-8", "replace")
        if "\0" in text:
            refused.append(Refused(place, f"{text.count(chr(0)):,} NUL bytes"))
            text = text.replace("\0", "")
        yield line, text


class _Open:
    """A block that is being collected: its depth of braces so far, and the indent of its first brace."""

    def __init__(self, piece: Piece, fenced: bool) -> None:
        self.piece, self.fenced = piece, fenced
        self.rows: list[str] = []
        self.depth = 0
        self.indent = -1

    def take(self, row: str) -> bool:
        """Adds a row; says whether the braces are balanced now."""
        if self.indent < 0:
            self.indent = len(row) - len(row.lstrip())
        self.rows.append(row)
        for token in _TOKEN.findall(row):
            self.depth += (token == "{") - (token == "}")
        return self.depth <= 0

    def restarts(self, row: str) -> bool:
        """Whether a row begins a new object although this one was never closed."""
        if not self.rows or self.depth <= 0 or not _OPENS.match(row):
            return False
        before = next((r.rstrip() for r in reversed(self.rows) if r.strip()), "")
        return len(row) - len(row.lstrip()) <= self.indent and not before.endswith((",", ":", "["))

    def done(self) -> Piece:
        self.piece.text = "\n".join(self.rows)
        return self.piece


def _pieces(lines: Iterator[tuple[Line, str]], input: int) -> Iterator[Piece]:
    """The blocks: inside a fence, or from a line that begins with a brace to where braces close or prose goes on."""
    block: _Open | None = None
    prose: list[str] = []
    fenced = False
    for line, text in lines:
        row = _QUOTE.sub("", text, count=1) if text.startswith(">") else text
        if _FENCE.match(row):
            fenced = not fenced
            if block is not None:
                yield block.done()
                block = None
            continue
        if block is not None and (block.restarts(row) or (not block.fenced and _HEADING.match(row))):
            yield block.done()
            block = None
        if block is None:
            if not _BEGIN.match(row):
                prose = [*prose[-20:], row] if row.strip() else prose
                continue
            block = _Open(Piece(Place(input, line.number, line.offset), "", prose), fenced)
            prose = []
        if block.take(row):
            yield block.done()
            block = None
    if block is not None:
        yield block.done()
