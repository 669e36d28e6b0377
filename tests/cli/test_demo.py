"""The demonstration itself, short: the story goes as it should, and it ends as it is told to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.cli.demo.run import Options, play

FIGURES = {
    "conversations", "assigned", "conversations_per_s", "wait_ms", "sync_decisions", "lost_assignments",
    "invariant_violations", "seed", "how",
}  # fmt: skip


def options(**given: Any) -> Options:
    """A short run without a terminal."""
    usual: dict[str, Any] = {
        "seed": 7, "speed": 600.0, "seconds": 4.0, "live": False, "rate": "day", "under_way": 16, "arrivals": None,
        "port": 0, "quiet": True,
    }  # fmt: skip
    return Options(**{**usual, **given})


async def test_as_fast_as_it_goes_loses_nothing() -> None:
    """A second and a half of it: every conversation goes all the way."""
    summary = await play(options(rate="max", seconds=1.5))
    assert summary.keys() >= FIGURES
    assert summary["as_it_should"], summary["because"]
    assert summary["conversations"] == summary["assigned"] == summary["completed"] > 16
    assert summary["lost_assignments"] == 0
    assert set(summary["invariant_violations"]) <= {"I10"}, "only how long a copy took depends on the machine"
    assert summary["wait_ms"]["p50"] <= summary["wait_ms"]["p99"]


async def test_a_day_has_races_and_loses_nothing() -> None:
    """The workflow and the rules meet; both syncs say so; nobody loses an assignment."""
    summary = await play(options())
    assert summary["as_it_should"], summary["because"]
    assert summary["sync_decisions"]["forward"]["merge"] > 0
    assert summary["sync_decisions"]["reverse"]["merge"] > 0
    assert summary["offers"]["accepted"] > 0
    assert summary["sync_decisions"]["forward"]["conflict"] + summary["sync_decisions"]["reverse"]["conflict"] > 0


async def test_a_recorded_day_is_played(tmp_path: Path) -> None:
    """Three customers of a file, and no more."""
    file = tmp_path / "day.csv"
    file.write_text("time,channel\n0,chat\n30,email\n60,chat\n", encoding="utf-8")
    summary = await play(options(arrivals=file, seconds=3.0))
    assert summary["conversations"] == 3
    assert summary["lost_assignments"] == 0


async def test_a_day_that_cannot_be_read_is_the_reason_why(tmp_path: Path) -> None:
    """The summary says what broke."""
    file = tmp_path / "day.csv"
    file.write_text("soon,chat\n", encoding="utf-8")
    summary = await play(options(arrivals=file))
    assert not summary["as_it_should"]
    assert "'soon' is no time" in summary["because"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_ends_by_a_signal_with_its_summary(number: int) -> None:
    """Ctrl-C is how it is ended."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")}
    command = (sys.executable, "-m", "interlock.cli.main", "demo", "--headless", "--seconds", "60", "--port", "0")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, "--speed", "600", stdout=pipe, stderr=pipe, env=environment
    )
    assert process.stderr is not None
    async with asyncio.timeout(60):
        said = [(await process.stderr.readline()).decode().split() for _ in range(3)]
        assert [line[0] for line in said] == ["Console", "As", "API"]
        assert all("/sign-in?code=" in " ".join(line) for line in said[:2])
        await _somebody_is_done(said[2][1].removesuffix("/v1"), said[2][3])
        process.send_signal(number)
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert b"assignments lost: 0" in out


async def _somebody_is_done(url: str, key: str) -> None:
    """Until the event stream tells of a completed work item."""
    import aiohttp

    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/v1/events?topics=work-item", headers=headers) as s,
    ):
        async for raw in s.content:
            if raw.startswith(b"data:") and '"status":"completed"' in raw.decode():
                json.loads(raw[5:])
                return
