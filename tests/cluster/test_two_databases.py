"""The two services with a database each, and the way to the records database cut under load: nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import pytest
from tests.cluster.proxy import Proxy
from tests.crash.load import Acknowledged, Client, Load, http, set_up
from tests.crash.server import KEY, Server
from tests.crash.test_server_kill import check, nothing_stuck, settle
from tests.postgres import Databases

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
