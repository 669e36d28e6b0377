"""How far each consumer has come: in memory at once, in the store a little later, as marks beside the log.

A position that was not yet written when the process died costs a repetition, never a row.
"""

from __future__ import annotations

from interlock.domain.errors import Unavailable
from interlock.ports import Commit, Mark, Store

SPACE = "position"
"""The space of the marks that hold how far each consumer has come: decimal digits."""


class Positions:
    """The positions of the consumers of one process. `flush_rows`: done rows after which they are written."""

    def __init__(self, store: Store, flush_rows: int) -> None:
        self._store = store
        self._flush_rows = flush_rows
        self._known: dict[str, int] = {}
        self._unwritten: dict[str, int] = {}
        self._unwritten_rows = 0

    async def of(self, consumer: str) -> int:
        """The last position that a consumer is done with, 0 for one that was never seen."""
        known = self._known.get(consumer)
        return known if known is not None else self._known.setdefault(consumer, await self.written(consumer))

    async def written(self, consumer: str) -> int:
        """The position of a consumer that the store knows of, whoever wrote it."""
        mark = await self._store.mark(SPACE, "", consumer)
        return int(mark.value) if mark is not None and mark.value else 0

    async def move(self, consumer: str, position: int, rows: int) -> None:
        """A consumer is done up to `position`, with `rows` rows more; nobody is moved back."""
        if position <= self._known.get(consumer, 0):
            return
        self._known[consumer] = self._unwritten[consumer] = position
        self._unwritten_rows += rows
        if self._unwritten_rows >= self._flush_rows:
            await self.try_to_flush()

    def waits(self, consumer: str) -> bool:
        """Whether a consumer has moved since its position was written."""
        return consumer in self._unwritten

    def forget(self, consumer: str) -> None:
        """Whoever asks next reads the store: the consumer may be another process's meanwhile."""
        self._known.pop(consumer, None)
        self._unwritten.pop(consumer, None)

    async def flush(self) -> None:
        """Make every position durable. Raises `Unavailable` if the store cannot; they are kept then."""
        positions, self._unwritten, self._unwritten_rows = self._unwritten, {}, 0
        if not positions:
            return
        marks = tuple(Mark(space=SPACE, org="", key=c, value=b"%d" % p) for c, p in positions.items())
        try:
            await self._store.commit(Commit(marks=marks))
        except BaseException:
            self._unwritten = {c: self._known[c] for c in positions if c in self._known} | self._unwritten
            raise

    async def try_to_flush(self) -> None:
        """As `flush`, but if the store cannot, they are written with the next: until then a crash repeats more."""
        try:
            await self.flush()
        except Unavailable:
            return
