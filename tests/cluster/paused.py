"""A worker that holds a share, has decided, and is paused by SIGSTOP just before its commit. Run as a program."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any, cast

from interlock.bus.embedded import EmbeddedBus
from interlock.domain.errors import Fenced
from interlock.domain.log import Row
from interlock.domain.share import Share
from interlock.ports import Commit, Fence, Store, World
from interlock.runtime.clock import RandomIds, SystemClock
from interlock.runtime.worker import Workers
from interlock.store.fenced import FencedStore
from interlock.store.sqlite import SqliteStore

LEASE_MS = 3_600_000


class StopsBeforeCommit:
    """The store, but the first decision with writes is preceded by a SIGSTOP to ourselves."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopped = False

    async def commit(self, commit: Commit) -> Row | None:
        """As the store does, once somebody has let us go on."""
        if commit.writes and not self._stopped:
            self._stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)
        return await self._store.commit(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def main(path: str, role: str) -> int:
    """Take the share, work until fenced: 7. Anything else is a failure."""
    clock = SystemClock()
    store = SqliteStore.open(path, clock)
    epoch = await store.lease(f"share/{role}", "paused", LEASE_MS)
    assert epoch is not None
    fenced = FencedStore(cast("Store", StopsBeforeCommit(store)), Fence(f"share/{role}", epoch))
    seen = cast("Store", fenced)
    world = World(seen, EmbeddedBus(seen), clock, RandomIds(clock), share=Share(role))
    try:
        await Workers(world, (role,), cadences=()).run(float("inf"))
    except Fenced:
        return 7
    finally:
        await store.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2])))
