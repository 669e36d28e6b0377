"""kill -9 at random moments under load: what was acknowledged is there, every event is delivered, nothing is stuck."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.crash.load import Acknowledged, Client, Floor, Load, http, set_up
from tests.crash.server import KEY, Server

from interlock.investigation.ledger import Ledger
from interlock.runtime.clock import SystemClock
from interlock.service.cues import ROLES
from interlock.service.reactions import CADENCES
from interlock.store.opening import open_store

LIFE_MS = (40, 500)
"""How long a server lives under load before it is killed: from before its first answer to some hundred commits."""
QUIET_ROUNDS = 400
RESTART_MS = 120_000
"""A dead server syncs nothing: an intent may take as long as the restarts around it."""


async def _lives(db: str | Sequence[str], kills: int, seed: int) -> tuple[Acknowledged, Floor]:
    """Start, load, kill, again and again on one database; every restart must serve."""
    told, rng = Acknowledged(), random.Random(seed)
    floor: Floor | None = None
    for n in range(kills):
        server = await Server.start(db)
        async with http() as session:
            if floor is None:
                floor = await set_up(Client(session, server.url, KEY))
            work = asyncio.create_task(Load(session, server.url, floor, told, seed + n).run())
            done, _ = await asyncio.wait({work}, timeout=rng.randint(*LIFE_MS) / 1000)
            await server.kill()
            await work
            assert not done, "the load ended before the server was killed"
    assert floor is not None
    return told, floor


CALM_ROUNDS = round(10 * max(c.seconds for c in CADENCES)) + 20
"""Of 100 ms each."""


async def settle(server: Server, admin: Client) -> None:
    """Wait until every role is at the end of the log, and stays there for longer than the slowest cadence takes.

    Who signs in while an item is given to them is charged for it by a cadence, and so relieved of it.
    """
    calm = 0
    for _ in range(QUIET_ROUNDS):
        text = await admin.text("/readyz?verbose")
        behind = [int(ms) for ms in re.findall(r"keeps up (\d+) ms behind", text)]
        calm = calm + 1 if behind and not any(behind) else 0
        if calm == CALM_ROUNDS:
            return
        assert await server.lived(100), "the server died by itself"
    raise AssertionError(f"the roles never reached the end of the log: {text}")


async def check(db: str | Sequence[str], told: Acknowledged) -> None:
    """Everything against the store itself, opened without any server; of two databases, the one with the log."""
    store = open_store(db if isinstance(db, str) else db[1], SystemClock())
    try:
        rows = await store.changes(0, 10_000_000)
        told.stand_in(rows)
        last_event = max(row.position for row in rows if row.changes)  # a row without changes is nobody's news
        for role in ROLES:
            mark = await store.mark("position", "", role)
            assert mark is not None
            assert int(mark.value or b"0") >= last_event, f"{role} did not see every event"
        ledger = Ledger(lag_objective_ms=RESTART_MS)
        for row in rows:
            ledger.take(row)
        report = ledger.finish()
        assert not report.lost, report.lost[:3]
        assert not report.others, report.others[:3]
    finally:
        await store.close()


async def nothing_stuck(admin: Client, told: Acknowledged) -> None:
    """Every open conversation is with somebody or waits in a queue for a reason that names the agents."""
    for id in told.revs:
        shown = (await admin.need("GET", f"/v1/conversations/{id}"))["data"]["attributes"]
        items = (await admin.need("GET", f"/v1/routing/conversations/{id}/work-items"))["data"]
        if not items:
            assert shown["status"] == "done", (id, shown)  # done before routing ever looked: no agent was needed
            continue
        newest = items[0]["attributes"]
        if shown["status"] == "done":
            assert newest["status"] == "completed", (id, newest)
        elif shown["assignedUsers"]:
            assert newest["status"] == "assigned", (id, newest)
        else:
            assert newest["status"] in ("queued", "routed"), (id, newest)


async def run(db: str | Sequence[str], kills: int, seed: int) -> None:
    """Kill it so often, then let it come to rest and look at everything."""
    told, _ = await _lives(db, kills, seed)
    assert told.revs, "nothing was ever acknowledged: the test would prove nothing"
    await come_to_rest(db, told)
    await check(db, told)


async def come_to_rest(db: str | Sequence[str], told: Acknowledged) -> None:
    """Start it once more until everything is handled: nothing that was acknowledged is stuck, and it ends well."""
    server = await Server.start(db)
    try:
        async with http() as session:
            admin = Client(session, server.url, KEY)
            await settle(server, admin)
            await nothing_stuck(admin, told)
    finally:
        code = await server.stop()
    assert code == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_25_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    """Two databases, 25 kills each."""
    await run(f"sqlite:///{tmp_path}/kill.db", 25, seed)


@pytest.mark.slow
async def test_kills_lose_nothing_where_the_services_have_a_database_each(tmp_path: Path) -> None:
    """A collector dies with each server, between any two rows; and the log has each row of the records side once."""
    two = [f"sqlite:///{tmp_path}/{side}.db" for side in ("records", "routing")]
    await run(two, 8, 3)
    records, routing = (open_store(url, SystemClock()) for url in two)
    try:
        theirs = [row.id for row in await records.changes(0, 10_000_000)]
        wanted = set(theirs)
        assert [row.id for row in await routing.changes(0, 10_000_000) if row.id in wanted] == theirs
    finally:
        await records.close()
        await routing.close()


@pytest.mark.soak
async def test_500_kills_lose_nothing(tmp_path: Path) -> None:
    """The long one."""
    for seed in range(10):
        await run(f"sqlite:///{tmp_path}/kill-{seed}.db", 50, 1000 + seed)
