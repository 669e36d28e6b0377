"""A cluster with load on it, faults by name, and the books balanced over its complete log."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import nats
import nats.errors
from tests.cluster.proxy import Proxy
from tests.crash.load import Acknowledged, Client, Load, http, set_up
from tests.crash.server import KEY

from interlock.cli.cluster.processes import Cluster, Plan, Process, cluster
from interlock.domain.errors import Unavailable
from interlock.domain.log import Row
from interlock.investigation.ledger import Ledger
from interlock.ports import Store
from interlock.runtime.clock import SystemClock
from interlock.service.cues import ROLES
from interlock.service.divisions import division_of, positions_of
from interlock.store.opening import open_store

LEASE_S = 4.0
PROBE_S = 90.0
RESTS_WITHIN_S = 90.0
LAG_MS = 240_000
"""What is dead syncs nothing: an intent may take as long as the faults around it."""
CUT_OFF = "sync-rules-workflow-records-webhooks-2"
"""The worker that reaches PostgreSQL and NATS through proxies only."""


class Roving(Client):
    """A client that goes to the next address when one does not answer, until it is told to go home."""

    urls: list[str] = []
    home = False

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any] | None:
        """One request. `(503, …)` if nobody answered: nothing was promised then."""
        if Roving.home:
            return None
        answer = await super().call(method, path, body)
        if answer is None:
            self._url = random.choice(Roving.urls) if Roving.urls else self._url
            await asyncio.sleep(0)
            return 503, {"data": []}
        if method == "POST" and path == "/v1/conversations" and answer[0] == 201 and body["name"] == "crash":
            await _seen_placed(self, answer[1]["data"]["id"])
        return (answer[0], answer[1]) if isinstance(answer[1], dict) and "data" in answer[1] else (answer[0], NOTHING)


NOTHING: dict[str, Any] = {"data": []}


class Stage:
    """A running cluster under load. Of two databases the one that is read is that of the log."""

    def __init__(self, made: Cluster, session: aiohttp.ClientSession, seed: int) -> None:
        self.made = made
        self.session = session
        self.told = Acknowledged()
        self.random = random.Random(seed)
        self.proxies: dict[str, list[Proxy]] = {"postgres": [], "nats": []}
        self.survived: list[str] = []
        self.load: asyncio.Task[None] | None = None

    def process(self, name: str) -> Process:
        """By its name."""
        return next(p for p in self.made.processes if p.name == name)

    async def begin(self, seed: int) -> None:
        """Hire the agents and let everybody work."""
        urls = [p.url for p in self.made.processes if p.url]
        Roving.urls, Roving.home = urls, False
        floor = await set_up(Client(self.session, urls[0], KEY))
        work = Load(self.session, urls[0], floor, self.told, seed, make=Roving)
        self.load = asyncio.create_task(work.run())

    async def probe(self, after: str) -> None:
        """A conversation made now is placed in its queue, and the load gets answers: the fault is over."""
        client = Roving(self.session, self.process("api-console-1").url, KEY)
        Roving.urls = [p.url for p in self.made.processes if p.url]
        before = len(self.told.revs)
        step = "a conversation is answered"
        try:
            async with asyncio.timeout(PROBE_S):
                made = await _until(client, "POST", "/v1/conversations", {"name": "probe", "channels": ["chat"]})
                self.told.note(made)
                step = f"conversation {made['data']['id']} is placed in a queue"
                await _seen_placed(client, made["data"]["id"])
                step = "the load is answered"
                while len(self.told.revs) <= before + 1:
                    await client.call("GET", "/livez")
        except TimeoutError:
            where = f"{PROBE_S:.0f} s after '{after}' it is not yet so that {step}; before: {self.survived}"
            raise AssertionError(f"{where}\n{await self.positions()}\n{self.last_words()}") from None
        self.survived.append(after)

    async def positions(self) -> str:
        """How far the log is, and each share of each role: who stands still is the one that is behind."""
        store = open_store(self.made.db, SystemClock())
        try:
            async with asyncio.timeout(PROBE_S / 6):
                lines = [f"log: {await store.last_position()}, at {SystemClock().now()} ms"]
                for role in ROLES:
                    lines.append(f"{role}: {await positions_of(store, await division_of(store, role))}")
                return "\n".join(lines)
        except (TimeoutError, Unavailable) as why:
            return f"no positions: {why!r}"
        finally:
            await store.close()

    def last_words(self) -> str:
        """The end of what each process said."""
        return "\n".join(f"--- {p.name} {p.pid}\n{p.said()[-1_200:]}" for p in self.made.processes)

    async def end(self) -> list[Row]:
        """Everybody goes home; once the log is at rest, all of it."""
        Roving.home = True
        assert self.load is not None
        await self.load
        store = open_store(self.made.db, SystemClock())
        try:
            await _rest(store, self)
            rows: list[Row] = []
            while page := await store.changes(rows[-1].position if rows else 0, 5_000):
                rows += page
            return rows
        finally:
            await store.close()


async def _until(client: Client, method: str, path: str, body: Any) -> dict[str, Any]:
    while True:
        answer = await client.call(method, path, body)
        if answer is not None and answer[0] < 300:
            return answer[1]


async def _seen_placed(client: Client, id: str) -> None:
    """Ask until a conversation's work item stands in a queue or further, or everybody goes home. So a customer makes no
    more conversations than are placed, and the cluster is never further behind than there are customers.
    """
    while True:
        answer = await client.call("GET", f"/v1/routing/conversations/{id}/work-items")
        if answer is None or (answer[1]["data"] and answer[1]["data"][0]["attributes"]["status"] != "ivr"):
            return
        shown = await client.call("GET", f"/v1/conversations/{id}")
        if shown is not None and shown[0] == 200 and shown[1]["data"]["attributes"]["status"] == "done":
            return  # done before routing ever looked: no agent was needed


async def _rest(store: Store, stage: Stage) -> None:
    """Until every share of every role has handled every row there was, three looks running. Offers go on running out,
    and are made anew, for as long as agents are signed in: the log itself never falls silent.
    """
    calm = 0
    try:
        async with asyncio.timeout(RESTS_WITHIN_S):
            while calm < 3:
                with contextlib.suppress(Unavailable):
                    position = await store.last_position()
                    behind = 0
                    for role in ROLES:
                        reached = min((await positions_of(store, await division_of(store, role))).values())
                        behind += reached < position
                    calm = calm + 1 if not behind else 0
                await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=0.05)
    except TimeoutError:
        raise AssertionError(f"events were not delivered: {stage.survived}\n{stage.last_words()}") from None


def balance(rows: list[Row], told: Acknowledged) -> None:
    """0 acknowledged and gone, 0 assignments lost, 0 invariants broken, 0 items stuck: from the complete log."""
    told.stand_in(rows)
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    ledger = Ledger(lag_objective_ms=LAG_MS)
    latest: dict[tuple[str, str], Any] = {}
    for row in rows:
        for record in ledger.take(row):
            latest[record.TYPE, record.id] = record
    report = ledger.finish()
    assert not report.lost, report.lost[:3]
    assert not report.others, report.others[:3]
    stuck = [r.id for (type, _), r in latest.items() if type == "work_item" and r.status == "ivr"]
    assert not stuck, stuck[:5]
    pending = [i for (type, i), r in latest.items() if type == "conversation" and r.status == "open"]
    items = {r.resource for (type, _), r in latest.items() if type == "work_item" and r.status != "completed"}
    assert not [i for i in pending if i not in items], "an open conversation has no work item"


@contextlib.asynccontextmanager
async def staged(seed: int) -> AsyncIterator[Stage]:
    """The whole thing; its load has begun."""
    async with http() as session:
        proxies: dict[str, list[Proxy]] = {}

        async def prepare(made: Cluster) -> None:
            proxies["postgres"] = [Proxy(made.postgres.port)]
            proxies["nats"] = [Proxy(node.port) for node in made.nodes]
            for proxy in proxies["postgres"] + proxies["nats"]:
                await proxy.start()
            made.otherwise[CUT_OFF] = {
                "INTERLOCK_DB": made.db.replace(str(made.postgres.port), str(proxies["postgres"][0].port)),
                "INTERLOCK_NATS": ",".join(f"nats://127.0.0.1:{p.port}" for p in proxies["nats"]),
            }

        async with cluster(Plan(key=KEY, lease_s=LEASE_S), prepare=prepare) as made:
            stage = Stage(made, session, seed)
            stage.proxies = proxies
            await stage.begin(seed)
            try:
                yield stage
            finally:
                Roving.home = True
                for proxy in proxies["postgres"] + proxies["nats"]:
                    await proxy.stop()


async def kill_a_process(stage: Stage) -> None:
    """kill -9 of any of Interlock's processes; its supervisor starts it again."""
    victim = stage.random.choice(stage.made.processes)
    await victim.kill()
    victim.start()
    await victim.ready()


async def kill_a_nats_node(stage: Stage) -> None:
    """kill -9 of a node, which may be the leader; it comes back with its disk."""
    node = stage.random.choice(stage.made.nodes)
    await node.kill()
    await stage.probe("a NATS node is down")
    await node.start()


async def kill_the_nats_leader(stage: Stage) -> None:
    """kill -9 of the node that leads the log's stream."""
    client = await nats.connect([node.url for node in stage.made.nodes])
    leader = await _led_by(client)
    await client.close()
    node = next(n for n in stage.made.nodes if n.name == leader)
    await node.kill()
    await stage.probe("the NATS leader is down")
    await node.start()


async def _led_by(client: Any) -> str:
    """The leader of the log's stream, once there is a stream: consumers go on without one, so a bus that has just lost
    its disks may still be without. Its relay makes it.
    """
    async with asyncio.timeout(PROBE_S):
        while True:
            with contextlib.suppress(nats.errors.Error):
                info = await client.jetstream().stream_info("interlock-log")
                return info.cluster.leader if info.cluster and info.cluster.leader else "n1"
            await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=0.05)


async def kill_postgres(stage: Stage) -> None:
    """kill -9 of PostgreSQL; it recovers from its write-ahead log."""
    await asyncio.to_thread(stage.made.postgres.kill)
    await asyncio.to_thread(stage.made.postgres.start)


async def pause_a_worker(stage: Stage) -> None:
    """SIGSTOP past its lease, until another has taken over; then it comes back."""
    victim = stage.process(stage.random.choice(["routing-1", "sync-rules-workflow-records-webhooks-1", "relay-1"]))
    victim.signal(signal.SIGSTOP)
    await stage.probe(f"{victim.name} is paused")
    victim.signal(signal.SIGCONT)


async def cut_a_worker_off_the_bus(stage: Stage) -> None:
    """Its connections to NATS break, and new ones too."""
    await _cut(stage, "nats")


async def cut_a_worker_off_the_store(stage: Stage) -> None:
    """Its connections to PostgreSQL break: others take over what it held."""
    await _cut(stage, "postgres")


async def _cut(stage: Stage, what: str) -> None:
    for proxy in stage.proxies[what]:
        proxy.cut()
    made = await _until(Roving(stage.session, stage.process("api-console-1").url, KEY), "POST", *PROBE)
    stage.told.note(made)
    for proxy in stage.proxies[what]:
        proxy.heal()


PROBE: tuple[str, dict[str, Any]] = ("/v1/conversations", {"name": "cut", "channels": ["chat"]})


async def lose_the_bus(stage: Stage) -> None:
    """All of NATS dies and comes back without its disks: the log fills it again."""
    for node in stage.made.nodes:
        await node.kill()
        node.lose_disk()
    await asyncio.gather(*(node.start() for node in stage.made.nodes))


FAULTS: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    kill_a_process,
    kill_a_nats_node,
    kill_the_nats_leader,
    kill_postgres,
    pause_a_worker,
    cut_a_worker_off_the_bus,
    cut_a_worker_off_the_store,
    lose_the_bus,
)
