"""A real process, paused between its decision and its commit, past its lease: it comes back and changes nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from tests.cluster.paused import LEASE_MS
from tests.conformance.builders import commit_of, conversation

from interlock.bus.embedded import EmbeddedBus
from interlock.domain.decision import birth
from interlock.domain.share import Share
from interlock.investigation.ledger import check
from interlock.ports import Fence, Store, World
from interlock.runtime.clock import RandomIds, SystemClock
from interlock.service import orgs
from interlock.service.cues import Role
from interlock.service.relay import run_once
from interlock.store.fenced import FencedStore
from interlock.store.sqlite import SqliteStore

FENCED = 7


class Later:
    """A clock that is ahead: by it, the paused worker's lease has run out. No test has to wait for that."""

    def __init__(self) -> None:
        self._clock = SystemClock()

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self._clock.now() + LEASE_MS + 1


def begun(db: Path, role: str) -> subprocess.Popen[bytes]:
    """The worker that will be paused, in a process of its own."""
    command = [sys.executable, "-m", "tests.cluster.paused", str(db), role]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("role", ["sync", "rules"])
async def test_a_worker_that_was_paused_past_its_lease_changes_nothing(tmp_path: Path, role: Role) -> None:
    clock = Later()
    store = SqliteStore.open(tmp_path / "store.db", clock)
    world = World(store, EmbeddedBus(store), clock, RandomIds(SystemClock()))
    org = (await orgs.found(world, "Acme", key="ilk_" + "a" * 64)).row.org
    await store.commit(commit_of(birth(conversation("c1", org)), org=org, at=clock.now()))
    if role == "rules":
        await run_once(world, "sync")
    before = await store.last_position()
    paused = begun(tmp_path / "store.db", role)
    _, status = await asyncio.to_thread(os.waitpid, paused.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), "it ended instead of being paused before its commit"
    epoch = await store.lease(f"share/{role}", "successor", LEASE_MS)
    assert epoch == 2
    fenced = cast("Store", FencedStore(store, Fence(f"share/{role}", epoch)))
    await run_once(World(fenced, EmbeddedBus(fenced), clock, world.ids, share=Share(role)), role)
    rows = await store.changes(0, 1_000)
    assert len(rows) > before, "the successor did the work"
    os.kill(paused.pid, signal.SIGCONT)
    assert await asyncio.to_thread(paused.wait) == FENCED
    assert await store.changes(0, 1_000) == rows
    verdict = check(rows)
    assert not verdict.lost
    await store.close()
