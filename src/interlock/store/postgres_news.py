"""Hearing from PostgreSQL that another process has written, on a connection of its own.

Only a hint: whoever follows the log also looks into it from time to time. So a connection that breaks costs some delay
and nothing else. Behind a PgBouncer that pools transactions nothing is heard: `?listen=0` in the URL saves the
connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg

from interlock.store.postgres_lines import BROKEN, Place

CHANNEL = "interlock_log"
AGAIN_S = 1.0
"""Pause before a broken connection is tried again."""


class News:
    """Calls `heard` with the newest position each time that another writer than `writer` has made rows durable."""

    def __init__(self, place: Place, writer: str, heard: Callable[[int], None]) -> None:
        self._place = place
        self._writer = writer
        self._heard = heard
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, once. Must be called in a running event loop."""
        if self._task is None and self._place.listens:
            self._task = asyncio.get_running_loop().create_task(self._listen(), name="postgres-news")

    async def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _listen(self) -> None:
        while True:
            try:
                await self._until_broken()
            except (*BROKEN, asyncpg.PostgresError):
                pass
            await asyncio.sleep(AGAIN_S)

    async def _until_broken(self) -> None:
        connection = await asyncpg.connect(self._place.dsn, **self._place.options())
        ended = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: ended.set())
            await connection.add_listener(CHANNEL, self._take)
            await ended.wait()
        finally:
            connection.terminate()

    def _take(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        writer, _, position = payload.partition(" ")
        if writer != self._writer and position.isdigit():
            self._heard(int(position))
