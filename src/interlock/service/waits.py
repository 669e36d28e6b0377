"""Read models of waiting: the latest waits of queues, and their figures over time."""

from __future__ import annotations

from typing import cast

import msgspec

from interlock.domain.queue import Queue
from interlock.domain.waits import Step, series
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Query, World

PAGE = 500
PASSES_MAX = 20_000
"""So many passes are counted, the newest; older steps of a series that is longer are not complete, and it says so."""


async def last_left(world: World, org: str, queue: str, since: int) -> QueuePass | None:
    """The pass that was left last, if one was since then (ms)."""
    query = Query(name="left_passes", org=org, queue=queue, since=since, descending=True, limit=1)
    found = cast("list[QueuePass]", await world.store.find(query))
    return found[0] if found else None


class Series(msgspec.Struct, frozen=True):
    """Steps of time, oldest first; `complete`: whether every pass was counted."""

    steps: list[Step]
    complete: bool


async def series_of(world: World, queue: Queue, begin: int, step: int, steps: int) -> Series:
    """The figures of a queue from `begin` on, in steps of `step` ms."""
    left: list[QueuePass] = []
    more = True
    while more and len(left) < PASSES_MAX:
        query = Query(
            name="left_passes",
            org=queue.org,
            queue=queue.id,
            since=begin,
            descending=True,
            offset=len(left),
            limit=PAGE,
        )
        page = cast("list[QueuePass]", await world.store.find(query))
        left += page
        more = len(page) == PAGE
    still, rest = await _waiting_since(world, queue)
    target = None if queue.target_seconds is None else queue.target_seconds * 1000
    return Series(series(left, still, begin, step, steps, target), not more and not rest)


async def _waiting_since(world: World, queue: Queue) -> tuple[list[int], bool]:
    """When those who wait now came in, and whether there are more than were looked at."""
    query = Query(name="waiting", org=queue.org, type=WorkItem.TYPE, queue=queue.id, limit=PASSES_MAX)
    items = cast("list[WorkItem]", await world.store.find(query))
    heads = (w.last_revision for w in items)
    return [h.entered_queue_at for h in heads if h and h.entered_queue_at is not None], len(items) == PASSES_MAX
