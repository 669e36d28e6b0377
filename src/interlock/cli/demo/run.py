"""One run of the demonstration: a server in this process, the load in another, the log read as it grows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import tempfile
import time
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import SecretStr

from interlock.cli.demo.client import Client
from interlock.cli.demo.load import Orders
from interlock.cli.demo.story import HOW, Story
from interlock.runtime.assemble import House, assemble
from interlock.runtime.server import bind, listening, until_stopped
from interlock.runtime.settings import Settings
from interlock.service import figures

PAGE = 400
REFRESH_S = 0.25
LATE = "I10"
"""The invariant that only says how long a copy took."""
REST_S, REST_MAX_S = 0.5, 20.0
"""How long the log must be silent to count as at rest, and how long that is waited for."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to play, and how it is shown. `seconds=0`: until Ctrl-C."""

    seed: int
    speed: float
    seconds: float
    live: bool
    rate: Literal["day", "max"]
    under_way: int
    arrivals: Path | None
    port: int
    quiet: bool
    open: bool = False


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """Ways into the console, each good for one sign-in; and the user that the agent's link is for."""

    supervisor: str = ""
    agent: str = ""
    guest: str = ""


async def _links(url: str, key: str) -> Links:
    """A supervisor's link, and one for a guest who can work beside the twelve agents."""
    client = Client(url, connections=2)
    try:
        guest = (await client.send("POST", "/v1/users", {"name": "You"}, key=key))["data"]["id"]
        wanted = {"minutes": 720, "role": "supervisor", "name": "You, supervisor"}
        supervisor = await client.send("POST", "/v1/sign-in-links", wanted, key=key)
        wanted = {"minutes": 720, "role": "agent", "name": "You, agent", "user": guest}
        agent = await client.send("POST", "/v1/sign-in-links", wanted, key=key)
    finally:
        await client.close()
    return Links(supervisor=url + supervisor["meta"]["path"], agent=url + agent["meta"]["path"], guest=guest)


async def play(options: Options) -> dict[str, Any]:
    """The whole run; its summary."""
    with tempfile.TemporaryDirectory(prefix="interlock-demo-") as folder:
        key = "ilk_demo_" + secrets.token_hex(16)
        settings = Settings(
            db=f"sqlite://{folder}/demo.db",
            port=options.port,
            rate_limit=0,
            org="Demo",
            bootstrap_key=SecretStr(key),
            log_level="warning",
            log_format="text",
            stop_seconds=5,
        )
        bound = bind(settings.host, options.port, or_next=True)
        async with assemble(settings) as house:
            story = Story()
            async with listening(house, bound) as url:
                links = await _links(url, key) if options.rate == "day" else Links()
                if not options.quiet:
                    _greet(options, url, key, links)
                if options.open and links.supervisor:
                    await asyncio.to_thread(webbrowser.open, links.supervisor)
                orders = Orders(
                    url=url,
                    key=key,
                    seed=options.seed,
                    rate=options.rate,
                    seconds=options.seconds,
                    speed=options.speed,
                    under_way=options.under_way,
                    arrivals=str(options.arrivals or ""),
                    guest=links.guest,
                )
                began = time.process_time()
                told = await _with_load(house, story, orders, options)
                told["server_cpu_s"] = round(time.process_time() - began, 2)
            await _come_to_rest(house)
            await _read(house, story)
            return _summary(house, story, options, told)


def _greet(options: Options, url: str, key: str, links: Links) -> None:
    pace = "as fast as it goes" if options.rate == "max" else f"{options.speed:g}x"
    day = f"recorded in {options.arrivals}" if options.arrivals else f"random seed {options.seed}"
    end = "Ctrl-C ends it" if not options.seconds else f"{options.seconds:g} s"
    console = (
        (f"  Console     {links.supervisor}",
         f"  As an agent {links.agent}    (in a private window; each link signs in once)")
        if links.supervisor else ()
    )  # fmt: skip
    lines = (
        *console,
        f"  API         {url}/v1    key {key}",
        f"  Docs        {url}/docs",
        f"  Traffic     3 queues, 12 agents, {day}, {pace}, a SQLite file. {end}; nothing is kept.",
        f"  Try         INTERLOCK_URL={url} INTERLOCK_KEY={key} interlock events --follow --topic work-item",
    )
    sys.stderr.write("\n".join(lines) + "\n\n")


async def _with_load(house: House, story: Story, orders: Orders, options: Options) -> dict[str, Any]:
    """The load's process from its start to its end, and what is shown meanwhile. Answers what the load told."""
    told: dict[str, Any] = {}
    async with loading(orders) as load:
        ends = [asyncio.create_task(listen(load, told)), asyncio.create_task(until_stopped())]
        if options.rate == "day":
            ends.append(asyncio.create_task(_watch(house, story, live=options.live)))
        if options.seconds:
            ends.append(asyncio.create_task(asyncio.sleep(options.seconds * (2 if options.rate == "max" else 1) + 30)))
        done, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.wait(pending)
        for task in done:
            await task
        if load.stdin is not None:
            load.stdin.close()
        await listen(load, told)
    return told


@contextlib.asynccontextmanager
async def loading(orders: Orders) -> AsyncIterator[asyncio.subprocess.Process]:
    """The load as a process of its own. It hears of Ctrl-C from us only, and ends when its standard input does."""
    command = (sys.executable, "-m", "interlock.cli.demo.load")
    pipe = asyncio.subprocess.PIPE
    load = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True)
    assert load.stdin is not None
    load.stdin.write(msgspec.json.encode(orders) + b"\n")
    await load.stdin.drain()
    try:
        yield load
    finally:
        load.stdin.close()
        try:
            await asyncio.wait_for(load.wait(), 5)
        except TimeoutError:
            load.kill()
            await load.wait()


async def listen(load: asyncio.subprocess.Process, told: dict[str, Any]) -> None:
    """Until the load has said its last word."""
    assert load.stdout is not None
    while line := await load.stdout.readline():
        with contextlib.suppress(ValueError):
            told |= json.loads(line)


async def _watch(house: House, story: Story, *, live: bool) -> None:
    """Read the log as it grows; on a terminal, show what it comes to."""
    if not live:
        while True:
            await _read(house, story)
            await asyncio.sleep(REFRESH_S)
    from rich.console import Console
    from rich.live import Live

    from interlock.cli.demo.board import board

    now = house.world.clock.now
    with Live(board(story, now()), console=Console(stderr=True), auto_refresh=False, transient=False) as screen:
        while True:
            await _read(house, story)
            screen.update(board(story, now()), refresh=True)
            await asyncio.sleep(REFRESH_S)


async def _read(house: House, story: Story) -> None:
    """What the log has beyond what was read, a page at a time, so that the server keeps its turn."""
    while rows := await house.world.store.changes(story.position, PAGE):
        story.take(rows)
        await asyncio.sleep(0)


async def _come_to_rest(house: House) -> None:
    """Until every role has handled every row and nothing more is written; at most so long."""
    last, since = -1, time.monotonic()
    began = since
    while time.monotonic() - began < REST_MAX_S:
        position = await house.world.store.last_position()
        behind = sum((await figures.lag(house.world)).values())
        if position != last or behind:
            last, since = position, time.monotonic()
        elif time.monotonic() - since > REST_S:
            return
        await asyncio.sleep(0.05)


def _summary(house: House, story: Story, options: Options, told: dict[str, Any]) -> dict[str, Any]:
    verdict = story.ledger.finish()
    facts: dict[str, Any] = {
        "seed": options.seed,
        "rate": options.rate,
        "seconds": options.seconds,
        "requests": told.get("requests", 0),
        "cpu_s": {"server": told.get("server_cpu_s"), "load": told.get("cpu_s")},
        "repaired": dict(house.found),
    }
    if options.rate == "max":
        facts["under_way"] = options.under_way
    else:
        facts["speed"] = options.speed
    because = _because(story, verdict.by_number, told)
    return story.summary(verdict, {**facts, "as_it_should": not because, "because": because, "how": HOW})


def _because(story: Story, broken: dict[str, int], told: dict[str, Any]) -> str:
    """Why the story did not go as it should; empty if it did.

    A late copy (I10) is told in the figures and fails nothing: how fast a busy machine is, is no question of right.
    """
    broken = {number: times for number, times in broken.items() if number != LATE}
    reasons = (
        (story.ledger.lost > 0, f"{story.ledger.lost} assignments were lost"),
        (bool(broken), f"invariants were broken: {broken}"),
        ("broken" in told, f"the load broke: {told.get('broken')}"),
        (not story.conversations, "nobody wrote"),
        (not story.assigned, "nothing was assigned"),
        (not story.completed, "nothing was done"),
    )
    return "; ".join(words for wrong, words in reasons if wrong)
