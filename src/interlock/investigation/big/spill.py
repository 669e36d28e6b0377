"""Rows put aside by conversation: each worker appends to one file of its own, and anybody reads partitions back.

A partition is a share of the conversations, by their hash. What crosses processes is where the rows of each partition
stand in each file, never the rows. Beside the rows stands a file of entries, for inputs that cannot be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from interlock.investigation.compact import GROUP, WIDTH

ROW_BYTES = WIDTH * 8
SIEVE_BYTES = 1_400
"""What a row takes while its conversation is looked at: itself, sorted, as columns, and what follows from them."""

LINE_BYTES_MIN = 300
"""Events are no shorter: so many rows may come from an input at most."""

PARTITIONS_MIN, PARTITIONS_MAX = 16, 4_096
PARTITIONS_UNKNOWN = 512
"""Where nobody knows how long the inputs are."""

WORKER_BITS = 8
"""Bits for a worker's number, in the place of a packed entry."""

Rows = np.ndarray[Any, np.dtype[np.int64]]
_DTYPE = np.dtype(np.int64)


class Put(NamedTuple):
    """One portion in a worker's file: where it begins, in rows, and the rows before each partition, and in all."""

    begin: int
    before: Any


def rows_at_once(memory: int) -> int:
    """How many rows a worker with so many bytes looks at together."""
    return max(1_024, memory // SIEVE_BYTES)


def partitions_for(input_bytes: int, memory: int) -> int:
    """How many partitions, so that several of them are looked at together. Shares are assumed even."""
    if not input_bytes:
        return PARTITIONS_UNKNOWN
    wanted = input_bytes // LINE_BYTES_MIN * 4 // rows_at_once(memory)
    return max(PARTITIONS_MIN, min(PARTITIONS_MAX, wanted))


class Spill:
    """One worker's file. Holds at most a sixteenth of `memory` in rows that are not yet written."""

    def __init__(self, path: Path, partitions: int, memory: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._partitions = partitions
        self._waiting = np.empty((max(1_024, min(32_768, memory // 16 // ROW_BYTES)), WIDTH), _DTYPE)
        self._count = 0
        self._written = 0
        self.puts: list[Put] = []

    def add(self, rows: Rows) -> None:
        """Some rows more."""
        while len(rows):
            room = len(self._waiting) - self._count
            part, rows = rows[:room], rows[room:]
            self._waiting[self._count : self._count + len(part)] = part
            self._count += len(part)
            if self._count == len(self._waiting):
                self._write()

    def _write(self) -> None:
        rows = self._waiting[: self._count]
        partition = partition_of(rows[:, GROUP], self._partitions)
        before = np.zeros(self._partitions + 1, np.int32)
        np.cumsum(np.bincount(partition, minlength=self._partitions), out=before[1:])
        self._file.write(rows[np.argsort(partition, kind="stable")].data)
        self.puts.append(Put(self._written, before))
        self._written += self._count
        self._count = 0

    def close(self) -> None:
        """Everything is in the file."""
        if self._count:
            self._write()
        self._file.close()


def partition_of(groups: Any, partitions: int) -> Any:
    """The partitions of some conversations: by the middle bits of their hashes."""
    return ((groups >> 17) % partitions).astype(np.uint16)


def counts_of(puts: Sequence[Sequence[Put]]) -> Any:
    """How many rows each partition has in all files."""
    total = sum(np.diff(put.before).astype(np.int64) for file in puts for put in file)
    return total if isinstance(total, np.ndarray) else np.zeros(0, np.int64)


def read_back(paths: Sequence[Path], puts: Sequence[Sequence[Put]], first: int, last: int) -> Rows:
    """The rows of the partitions in [first, last), file by file, each in the order in which they were added."""
    total = sum(int(put.before[last] - put.before[first]) for file in puts for put in file)
    rows = np.empty((total, WIDTH), _DTYPE)
    at = 0
    for path, portions in zip(paths, puts, strict=True):
        if not portions:
            continue
        with path.open("rb", buffering=0) as file:
            for put in portions:
                count = int(put.before[last] - put.before[first])
                if count:
                    file.seek((put.begin + int(put.before[first])) * ROW_BYTES)
                    _fill(file, rows[at : at + count])
                    at += count
    return rows


def _fill(file: Any, rows: Rows) -> None:
    view = memoryview(rows.data).cast("B")
    while view:
        got = file.readinto(view)
        if not got:
            raise OSError("a spill file is shorter than what was written to it")
        view = view[got:]


def batches(counts: Any, rows_max: int) -> list[tuple[int, int]]:
    """Neighbouring partitions that together have no more rows than that; one that alone has more stands alone."""
    out: list[tuple[int, int]] = []
    first = held = 0
    for n, count in enumerate(counts.tolist()):
        if held and held + count > rows_max:
            out.append((first, n))
            first, held = n, 0
        held += count
    if held:
        out.append((first, len(counts)))
    return out


def packed_beside(spill: Path) -> Path:
    """The file of packed entries beside a file of rows."""
    return spill.with_suffix(".entries")


class Entries:
    """A worker's file of packed entries. `number`: the worker's."""

    def __init__(self, path: Path, number: int) -> None:
        self.number = number
        self._file = path.open("wb", buffering=1 << 16)
        self._at = 0

    def add(self, packed: bytes) -> int:
        """Keeps an entry; where it stands."""
        at = self._at
        self._file.write(len(packed).to_bytes(4, "little") + packed)
        self._at += 4 + len(packed)
        return at

    def close(self) -> None:
        """Everything is in the file."""
        self._file.close()


def entry_at(file: Any, at: int) -> bytes:
    """The packed entry that stands there in an open file."""
    file.seek(at)
    return file.read(int.from_bytes(file.read(4), "little"))
