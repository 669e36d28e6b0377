"""A share of a file's lines, and one line of it once more by its place."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from interlock.investigation.compact import INPUT_SHIFT
from interlock.investigation.readers.source import LINE_BYTES_MAX

BLOCK_BYTES = 256 << 10
PIECE_BYTES = 64 << 10
"""A longer line is read in pieces, where lines are read one by one."""

AT_ONCE_BYTES = 256 << 10
"""So many bytes of lines are looked at together: as many as stay in the processor's cache until they are."""

AT_FIRST_BYTES = 4 << 10
"""The first block is small, since names are learnt in it; each one after it is larger by GROWTH."""

GROWTH = 4

SIZE_BITS = 25
"""Bits for the bytes of a line, in a place; LINE_BYTES_MAX fits."""

_SIZES = (1 << SIZE_BITS) - 1
_OFFSETS = (1 << INPUT_SHIFT) - 1
_NOTHING = memoryview(b"")


class Share(NamedTuple):
    """The lines of one input that begin in [begin, end)."""

    input: int
    path: str
    begin: int
    end: int


def shares(input: int, path: str, size: int, count: int) -> list[Share]:
    """The file in so many shares of about equal size."""
    marks = [size * n // count for n in range(count + 1)]
    return [Share(input, path, a, b) for a, b in pairwise(marks) if b > a]


class Block(NamedTuple):
    """Some lines of a share, one behind the other.

    lines   without their ends, until the next block is asked for; of one longer than LINE_BYTES_MAX, nothing
    begin   the offset of the first in the input        ends   where each ends there
    """

    lines: list[memoryview]
    begin: int
    ends: list[int]


def place_of(number: int, size: int) -> int:
    """PLACE of a line: its number in its share, from 1, and its bytes with its end."""
    return number << SIZE_BITS | size


def placed(order: int, place: int) -> tuple[int, int, int]:
    """What an ORDER and a PLACE say of a line: its number in its share, its offset and its size."""
    return place >> SIZE_BITS, order & _OFFSETS, place & _SIZES


def blocks_of(share: Share, offset: int) -> Iterator[Block]:
    """The lines of a share, of which the first begins at an offset. All are read into one buffer: fresh memory is slow
    at first touch, and a line that is no object of its own is not copied."""
    buffer, held = bytearray(AT_FIRST_BYTES), 0
    with Path(share.path).open("rb", buffering=0) as file:
        file.seek(offset)
        while offset < share.end:
            got = file.readinto(memoryview(buffer)[held:])
            held, size = held + got, len(buffer)
            block = _split(buffer, held, offset, share.end, ended=not got)
            used = block.ends[-1] - offset if block.ends else 0
            if not used and held == size > LINE_BYTES_MAX:
                used, held, end = _passed_over(file, buffer, offset)
                block = Block([_NOTHING], offset, [end])
            if block.ends:
                yield block
                offset = block.ends[-1]
            if not got:
                return
            # What is left moves to the front; of a buffer that a long line has made larger, no more than is needed.
            rest = memoryview(buffer)[used:held]
            held = len(rest)
            if size < AT_ONCE_BYTES or not block.ends:
                buffer = bytearray(min(GROWTH * size, LINE_BYTES_MAX + AT_ONCE_BYTES))
            elif size > AT_ONCE_BYTES:
                buffer = bytearray(max(AT_ONCE_BYTES, min(size, 2 * held)))
            memoryview(buffer)[:held] = rest


def _split(buffer: bytearray, held: int, offset: int, limit: int, *, ended: bool) -> Block:
    """The lines that begin before a limit, as far as they are whole: the last of a file need not have an end."""
    view, find, at = memoryview(buffer), buffer.find, 0
    lines: list[memoryview] = []
    ends: list[int] = []
    last = limit - offset
    while at < last and (end := find(b"\n", at, held)) >= 0:
        lines.append(view[at:end])
        at = end + 1
        ends.append(offset + at)
    if ended and at < min(held, last):
        lines.append(view[at:held])
        ends.append(offset + held)
    if held > LINE_BYTES_MAX:
        sizes = [b - a for a, b in pairwise((offset, *ends))]
        lines = [_NOTHING if size > LINE_BYTES_MAX else line for line, size in zip(lines, sizes, strict=True)]
    return Block(lines, offset, ends)


def _passed_over(file: Any, buffer: bytearray, end: int) -> tuple[int, int, int]:
    """Reads on to the end of a line that does not fit into the buffer: where the next begins in the buffer, how much
    the buffer holds then, and where the line ends in the input."""
    end += len(buffer)
    while got := file.readinto(buffer):
        found = buffer.find(b"\n", 0, got)
        if found >= 0:
            return found + 1, got, end + found + 1
        end += got
    return 0, 0, end


@contextmanager
def lines_of(share: Share) -> Iterator[tuple[Iterator[bytes], int]]:
    """The lines from the share's first on, to the end of the file, and the offset of the first.

    A line comes with its end. A long one comes in pieces of PIECE_BYTES, which `whole_line` puts together.
    """
    with Path(share.path).open("rb", buffering=BLOCK_BYTES) as file:
        offset = _first_line(file, share.begin)
        yield iter(partial(file.readline, PIECE_BYTES), b""), offset


def whole_line(piece: bytes, more: Iterator[bytes]) -> tuple[bytes, int]:
    """The line that begins with a piece, and its size; of one that is longer than LINE_BYTES_MAX only its beginning."""
    if len(piece) < PIECE_BYTES or piece.endswith(b"\n"):
        return piece, len(piece)
    size, kept = len(piece), bytearray(piece)
    for next_ in more:
        size += len(next_)
        kept += next_[: max(0, LINE_BYTES_MAX + 1 - len(kept))]
        if next_.endswith(b"\n"):
            break
    return bytes(kept), size


def first_offset(share: Share) -> int:
    """Where the first line of a share begins; the end of the input if none does."""
    with Path(share.path).open("rb", buffering=BLOCK_BYTES) as file:
        return _first_line(file, share.begin)


def _first_line(file: BinaryIO, begin: int) -> int:
    """The offset of the first line that begins at or after `begin`; the file stands there."""
    if begin == 0:
        return 0
    file.seek(begin - 1)
    at = begin - 1
    while piece := file.readline(BLOCK_BYTES):
        at += len(piece)
        if piece.endswith(b"\n"):
            break
    return at


class Places:
    """Where the lines of one input are. `firsts`: for each share of it, its first offset and the lines before it."""

    def __init__(self, path: str, firsts: list[tuple[int, int]]) -> None:
        self._path = path
        self._offsets = [offset for offset, _ in firsts]
        self._lines = [lines for _, lines in firsts]
        self._file: int | None = None

    def number(self, offset: int, place: int) -> int:
        """The number, from 1, of the line at this offset and place."""
        return self._lines[max(0, bisect_right(self._offsets, offset) - 1)] + (place >> SIZE_BITS)

    def read(self, offset: int, place: int) -> bytes:
        """The line at this offset and place, without its end."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY)
        return os.pread(self._file, place & _SIZES, offset).rstrip(b"\r\n")

    def close(self) -> None:
        """Done with the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
