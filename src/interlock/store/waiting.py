"""Where decisions wait for the writer: work already begun before new work, and never more than the store can hold."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from interlock.domain.errors import Busy

T = TypeVar("T")


class WaitingRoom(Generic[T]):
    """Two bounded lines. `intake_max` bounds what is not urgent, `all_max` both together."""

    def __init__(self, intake_max: int, all_max: int) -> None:
        self._intake_max = intake_max
        self._all_max = all_max
        self._urgent: deque[T] = deque()
        self._intake: deque[T] = deque()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._intake)

    def enter(self, item: T, *, urgent: bool) -> None:
        """Stand in line. Raises `Busy` at once if the line is full."""
        full = len(self) >= self._all_max or (not urgent and len(self._intake) >= self._intake_max)
        if full:
            raise Busy("The writer is behind; nothing was written.", waiting=len(self))
        (self._urgent if urgent else self._intake).append(item)

    def take(self, most: int) -> list[T]:
        """The next batch: urgent ones first, each line in the order of arrival."""
        batch: list[T] = []
        for line in (self._urgent, self._intake):
            while line and len(batch) < most:
                batch.append(line.popleft())
        return batch
