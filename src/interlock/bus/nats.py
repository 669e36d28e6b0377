"""The bus past one process: JetStream carries the change log to consumers that may run anywhere.

What is durable is the log and each consumer's position, a mark in the store. JetStream acknowledges before its disk has
anything, and may lose it; so it is asked for nothing but delivery in order. A consumer begins where its position is,
finds the place in the stream by halving, notices a hole in what arrives, and then begins anew. What the stream does not
hold any more, or not yet again, is read from the log; so is everything while NATS cannot be reached, or its stream
stands still although the log goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from interlock.bus.dead_letters import DeadLetter, encode
from interlock.bus.nats_link import MSG_ID, POSITION, SINCE, Delivered, NatsLink, away
from interlock.bus.positions import Positions
from interlock.domain.errors import Unavailable
from interlock.domain.log import Row
from interlock.domain.share import Share, share_named
from interlock.ports import Batch, Store

CREDIT = 1_024
"""Messages that a consumer has asked for ahead of its work."""
EXPIRES_S = 30
BEAT_S = 1
"""How often a server with nothing to deliver says that it is there."""
SILENCE_S = 3.0
"""A server that said nothing for so long is taken for gone."""
EMPTY_S = 0.1
"""How long to wait before looking again at a stream that nothing was published to."""
STILL_S = 5.0
"""How often a consumer to whom nothing comes asks the log whether something should have."""
CATCH_UP = 256
LETTERS_SHOWN = 100
_POSITION, _SINCE = POSITION.encode(), SINCE.encode()


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


class _Arrived(msgspec.Struct):
    """A message in hand: a row, or (without one) a tick, and where it is acknowledged if it came by the stream."""

    position: int
    row: Row | None
    reply: str = ""


class _Feed:
    """One consumer's messages: asked for ahead of its work, in order, without a hole."""

    def __init__(self, share: Share, link: NatsLink, store: Store, positions: Positions) -> None:
        self._share = share
        self._link = link
        self._store = store
        self._positions = positions
        self._hand: deque[_Arrived] = deque()
        self._inbox: deque[Delivered] = deque()
        self._news = asyncio.Event()
        self._consumer = self._subject = ""
        self._end_subscription: Callable[[], Awaitable[None]] | None = None
        self._bound = False
        self._breaks = -1
        self._delivered = self._credit = self._seen = self._told = 0
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
        """Everything up to a position is done with, and the ticks that follow it. The last message acknowledges all."""
        rows, reached = 0, 0
        last = ""
        while self._hand and (self._hand[0].position <= position or self._hand[0].row is None):
            arrived = self._hand.popleft()
            rows += arrived.row is not None
            reached = arrived.position
            last = arrived.reply or last
        await self._acknowledge(last)
        await self._positions.move(self._share.name, max(position, reached), rows)

    async def fill(self, patience_s: float) -> bool:
        """Wait until something has arrived, at most so long; whether something has. Raises `Unavailable`."""
        if not self._until:
            await self._ready()
        if self._until:
            await self._catch_up()
            return True
        if not self._inbox:
            await self._ask()
            try:
                async with asyncio.timeout(patience_s):
                    await self._news.wait()
            except TimeoutError:
                self._bound = self._bound and patience_s < SILENCE_S
                return False
        self._news.clear()
        while self._inbox and self._bound:
            await self._take(self._inbox.popleft())
        return True

    async def end(self) -> None:
        """Listen no more, and wake whoever waits."""
        self._ended = True
        self._news.set()
        await self._unsubscribe()

    async def _bind(self) -> None:
        """A new consumer from the position on; before it, from the log, what the stream does not reach back to."""
        await self._unsubscribe()
        breaks = self._link.breaks
        self._inbox.clear()
        self._hand.clear()
        state = await self._link.state()
        while not state.messages:
            await self._pass_the_stream_by()
            if self._until or self._ended:
                return
            await asyncio.sleep(EMPTY_S)
            state = await self._link.state()
        position = await self._positions.of(self._share.name)
        first = await self._link.at(state.first_seq)
        reaches_back_to = first.position if first.is_tick else first.position - 1
        self._until = reaches_back_to if position < reaches_back_to else 0
        start = await self._link.first_after(max(position, self._until), state)
        self._subject, self._end_subscription = await self._link.subscribe(self._arrived)
        self._consumer = await self._link.consume(self._share, start)
        self._delivered = self._credit = 0
        self._seen = self._told = max(position, self._until)
        self._breaks, self._bound = breaks, True

    async def _ready(self) -> None:
        """The stream brings what comes; or it is known until where the log does. Raises `Unavailable`."""
        if self._bound and self._breaks == self._link.breaks:
            if await self._stands_still():
                await self._pass_the_stream_by()
            return
        self._bound = False
        try:
            await self._bind()
        except Unavailable:
            await self._pass_the_stream_by()
            if not self._until:
                raise

    async def _pass_the_stream_by(self) -> None:
        """Until where the log is now it is read itself; then the stream is asked anew."""
        self._bound = False
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
        """Rows that the stream has not, from the log."""
        last = self._hand[-1].position if self._hand else await self._positions.of(self._share.name)
        rows = await self._store.changes(last, CATCH_UP)
        for row in rows:
            if row.position <= self._until:
                held = row if self._share.holds(row) else None
                self._hand.append(_Arrived(row.position, held))
        if not rows or rows[-1].position >= self._until:
            self._until = 0
        await self._pass_ticks()

    async def _ask(self) -> None:
        """Keep the server's credit filled up."""
        if self._credit > CREDIT // 2:
            return
        more = CREDIT - self._credit
        request = {"batch": more, "expires": EXPIRES_S * 10**9, "idle_heartbeat": BEAT_S * 10**9}
        await self._link.ask(self._consumer, self._subject, msgspec.json.encode(request))
        self._credit += more

    def _arrived(self, message: Delivered) -> None:
        self._inbox.append(message)
        self._news.set()

    async def _take(self, message: Delivered) -> None:
        """One message: a word of the server's, a tick, or a row that is new or was seen."""
        found = message.header(_POSITION)
        if not found:
            self._hear(await self._link.headers(message))
            return
        self._credit -= 1
        self._delivered += 1
        if _nth(message.reply) != self._delivered:
            self._bound = False  # something on its way to us was lost: begin anew behind what is done
            return
        position = int(found)
        if message.subject == self._link.tick:
            if int(message.header(_SINCE) or 0) > self._told:
                self._bound = False  # what was between two ticks is not in the stream any more: the log has it
                return
            self._told = position
            self._hand.append(_Arrived(position, None, message.reply))
            await self._pass_ticks()
        elif position <= self._seen:
            await self._acknowledge(message.reply)
        else:
            self._seen = position
            self._hand.append(_Arrived(position, await self._row(position, message), message.reply))

    async def _row(self, position: int, message: Delivered) -> Row:
        if message.body:
            return self._link.row(position, message)
        rows = await self._store.changes(position - 1, 1)
        if not rows or rows[0].position != position:
            self._bound = False
            raise Unavailable(f"The log does not show row {position} yet.")
        return rows[0]

    def _hear(self, headers: dict[str, str]) -> None:
        """What the server says besides: a beat, a request that ran out, or that there is no such consumer any more."""
        status = headers.get("Status", "")
        if status in ("404", "408"):
            self._credit -= min(self._credit, int(headers.get("Nats-Pending-Messages", self._credit)))
        elif status != "100":
            self._bound = False

    async def _pass_ticks(self) -> None:
        """Ticks (and rows of others) with no row of ours before them move the position at once."""
        if self._hand and self._hand[0].row is None:
            await self.done(0)

    async def _unsubscribe(self) -> None:
        if self._end_subscription is not None:
            await self._end_subscription()
            self._end_subscription = None

    async def _acknowledge(self, reply: str) -> None:
        """An acknowledgement that does not arrive costs a repetition, which is passed over."""
        if reply:
            with contextlib.suppress(Unavailable):
                await self._link.acknowledge(reply)


def _nth(reply: str) -> int:
    """Which message of its consumer it is, from 1. Its address for answers says so: the seventh word of nine, or the
    ninth of the longer form, in which the server names domain and account.
    """
    words = reply.split(".")
    return int(words[6] if len(words) == 9 else words[8])
