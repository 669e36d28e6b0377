"""A share of a file's lines, and one line of it once more by its place."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

from interlock.investigation.readers.source import LINE_BYTES_MAX

BLOCK_BYTES = 256 << 10
PIECE_BYTES = 64 << 10
"""A longer line is read in pieces: many are read at once, and what they take is bounded so."""

SIZE_BITS = 25
"""Bits for the bytes of a line, in a place; LINE_BYTES_MAX fits."""

_SIZES = (1 << SIZE_BITS) - 1


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


@contextmanager
def lines_of(share: Share) -> Iterator[tuple[Iterator[bytes], int]]:
    """The lines from the share's first on, to the end of the file, and the offset of the first.

    A line comes with its end. A long one comes in pieces of PIECE_BYTES, which `whole_lines` puts together.
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


def whole_lines(some: list[bytes], lines: Iterator[bytes]) -> tuple[list[bytes], list[int]]:
    """Lines instead of pieces of lines, and their sizes. The last may need more of `lines`."""
    pieces = iter(some)
    told = [whole_line(piece, chain(pieces, lines)) for piece in pieces]
    return [line for line, _ in told], [size for _, size in told]


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
