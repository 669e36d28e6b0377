"""What the clock asks for, and which of it is this process's: of a divided role each share looks after some orgs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from interlock.domain.access import Org
from interlock.domain.agent import WorkSession
from interlock.domain.record import Record
from interlock.ports import Query, World

DUE_MAX = 200
"""Due records that one look takes in hand; the next look goes on."""
PAGE = 500
SESSIONS_PAGE = 10_000
R = TypeVar("R", bound=Record)


async def due_here(world: World, kind: type[R], *, limit: int = DUE_MAX) -> list[R]:
    """Records whose time has come in the orgs of this process's share, the earliest first. Of lanes, the first looks:
    what is due for one record is done once.

    What other shares have to do stands in the same line. It is passed over, so that a share that hangs holds up no
    other.
    """
    share, before, offset = world.share, world.clock.now(), 0
    if share is not None and share.lane:
        return []
    mine: list[R] = []
    while True:
        query = Query(name="overdue", org="", type=kind.TYPE, before=before, offset=offset, limit=limit)
        found = await world.store.find(query)
        mine += [r for r in found if isinstance(r, kind) and (share is None or share.looks_after(r.org))]
        offset += limit
        if len(found) < limit or len(mine) >= limit:
            return mine[:limit]


async def each_org(world: World) -> AsyncIterator[Org]:
    """Every org of the store, a page at a time."""
    after = ""
    while True:
        found = await world.store.find(Query(name="orgs", org=after, type=Org.TYPE, limit=PAGE))
        for org in found:
            if isinstance(org, Org):
                yield org
        if len(found) < PAGE:
            return
        after = found[-1].org


async def orgs_here(world: World, *, once: bool = False) -> AsyncIterator[Org]:
    """The orgs that this process's share looks after; `once`: each by one of the lanes that share it."""
    share = world.share
    if once and share is not None and share.lane:
        return
    async for org in each_org(world):
        if share is None or share.looks_after(org.id):
            yield org


async def each_live_session(world: World, org: str) -> AsyncIterator[WorkSession]:
    """Every shift of an org that has not ended, a page at a time. One that begins or ends meanwhile may be passed over
    or come twice: whoever looks by the clock looks again.
    """
    offset = 0
    while True:
        query = Query(
            name="live_sessions", org=org, type=WorkSession.TYPE, offset=offset, limit=SESSIONS_PAGE
        )  # fmt: skip
        found = await world.store.find(query)
        for s in found:
            if isinstance(s, WorkSession):
                yield s
        if len(found) < SESSIONS_PAGE:
            return
        offset += SESSIONS_PAGE
