"""The second pass, by user: who held what goes to files once more, so that R26 can look at one user at a time.

Only for logs that show sessions: where nobody's limit is told, nothing can exceed it. What a user held and what the
limit was stand side by side in the same partition, in the order in which they were found.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from interlock.investigation.big.spill import WORKER_BITS, Entries, Put, Spill, entry_at, packed_beside, read_back
from interlock.investigation.compact import GROUP, ORDER, PLACE, SIDE, WIDTH
from interlock.investigation.detectors.capacity import Held, Limit, over_capacity
from interlock.investigation.finding import Finding

_HELD, _LIMIT = 0, 1
_WORKERS = (1 << WORKER_BITS) - 1


class Holdings:
    """What one worker's conversations say of who held what."""

    def __init__(self, path: Path, number: int, partitions: int, memory: int) -> None:
        self._spill = Spill(path, partitions, memory)
        self._entries = Entries(packed_beside(path), number)
        self._count = 0

    def add(self, told: Iterable[Held | Limit]) -> None:
        """Some more."""
        rows: list[list[int]] = []
        for one in told:
            row = [0] * WIDTH
            row[GROUP] = hash((one.org, one.user))
            row[SIDE] = _LIMIT if isinstance(one, Limit) else _HELD
            row[ORDER] = self._count = self._count + 1
            row[PLACE] = self._entries.add(pickle.dumps(one, pickle.HIGHEST_PROTOCOL)) << WORKER_BITS
            row[PLACE] |= self._entries.number
            rows.append(row)
        if rows:
            self._spill.add(np.array(rows))

    def close(self) -> list[Put]:
        """Everything is in the files; where."""
        self._spill.close()
        self._entries.close()
        return self._spill.puts


def exceeded(paths: Sequence[Path], puts: Sequence[Sequence[Put]], first: int, last: int) -> Iterator[Finding]:
    """R26 for the users of the partitions in [first, last)."""
    rows = read_back(paths, puts, first, last)
    limited = np.unique(rows[rows[:, SIDE] == _LIMIT, GROUP])
    rows = rows[np.isin(rows[:, GROUP], limited)]
    rows = rows[np.lexsort((rows[:, ORDER], rows[:, GROUP]))]
    begins = np.append(np.flatnonzero(np.diff(rows[:, GROUP], prepend=~rows[:1, GROUP])), len(rows)).tolist()
    files: dict[int, Any] = {}
    try:
        for begin, end in pairwise(begins):
            yield from over_capacity([_unpacked(paths, files, place) for place in rows[begin:end, PLACE].tolist()])
    finally:
        for file in files.values():
            file.close()


def _unpacked(paths: Sequence[Path], files: dict[int, Any], place: int) -> Held | Limit:
    number = place & _WORKERS
    if number not in files:
        files[number] = packed_beside(paths[number]).open("rb")
    return pickle.loads(entry_at(files[number], place >> WORKER_BITS))
