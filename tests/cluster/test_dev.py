"""`interlock cluster dev`: it starts, routes, loses nothing, and leaves nothing behind, however it ends."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from pathlib import Path

import pytest
from tests.processes import children_of, runs

WITHIN_S = 240.0


async def begun(*arguments: str) -> asyncio.subprocess.Process:
    """The command, its output in pipes."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "interlock.cli.main", "cluster", "dev", "--headless", *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, start_new_session=True)


@pytest.mark.slow
async def test_it_routes_conversations_loses_none_and_leaves_nothing_behind() -> None:
    """The whole of it: PostgreSQL, three NATS servers, two processes of each role."""
    process = await begun("--conversations", "60", "--under-way", "8", "--json")
    assert process.stdout is not None
    seen: set[int] = set()
    reading = asyncio.create_task(process.stdout.read())
    async with asyncio.timeout(WITHIN_S):
        while not reading.done():
            seen |= children_of(process.pid)
            await asyncio.wait({reading}, timeout=0.2)
        code = await process.wait()
    summary = json.loads(reading.result())
    assert summary["as_it_should"], summary
    assert code == 0
    assert summary["completed"] >= 60
    assert (summary["lost_assignments"], summary["rows_behind"], summary["invariant_violations"]) == (0, 0, {})
    assert len(seen) >= 1 + 3 + 8
    assert [pid for pid in seen if runs(pid)] == []


@pytest.mark.slow
async def test_the_two_services_may_have_a_database_each() -> None:
    """Of all rows of the records service's own log none is left outside the log at the end."""
    process = await begun(
        "--databases", "2", "--each", "1", "--nodes", "1", "--conversations", "30", "--under-way", "4", "--json"
    )
    async with asyncio.timeout(WITHIN_S):
        out, _ = await process.communicate()
    summary = json.loads(out)
    assert summary["as_it_should"], summary
    assert (process.returncode, summary["databases"], summary["rows_behind"]) == (0, 2, 0)
    assert summary["completed"] >= 30


@pytest.mark.slow
async def test_ctrl_c_ends_every_process_and_removes_the_folder() -> None:
    process = await begun("--each", "1", "--nodes", "1", "--under-way", "2")
    assert process.stderr is not None
    folder = None
    async with asyncio.timeout(WITHIN_S):
        while folder is None:
            line = (await process.stderr.readline()).decode()
            assert line, "it ended before it was up"
            found = re.search(r"logs\s+(\S+)", line)
            folder = Path(found[1]) if found else None
        children = children_of(process.pid)
        assert len(children) >= 1 + 1 + 4
        assert folder.is_dir()
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode in (0, 1)
    assert [pid for pid in children if runs(pid)] == []
    assert not folder.exists()
