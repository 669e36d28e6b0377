"""Rows put aside by conversation: each worker appends to one file of its own, and anybody reads a partition back.

A partition is a share of the conversations, by a hash of their ids that is the same in every process. What crosses
processes is the list of segments, never the rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from interlock.investigation.compact import GROUP, Row

ROW_BYTES = 900
"""What a row takes in memory, with its strings; measured, rounded up."""

PARTITIONS_MIN, PARTITIONS_MAX = 16, 4_096

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode


class Segment(NamedTuple):
    """Some rows of one partition: which worker's file, and where in it."""

    file: int
    begin: int
    size: int


def partitions_for(input_bytes: int, memory: int) -> int:
    """How many partitions, so that one of them, read back, takes an eighth of the memory. Shares are assumed even."""
    rows = input_bytes // 2_000
    wanted = rows * ROW_BYTES * 8 // max(1, memory)
    return max(PARTITIONS_MIN, min(PARTITIONS_MAX, wanted))


class Spill:
    """One worker's file. Holds at most an eighth of `memory` in rows that are not yet written."""

    def __init__(self, path: Path, number: int, partitions: int, memory: int) -> None:
        self._file = path.open("wb", buffering=1 << 18)
        self._number = number
        self._waiting: list[list[Row]] = [[] for _ in range(partitions)]
        self._partitions = partitions
        self._batch = max(8, min(256, memory // 8 // ROW_BYTES // partitions))
        self._at = 0
        self.segments: list[list[Segment]] = [[] for _ in range(partitions)]

    def add(self, row: Row) -> None:
        """One row more."""
        n = zlib.crc32(row[GROUP].encode("utf-8", "surrogatepass")) % self._partitions
        waiting = self._waiting[n]
        waiting.append(row)
        if len(waiting) >= self._batch:
            self._write(n, waiting)

    def _write(self, n: int, waiting: list[Row]) -> None:
        packed = _encode(waiting)
        self._file.write(packed)
        self.segments[n].append(Segment(self._number, self._at, len(packed)))
        self._at += len(packed)
        waiting.clear()

    def close(self) -> None:
        """Everything is in the file."""
        for n, waiting in enumerate(self._waiting):
            if waiting:
                self._write(n, waiting)
        self._file.close()


def groups_of(paths: Sequence[Path], segments: Iterable[Segment]) -> dict[str, list[Row]]:
    """The rows of one partition, by conversation."""
    groups: dict[str, list[Row]] = {}
    for number, path in enumerate(paths):
        mine = [s for s in segments if s.file == number]
        if not mine:
            continue
        with path.open("rb") as file:
            for segment in mine:
                file.seek(segment.begin)
                for row in _decode(file.read(segment.size)):
                    known = groups.get(row[GROUP])
                    if known is None:
                        groups[row[GROUP]] = [row]  # type: ignore[list-item]
                    else:
                        known.append(row)  # type: ignore[arg-type]
    return groups
