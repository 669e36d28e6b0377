"""A row that a role fails at again and again, by a fault of ours: tried so often, set aside, shown to the operator."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interlock.cli import doctor
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.decision import Provenance
from interlock.domain.errors import Unavailable
from interlock.domain.log import snapshot_of
from interlock.domain.work_item import WorkItem
from interlock.ports import Batch, Query, World
from interlock.runtime import worker
from interlock.runtime.assemble import House, assemble
from interlock.runtime.settings import Settings
from interlock.runtime.worker import ATTEMPTS, Workers
from interlock.service import conversations, orgs
from interlock.service.cues import Cue
from interlock.service.reactions import REACTIONS, forward

PATIENCE_S = 60


class Poison:
    """The reactions, one of which fails at conversations of a certain name."""

    def __init__(self) -> None:
        self.tried = 0
        self.table = [msgspec.structs.replace(r, do=self._forward) if r.do is forward else r for r in REACTIONS]

    async def _forward(self, world: World, cue: Cue) -> None:
        seen = snapshot_of(cue.snapshot)
        if isinstance(seen, Conversation) and seen.name == "poison":
            self.tried += 1
            raise ZeroDivisionError("division by poison")
        await forward(world, cue)


@contextlib.asynccontextmanager
async def house(folder: Path, poison: Poison, **more: Any) -> AsyncIterator[House]:
    """A process on a file of its own."""
    settings = Settings(db=f"sqlite:///{folder}/p.db", detect=False, **more)
    async with assemble(settings, reactions=poison.table) as running:
        yield running


async def create(running: House, name: str) -> str:
    """A conversation; its id."""
    org = (await orgs.all_orgs(running.world))[0].id
    by = Provenance(org, Actor("person", "user", "u"), "api")
    fields = {"channels": ("chat",), "name": name}
    made = await conversations.create(running.world, by, fields, Shared(), beside=lambda _: ())
    return made.row.partition


async def until(running: House, holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again after each commit."""
    news = asyncio.Event()
    running.store.listen(lambda _: news.set())
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            await news.wait()
            news.clear()


async def has_item(running: House, conversation: str) -> None:
    """Its work item was made."""
    org = (await orgs.all_orgs(running.world))[0].id
    query = Query(name="children", org=org, type=WorkItem.TYPE, parent=conversation)

    async def made() -> bool:
        return bool(await running.world.store.find(query))

    await until(running, made)


async def parked(running: House, conversation: str) -> str:
    """Why its row was given up."""
    found: list[str] = []

    async def noted() -> bool:
        rows = await running.world.store.changes(0, 1_000, partition=conversation)
        found.extend(r.why.reason for r in rows if r.why.kind == "parked")
        return bool(found)

    await until(running, noted)
    return found[0]


@pytest.mark.parametrize("shares", [0, 2])
async def test_it_is_set_aside_and_shown_what_follows_flows_on_and_the_sweep_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shares: int
) -> None:
    poison = Poison()
    async with house(tmp_path, poison, shares=shares) as running:
        bad = await create(running, "poison")
        for n in range(6):
            await has_item(running, await create(running, f"good {n}"))
        assert await parked(running, bad) == "ZeroDivisionError: division by poison"
        assert poison.tried >= ATTEMPTS
        await has_item(running, bad)
    capsys.readouterr()
    code = await asyncio.to_thread(doctor.doctor, db=f"sqlite:///{tmp_path}/p.db", json=True)
    checks = {c["name"]: c for c in json.loads(capsys.readouterr().out)["checks"]}
    shown = checks["nothing was set aside"]
    assert code == 3
    assert not shown["ok"]
    assert shown["value"].startswith("1 sync")
    assert bad in shown["value"]
    assert "division by poison" in shown["value"]


class Unreadable:
    """A bus whose next row this program cannot decode, until it can."""

    def __init__(self) -> None:
        self.asked = 0
        self.mended = asyncio.Event()
        self.reached = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def receive(self, consumer: str, limit: int) -> Batch:
        """A fault, as of a row of a newer version."""
        self.asked += 1
        if self.asked > 2 * ATTEMPTS + 2:
            self.reached.set()
        if not self.mended.is_set():
            raise ValueError(f"a row for {consumer} that nobody here can read")
        self.goes_on.set()
        await asyncio.sleep(0)
        return Batch(consumer, ())

    async def acknowledge(self, batch: Batch) -> None:
        """Must not happen to what was never read."""
        assert self.mended.is_set()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is not what is tested."""
    monkeypatch.setattr(worker, "FAULT_PAUSE_S", 0)
    monkeypatch.setattr(worker, "OUTAGE_PAUSE_S", 0)


@pytest.mark.usefixtures("no_pauses")
async def test_a_row_that_cannot_be_read_is_not_passed_over_and_does_not_end_the_role(tmp_path: Path) -> None:
    async with house(tmp_path, Poison(), role=("api",)) as running:
        w, bus = running.world, Unreadable()
        workers = Workers(World(w.store, bus, w.clock, w.ids, w.together), ("sync",), cadences=())
        workers.start()
        async with asyncio.timeout(PATIENCE_S):
            await bus.reached.wait()
            bus.mended.set()
            await bus.goes_on.wait()
        await workers.stop()
        assert not await w.store.changes(1, 10), "nothing was noted about a row that nobody has seen"


@pytest.mark.usefixtures("no_pauses")
async def test_of_a_share_the_process_gives_the_row_to_others_who_may_read_it(tmp_path: Path) -> None:
    async with house(tmp_path, Poison(), role=("api",)) as running:
        w = running.world
        workers = Workers(World(w.store, Unreadable(), w.clock, w.ids, w.together), ("sync",), cadences=())
        with pytest.raises(Unavailable, match="nobody here can read"):
            await asyncio.wait_for(workers.run(patience_s=0), PATIENCE_S)
