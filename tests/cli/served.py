"""A server in this process on a file of its own, and commands that are run against it as a person types them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from interlock.cli.main import run
from interlock.runtime.assemble import House, assemble, fresh_key
from interlock.runtime.server import bind, listening
from interlock.runtime.settings import Settings
from interlock.service import orgs

KEY = "ilk_test"


class Served:
    """One server. Each org has a key; `call` runs a command with one of them."""

    def __init__(self, house: House, url: str, session: aiohttp.ClientSession) -> None:
        self.house, self.url, self._session = house, url, session

    async def org(self, name: str = "Other") -> str:
        """Another, empty org; its key."""
        key = fresh_key()
        await orgs.found(self.house.world, name, key=key)
        return key

    async def send(self, method: str, path: str, body: Any = None, *, key: str = KEY, status: int = 0) -> Any:
        """One request by a program; the document."""
        headers = {"Authorization": f"Bearer {key}"}
        async with self._session.request(method, self.url + path, json=body, headers=headers) as answer:
            assert answer.status == status if status else answer.status < 300, await answer.text()
            return await answer.json(content_type=None) if answer.status != 204 else None

    async def ran(self, conversation: str) -> None:
        """Wait until the queue rules have run on a conversation."""
        async with asyncio.timeout(10):
            while True:
                batch = await self.house.world.bus.receive("test", 100)
                await self.house.world.bus.acknowledge(batch)
                if any(r.partition == conversation and r.why.direction == "rule" for r in batch.rows):
                    return

    async def call(self, *arguments: str) -> int:
        """One command, in a thread: it opens connections of its own. Its exit code."""
        return await asyncio.to_thread(run, [*arguments, "--url", self.url])


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    """A server with one org."""
    settings = Settings(db=f"sqlite://{folder}/t.db", bootstrap_key=KEY, stop_seconds=3, rate_limit=0)  # type: ignore[arg-type]
    bound = bind("127.0.0.1", 0)
    async with assemble(settings) as house, listening(house, bound) as url, aiohttp.ClientSession() as session:
        yield Served(house, url, session)
