"""An org that is too large for one process: its queues are divided among several, and whoever dies is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from interlock.domain.agent import Status, Team, User
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Shared
from interlock.domain.decision import Decision, Provenance
from interlock.domain.log import Row
from interlock.domain.queue import Queue
from interlock.domain.reservation import Reservation
from interlock.domain.share import queue_bucket
from interlock.domain.work_item import WorkItem
from interlock.investigation.ledger import check
from interlock.ports import Mark, Query
from interlock.runtime.assemble import House, assemble
from interlock.runtime.settings import ProcessRole, Settings
from interlock.service import agents, conversations, orgs, records, reservations
from interlock.service.preconditions import Precondition

QUEUES = 6
"""Half of them in each lane; a team can serve ten."""
AGENTS = 4
WAVE = 24
PATIENCE_S = 60


def nothing(_: Decision) -> tuple[Mark, ...]:
    """No marks beside the decision."""
    return ()


def process(folder: Path, *roles: ProcessRole) -> contextlib.AbstractAsyncContextManager[House]:
    """One of the processes on one file."""
    settings = Settings(
        db=f"sqlite:///{folder}/lanes.db", role=roles, lanes=2, shares=1, lease_seconds=1.0, detect=False, org="Large"
    )  # fmt: skip
    return assemble(settings)


class Company:
    """One org with queues that everybody serves, and agents who accept whatever is offered and finish it."""

    def __init__(self, house: House) -> None:
        self.world = house.world
        self.queues: list[str] = []
        self.done: set[str] = set()
        self.progress = asyncio.Event()
        house.store.listen(self._hear)
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Queues in both lanes, a team, agents signed in."""
        self.org = (await orgs.all_orgs(self.world))[0].id
        self.by = Provenance(self.org, Actor("person", "api_key", "test"), "api")
        lanes: dict[int, list[str]] = {0: [], 1: []}
        for n in itertools.count():
            if min(map(len, lanes.values())) >= QUEUES // 2:
                break
            made = await records.create(self.world, self.by, Queue, {"name": f"Queue {n}"}, beside=nothing)
            queue = made.record(Queue)
            assert queue is not None
            lanes[queue_bucket(queue.id) % 2].append(queue.id)
        self.queues = [id for ids in lanes.values() for id in ids[: QUEUES // 2]]
        team = (await records.create(self.world, self.by, Team, {"name": "All"}, beside=nothing)).record(Team)
        assert team is not None
        served = {"enabled": True, "queues": tuple(self.queues), "work_item_capacity": 2}
        await agents.put_routing_settings(self.world, self.by, team.id, served, Precondition(), beside=nothing)
        found = await self.world.store.find(Query(name="listing", org=self.org, type=Status.TYPE))
        available = next(s.id for s in found if isinstance(s, Status) and s.routable)
        for n in range(AGENTS):
            fields = {"name": f"Agent {n}", "teams": (team.id,)}
            user = (await records.create(self.world, self.by, User, fields, beside=nothing)).record(User)
            assert user is not None
            await agents.set_status(self.world, self.by, user.id, available, None, beside=nothing)

    async def wave(self) -> None:
        """So many conversations, over all queues; until each was given to somebody and is done."""
        wanted: set[str] = set()
        for n in range(WAVE):
            said = Shared(queue=self.queues[n % len(self.queues)])
            made = await conversations.create(self.world, self.by, {"channels": ("chat",)}, said, beside=nothing)
            wanted.add(made.row.partition)
        async with asyncio.timeout(PATIENCE_S):
            while not wanted <= await self._completed():
                self.progress.clear()
                await self._look()
                await look_again_after(0.2, self.progress)

    async def _completed(self) -> set[str]:
        query = Query(name="listing", org=self.org, type=WorkItem.TYPE, states=("completed",), limit=1_000)
        return {w.resource for w in await self.world.store.find(query) if isinstance(w, WorkItem)}

    async def _look(self) -> None:
        """Offers that another process made are found in the store."""
        query = Query(name="listing", org=self.org, type=Reservation.TYPE, states=("pending",), limit=100)
        for offer in await self.world.store.find(query):
            await self._answer(offer)

    def _hear(self, rows: Sequence[Row]) -> None:
        if any(c.type in (Reservation.TYPE, WorkItem.TYPE) for r in rows for c in r.changes):
            self.progress.set()

    async def _answer(self, offer: Any) -> None:
        me = Provenance(self.org, Actor("person", "user", offer.user), "api")
        await reservations.accept(self.world, me, offer.id, offer.user, beside=nothing)
        over = Shared(status="done")
        await conversations.update(self.world, me, offer.conversation, {}, over, Precondition(), beside=nothing)
        self.done.add(offer.conversation)
        self.progress.set()


async def look_again_after(seconds: float, news: asyncio.Event | None = None) -> None:
    """Until there is news, or so long: what the other process does tells this one nothing."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await (news or asyncio.Event()).wait()


def lanes_of(house: House) -> list[str]:
    """The lanes of routing that a process holds."""
    return [name for name in house.consumers() if name.startswith("routing")]


async def divided(*houses: House) -> None:
    """Until each of so many processes holds one lane."""
    async with asyncio.timeout(PATIENCE_S):
        while [len(lanes_of(h)) for h in houses] != [2 // len(houses)] * len(houses):
            await look_again_after(0.05)


@contextlib.asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[House, House, contextlib.AsyncExitStack]]:
    """A process with every role and one that only routes; the stack ends the second."""
    everything = process(folder, "sync", "rules", "workflow", "records", "routing")
    async with everything as a, contextlib.AsyncExitStack() as stack:
        b = await stack.enter_async_context(process(folder, "routing"))
        await divided(a, b)
        yield a, b, stack


async def test_two_processes_route_one_org_by_its_queues_and_one_takes_over_the_other_s(tmp_path: Path) -> None:
    async with two(tmp_path) as (a, b, stack):
        company = Company(a)
        await company.open()
        assert sorted(lanes_of(a) + lanes_of(b)) == ["routing.0of1.0of2q", "routing.0of1.1of2q"]
        await company.wave()
        await stack.aclose()
        await divided(a)
        await company.wave()
        rows = await a.world.store.changes(0, 100_000)
    verdict = check(rows)
    assert not verdict.lost
    assert not verdict.others
    assert len(company.done) == 2 * WAVE
