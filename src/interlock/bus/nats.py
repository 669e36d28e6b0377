"""The bus past one process: JetStream carries the change log to consumers that may run anywhere.

What is durable is the log and each consumer's position, a mark in the store. JetStream acknowledges before its disk has
anything, and may lose it; so it is asked for nothing but delivery in order. A consumer begins where its position is,
finds the place in the stream by halving, notices a hole in what arrives, and then begins anew. What the stream does not
hold any more, or not yet again, is read from the log; so is everything while NATS cannot be reached, or its stream
stands still although the log goes on.
"""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec
from nats.js.api import StreamState

from interlock.bus.dead_letters import DeadLetter, encode
from interlock.bus.nats_link import MSG_ID, NatsLink, away
from interlock.bus.nats_tap import Arrived, Outlet, Tap
from interlock.bus.positions import Positions
from interlock.domain.errors import Unavailable
from interlock.domain.log import Row
from interlock.domain.share import Share, share_named
from interlock.ports import Batch, Store

SILENCE_S = 3.0
"""A server that said nothing for so long is taken for gone."""
EMPTY_S = 0.1
"""How long to wait before looking again at a stream that nothing was published to."""
STILL_S = 5.0
"""How often a consumer to whom nothing comes asks the log whether something should have."""
CATCH_UP = 256
LETTERS_SHOWN = 100
NEAR_ROWS = 1_024
"""A share that is no further than this from where its neighbours' tap is joins it, and reads what is between."""


class NatsBus:
    """The port over JetStream. `store`: where positions are kept, and where a row is read that did not travel.

    flush_rows     acknowledged rows after which positions are written; a crash repeats at most these
    flush_after_s  how long a consumer with nothing to do waits before its position is written
    """

    def __init__(self, link: NatsLink, store: Store, *, flush_rows: int = 256, flush_after_s: float = 0.2) -> None:
        self._link = link
        self._store = store
        self._positions = Positions(store, flush_rows)
        self._flush_after_s = flush_after_s
        self._feeds: dict[str, _Feed] = {}
        self._closed = False

    async def receive(self, consumer: str, limit: int) -> Batch:
        """The rows of the consumer's share after its acknowledged position, `limit` at most; waits until there is one.

        Raises `Unavailable` if neither bus nor store can be reached, or if the bus is closed.
        """
        feed = self._feeds.get(consumer)
        if feed is None:
            feed = self._feeds[consumer] = _Feed(share_named(consumer), self._link, self._store, self._positions)
        while not self._closed:
            if rows := feed.waiting(limit):
                return Batch(consumer, tuple(rows))
            if self._positions.waits(consumer):
                if not await feed.fill(self._flush_after_s):
                    await self._positions.try_to_flush()
            else:
                await feed.fill(SILENCE_S)
        raise Unavailable("The bus is closed.")

    async def acknowledge(self, batch: Batch) -> None:
        """These rows are done with. The position becomes durable with a later batch, at the latest on `close`."""
        feed = self._feeds.get(batch.consumer)
        if batch.rows and feed is not None:
            await feed.done(batch.rows[-1].position)

    async def set_aside(self, batch: Batch, why: str) -> None:
        """The consumer gives these rows up: they go to the stream of dead letters, and what follows them flows on."""
        await self._link.dead_state()
        subject = f"{self._link.prefix}.dead.{batch.consumer.replace('.', '-')}"
        async with self._link.window() as window:
            for row in batch.rows:
                letter = encode(DeadLetter.of(batch.consumer, row, why))
                window.send(subject, letter, {MSG_ID: f"{batch.consumer}/{row.id}"})
        await self.acknowledge(batch)

    async def dead_letters(self, consumer: str = "") -> list[DeadLetter]:
        """The newest rows that a consumer, or any of them, gave up; the oldest of them first. Raises `Unavailable`."""
        return await letters(self._link, consumer)

    async def reached(self, consumer: str) -> int:
        """The position that a consumer is done with. Raises `Unavailable` if only the store knows, and it is away."""
        return await self._positions.of(consumer)

    async def flush(self) -> None:
        """Make every acknowledged position durable. Raises `Unavailable` if the store cannot; they are kept then."""
        await self._positions.flush()

    async def close(self) -> None:
        """Send waiting consumers home and write the positions. The store is closed after this, not before."""
        self._closed = True
        for feed in self._feeds.values():
            await feed.end()
        await self.flush()


async def letters(link: NatsLink, consumer: str = "") -> list[DeadLetter]:
    """The newest dead letters of an installation."""
    state, context = await link.dead_state(), await link.ready()
    found: list[DeadLetter] = []
    with away():
        for sequence in range(max(state.first_seq, state.last_seq - LETTERS_SHOWN + 1), state.last_seq + 1):
            message = await context.get_msg(link.dead, seq=sequence)
            letter = msgspec.json.decode(message.data or b"", type=DeadLetter)
            if consumer in ("", letter.consumer):
                found.append(letter)
    return found


class _Feed:
    """One share's messages, from a tap that it may have in common with others: in order, without a hole."""

    def __init__(self, share: Share, link: NatsLink, store: Store, positions: Positions) -> None:
        self._share = share
        self._link = link
        self._store = store
        self._positions = positions
        self._hand: deque[Arrived] = deque()
        self._news = asyncio.Event()
        self._outlet: Outlet | None = None
        self._seen = self._told = 0
        self._until = 0
        self._log_was_at = 0
        self._looked_at = 0.0
        self._ended = False

    def waiting(self, limit: int) -> list[Row]:
        """What is in hand and was not acknowledged."""
        rows: list[Row] = []
        for arrived in self._hand:
            if arrived.row is not None:
                rows.append(arrived.row)
                if len(rows) == limit:
                    break
        return rows

    async def done(self, position: int) -> None:
        """Everything up to a position is done with, and the ticks that follow it."""
        rows, reached = 0, 0
        outlet = self._outlet
        while self._hand and (self._hand[0].position <= position or self._hand[0].row is None):
            arrived = self._hand.popleft()
            rows += arrived.row is not None
            reached = max(reached, arrived.position)
            if arrived.number and outlet is not None:
                outlet.done, outlet.reply = arrived.number, arrived.reply
        await self._positions.move(self._share.name, max(position, reached), rows)

    async def fill(self, patience_s: float) -> bool:
        """Wait until something has arrived, at most so long; whether something has. Raises `Unavailable`."""
        if not self._until:
            await self._ready()
        if self._until:
            await self._catch_up()
            return True
        outlet = self._outlet
        if outlet is None:  # ended meanwhile
            return False
        await outlet.tap.settle()
        if not outlet.inbox:
            await outlet.tap.ask()
            try:
                async with asyncio.timeout(patience_s):
                    await self._news.wait()
            except TimeoutError:
                if patience_s >= SILENCE_S:
                    outlet.tap.end()
                return False
        self._news.clear()
        while outlet.inbox and outlet.alive:
            await self._take(outlet, outlet.inbox[0])
        return True

    async def end(self) -> None:
        """Listen no more, and wake whoever waits."""
        self._ended = True
        self._news.set()
        await self._leave()

    async def _bind(self) -> None:
        """A tap from the position on; before it, from the log, what it does not reach back to."""
        await self._leave()
        self._hand.clear()
        if await self._joins_others():
            return
        breaks = self._link.breaks
        state = await self._link.state()
        if state.messages:
            await self._open(state, breaks)
            return
        await self._pass_the_stream_by()
        if not self._until and not self._ended:
            await asyncio.sleep(EMPTY_S)

    async def _open(self, state: StreamState, breaks: int) -> None:
        """A tap of our own, which others may join."""
        position = await self._positions.of(self._share.name)
        first = await self._link.at(state.first_seq)
        reaches_back_to = first.position if first.is_tick else first.position - 1
        until = reaches_back_to if position < reaches_back_to else 0
        start = await self._link.first_after(max(position, until), state)
        tap = Tap(self._link, max(position, until), breaks)
        await tap.open(self._share, start)
        self._begin(tap, position)
        self._link.taps.offer(self._share, tap)

    async def _joins_others(self) -> bool:
        """Join the tap that others here have for the same rows, if it is near; whether that was done."""
        tap = self._link.taps.of(self._share)
        if tap is None:
            return False
        position = await self._positions.of(self._share.name)
        if not tap.alive or abs(tap.position - position) > NEAR_ROWS:
            return False
        self._begin(tap, position)
        return True

    def _begin(self, tap: Tap, position: int) -> None:
        """At a tap, behind a position: what the tap is past already is read from the log."""
        self._until = tap.position if position < tap.position else 0
        self._seen = self._told = max(position, tap.position)
        self._outlet = tap.join(self._news)

    async def _ready(self) -> None:
        """The tap brings what comes; or it is known until where the log does. Raises `Unavailable`."""
        while not self._ended and not self._until:
            outlet = self._outlet
            if outlet is not None and outlet.alive:
                if await self._stands_still():
                    outlet.tap.end()
                    await self._pass_the_stream_by()
                elif self._hand or not await self._moves_over(outlet):
                    return
                continue
            try:
                await self._bind()
            except Unavailable:
                await self._pass_the_stream_by()
                if not self._until:
                    raise

    async def _moves_over(self, outlet: Outlet) -> bool:
        """Nothing is in hand: if the others' tap is near (again), ours has done its service. Whether it was left."""
        taps = self._link.taps
        if taps.of(self._share) is outlet.tap or not await self._near(outlet):
            return False
        await self._leave()
        return True

    async def _near(self, outlet: Outlet) -> bool:
        other = self._link.taps.of(self._share)
        if other is None:
            self._link.taps.offer(self._share, outlet.tap)
            return False
        return abs(other.position - await self._positions.of(self._share.name)) <= NEAR_ROWS

    async def _pass_the_stream_by(self) -> None:
        """Until where the log is now it is read itself; then the stream is asked anew."""
        await self._leave()
        self._hand.clear()
        end = await self._store.last_position()
        self._until = end if end > await self._positions.of(self._share.name) else 0

    async def _stands_still(self) -> bool:
        """Whether the log had, a while ago, what neither a row nor a tick has told of since: a relay that hangs, a node
        whose stream is behind. The log itself is asked seldom.
        """
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < STILL_S:
            return False
        self._looked_at = now
        told, was_at = max(self._seen, self._told), self._log_was_at
        self._log_was_at = await self._store.last_position()
        return told < was_at

    async def _catch_up(self) -> None:
        """Rows that the tap has not, from the log."""
        last = self._hand[-1].position if self._hand else await self._positions.of(self._share.name)
        rows = await self._store.changes(last, CATCH_UP)
        for row in rows:
            if row.position <= self._until:
                held = row if self._share.holds(row) else None
                self._hand.append(Arrived(row.position, held))
        if not rows or rows[-1].position >= self._until:
            self._until = 0
        await self._pass_ticks()

    async def _take(self, outlet: Outlet, arrived: Arrived) -> None:
        """One message: a tick, or a row that is new or was seen. It leaves the inbox once it is in hand: a row that
        cannot be read stays where it is.
        """
        position = arrived.position
        if arrived.since > self._told:
            outlet.tap.end()  # what was between two ticks is not in the stream any more: the log has it
            return
        if arrived.since >= 0:
            self._told = position
        elif position > self._seen:
            arrived = await self._read(arrived)
            if not outlet.alive:
                return
            self._seen = position
        else:
            arrived = Arrived(position, None, arrived.number, arrived.reply)
        outlet.inbox.popleft()
        self._hand.append(arrived)
        await self._pass_ticks()

    async def _read(self, arrived: Arrived) -> Arrived:
        """The same with its row. Raises as `decode_row` does, and `Unavailable`."""
        position, message = arrived.position, arrived.message
        if arrived.row is not None or message is None:
            return arrived
        if message.body:
            arrived.row = self._link.row(position, message)
            return arrived
        rows = await self._store.changes(position - 1, 1)
        if not rows or rows[0].position != position:
            raise Unavailable(f"The log does not show row {position} yet.")
        return msgspec.structs.replace(arrived, row=rows[0])

    async def _pass_ticks(self) -> None:
        """Ticks (and rows of others) with no row of ours before them move the position at once."""
        if self._hand and self._hand[0].row is None:
            await self.done(0)

    async def _leave(self) -> None:
        if self._outlet is not None:
            outlet, self._outlet = self._outlet, None
            await outlet.tap.leave(outlet)
