"""The same route without HTTP: services and workers over a SQLite file in this process, in a closed loop."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from interlock.domain.agent import Status, Team, User
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Shared
from interlock.domain.decision import Decision, Provenance
from interlock.domain.log import snapshot_of
from interlock.domain.queue import Queue
from interlock.domain.reservation import Reservation
from interlock.ports import Mark, Query, World
from interlock.runtime.assemble import assemble
from interlock.runtime.server import prepare_process, run
from interlock.runtime.settings import Settings
from interlock.service import agents, conversations, orgs, records, reservations
from interlock.service.preconditions import Precondition

CAPACITY = 100_000


def nothing(_: Decision) -> tuple[Mark, ...]:
    """No marks beside the decision."""
    return ()


class Inside:
    """One org with agents who accept at once."""

    def __init__(self, world: World, under_way: int) -> None:
        self._world = world
        self._room = asyncio.Semaphore(under_way)
        self._under_way = under_way
        self.done = 0

    async def set_up(self) -> None:
        """A team that serves the default queue, and agents signed in."""
        world = self._world
        org = (await orgs.all_orgs(world))[0].id
        self._by = Provenance(org, Actor("workflow", "api_key", "bench"), "api")
        person = Provenance(org, Actor("person", "api_key", "bench"), "api")
        queue = (await world.store.find(Query(name="listing", org=org, type=Queue.TYPE)))[0].id
        team = (await records.create(world, person, Team, {"name": "All"}, beside=nothing)).record(Team)
        assert team is not None
        served = {"enabled": True, "queues": (queue,), "work_item_capacity": CAPACITY}
        await agents.put_routing_settings(world, person, team.id, served, Precondition(), beside=nothing)
        found = await world.store.find(Query(name="listing", org=org, type=Status.TYPE))
        available = next(s.id for s in found if isinstance(s, Status) and s.routable)
        for n in range(self._under_way):  # as many agents as conversations, as the demonstration has
            fields = {"name": f"Agent {n}", "teams": (team.id,)}
            user = (await records.create(world, person, User, fields, beside=nothing)).record(User)
            assert user is not None
            await agents.set_status(world, person, user.id, available, None, beside=nothing)

    async def flow(self, seconds: float) -> float:
        """Conversations from creation to done for so long; conversations a second."""
        async with asyncio.TaskGroup() as everybody:
            follower = everybody.create_task(self._follow(everybody))
            began = time.perf_counter()
            while time.perf_counter() - began < seconds:
                await self._room.acquire()
                everybody.create_task(self._customer())
            for _ in range(self._under_way):
                await self._room.acquire()
            took = time.perf_counter() - began
            follower.cancel()
        return self.done / took

    async def _customer(self) -> None:
        await conversations.create(self._world, self._by, {"channels": ("chat",)}, Shared(), beside=nothing)

    async def _follow(self, everybody: asyncio.TaskGroup) -> None:
        position = await self._world.store.last_position()
        bus: Any = self._world.bus
        while True:
            batch = await bus.receive("bench", 256)
            for row in batch.rows:
                for change in row.changes:
                    if row.position > position and change.type == Reservation.TYPE and not change.before_rev:
                        everybody.create_task(self._agent(snapshot_of(change)))
            await bus.acknowledge(batch)

    async def _agent(self, offer: Any) -> None:
        me = Provenance(self._by.org, Actor("person", "user", offer.user), "api")
        await reservations.accept(self._world, me, offer.id, offer.user, beside=nothing)
        over = Shared(status="done")
        await conversations.update(self._world, me, offer.conversation, {}, over, Precondition(), beside=nothing)
        self.done += 1
        self._room.release()


async def flow(folder: Path, seconds: float, under_way: int) -> float:
    """One run on a file of its own."""
    async with assemble(Settings(db=f"sqlite://{folder}/inside.db")) as house:
        inside = Inside(house.world, under_way)
        await inside.set_up()
        return await inside.flow(seconds)


def measure(folder: Path, seconds: float, under_way: int) -> float:
    """Conversations a second without HTTP."""
    prepare_process()
    return run(flow(folder, seconds, under_way))


if __name__ == "__main__":
    print(measure(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
