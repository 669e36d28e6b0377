"""What one routed conversation costs, by how much there is beside it. One command: `python bench/cost.py [--json]`.

    waiting   so many items stand in line in one org; whoever becomes free is given the first of them
    agents    so many agents are signed in and free in one org; each conversation goes to one of them
    orgs      so many orgs, each with a queue and an agent; the conversations are spread over 50 of them

A routed conversation is all of it but HTTP: created, a work item made for it (forward sync), placed by the queue
rules, offered, accepted, synced back, done, the agent's room given back. The services, roles and reactions are the
production ones over a SQLite file, each role as the task that `serve` runs, in a closed loop of 16 under way. Processor
time of the whole process, its store's thread included; the median of blocks. What the clock asks for is off in these
blocks and measured by itself: processor time of one call of each cadence, once its caches are warm, and from it the
part of one core that it takes as it is paced (`service.reactions.Cadence`).

Each dimension is fitted as a + b · log10 n by `cost_model.py`, which draws the picture and works out the sizes of an
installation from the figures kept in `docs/reference/cost.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parent))

import cost_bytes
import cost_model
from interlock.bus.embedded import EmbeddedBus
from interlock.domain.access import Org
from interlock.domain.agent import OrgSettings, RoutingSettings, Status, Team, User, WorkSession
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.decision import Decision, Provenance, Why, Write
from interlock.domain.log import Entry, snapshot_of
from interlock.domain.queue import Queue
from interlock.domain.record import Address, Record
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Commit, Mark, Query, World
from interlock.runtime.clock import RandomIds, SystemClock
from interlock.runtime.server import prepare_process, run
from interlock.runtime.worker import Workers, together
from interlock.service import agents, conversations, orgs, records, reservations
from interlock.service.cues import ROLES
from interlock.service.preconditions import Precondition
from interlock.service.reactions import CADENCES
from interlock.store.sqlite import SqliteStore

UNDER_WAY = 16
ACTIVE_ORGS = 50
BLOCKS = 7
BLOCK = 200
"""Conversations in a block."""
PAGE = 500
"""Records to a commit while the ground is laid."""
SIZES = (1_000, 10_000, 100_000, 1_000_000)
WALKED_MAX = 10_000
"""Orgs up to which the cadences are measured too: they read every org, which is linear, and paced."""
DIMENSIONS = ("waiting", "agents", "orgs")


def nothing(_: Decision) -> tuple[Mark, ...]:
    """No marks beside the decision."""
    return ()


class Ground:
    """A store with so many of something, and the conversations that are routed on it."""

    def __init__(self, world: World, dimension: str, n: int) -> None:
        self._world = world
        self._dimension = dimension
        self._n = n
        self._random = random.Random(n)
        self._orgs: list[str] = []
        self._finished = asyncio.Event()
        self._wanted = 0
        self._left = 0

    def _person(self, org: str) -> Provenance:
        return Provenance(org, Actor("person", "api_key", "bench"), "api")

    async def lay(self) -> None:
        """The first org as an administrator makes it; everything beyond is it, over and over."""
        world = self._world
        made = await orgs.found(world, "Bench", key="ilk_bench")
        org = made.record(Org)
        assert org is not None
        self._orgs = [org.id]
        hired = UNDER_WAY if self._dimension == "waiting" else 1
        users = await self._staff(org.id, hired)
        copies = {"waiting": self._line, "agents": self._agents, "orgs": self._companies}[self._dimension]
        await self._sign_in(org.id, users if self._dimension != "waiting" else ())
        for page in _paged(await copies(org.id), PAGE):
            entry = Entry(world.ids.fresh(), org.id, org.id, world.clock.now(), self._person(org.id),
                          Why(direction="system", kind="change"))  # fmt: skip
            await world.store.commit(Commit(entry=entry, writes=tuple(Write(None, r) for r in page)))
        self._users = users
        if world.floors:
            world.floors.clear()  # these rows told it nothing: it is read whole, as by a process that starts

    async def _staff(self, org: str, count: int) -> list[str]:
        """A team for the default queue, and so many users in it."""
        world, person = self._world, self._person(org)
        queue = (await world.store.find(Query(name="listing", org=org, type=Queue.TYPE)))[0].id
        team = (await records.create(world, person, Team, {"name": "All"}, beside=nothing)).record(Team)
        assert team is not None
        room = 1 if self._dimension == "waiting" else 100_000
        served = {"enabled": True, "queues": (queue,), "work_item_capacity": room}
        await agents.put_routing_settings(world, person, team.id, served, Precondition(), beside=nothing)
        out: list[str] = []
        for n in range(count):
            fields = {"name": f"Agent {n}", "teams": (team.id,)}
            user = (await records.create(world, person, User, fields, beside=nothing)).record(User)
            assert user is not None
            out.append(user.id)
        return out

    async def _sign_in(self, org: str, users: Iterable[str]) -> None:
        found = await self._world.store.find(Query(name="listing", org=org, type=Status.TYPE))
        available = next(s.id for s in found if isinstance(s, Status) and s.routable)
        for user in users:
            await agents.set_status(self._world, self._person(org), user, available, None, beside=nothing)

    async def _line(self, org: str) -> Iterator[Record]:
        """Conversations that wait, each with its item and its pass in the queue."""
        world = self._world
        workers = Workers(world, ROLES, cadences=())
        workers.start()
        made = await conversations.create(
            world, self._by(org), {"channels": ("chat",)}, Shared(), beside=nothing
        )  # fmt: skip
        first = made.record(Conversation)
        assert first is not None
        item: Record | None = None
        conversation: Record | None = None
        while not isinstance(item, WorkItem) or item.status != "queued" or not _agree(item, conversation):
            found = await world.store.find(Query(name="children", org=org, type=WorkItem.TYPE, parent=first.id))
            item = found[0] if found else None
            [conversation] = await world.store.load([first.address])
            await asyncio.sleep(0)
        await workers.stop()
        [entered] = await world.store.load([Address(QueuePass.TYPE, org, item.pass_)])
        assert isinstance(conversation, Conversation)
        assert isinstance(entered, QueuePass)

        def all_of_them(item: WorkItem) -> Iterator[Record]:
            for _ in range(self._n - 1):
                c, w, p = (world.ids.fresh() for _ in range(3))
                yield conversation.with_(id=c, rev=1)
                yield item.with_(id=w, resource=c, pass_=p, rev=1)
                yield entered.with_(id=p, work_item=w, rev=1)

        return all_of_them(item)

    async def _agents(self, org: str) -> Iterator[Record]:
        """Users who are signed in and free."""
        world = self._world
        [s] = await world.store.find(Query(name="live_sessions", org=org, type=WorkSession.TYPE))
        assert isinstance(s, WorkSession)
        [u] = await world.store.load([Address(User.TYPE, org, s.user)])
        assert isinstance(u, User)

        def all_of_them() -> Iterator[Record]:
            for _ in range(self._n - 1):
                user, session = world.ids.fresh(), world.ids.fresh()
                yield u.with_(id=user, rev=1)
                yield s.with_(id=session, user=user, rev=1)

        return all_of_them()

    async def _companies(self, org: str) -> Iterator[Record]:
        """Orgs, each with settings, a default queue, a team's settings, and one agent who is signed in."""
        world = self._world
        model: list[Record] = []
        for kind in (Org, OrgSettings, Queue, RoutingSettings, User, WorkSession):
            model += await world.store.find(Query(name="listing", org=org, type=kind.TYPE))
        ids = [world.ids.fresh() for _ in range(self._n - 1)]
        step = max(1, len(ids) // (ACTIVE_ORGS - 1))
        self._orgs += ids[::step][: ACTIVE_ORGS - 1]

        def all_of_them() -> Iterator[Record]:
            for id in ids:
                for record in model:
                    own = record.id if not isinstance(record, (Org, OrgSettings)) else id
                    yield record.with_(id=own, org=id, rev=1)

        return all_of_them()

    def _by(self, org: str) -> Provenance:
        return Provenance(org, Actor("workflow", "api_key", "bench"), "api")

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Roles, customers and agents, for as long as the context is open."""
        workers = Workers(self._world, ROLES, cadences=())
        async with asyncio.TaskGroup() as everybody:
            follower = everybody.create_task(self._follow(everybody))
            workers.start()
            if self._dimension == "waiting":
                await self._sign_in(self._orgs[0], self._users)
            else:
                for _ in range(UNDER_WAY):
                    everybody.create_task(self._customer())
            try:
                yield
            finally:
                follower.cancel()
                await workers.stop()

    def check(self) -> None:
        """What is said to be there is on the floor that routing decides on."""
        floor = (self._world.floors or {})[self._orgs[0]]
        seen = {"waiting": len(floor.items), "agents": len(floor.agents)}.get(self._dimension, self._n)
        assert seen > 0.9 * self._n, (self._dimension, self._n, seen)

    async def block(self, count: int) -> float:
        """Processor seconds for each of the next so many conversations that are done."""
        self._finished.clear()
        self._wanted = count
        began = time.process_time()
        await self._finished.wait()
        return (time.process_time() - began) / count

    async def _customer(self) -> None:
        org = self._random.choice(self._orgs)
        await conversations.create(self._world, self._by(org), {"channels": ("chat",)}, Shared(), beside=nothing)

    async def _follow(self, everybody: asyncio.TaskGroup) -> None:
        bus: Any = self._world.bus
        position = await self._world.store.last_position()
        while True:
            batch = await bus.receive("bench", 256)
            for row in batch.rows:
                for change in row.changes:
                    if row.position > position and change.type == Reservation.TYPE and not change.before_rev:
                        everybody.create_task(self._agent(row.org, snapshot_of(change), everybody))
            await bus.acknowledge(batch)

    async def _agent(self, org: str, offer: Any, everybody: asyncio.TaskGroup) -> None:
        me = Provenance(org, Actor("person", "user", offer.user), "api")
        await reservations.accept(self._world, me, offer.id, offer.user, beside=nothing)
        over = Shared(status="done")
        await conversations.update(self._world, me, offer.conversation, {}, over, Precondition(), beside=nothing)
        everybody.create_task(self._customer())
        self._wanted -= 1
        if self._wanted == 0:
            self._finished.set()


def _agree(item: Record, conversation: Record | None) -> bool:
    return conversation is not None and item.index().mark == conversation.index().mark


def unit() -> float:
    """Processor seconds of a fixed piece of work, of the kinds that routing is made of: how fast the machine is now."""
    body = {f"field{n}": [n, str(n)] for n in range(50)}
    began = time.process_time()
    for _ in range(400):
        found = msgspec.json.decode(msgspec.json.encode(body))
        sorted(found, key=lambda name: found[name][1])
    return time.process_time() - began


def _paged(records: Iterator[Record], count: int) -> Iterator[list[Record]]:
    while page := list(islice(records, count)):
        yield page


async def cadences(world: World) -> dict[str, dict[str, float]]:
    """Each cadence: processor seconds of one call (the lesser of two), and the part of a core that it takes, paced."""
    found: dict[str, dict[str, float]] = {}
    for cadence in CADENCES:
        await cadence.do(world)  # floors of all orgs are read
    for cadence in CADENCES:
        took: list[float] = []
        for _ in range(2):
            began, wall = time.process_time(), time.perf_counter()
            await cadence.do(world)
            took.append(time.process_time() - began)
            last = time.perf_counter() - wall
        each = min(took)
        found[cadence.name] = {"call_s": each, "core": each / (cadence.pause_s(last) + last)}
    return found


async def point(folder: Path, dimension: str, n: int) -> dict[str, Any]:
    """All figures of one size."""
    clock = SystemClock()
    store = SqliteStore.open(folder / f"{dimension}-{n}.db", clock)
    bus = EmbeddedBus.over(store)
    world = World(store, bus, clock, RandomIds(clock), together, {})
    ground = Ground(world, dimension, n)
    began = time.process_time()
    await ground.lay()
    laid = time.process_time() - began
    async with ground.at_work():
        began = time.process_time()
        await ground.block(BLOCK)  # floors are read, caches warm
        first = time.process_time() - began
        ground.check()
        gc.collect()
        gc.freeze()
        blocks: list[float] = []
        units: list[float] = []
        for _ in range(BLOCKS):
            units.append(unit())
            blocks.append(await ground.block(BLOCK))
    by_clock = await cadences(world) if dimension != "orgs" or n <= WALKED_MAX else {}
    gc.unfreeze()
    await bus.close()
    await store.close()
    return {
        "n": n, "routed_s": statistics.median(blocks), "blocks_s": blocks, "unit_s": statistics.median(units),
        "cadences": by_clock,
        "cadences_core": sum(c["core"] for c in by_clock.values()), "laid_s": laid, "first_block_s": first,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip


def alone(arguments: Sequence[str]) -> dict[str, Any]:
    """A measurement in a process of its own, so that no size pays for the memory of the one before."""
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def one(dimension: str, n: int) -> dict[str, Any]:
    """One size, or what is written, in this process."""
    prepare_process()
    with tempfile.TemporaryDirectory(prefix="interlock-cost-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if dimension == "bytes":
            return run(cost_bytes.measured(folder, lambda world: Ground(world, "agents", 16)))
        return run(point(folder, dimension, n))


def main() -> None:
    """Measure every size of every dimension, or draw and tell from figures that were kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--one", nargs=2, metavar=("DIMENSION", "N"), help="one point, in this process")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="exit code 1 if a cost grows faster than logarithmically")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], int(given.one[1]))))
        return
    points = {d: [alone(["--one", d, str(n)]) for n in given.sizes] for d in DIMENSIONS}
    document = {"points": points, "bytes": alone(["--one", "bytes", "0"])}
    print(json.dumps(document, indent=1) if given.json else cost_model.told(document))
    if given.check and not all(f.logarithmic for f in cost_model.fits(document).values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
