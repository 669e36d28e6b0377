"""From the change log to the stream: rows in order, each once, from wherever the stream ends.

The stream itself says how far it is: its last message names a position of the change log. Each message also names the
one that it must follow, so that of a window a beginning is stored or the whole of it, never a row behind a gap, also if
two relays are at it; and so the answer to the last message speaks for all before it. The relay may be killed between
any two lines: the next one goes on where the stream ends. A stream that lost its disk is filled again from the earliest
position that any consumer still needs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from interlock.bus.nats_link import EXPECTED_LAST, EXPECTED_LAST_OF_EMPTY, MSG_ID, POSITION, SINCE, NatsLink
from interlock.bus.nats_window import Window
from interlock.bus.positions import Positions
from interlock.domain.errors import Unavailable
from interlock.domain.log import Row, decode_heading
from interlock.ports import Store

CONSUMER = "relay"
BODY_BYTES_MAX = 512 * 1024
"""A longer row travels without its body: consumers read it from the log."""
POLL_MAX_S = 0.25
"""How seldom a relay looks into a store that has had nothing for a while and would announce it."""
LOOK_S = 1.0
"""How often a relay with nothing to do looks whether the stream is as it left it."""
NOTHING: Mapping[str, str] = {}


class Relay:
    """The relay of one store into one stream.

    consumers  whose positions say from where an empty stream is to be filled
    window     rows published before their acknowledgements are awaited
    tick_s     how often all consumers are told a position, also those without rows
    poll_s     how soon the store is looked into when it announces nothing: another process may write there. Twice as
               long each time that nothing was there, until `POLL_MAX_S`
    """

    def __init__(
        self, link: NatsLink, store: Store, *, consumers: Sequence[str] = (), window: int = 256, tick_s: float = 0.5,
        poll_s: float = 0.02,
    ) -> None:  # fmt: skip
        self._link = link
        self._store = store
        self._consumers = consumers
        self._window = window
        self._tick_s = tick_s
        self._poll_s = poll_s
        self._positions = Positions(store, flush_rows=window)
        self._news = asyncio.Event()
        self._aligned = False
        self._position = self._sequence = self._ticked = 0
        self._last = ""
        """The id of the last message of the stream; none of an empty one."""
        self._ticked_at = self._looked_at = 0.0
        self._ticks = 0
        self._since = 0
        self._pause_s = poll_s
        self._drained = False
        """Whether the last look saw the end of the log."""

    async def reached(self) -> int:
        """The last row of the log that the stream is known to hold."""
        return self._position

    def announce(self, _: Sequence[Row]) -> None:
        """The store has something new."""
        self._news.set()

    async def run_once(self) -> int:
        """One window: read, publish, await all acknowledgements, move the position. Answers how many rows it was.

        Raises `Unavailable`; the next call looks first where the stream ends.
        """
        if not self._aligned:
            await self._align()
        if self._drained and not self._news.is_set():
            await self._rest()
        self._news.clear()
        rows = await self._store.bodies(self._position, self._window)
        self._drained = len(rows) < self._window
        if not rows:
            return 0
        self._pause_s = self._poll_s
        await self._publish(rows)
        await self._positions.move(CONSUMER, self._position, len(rows))
        return len(rows)

    async def _align(self) -> None:
        """Where the stream ends, from the stream; of an empty one, where somebody still has to begin."""
        state = await self._link.state()
        if state.messages:
            position, self._last, is_tick = await self._link.at(state.last_seq)
            last = await self._store.last_position()
            if position > last:
                raise Unavailable(
                    f"The stream {self._link.log} is at position {position}, the store at {last}: it belongs to "
                    "another store. Set another nats_prefix, or delete the stream."
                )
        else:
            position, is_tick = min([await self._positions.written(c) for c in self._consumers], default=0), False
            self._last = ""
        self._position, self._sequence, self._ticked = position, state.last_seq, position if is_tick else -1
        self._since = 0
        self._aligned = True

    async def _publish(self, rows: Sequence[tuple[int, bytes]]) -> None:
        """A window of stored rows, and at its end a tick if one is due. They are passed on as they are."""
        self._aligned = False
        now = asyncio.get_running_loop().time()
        tick = now - self._ticked_at >= self._tick_s
        last = rows[-1][0]
        async with self._link.window() as window:
            for position, body in rows:
                row = decode_heading(body)
                kept = body if len(body) <= BODY_BYTES_MAX else b""
                answered = position == last and not tick
                self._send(window, self._link.subject(row), kept, row.id, position, answered=answered)
            if tick:
                self._send_tick(window, last)
        await self._stored(window, len(rows) + tick)
        self._position = last
        if tick:
            self._ticked, self._since, self._ticked_at = self._position, self._position, now
        self._aligned = True

    async def _stored(self, window: Window, messages: int) -> None:
        """Look at the answer to a window's last message: it is where it must be only if all before it are."""
        [answer] = await window.answers()
        if answer.duplicate or answer.seq != self._sequence + messages:
            raise Unavailable("Another relay was at it; looking anew where the stream ends.")
        self._sequence = answer.seq

    def _send(
        self, window: Window, subject: str, body: bytes, id: str, position: int, more: Mapping[str, str] = NOTHING,
        *, answered: bool = True,
    ) -> None:  # fmt: skip
        after = {EXPECTED_LAST: self._last} if self._last else {EXPECTED_LAST_OF_EMPTY: str(self._sequence)}
        window.send(subject, body, {MSG_ID: id, POSITION: str(position), **after, **more}, answered=answered)
        self._last = id

    def _send_tick(self, window: Window, position: int) -> None:
        self._ticks += 1
        id, since = f"tick-{self._link.name}-{self._ticks}", {SINCE: str(self._since)}
        self._send(window, self._link.tick, b"", id, position, since)

    async def _rest(self) -> None:
        """Nothing to publish: tell everybody the position if they do not know it, look at the stream now and then."""
        now = asyncio.get_running_loop().time()
        if self._ticked != self._position and now - self._ticked_at >= self._tick_s:
            self._aligned = False
            async with self._link.window() as window:
                self._send_tick(window, self._position)
            await self._stored(window, 1)
            self._ticked, self._since, self._ticked_at = self._position, self._position, now
            self._aligned = True
            await self._positions.try_to_flush()
        elif now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._aligned = (await self._link.state()).last_seq == self._sequence
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s):
                await self._news.wait()
        self._pause_s = min(POLL_MAX_S, 2 * self._pause_s)
