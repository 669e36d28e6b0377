"""A store opened without a server, for commands that only read: `--db` in place of `--url`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from interlock.cli.failure import UNREACHABLE, USAGE, Failure
from interlock.domain.errors import Unavailable
from interlock.ports import World
from interlock.store.urls import POSTGRES, shown

if TYPE_CHECKING:
    from interlock.store.opening import OpenStore


def may_be_there(db: str) -> bool:
    """Whether the file of a store is there; of a database only its server can say."""
    scheme, _, path = db.partition(":")
    file = "/" + path[2:].partition("/")[2] if path.startswith("//") else path
    return scheme in POSTGRES or (scheme == "sqlite" and os.path.exists(file))


@contextlib.asynccontextmanager
async def reading(db: str, *, post: bool = False) -> AsyncIterator[tuple[World, OpenStore]]:
    """The world over the store that `db` names, with no role running. The store must be there: nothing is made.

    `post`: it is brought to this program's schema whole.
    """
    from interlock.bus.embedded import EmbeddedBus
    from interlock.runtime.clock import RandomIds, SystemClock
    from interlock.store.opening import open_store

    if not may_be_there(db):
        next = "--db sqlite:FILE with a file that is there, or --db postgresql://…"
        raise Failure(f"there is no store {shown(db)}", next=next, code=USAGE)
    clock = SystemClock()
    try:
        store = open_store(db, clock, make=False, post=post)
        await store.ready()
    except Unavailable as away:
        raise Failure("the store cannot be used", str(away), code=UNREACHABLE) from None
    try:
        yield World(store, EmbeddedBus(store), clock, RandomIds(clock), floors={}), store
    finally:
        await store.close()
