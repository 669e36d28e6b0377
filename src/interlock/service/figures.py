"""Figures for operators, counted when they are asked for."""

from __future__ import annotations

from collections import Counter

import msgspec

from interlock.domain.queue import Queue
from interlock.domain.work_item import WorkItem
from interlock.ports import Query, World
from interlock.service import views
from interlock.service.by_clock import each_org
from interlock.service.cues import ROLES
from interlock.service.divisions import division_of, positions_of

WAITING_MAX = 10_000


class Figures(msgspec.Struct, frozen=True):
    """waiting: per queue key how many wait and since when (ms) the longest; agents: live sessions per type of status;
    lag: rows not yet handled, per role; out_of_step: pairs that differ."""

    waiting: dict[str, tuple[int, int]]
    agents: dict[str, int]
    lag: dict[str, int]
    out_of_step: int


async def look(world: World) -> Figures:
    """The figures of all orgs together."""
    waiting: dict[str, tuple[int, int]] = {}
    agents: Counter[str] = Counter()
    apart = 0
    async for org in each_org(world):
        for queue in await views.listing(world, org.id, Queue, 0, views.ALL, states=("active", "system")):
            await _wait(world, queue, waiting)
        agents.update(s.status_type for s in await views.live_sessions(world, org.id))
        apart += len(
            await world.store.find(Query(name="out_of_step", org=org.id, before=world.clock.now(), limit=1_000))
        )
    return Figures(waiting, dict(agents), await lag(world), apart)


async def _wait(world: World, queue: Queue, waiting: dict[str, tuple[int, int]]) -> None:
    query = Query(name="waiting", org=queue.org, type=WorkItem.TYPE, queue=queue.id, limit=WAITING_MAX)
    items = [w for w in await world.store.find(query) if isinstance(w, WorkItem)]
    since = min((_entered(w) for w in items), default=world.clock.now())
    key = queue.key or "none"
    number, earlier = waiting.get(key, (0, since))
    waiting[key] = (number + len(items), min(earlier, since))


def _entered(item: WorkItem) -> int:
    entered = item.last_revision.entered_queue_at if item.last_revision else None
    return entered if entered is not None else item.updated_at


async def lag(world: World) -> dict[str, int]:
    """Rows of the log that each role has not handled yet; a role that never wrote its position is left out."""
    last = await world.store.last_position()
    out: dict[str, int] = {}
    for role in ROLES:
        positions = (await positions_of(world.store, await division_of(world.store, role))).values()
        if any(positions):
            out[role] = max(0, last - min(positions))
    return out
