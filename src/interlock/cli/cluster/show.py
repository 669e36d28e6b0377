"""One run of a cluster under the demonstration's load: started, watched from the log alone, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from interlock.cli.cluster.processes import Cluster, Plan, cluster
from interlock.cli.demo.board import board
from interlock.cli.demo.load import Orders
from interlock.cli.demo.run import LATE, listen, loading
from interlock.cli.demo.story import Story
from interlock.domain.errors import Unavailable
from interlock.domain.share import share_named
from interlock.ports import Store
from interlock.runtime.clock import SystemClock
from interlock.runtime.collecting import COLLECTED_BY, COLLECTOR
from interlock.runtime.server import until_stopped
from interlock.service.collector import reached
from interlock.service.cues import ROLES
from interlock.service.divisions import division_of, positions_of
from interlock.store.opening import open_store

PAGE = 400
REFRESH_S = 0.5
REST_S, REST_MAX_S = 1.0, 60.0
FOREVER_S = 10.0**7


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, and how it is shown; 0 for no end."""

    conversations: int
    seconds: float
    under_way: int
    each: int
    nodes: int
    databases: int
    live: bool
    quiet: bool


async def show(wishes: Wishes) -> dict[str, Any]:
    """The whole run; its summary. Raises `Unavailable` if something does not come up."""
    key = "ilk_demo_" + secrets.token_hex(16)
    if not wishes.quiet:
        sys.stderr.write("starting PostgreSQL, NATS and Interlock's processes\n")
    stop = asyncio.create_task(until_stopped())
    plan = Plan(key=key, each=wishes.each, nats=wishes.nodes, databases=wishes.databases)
    async with cluster(plan) as made, opened(made.db) as store, opened(made.records_db or made.db) as records:
        first = made.processes[0].url
        if not wishes.quiet:
            sys.stderr.write(_where(made, first, key))
        watched = Watched(made, store, records if made.records_db else None)
        orders = Orders(
            url=first, key=key, seed=7, rate="max", seconds=wishes.seconds or FOREVER_S, under_way=wishes.under_way
        )
        began = time.monotonic()
        told: dict[str, Any] = {}
        async with loading(orders) as load:
            ends = {asyncio.create_task(listen(load, told)), asyncio.create_task(watched.follow(wishes)), stop}
            done, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in pending - {stop}:
                task.cancel()
            if pending - {stop}:
                await asyncio.wait(pending - {stop})
            for task in done - {stop}:
                await task
        took = time.monotonic() - began
        await watched.come_to_rest()
        return watched.summary(told, took)


def _where(made: Cluster, api: str, key: str) -> str:
    """Where everything is, so that it can be looked at, and broken."""
    nats = ",".join(node.url for node in made.nodes)
    beside = f"  records  {made.records_db}\n" if made.records_db else ""
    return (
        f"  console  {api}/    sign in with the key\n  API      {api}/v1    key {key}\n"
        f"  logs     {made.folder}\n{beside}"
        f"  look     interlock doctor --db {made.db} --nats {nats}\n"
        "  break    kill -9 or -STOP any process of the table: the others take over what it holds\n"
    )


@contextlib.asynccontextmanager
async def opened(db: str) -> AsyncIterator[Store]:
    """The store at a URL."""
    store = open_store(db, SystemClock())
    try:
        yield store
    finally:
        await store.close()


class Watched:
    """What the log of a running cluster comes to. `records`: the other database, whose own log it has to hold too."""

    def __init__(self, made: Cluster, store: Store, records: Store | None = None) -> None:
        self.story = Story()
        self._made = made
        self._store = store
        self._records = records
        self._clock = SystemClock()
        self._behind: dict[str, int] = {}

    async def follow(self, wishes: Wishes) -> None:
        """Read the log as it grows, show it on a terminal, and end when enough conversations are done."""
        screen = Live(self._picture(), console=Console(stderr=True), auto_refresh=False) if wishes.live else None
        with screen or contextlib.nullcontext():
            while not wishes.conversations or self.story.completed < wishes.conversations:
                with contextlib.suppress(Unavailable):
                    await self.read()
                if screen is not None:
                    await self._look()
                    screen.update(self._picture(), refresh=True)
                await asyncio.sleep(REFRESH_S)

    async def read(self) -> None:
        """What the log has beyond what was read."""
        while rows := await self._store.changes(self.story.position, PAGE):
            self.story.take(rows)

    async def come_to_rest(self) -> None:
        """Until every share has handled every row and nothing more is written; at most so long."""
        began = since = time.monotonic()
        last = -1
        while time.monotonic() - began < REST_MAX_S:
            await self.read()
            await self._look()
            if self.story.position != last or any(self._behind.values()):
                last, since = self.story.position, time.monotonic()
            elif time.monotonic() - since > REST_S:
                return
            await asyncio.sleep(0.1)

    async def _look(self) -> None:
        with contextlib.suppress(Unavailable):
            last = await self._store.last_position()
            for role in ROLES:
                positions = await positions_of(self._store, await division_of(self._store, role))
                self._behind[role] = max(0, last - min(positions.values()))
            if self._records is not None:
                taken = (await reached(self._store)).position
                self._behind[COLLECTOR] = max(0, await self._records.last_position() - taken)

    def _picture(self) -> RenderableType:
        table = Table(title="processes", title_justify="left", box=None, pad_edge=False)
        table.add_column("process", no_wrap=True, max_width=20)
        table.add_column("pid", no_wrap=True, min_width=7)
        table.add_column("holds")
        table.add_column("behind", no_wrap=True, justify="right", min_width=6)
        for process in self._made.processes:
            roles = (*process.roles, COLLECTOR) if COLLECTED_BY in process.roles else process.roles
            behind = [self._behind[role] for role in roles if role in self._behind]
            rows = str(max(behind)) if behind else "-"
            table.add_row(process.name, str(process.pid or "dead"), " ".join(held_by(process.said())), rows)
        for node in self._made.nodes:
            table.add_row(f"nats {node.name}", str(node.pid or "dead"), "", "")
        return Group(table, board(self.story, self._clock.now()))

    def summary(self, told: dict[str, Any], took_s: float) -> dict[str, Any]:
        """What it came to, for people and programs."""
        verdict = self.story.ledger.finish()
        broken = {number: times for number, times in verdict.by_number.items() if number != LATE}
        reasons = [
            (bool(verdict.lost), f"{len(verdict.lost)} assignments were lost"),
            (bool(broken), f"invariants were broken: {broken}"),
            ("broken" in told, f"the load broke: {told.get('broken')}"),
            (any(self._behind.values()), f"rows were not handled: {self._behind}"),
        ]
        because = "; ".join(words for wrong, words in reasons if wrong)
        return {
            "processes": len(self._made.processes),
            "nats_nodes": len(self._made.nodes),
            "databases": self._made.plan.databases,
            "conversations": self.story.conversations,
            "assigned": len(self.story.assigned),
            "completed": self.story.completed,
            "conversations_per_s": round(self.story.completed / took_s, 1) if took_s else 0.0,
            "lost_assignments": len(verdict.lost),
            "invariant_violations": broken,
            "rows_behind": sum(self._behind.values()),
            "log_rows": self.story.ledger.rows,
            "as_it_should": not because,
            "because": because,
        }


def held_by(said: str) -> list[str]:
    """The shares that a process holds, by name, from what it has said in its log."""
    held: dict[str, None] = {}
    for text in said.splitlines():
        with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):
            line = msgspec.json.decode(text, type=_Line)
            if line.event == "share_taken":
                held[line.share] = None
            elif line.event in ("share_given_back", "share_lost"):
                held.pop(line.share, None)
    return sorted(held, key=lambda name: (share_named(name).role, name))


class _Line(msgspec.Struct):
    """A line of a process's log, as far as it is about shares."""

    event: str = ""
    share: str = ""
