"""Streams of server-sent events: how one is opened, kept within bounds, and ended.

A stream pulls from the log at the pace of its client, so nothing piles up for a slow one; a client that does not take
what it is sent is cut off, and resumes from the last id that it saw.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from interlock.api.answer import EVENT_STREAM, Fields, Send, Stream
from interlock.api.call import Call
from interlock.api.host import Host
from interlock.domain.errors import Busy, Malformed

OPENING = b"retry: 2000\n\n"


class Line:
    """The way to one client."""

    def __init__(self, host: Host, send: Send, gone: asyncio.Task[None]) -> None:
        self._host = host
        self._send = send
        self._gone = gone

    @property
    def ended(self) -> bool:
        """Whether the client has gone or the server stops."""
        return self._gone.done() or self._host.news.closing

    async def out(self, text: bytes) -> None:
        """Send text. Raises `TimeoutError` if the client does not take it."""
        async with asyncio.timeout(self._host.settings.stalled_seconds):
            await self._send({"type": "http.response.body", "body": text, "more_body": True})

    async def wait(self, news: asyncio.Future[None], seconds: float) -> None:
        """Until there is news, the client goes, or the time is up."""
        await asyncio.wait({news, self._gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


Follow = Callable[[Line], Awaitable[None]]


def streamed(host: Host, follow: Follow) -> Stream:
    """A stream that lasts as long as `follow`: until the client goes, the server stops, or the client stalls."""

    async def run(fields: Fields, send: Send, receive: Callable[[], Awaitable[Any]]) -> None:
        if host.streams >= host.settings.streams_max:
            raise Busy("Too many streams are open.")
        host.streams += 1
        gone = asyncio.create_task(_until_gone(receive))
        headers = [
            *(f for f in fields if f[0] != b"cache-control"),
            (b"cache-control", b"no-store"),
            (b"content-type", EVENT_STREAM),
            (b"x-accel-buffering", b"no"),
        ]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await follow(Line(host, send, gone))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (OSError, TimeoutError):
            return
        finally:
            host.streams -= 1
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    return run


async def _until_gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def resumed_from(call: Call, after: int | None) -> int | None:
    """Where a reader was: Last-Event-ID before `after`; `None`: nowhere yet."""
    given = call.headers.get(b"last-event-id", b"").strip()
    if not given:
        return after
    if not given.isdigit() or len(given) > 15:
        raise Malformed("Last-Event-ID is a position of this log.", header="Last-Event-ID")
    return int(given)
