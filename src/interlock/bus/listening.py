"""What any system publishes on NATS, heard as it is published. Nothing is made there and nothing acknowledged.

A stream's messages are published on subjects like all others, so that a listener hears them too. It hears what comes
from now on; what a broken connection or its own slowness cost it, it says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from interlock.bus.nats_link import POSITION, away
from interlock.domain.errors import Unavailable
from interlock.domain.log import Row, decode_row

HELD_MAX = 65_536
"""Messages that wait for the listener; more are lost, and counted."""
HELD_BYTES_MAX = 64 << 20
CONNECT_S = 5.0


class Heard(NamedTuple):
    """One message. `row`: what it is if it carries a row of a change log of ours."""

    data: bytes
    row: Row | None


class Listener:
    """A subject being listened to.

    lost     messages that came faster than they were taken
    breaks   how often the connection broke: what was published then was not heard
    """

    def __init__(self) -> None:
        self.lost = self.breaks = 0
        self._client = Client()
        self._waiting: deque[Msg] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    @classmethod
    async def open(cls, servers: list[str], subject: str) -> Self:
        """Listening from now on. Raises `Unavailable` if no server answers, or lets us listen, in time."""
        listener = cls()
        with away():
            async with asyncio.timeout(CONNECT_S):
                await listener._open(servers, subject)
        return listener

    async def heard(self) -> list[Heard]:
        """What came since the last call; waits until there is something, or the connection breaks."""
        if not self._waiting:
            self._news.clear()
            await self._news.wait()
        waiting, self._waiting, self._bytes = self._waiting, deque(), 0
        return [_told(message) for message in waiting]

    async def close(self) -> None:
        """Listen no more."""
        await self._client.close()

    async def _open(self, servers: list[str], subject: str) -> None:
        refused: list[Exception] = []

        async def broke() -> None:
            self.breaks += 1
            self._news.set()

        async def said(why: Exception) -> None:
            refused.append(why)

        await self._client.connect(
            servers, name="interlock investigate", allow_reconnect=True, max_reconnect_attempts=-1,
            connect_timeout=2, ping_interval=10, max_outstanding_pings=2, disconnected_cb=broke, error_cb=said,
        )  # fmt: skip
        await self._client.subscribe(subject, cb=self._take, pending_msgs_limit=-1, pending_bytes_limit=-1)
        # The server answers in order: with this answer it has taken the subject, or said why not.
        await self._client.flush()
        if refused:
            raise Unavailable(f"NATS does not let us listen to {subject}: {refused[-1]}")

    async def _take(self, message: Msg) -> None:
        if len(self._waiting) >= HELD_MAX or self._bytes + len(message.data) > HELD_BYTES_MAX:
            self.lost += 1
            return
        self._waiting.append(message)
        self._bytes += len(message.data)
        self._news.set()


def address_of(url: str) -> tuple[list[str], str]:
    """Servers and subject of `nats://[user:password@]host:port[,host:port]/SUBJECT`. Raises `ValueError`."""
    parts = urlsplit(url)
    subject = unquote(parts.path.removeprefix("/"))
    if not parts.netloc or not subject or any(c.isspace() for c in subject):
        raise ValueError(f"{url} names no server and subject")
    user, at, hosts = parts.netloc.rpartition("@")
    return [f"{parts.scheme}://{user}{at}{host}" for host in hosts.split(",")], subject


def _told(message: Msg) -> Heard:
    position: str = (message.headers or {}).get(POSITION, "")
    row = None
    if position.isdecimal() and message.data:
        with contextlib.suppress(msgspec.DecodeError):  # a newer version's: nothing that we could read
            row = decode_row(int(position), message.data)
    return Heard(message.data, row)
