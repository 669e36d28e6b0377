"""One consumer of the stream for all shares of a process that ask for the same rows: each comes once, to all of them.

A tap holds nothing that matters: each share goes by its own position in the store. Whoever joins a tap that is ahead of
it reads what is between from the log; whoever falls so far behind that its neighbours would have to wait, or the rows
to pile up, is let go, and takes a tap of its own until it has caught up. What is wrong with a tap ends it for
everybody, and each begins anew behind what it is done with.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from interlock.bus.nats_link import POSITION, SINCE, Delivered, NatsLink
from interlock.domain.errors import Unavailable
from interlock.domain.log import Row
from interlock.domain.share import Share

CREDIT = 1_024
"""Messages that are asked for ahead of the work."""
BEHIND_MAX = 2_048
"""Messages that a share may be behind its neighbours: they are in memory, and none of them can be acknowledged."""
ACKNOWLEDGE_ROWS = 256
ACKNOWLEDGE_AFTER_S = 1.0
EXPIRES_S = 30
BEAT_S = 1
"""How often a server with nothing to deliver says that it is there."""
_POSITION, _SINCE = POSITION.encode(), SINCE.encode()
_PENDING = b"Nats-Pending-Messages"


class Arrived(msgspec.Struct, eq=False):
    """A message in hand: a row; or a tick, or another share's row from the log (neither has a `row`).

    number   which message of its consumer it is, from 1; 0: it came from the log
    since    of a tick: where the one before it was; -1: it is none
    message  as it came; its row is read by the first share that comes to it
    """

    position: int
    row: Row | None = None
    number: int = 0
    reply: str = ""
    since: int = -1
    message: Delivered | None = None


class Outlet:
    """One share's place at a tap: what has come for it, and how far (in messages) it is done.

    done   the number of the last message that it is done with, and `reply`, where that is acknowledged
    """

    def __init__(self, tap: Tap, news: asyncio.Event, done: int, reply: str) -> None:
        self.tap = tap
        self.inbox: deque[Arrived] = deque()
        self.done = done
        self.reply = reply
        self._news = news
        self._open = True

    @property
    def alive(self) -> bool:
        """Whether everything behind what is in the inbox is still to come."""
        return self._open and self.tap.alive

    def put(self, arrived: Arrived) -> None:
        """One message more."""
        self.inbox.append(arrived)
        self._news.set()

    def wake(self) -> None:
        """Something is to be looked at."""
        self._news.set()

    def close(self) -> None:
        """Nothing comes any more, and what has come is not to be taken."""
        self._open = False
        self.inbox.clear()
        self._news.set()


class Tap:
    """A consumer of the stream, and the shares that it is for.

    position  nothing at or before it comes any more; everything behind it does
    """

    def __init__(self, link: NatsLink, position: int, breaks: int) -> None:
        self.position = position
        self._link = link
        self._breaks = breaks
        self._outlets: list[Outlet] = []
        self._consumer = self._subject = self._reply = ""
        self._end_subscription: Callable[[], Awaitable[None]] | None = None
        self._received = self._credit = self._acknowledged = 0
        self._acknowledged_at = 0.0
        self._open = True

    async def open(self, share: Share, start: int) -> None:
        """Begin at a sequence of the stream, with a consumer that is named after a share. Raises `Unavailable`."""
        self._subject, self._end_subscription = await self._link.subscribe(self._arrived)
        try:
            self._consumer = await self._link.consume(share, start)
        except BaseException:
            await self._close()
            raise

    @property
    def alive(self) -> bool:
        """Whether all that it is to bring still comes, as far as anybody knows."""
        return self._open and self._breaks == self._link.breaks

    def join(self, news: asyncio.Event) -> Outlet:
        """A share more, from `position` on; `news` is set whenever something came for it."""
        outlet = Outlet(self, news, self._received, self._reply)
        self._outlets.append(outlet)
        return outlet

    async def leave(self, outlet: Outlet) -> None:
        """A share less; after the last one nobody listens."""
        outlet.close()
        if outlet in self._outlets:
            self._outlets.remove(outlet)
        if not self._outlets:
            await self._close()

    def end(self) -> None:
        """Something is wrong with it: all its shares begin anew behind what they are done with."""
        self._open = False
        for outlet in self._outlets:
            outlet.wake()

    async def ask(self) -> None:
        """Keep the server's credit filled up. Raises `Unavailable`."""
        if self._credit > CREDIT // 2:
            return
        more = CREDIT - self._credit
        self._credit += more
        request = {"batch": more, "expires": EXPIRES_S * 10**9, "idle_heartbeat": BEAT_S * 10**9}
        try:
            await self._link.ask(self._consumer, self._subject, msgspec.json.encode(request))
        except BaseException:
            self.end()
            raise

    async def settle(self) -> None:
        """Acknowledge what all of them are done with, now and then: by the last message, which speaks for all before
        it. An acknowledgement that does not arrive costs a repetition, which is passed over.
        """
        if not self._outlets:
            return
        least = min(self._outlets, key=_done)
        done = least.done - self._acknowledged
        if done <= 0:
            return
        now = asyncio.get_running_loop().time()
        if done >= ACKNOWLEDGE_ROWS or now - self._acknowledged_at >= ACKNOWLEDGE_AFTER_S:
            self._acknowledged, self._acknowledged_at = least.done, now
            with contextlib.suppress(Unavailable):
                await self._link.acknowledge(least.reply)

    async def _close(self) -> None:
        self._open = False
        ends, self._end_subscription = self._end_subscription, None
        if ends is not None:
            await ends()
            await self._link.let_go(self._consumer)

    def _arrived(self, message: Delivered) -> None:
        """One message: a word of the server's, a tick, or a row."""
        if not self.alive:
            return
        found = message.header(_POSITION)
        if not found:
            self._hear(message)
            return
        self._credit -= 1
        self._received += 1
        if nth(message.reply) != self._received:
            self.end()  # something on its way to us was lost
            return
        position, self._reply = int(found), message.reply
        since = int(message.header(_SINCE) or 0) if message.subject == self._link.tick else -1
        arrived = Arrived(position, None, self._received, message.reply, since, message)
        for outlet in self._outlets:
            outlet.put(arrived)
        self.position = max(self.position, position)
        if len(self._outlets) > 1 and self._received - min(map(_done, self._outlets)) > BEHIND_MAX:
            self._let_go()

    def _let_go(self) -> None:
        """Whoever is too far behind: those in front need not wait for it, nor the rows for them."""
        behind = [o for o in self._outlets if self._received - o.done > BEHIND_MAX]
        front = [o for o in self._outlets if o not in behind]
        if front:
            self._outlets = front
            for outlet in behind:
                outlet.close()

    def _hear(self, message: Delivered) -> None:
        """What the server says besides: a beat, a request that ran out, or that there is no such consumer any more."""
        status = message.status
        if status in (b"404", b"408"):
            self._credit -= min(self._credit, int(message.header(_PENDING) or self._credit))
        elif status != b"100":
            self.end()
            return
        for outlet in self._outlets:
            outlet.wake()


def _done(outlet: Outlet) -> int:
    return outlet.done


def nth(reply: str) -> int:
    """Which message of its consumer it is, from 1. Its address for answers says so: the seventh word of nine, or the
    ninth of the longer form, in which the server names domain and account.
    """
    words = reply.split(".")
    return int(words[6] if len(words) == 9 else words[8])
