"""kill -9 on both sides of PostgreSQL: of our process, and of the server under it, which then recovers from its log.

The server here is a durable one, on the disk.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator

import pytest
from tests.crash.load import Acknowledged, Client, Load, http, set_up
from tests.crash.server import KEY, Server
from tests.crash.test_server_kill import check, nothing_stuck, run, settle
from tests.postgres import SKIPPED, scratch_folder

from interlock.runtime.local_postgres import CannotRun, LocalPostgres

LIFE_MS = (150, 900)
"""How long PostgreSQL lives under load before it is killed."""


@pytest.fixture
def durable() -> Iterator[LocalPostgres]:
    """A server as it comes: it syncs every commit."""
    folder = scratch_folder(durable=True)
    try:
        server = LocalPostgres.begin(folder / "data")
    except CannotRun as why:
        pytest.skip(f"{SKIPPED}: {why}")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
async def test_killed_processes_of_ours_lose_nothing(durable: LocalPostgres) -> None:
    """Five lives of `interlock serve` on one database."""
    await run(durable.url(), 5, 3)


@pytest.mark.slow
async def test_a_killed_postgresql_loses_nothing(durable: LocalPostgres) -> None:
    """Six times under load, recovered each time; one process of ours lives through all of it and needs no restart."""
    await _server_killed(durable, 6, 5)


@pytest.mark.soak
async def test_a_postgresql_killed_100_times_loses_nothing(durable: LocalPostgres) -> None:
    """The long one."""
    await _server_killed(durable, 100, 11)


async def _server_killed(database: LocalPostgres, kills: int, seed: int) -> None:
    told, rng = Acknowledged(), random.Random(seed)
    server = await Server.start(database.url())
    try:
        async with http() as session:
            admin = Client(session, server.url, KEY)
            floor = await set_up(admin)
            work = asyncio.create_task(Load(session, server.url, floor, told, seed).run())
            try:
                await _kill_again_and_again(database, kills, rng, told, server, work)
            finally:
                work.cancel()
                await asyncio.wait([work])
            await settle(server, admin)
            await nothing_stuck(admin, told)
    finally:
        code = await server.stop()
    assert code == 0
    await check(database.url(), told)


async def _kill_again_and_again(
    database: LocalPostgres,
    kills: int,
    rng: random.Random,
    told: Acknowledged,
    server: Server,
    work: asyncio.Task[None],
) -> None:
    enough = 3
    for _ in range(kills):
        await _some_answers(told, enough, server)
        assert await server.lived(rng.randint(*LIFE_MS)), "our own process died"
        assert not work.done(), "the load ended by itself"
        await asyncio.to_thread(database.kill)
        enough = len(told.revs) + 3
        await asyncio.to_thread(database.start)
    await _some_answers(told, enough, server)


async def _some_answers(told: Acknowledged, enough: int, server: Server) -> None:
    """Until so many conversations were acknowledged: it works, again."""
    for _ in range(600):
        if len(told.revs) >= enough:
            return
        assert await server.lived(100), "our own process died"
    raise AssertionError("nothing is acknowledged any more")
