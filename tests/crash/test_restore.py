"""Backup and restore as the pages say, with PostgreSQL's own programs, of databases that are in use meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from tests.crash.load import Acknowledged, Client, Load, http, set_up
from tests.crash.server import KEY, Server
from tests.crash.test_server_kill import RESTART_MS, come_to_rest, settle
from tests.postgres import Databases

from interlock.domain.access import Org
from interlock.investigation.ledger import Ledger
from interlock.ports import Query
from interlock.runtime.clock import SystemClock
from interlock.runtime.local_postgres import programs
from interlock.service.collector import reached
from interlock.store.opening import open_store


async def done(*command: str | Path) -> str:
    """What a program says on its output; it must end well."""
    made = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode(errors="replace")
    return made.stdout.decode()


async def positions(two: tuple[str, str]) -> tuple[int, int, int]:
    """How far the records database's log is, what routing has taken in of it, and the whole log."""
    records, routing = (open_store(url, SystemClock()) for url in two)
    try:
        return await records.last_position(), (await reached(routing)).position, await routing.last_position()
    finally:
        await records.close()
        await routing.close()


async def epochs(db: str) -> list[int]:
    """The epoch of each org."""
    store = open_store(db, SystemClock())
    try:
        return [org.epoch for org in await store.find(Query(name="orgs", org="")) if isinstance(org, Org)]
    finally:
        await store.close()


async def nothing_lost(db: str, told: Acknowledged) -> None:
    """What was acknowledged before the backup is in the log, and no assignment is lost. Conversations may have taken
    what routing's older backup has forgotten: the ledger names those copies (I7), and only those.
    """
    store = open_store(db, SystemClock())
    try:
        rows = await store.changes(0, 10_000_000)
    finally:
        await store.close()
    told.stand_in(rows)
    ledger = Ledger(lag_objective_ms=RESTART_MS)
    for row in rows:
        ledger.take(row)
    report = ledger.finish()
    assert not report.lost, report.lost[:3]
    assert {v.invariant for v in report.others} <= {"I7"}, report.others[:3]


async def restored_from(backups: list[Path], databases: Databases) -> tuple[str, str]:
    """`pg_restore` of each into an empty database; the two."""
    urls = [databases.new("template0") for _ in backups]
    for url, file in zip(urls, backups, strict=True):
        await done(programs() / "pg_restore", "--exit-on-error", "--no-owner", "-d", url, file)
    return urls[0], urls[1]


async def loaded(server: Server, told: Acknowledged, load: Load, many: int) -> None:
    """Work until so many more conversations were acknowledged."""
    wanted = len(told.revs) + many
    work = asyncio.create_task(load.run())
    while len(told.revs) < wanted:
        assert not work.done(), work
        assert await server.lived(50), "the server died by itself"
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


@pytest.mark.slow
async def test_two_databases_are_backed_up_in_use_and_put_back(databases: Databases, tmp_path: Path) -> None:
    """Routing first, then the records, under load. What was acknowledged before the first is there after the restore,
    the collector brings what routing lacks, and the other way round is refused.
    """
    two = databases.new("template0"), databases.new("template0")
    before, later = Acknowledged(), Acknowledged()
    files = [tmp_path / "records.dump", tmp_path / "routing.dump"]
    dump = (programs() / "pg_dump", "-Fc", "-d")
    server = await Server.start(two)
    try:
        async with http() as session:
            admin = Client(session, server.url, KEY)
            floor = await set_up(admin)
            await loaded(server, before, Load(session, server.url, floor, before, 5), 10)
            await settle(server, admin)
            load = asyncio.create_task(loaded(server, later, Load(session, server.url, floor, later, 6), 30))
            await done(*dump, two[1], "-f", files[1])
            await done(*dump, two[0], "-f", files[0])
            await load
            late = tmp_path / "late.dump"
            await settle(server, admin)
            await done(*dump, two[1], "-f", late)
    finally:
        assert await server.stop() == 0
    back = await restored_from(files, databases)
    raised = [epoch + 1 for epoch in await epochs(back[1])]
    await done(sys.executable, "-m", "interlock.cli.main", "db", "restored", "--db", back[1])
    assert await epochs(back[1]) == raised != []
    own, taken, _ = await positions(back)
    assert taken < own, "the backup of the records is the later one, so routing lacks something"
    await come_to_rest(back, before)
    own, taken, _ = await positions(back)
    assert taken == own
    await nothing_lost(back[1], before)
    wrong = await restored_from([files[0], late], databases)
    with pytest.raises(RuntimeError, match="put back to an earlier time"):
        await Server.start(wrong)
