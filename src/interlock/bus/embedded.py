"""The bus inside one process: durable consumers over the store's own log.

The log is the truth and a consumer's position is a mark beside it. The store announces what it has just made durable
and keeps the newest rows in memory, so a consumer at the head costs no look at the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, Self

from interlock.bus.dead_letters import DeadLetter, letters_of, letters_with
from interlock.bus.positions import Positions
from interlock.domain.errors import Unavailable
from interlock.domain.log import Row
from interlock.domain.share import Share, share_named
from interlock.ports import Batch, Store

PAGES_MAX = 16
"""Pages of rows of other shares that are passed over before the consumer lets others have their turn."""


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

    flush_rows     acknowledged rows after which positions are written; a crash repeats at most these
    flush_after_s  how long a consumer with nothing to do waits before its position is written
    poll_s         how often a waiting consumer looks into the store all the same: another process may write there
    """

    def __init__(self, store: Store, *, flush_rows: int = 256, flush_after_s: float = 0.2, poll_s: float = 1.0) -> None:
        self._store = store
        self._flush_after_s = flush_after_s
        self._poll_s = poll_s
        self._positions = Positions(store, flush_rows)
        self._head = -1  # not known before the first announcement
        self._news = asyncio.Event()
        self._closed = False

    @classmethod
    def over(cls, store: Announcing) -> Self:
        """A bus that hears of the store's commits as they happen."""
        bus = cls(store)
        store.listen(bus.announce)
        store.on_news(bus.look)
        return bus

    def announce(self, rows: Sequence[Row]) -> None:
        """These rows are durable: wake whoever waits. What they are is read from the store."""
        if rows:
            self._head = max(self._head, rows[-1].position)
            self._wake()

    def look(self, _: int = 0) -> None:
        """Another process has written: the store has rows that this one was not told of, and whoever waits looks."""
        self._head = -1
        self._wake()

    async def receive(self, consumer: str, limit: int) -> Batch:
        """The rows of the consumer's share after its acknowledged position, `limit` at most; waits until there is one.

        Raises `Unavailable` if the store cannot be read or the bus is closed.
        """
        share = share_named(consumer)
        look = False
        while True:
            news = self._news  # taken before anything is awaited: what happens meanwhile is not missed
            if self._closed:
                raise Unavailable("The bus is closed.")
            position = await self._positions.of(consumer)
            if look or position != self._head:
                rows = await self._read(share, position, limit)
                if rows:
                    return Batch(consumer, tuple(rows))
                if rows is None:
                    await asyncio.sleep(0)
                    continue
            look = await self._wait(consumer, news)

    async def acknowledge(self, batch: Batch) -> None:
        """These rows are done with. The position becomes durable with a later batch, at the latest on `close`."""
        if batch.rows:
            await self._positions.move(batch.consumer, batch.rows[-1].position, len(batch.rows))

    async def set_aside(self, batch: Batch, why: str) -> None:
        """The consumer gives these rows up: they are kept as dead letters, and what follows them flows on."""
        for row in batch.rows:
            await letters_with(self._store, DeadLetter.of(batch.consumer, row, why))
        await self.acknowledge(batch)

    async def dead_letters(self, consumer: str) -> list[DeadLetter]:
        """The newest rows that a consumer gave up."""
        return await letters_of(self._store, consumer)

    async def reached(self, consumer: str) -> int:
        """The position that a consumer is done with. Raises `Unavailable` if only the store knows, and it is away."""
        return await self._positions.of(consumer)

    async def flush(self) -> None:
        """Make every acknowledged position durable. Raises `Unavailable` if the store cannot; they are kept then."""
        await self._positions.flush()

    async def close(self) -> None:
        """Send waiting consumers home and write the positions. The store is closed after this, not before."""
        self._closed = True
        self._wake()
        await self.flush()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _read(self, share: Share, position: int, limit: int) -> list[Row] | None:
        """The next rows of a share; none at the end of the log, `None` if there is more to look through.

        Rows of other shares on the way there are passed over, and count as done.
        """
        for _ in range(PAGES_MAX):
            rows = await self._store.changes(position, limit)
            if share.whole or not rows:
                return rows
            held = [row for row in rows if share.holds(row)]
            if held:
                return held
            position = rows[-1].position
            await self._positions.move(share.name, position, len(rows))
        return None

    async def _wait(self, consumer: str, news: asyncio.Event) -> bool:
        """Until there is news, or long enough that the store should be looked into: whether that is so."""
        if self._positions.waits(consumer):
            if await _heard(news, self._flush_after_s):
                return False
            await self._positions.try_to_flush()
        return not await _heard(news, self._poll_s)


async def _heard(news: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return False
    return True
