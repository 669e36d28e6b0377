"""The machine's clock and its source of ids."""

from __future__ import annotations

import secrets
import time

from interlock.domain.ids import compose


class SystemClock:
    """Milliseconds since 1970 that never run backwards within one process, whatever is done to the machine's clock."""

    def __init__(self) -> None:
        self._offset = time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000

    def now(self) -> int:
        """The wall clock at the start of the process, moved on by a clock that only goes forward."""
        return time.monotonic_ns() // 1_000_000 + self._offset


class RandomIds:
    """Ids whose tail is 64 random bits, drawn from the system in blocks."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._pool: list[int] = []

    def fresh(self) -> str:
        """An id with the present second in front."""
        if not self._pool:
            block = secrets.token_bytes(8 * 256)
            self._pool = [int.from_bytes(block[i : i + 8]) for i in range(0, len(block), 8)]
        return compose(self._clock.now(), self._pool.pop())
