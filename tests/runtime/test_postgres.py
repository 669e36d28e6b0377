"""Servers on PostgreSQL: one that does everything, and two that share a database and hear of each other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from interlock.runtime.assemble import House, assemble
from interlock.runtime.server import bind, listening
from interlock.runtime.settings import Settings
from interlock.service import orgs

KEY = "ilk_test"
WITHIN_S = 30.0


@contextlib.asynccontextmanager
async def serving(db: str, **more: Any) -> AsyncIterator[tuple[House, str]]:
    """A server in this process on a free port."""
    settings = Settings(db=db, bootstrap_key=KEY, rate_limit=0, stop_seconds=3, console=False, **more)  # type: ignore[arg-type]
    bound = bind("127.0.0.1", 0)
    async with assemble(settings) as house, listening(house, bound) as url:
        yield house, url


async def made(url: str) -> str:
    """A new conversation's id."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
        session.post(f"{url}/v1/conversations", json={"channels": ["chat"]}) as answer,
    ):
        assert answer.status == 201, await answer.text()
        return (await answer.json(content_type=None))["data"]["id"]


async def told(url: str, word: str) -> str:
    """The first event about a work item in the stream of a server that has this word in it."""
    headers = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"}
    async with (
        asyncio.timeout(WITHIN_S),
        aiohttp.ClientSession() as session,
        session.get(f"{url}/v1/events?topics=work-item.update", headers=headers) as stream,
    ):
        async for raw in stream.content:
            if raw.startswith(b"data:") and word.encode() in raw:
                return raw.decode()
    raise AssertionError("the stream ended")


async def test_one_server_does_everything(postgres_url: str) -> None:
    async with serving(postgres_url) as (_, url):
        id = await made(url)
        assert id in await told(url, "queued")
    async with serving(postgres_url) as (house, url):
        assert house.first_key is None
        assert len(await orgs.all_orgs(house.world)) == 1
        assert id in await told(url, "queued")


async def test_two_servers_share_a_database(postgres_url: str) -> None:
    """One answers requests and runs no role, the other runs all: what one writes the other hears of, both ways."""
    async with serving(postgres_url, role=()) as (_, asked), serving(postgres_url) as (_, working):
        stream = asyncio.ensure_future(told(asked, "queued"))
        id = await made(asked)
        assert id in await stream
        assert id in await told(working, "queued")
