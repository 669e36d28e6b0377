"""A share of a file's lines, read in blocks that are used again, and their numbers told from their offsets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

from interlock.investigation.readers.source import LINE_BYTES_MAX

BLOCK_BYTES = 256 << 10


class Share(NamedTuple):
    """The lines of one input that begin in [begin, end)."""

    input: int
    path: str
    begin: int
    end: int


class Block(NamedTuple):
    """Whole lines, without their ends: the offset of the first, and how many lines of the share came before it.

    over   bytes of a line that was longer than any line may be, and is passed over
    """

    offset: int
    before: int
    lines: list[bytes]
    over: int = 0


def shares(input: int, path: str, size: int, count: int) -> list[Share]:
    """The file in so many shares of about equal size."""
    marks = [size * n // count for n in range(count + 1)]
    return [Share(input, path, a, b) for a, b in pairwise(marks) if b > a]


def blocks_of(share: Share) -> Iterator[Block]:
    """The share's lines. A line that begins in it is whole, wherever it ends."""
    with Path(share.path).open("rb", buffering=0) as file:
        offset = _first_line(file, share.begin)
        before = 0
        rest = b""
        while offset < share.end:
            data = file.read(BLOCK_BYTES)
            if not data:
                if rest:
                    yield Block(offset, before, _within(rest.removesuffix(b"\n").split(b"\n"), offset, share.end))
                return
            chunk = rest + data if rest else data
            if len(chunk) > LINE_BYTES_MAX and b"\n" not in chunk:
                over, rest = _skip(file, len(chunk))
                yield Block(offset, before, [], over)
                offset, before = offset + over + 1, before + 1
                continue
            lines = chunk.split(b"\n")
            rest = lines.pop()
            kept = _within(lines, offset, share.end)
            if kept:
                yield Block(offset, before, kept)
            before += len(kept)
            offset += len(chunk) - len(rest)


def _within(lines: list[bytes], offset: int, end: int) -> list[bytes]:
    """Those that begin before the end of the share."""
    if offset + sum(map(len, lines)) + len(lines) <= end:
        return lines
    kept: list[bytes] = []
    for line in lines:
        if offset >= end:
            break
        kept.append(line)
        offset += len(line) + 1
    return kept


def _first_line(file: BinaryIO, begin: int) -> int:
    """The offset of the first line that begins at or after `begin`; the file stands there."""
    if begin == 0:
        return 0
    file.seek(begin - 1)
    at = begin - 1
    while data := file.read(BLOCK_BYTES):
        found = data.find(b"\n")
        if found >= 0:
            at += found + 1
            file.seek(at)
            return at
        at += len(data)
    return at


def _skip(file: BinaryIO, taken: int) -> tuple[int, bytes]:
    """Passes over the rest of a line: its whole length, and what was read behind it."""
    over = taken
    while data := file.read(BLOCK_BYTES):
        found = data.find(b"\n")
        if found >= 0:
            return over + found, data[found + 1 :]
        over += len(data)
    return over, b""


class Numbers:
    """Line numbers of one input by offset. Keeps an offset and a number for every so many bytes, and counts between."""

    def __init__(self, path: str, marks: list[tuple[int, int]]) -> None:
        self._path = path
        self._offsets = [m[0] for m in marks]
        self._numbers = [m[1] for m in marks]
        self._file: BinaryIO | None = None

    def line(self, offset: int) -> int:
        """The number, from 1, of the line that begins at this offset."""
        n = bisect_right(self._offsets, offset) - 1
        if n < 0:
            return 1
        file = self._opened()
        file.seek(self._offsets[n])
        return self._numbers[n] + file.read(offset - self._offsets[n]).count(b"\n") + 1

    def read(self, offset: int) -> bytes:
        """The line that begins at this offset."""
        file = self._opened()
        file.seek(offset)
        return file.readline(LINE_BYTES_MAX).rstrip(b"\r\n")

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = Path(self._path).open("rb")  # noqa: SIM115 - kept open from one line to the next
        return self._file

    def close(self) -> None:
        """Done with the file."""
        if self._file is not None:
            self._file.close()
