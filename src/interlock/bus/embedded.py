"""The bus inside one process: durable consumers over the store's own log.

The log is the truth and a consumer's position is a mark beside it; so a consumer that was down, or that fell far
behind, reads the store. One at the head is fed from memory: the store announces what it has just made durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, Self

from interlock.domain.errors import Unavailable
from interlock.domain.log import Row
from interlock.ports import Batch, Commit, Mark, Store

SPACE = "position"
"""The space of the marks that hold how far each consumer has come: decimal digits."""


class Announcing(Store, Protocol):
    """A store that says what it has just made durable, and what others have if it hears of it."""

    def listen(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Have `listener` called with the rows of each durable commit, in order."""
        ...

    def on_news(self, heard: Callable[[int], None]) -> None:
        """Have `heard` called with the newest position when another process has written."""
        ...


class EmbeddedBus:
    """The port over a store in this process.

    ring_max       rows kept in memory; whoever is further behind reads the store
    flush_rows     acknowledged rows after which positions are written; a crash repeats at most these
    flush_after_s  how long a consumer with nothing to do waits before its position is written
    poll_s         how often a waiting consumer looks into the store all the same: another process may write there
    """

    def __init__(
        self,
        store: Store,
        *,
        ring_max: int = 10_000,
        flush_rows: int = 256,
        flush_after_s: float = 0.2,
        poll_s: float = 1.0,
    ) -> None:
        self._store = store
        self._ring_max = ring_max
        self._flush_rows = flush_rows
        self._flush_after_s = flush_after_s
        self._poll_s = poll_s
        self._ring: dict[int, Row] = {}
        self._head = -1  # not known before the first announcement
        self._news = asyncio.Event()
        self._positions: dict[str, int] = {}
        self._unwritten: dict[str, int] = {}
        self._unwritten_rows = 0
        self._closed = False

    @classmethod
    def over(cls, store: Announcing) -> Self:
        """A bus that hears of the store's commits as they happen."""
        bus = cls(store)
        store.listen(bus.announce)
        store.on_news(bus.look)
        return bus

    def announce(self, rows: Sequence[Row]) -> None:
        """Take in rows that are durable, in order, and wake whoever waits.

        Positions have no gaps; one that does not follow the last was preceded by another process's, which only the
        store has. The ring starts anew behind it, so that nobody is led past what it lacks.
        """
        for row in rows:
            if row.position != self._head + 1:
                self._ring.clear()
            self._ring[row.position] = row
            self._head = row.position
        while len(self._ring) > self._ring_max:
            del self._ring[next(iter(self._ring))]
        if rows:
            self._wake()

    def look(self, _: int = 0) -> None:
        """Another process has written: the store has rows that this one was not told of, and whoever waits looks."""
        self._ring.clear()
        self._head = -1
        self._wake()

    async def receive(self, consumer: str, limit: int) -> Batch:
        """The rows after the consumer's acknowledged position, `limit` at most; waits until there is at least one.

        Raises `Unavailable` if the store cannot be read or the bus is closed.
        """
        position = await self._position(consumer)
        look = False
        while not self._closed:
            news = self._news
            rows: Sequence[Row] = self._from_ring(position, limit)
            if not rows and (look or position != self._head):
                rows = await self._store.changes(position, limit)
            if rows:
                return Batch(consumer, tuple(rows))
            look = await self._wait(consumer, news)
        raise Unavailable("The bus is closed.")

    async def acknowledge(self, batch: Batch) -> None:
        """These rows are done with. The position becomes durable with a later batch, at the latest on `close`."""
        if not batch.rows:
            return
        position = batch.rows[-1].position
        if position <= self._positions.get(batch.consumer, 0):
            return
        self._positions[batch.consumer] = self._unwritten[batch.consumer] = position
        self._unwritten_rows += len(batch.rows)
        if self._unwritten_rows >= self._flush_rows:
            await self._try_to_flush()

    async def flush(self) -> None:
        """Make every acknowledged position durable. Raises `Unavailable` if the store cannot; they are kept then."""
        positions, self._unwritten, self._unwritten_rows = self._unwritten, {}, 0
        if not positions:
            return
        marks = tuple(Mark(space=SPACE, org="", key=c, value=b"%d" % p) for c, p in positions.items())
        try:
            await self._store.commit(Commit(marks=marks))
        except BaseException:
            self._unwritten = {c: self._positions[c] for c in positions} | self._unwritten
            raise

    async def close(self) -> None:
        """Send waiting consumers home and write the positions. The store is closed after this, not before."""
        self._closed = True
        self._wake()
        await self.flush()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _position(self, consumer: str) -> int:
        known = self._positions.get(consumer)
        if known is None:
            mark = await self._store.mark(SPACE, "", consumer)
            known = int(mark.value) if mark is not None and mark.value else 0
            known = self._positions.setdefault(consumer, known)
        return known

    def _from_ring(self, position: int, limit: int) -> list[Row]:
        if position + 1 not in self._ring:
            return []
        return [self._ring[p] for p in range(position + 1, min(self._head, position + limit) + 1)]

    async def _wait(self, consumer: str, news: asyncio.Event) -> bool:
        """Until there is news, or long enough that the store should be looked into: whether that is so."""
        if consumer in self._unwritten:
            if await _heard(news, self._flush_after_s):
                return False
            await self._try_to_flush()
        return not await _heard(news, self._poll_s)

    async def _try_to_flush(self) -> None:
        try:
            await self.flush()
        except Unavailable:
            return  # kept; written with the next batch, and until then a crash repeats more


async def _heard(news: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return False
    return True
