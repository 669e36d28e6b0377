"""The two services with a database each, and the way to the records database cut under load: nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit, urlunsplit

import pytest
from tests.cluster.proxy import Proxy
from tests.cluster.stage import LEASE_S, Roving, Stage, balance
from tests.crash.load import Acknowledged, Client, Load, http, set_up
from tests.crash.server import KEY, Server
from tests.crash.test_server_kill import check, nothing_stuck, settle
from tests.postgres import Databases

from interlock.cli.cluster.processes import Plan, Process, cluster
from interlock.cli.cluster.show import held_by
from interlock.domain.log import Row
from interlock.runtime.clock import SystemClock
from interlock.runtime.collecting import COLLECTOR
from interlock.store.opening import open_store

WAITING = 12
TURNS = 600
"""Looks, of 50 ms each, within which something has to happen."""


async def until(server: Server, seen: Callable[[], bool], what: str) -> None:
    """Wait until this holds, while the server lives."""
    for _ in range(TURNS):
        if seen():
            return
        assert await server.lived(50), "the server died by itself"
    raise AssertionError(f"it never came: {what}")


async def queue_up(server: Server, admin: Client, told: Acknowledged) -> None:
    """Conversations with nobody there to take them, until each waits in its queue."""
    for _ in range(WAITING):
        told.note(await admin.need("POST", "/v1/conversations", {"name": "before", "channels": ["chat"]}))
    for id in told.revs:
        for _ in range(TURNS):
            items = (await admin.need("GET", f"/v1/routing/conversations/{id}/work-items"))["data"]
            if items and items[0]["attributes"]["status"] == "queued":
                break
            assert await server.lived(50), "the server died by itself"


async def accept_all(server: Server, agent: Client, user: str, told: Acknowledged) -> None:
    """One agent takes whatever is offered, one offer after the other, until everything that waited is theirs."""
    for _ in range(TURNS):
        for offer in (await agent.need("GET", "/v1/routing/reservations?state=pending"))["data"]:
            await agent.need("POST", f"/v1/routing/reservations/{offer['id']}/accept", {})
            told.accepted.append((offer["relationships"]["workItem"]["data"]["id"], user))
        if len(told.accepted) == WAITING:
            return
        assert await server.lived(50), "the server died by itself"
    raise AssertionError(f"{len(told.accepted)} of {WAITING} were offered while the records database was away")


@pytest.mark.slow
async def test_a_cut_off_records_database_stops_no_routing_and_loses_nothing(databases: Databases) -> None:
    """What waits is offered and accepted meanwhile, conversations are refused as such; then all is in step."""
    parts = urlsplit(databases.new())
    assert parts.port is not None
    proxy = Proxy(parts.port)
    await proxy.start()
    who, at, _ = parts.netloc.rpartition("@")
    two = (urlunsplit(parts._replace(netloc=f"{who}{at}127.0.0.1:{proxy.port}")), databases.new())
    told = Acknowledged()
    server = await Server.start(two)
    try:
        async with http() as session:
            admin = Client(session, server.url, KEY)
            floor = await set_up(admin)
            await queue_up(server, admin, told)
            agent = Client(session, server.url, floor.keys[0])
            await agent.need("PUT", "/v1/routing/work-sessions/current", {"status": floor.available})
            statuses = (await admin.need("GET", "/v1/routing/statuses"))["data"]
            away = next(s["id"] for s in statuses if s["attributes"]["statusType"] == "unavailable")
            proxy.cut()
            refused = await admin.call("POST", "/v1/conversations", {"name": "while it is away"})
            assert refused is not None
            assert refused[0] == 503
            await accept_all(server, agent, floor.users[0], told)
            for status in (away, floor.available):
                await agent.need("PUT", "/v1/routing/work-sessions/current", {"status": status})
            proxy.heal()
            work = asyncio.create_task(Load(session, server.url, floor, told, 5).run())
            await until(server, lambda: len(told.revs) >= WAITING + 10, "new conversations after it")
            proxy.cut()
            assert await server.lived(1_000)
            proxy.heal()
            made = len(told.revs)
            await until(server, lambda: len(told.revs) >= made + 10, "new conversations after it")
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            await settle(server, admin)
            await nothing_stuck(admin, told)
            shown = [(await admin.need("GET", f"/v1/routing/work-items/{item}"))["data"] for item, _ in told.accepted]
            assert all(item["attributes"]["status"] != "queued" for item in shown)
    finally:
        code = await server.stop()
        await proxy.stop()
    assert code == 0
    await check(two, told)


async def collector_of(stage: Stage) -> Process:
    """The process that collects just now, by what it has said."""
    async with asyncio.timeout(LEASE_S * 10):
        while True:
            for process in stage.made.processes:
                if process.pid and COLLECTOR in held_by(process.said()):
                    return process
            await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=0.05)


async def collected_once_in_order(records_db: str, rows: Sequence[Row]) -> None:
    """The log has each row of the records service's own log once, in its order, with what it says."""
    store = open_store(records_db, SystemClock())
    try:
        theirs: list[Row] = []
        while page := await store.changes(theirs[-1].position if theirs else 0, 5_000):
            theirs += page
    finally:
        await store.close()
    assert len(theirs) > 50
    wanted = {row.id for row in theirs}
    assert [row.entry() for row in rows if row.id in wanted] == [row.entry() for row in theirs]


@pytest.mark.slow
async def test_a_collector_that_is_killed_is_followed_by_another_which_goes_on_where_it_was() -> None:
    """PostgreSQL, NATS, two processes of each role, under load: twice kill -9 of the one that collects."""
    plan = Plan(key=KEY, nats=1, databases=2, lease_s=LEASE_S)
    async with http() as session, cluster(plan) as made:
        stage = Stage(made, session, 5)
        await stage.begin(5)
        try:
            await stage.probe("nothing yet")
            first = await collector_of(stage)
            await first.kill()
            await stage.probe("the collector was killed")
            second = await collector_of(stage)
            assert second is not first
            first.start()
            await first.ready()
            await second.kill()
            second.start()
            await second.ready()
            await stage.probe("and its follower")
            rows = await stage.end()
        finally:
            Roving.home = True
        balance(rows, stage.told)
        await collected_once_in_order(made.records_db, rows)
