"""The PostgreSQL of one's own: what `kill` leaves behind, which is nothing."""

from __future__ import annotations

import asyncio
import shutil

import asyncpg
import pytest
from tests.postgres import SKIPPED, scratch_folder
from tests.processes import runs

from interlock.runtime.local_postgres import QUICK, CannotRun, LocalPostgres

BUSY = "SET statement_timeout = '20s'; DO 'BEGIN FOR n IN 1..2000000000 LOOP NULL; END LOOP; END'"
"""Work that takes no memory, and ends by itself if nobody ends it."""


async def test_nothing_of_a_killed_server_runs_on_and_it_starts_again_at_once() -> None:
    folder = scratch_folder()
    try:
        server = LocalPostgres.begin(folder / "data", settings=QUICK)
    except CannotRun as why:
        pytest.skip(f"{SKIPPED}: {why}")
    try:
        lines = [await asyncpg.connect(server.url()) for _ in range(8)]
        backends = [line.get_server_pid() for line in lines]
        busy = [asyncio.ensure_future(line.execute(BUSY)) for line in lines]
        await asyncio.sleep(0)
        server.kill()
        alive = [pid for pid in backends if runs(pid)]
        server.start()
        await asyncio.wait(busy)
        assert alive == []
        assert all(isinstance(work.exception(), (OSError, asyncpg.PostgresError)) for work in busy)
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
