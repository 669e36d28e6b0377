"""A store opened without a server, for commands that only read: `--db` in place of `--url`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from interlock.cli.failure import UNREACHABLE, USAGE, Failure
from interlock.domain.errors import Unavailable
from interlock.ports import World
from interlock.store.sqlite import SqliteStore


def is_there(db: str) -> bool:
    """Whether the file of a store is there."""
    path = db.partition(":")[2]
    file = "/" + path[2:].partition("/")[2] if path.startswith("//") else path
    return db.startswith("sqlite:") and os.path.exists(file)


@contextlib.asynccontextmanager
async def reading(db: str) -> AsyncIterator[tuple[World, SqliteStore]]:
    """The world over the store that `db` names, with no role running. The file must be there: nothing is made."""
    from interlock.bus.embedded import EmbeddedBus
    from interlock.runtime.clock import RandomIds, SystemClock
    from interlock.store.opening import open_store

    if not is_there(db):
        raise Failure(f"there is no store {db}", next="--db sqlite:FILE with a file that is there", code=USAGE)
    clock = SystemClock()
    try:
        store = open_store(db, clock)
    except Unavailable as away:
        raise Failure("the store cannot be used", str(away), code=UNREACHABLE) from None
    assert isinstance(store, SqliteStore)
    try:
        yield World(store, EmbeddedBus(store), clock, RandomIds(clock), floors={}), store
    finally:
        await store.close()
