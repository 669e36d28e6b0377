"""A server put together, answering, and stopped: what it prints, what it keeps, what a stop does to streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from interlock.runtime.assemble import House, assemble, found_first
from interlock.runtime.server import PortTaken, address_of, bind, listening
from interlock.runtime.settings import Settings
from interlock.service import orgs

KEY = "ilk_test"
ENDS_WITHIN_S = 10.0


def settings(folder: Path, **more: Any) -> Settings:
    """A server on a file of its own, with a known key."""
    return Settings(db=f"sqlite://{folder}/t.db", bootstrap_key=KEY, rate_limit=0, stop_seconds=3, **more)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def serving(folder: Path, **more: Any) -> AsyncIterator[tuple[House, str]]:
    """A server in this process on a free port."""
    bound = bind("127.0.0.1", 0)
    async with assemble(settings(folder, **more)) as house, listening(house, bound) as url:
        yield house, url


async def post(url: str, path: str, body: Any) -> Any:
    """One request with the admin key."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
        session.post(url + path, json=body) as answer,
    ):
        assert answer.status < 300, await answer.text()
        return await answer.json(content_type=None)


async def test_it_answers_and_its_roles_work(tmp_path: Path) -> None:
    """A conversation gets a work item in the default queue, seen through the event stream."""
    async with serving(tmp_path) as (house, url):
        made = await post(url, "/v1/conversations", {"channels": ["chat"]})
        async with asyncio.timeout(ENDS_WITHIN_S), aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"}
            async with session.get(f"{url}/v1/events?topics=work-item.update", headers=headers) as stream:
                async for raw in stream.content:
                    if raw.startswith(b"data:") and b"queued" in raw:
                        event = json.loads(raw[5:])
                        break
        assert event["data"]["data"]["relationships"]["resource"]["data"]["id"] == made["data"]["id"]
        assert house.first_key is None
        assert house.found == {}


async def test_an_empty_store_gets_one_org_and_one_key_once(tmp_path: Path) -> None:
    """Without INTERLOCK_BOOTSTRAP_KEY a key is made up; the second start makes nothing."""
    alone = settings(tmp_path).model_copy(update={"bootstrap_key": None})
    async with assemble(alone) as house:
        key = house.first_key
        assert key is not None
        assert key.startswith("ilk_")
        assert await orgs.key_of(house.world, key) is not None
        assert await found_first(house.world, alone) is None
    async with assemble(alone) as house:
        assert house.first_key is None
        assert len(await orgs.all_orgs(house.world)) == 1


async def test_processes_that_start_together_on_an_empty_store_found_one_org_between_them(tmp_path: Path) -> None:
    """Each sees that there is no org before any has made one; one key is told, and it opens the one org."""
    alone = settings(tmp_path).model_copy(update={"bootstrap_key": None, "role": ("api",)})
    async with contextlib.AsyncExitStack() as stack:
        houses = await asyncio.gather(*(stack.enter_async_context(assemble(alone)) for _ in range(3)))
        keys = [h.first_key for h in houses if h.first_key is not None]
        assert len(keys) == 1
        assert len(await orgs.all_orgs(houses[0].world)) == 1
        assert await orgs.key_of(houses[0].world, keys[0]) is not None


async def test_what_was_left_undone_is_done_at_the_next_start(tmp_path: Path) -> None:
    """A process without roles takes a conversation; one with roles finds it in the log."""
    async with serving(tmp_path, role=()) as (_, url):
        await post(url, "/v1/conversations", {"channels": ["chat"]})
    async with serving(tmp_path) as (house, _), asyncio.timeout(ENDS_WITHIN_S):
        bus = house.world.bus
        begun: set[str] = set()
        while "work_item" not in begun:
            batch = await bus.receive("test", 100)
            begun |= {change.type for row in batch.rows for change in row.changes}
            await bus.acknowledge(batch)


async def test_the_event_log_has_every_event_and_every_sync_decision(tmp_path: Path) -> None:
    """One line each, from a position of its own: a restart leaves no gap and repeats nothing."""
    async with piped() as (target, lines), asyncio.timeout(ENDS_WITHIN_S):
        async with serving(tmp_path, event_log=target) as (_, url):
            first = await post(url, "/v1/conversations", {"channels": ["chat"]})
            seen = await until(lines, lambda line: line["msg"] == "CONVERSATION_SYNC_AUDIT")
        assert seen[-1]["conversationId"] == first["data"]["id"]
        async with serving(tmp_path, event_log=target) as (_, url):
            second = await post(url, "/v1/conversations", {"channels": ["email"]})
            seen += await until(lines, lambda line: second["data"]["id"] in str(line.get("body")))
    events = [line for line in seen if line["name"] == "event"]
    assert "interlock.conversation.create" in {line["body"]["name"] for line in events}
    assert all(line["fullBodyLength"] for line in events)
    ids = [line["body"]["id"] for line in events]
    assert len(ids) == len(set(ids))


@contextlib.asynccontextmanager
async def piped() -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    """A file name to write to, and what is written there, as it comes."""
    reads, writes = os.pipe()
    lines = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(reads, "rb"))
    try:
        yield f"/dev/fd/{writes}", lines
    finally:
        transport.close()
        os.close(writes)


async def until(lines: asyncio.StreamReader, found: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The lines up to one that is looked for."""
    seen: list[dict[str, Any]] = []
    while not seen or not found(seen[-1]):
        seen.append(json.loads(await lines.readline()))
    return seen


async def test_a_stop_ends_open_streams_at_once(tmp_path: Path) -> None:
    """A reader that would read for ever does not hold the server up."""
    async with asyncio.timeout(ENDS_WITHIN_S), aiohttp.ClientSession() as session:
        async with serving(tmp_path) as (_, url):
            headers = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"}
            stream = await session.get(f"{url}/v1/events", headers=headers)
            assert await stream.content.readline() == b"retry: 2000\n"
        assert b"retry" not in await stream.content.read()


def test_a_taken_port_is_said_so_or_the_next_is_taken() -> None:
    """`serve` refuses with what to type; `demo` goes on to the next."""
    with contextlib.closing(bind("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(PortTaken, match="or 0 for a free one"):
            bind("127.0.0.1", port)
        with contextlib.closing(bind("127.0.0.1", port, or_next=True)) as second:
            assert second.getsockname()[1] > port
        assert address_of(first) == f"http://127.0.0.1:{port}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_is_written_in_brackets() -> None:
    """So that it can be pasted."""
    try:
        bound = bind("::1", 0)
    except PortTaken:
        pytest.skip("no IPv6 loopback here")
    with contextlib.closing(bound):
        assert address_of(bound).startswith("http://[::1]:")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serve_prints_where_it_listens_and_a_signal_ends_it_with_0(tmp_path: Path, number: int) -> None:
    """One parseable line, the key once, and an orderly end with a stream open."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")}
    command = (sys.executable, "-m", "interlock.cli.main", "serve", "--port", "0", "--db", f"sqlite://{tmp_path}/s.db")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environment)
    assert process.stdout is not None
    async with asyncio.timeout(3 * ENDS_WITHIN_S), aiohttp.ClientSession() as session:
        word, url = (await process.stdout.readline()).decode().split()
        label, key = (await process.stdout.readline()).decode().split()
        assert (word, label) == ("listening", "key")
        headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
        stream = await session.get(f"{url}/v1/events", headers=headers)
        await stream.content.readline()
        process.send_signal(number)
        async with asyncio.timeout(ENDS_WITHIN_S):
            await stream.content.read()
            assert await process.wait() == 0
