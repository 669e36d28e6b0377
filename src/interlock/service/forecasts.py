"""What somebody in a queue has to expect: the latest waits of the queue, who is there, and the domain's forecast."""

from __future__ import annotations

from typing import Any, cast

from interlock.domain.forecast import SHARE, Because, Forecast, Past, forecast
from interlock.domain.queue import Queue
from interlock.domain.routing import held
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Query, World
from interlock.service import views
from interlock.service.calendars import hours_of
from interlock.service.floors import has_room
from interlock.service.routing import by_routing, settings_of
from interlock.service.transact import Reading

LOOKS_BACK_MS = 24 * 3_600_000
PASSES_MAX = 500
"""The newest ended stays, and as many that still wait."""
HELD: frozenset[str] = frozenset({"QUEUE_PAUSED", "OUTSIDE_HOURS", "ITEM_PAUSED", "OFFERED"})
"""Reasons to wait under which no pace says anything."""
Json = dict[str, Any]

SENTENCES: dict[Because, str] = {
    "": "",
    "TOO_FEW": "How long is not known: too few have waited at such a place in this queue lately.",
    "NOBODY_THERE": "How long is not known: nobody who serves this queue is available.",
    "NOT_SERVED_NOW": "How long is not known: nothing of this queue is being offered just now.",
}


async def of_queue(world: World, queue: Queue) -> Json:
    """What an item has to expect that enters the queue now."""
    stays = await _stays(world, queue)
    return await _told(world, queue, stays, sum(s.left is None for s in stays), waiting=False)


async def of_item(world: World, item: WorkItem, *, ahead: int, because: str) -> Json | None:
    """What an item has to expect that waits; `None`: it is in no queue of ours."""
    queue = await views.present(world, item.org, Queue, item.queue) if item.queue else None
    if queue is None or item.external_queue:
        return None
    if because in HELD:
        return _document(Forecast(because="NOT_SERVED_NOW", position=ahead))
    return await _told(world, queue, await _stays(world, queue), ahead, waiting=True)


async def _told(world: World, queue: Queue, stays: list[Past], position: int, *, waiting: bool) -> Json:
    now = world.clock.now()
    reading = Reading(world, by_routing(queue.org))
    reading.settings = await settings_of(reading)
    hours = await hours_of(reading, [queue])
    if held(queue, hours.of(queue.id), now):
        return _document(Forecast(because="NOT_SERVED_NOW", position=position))
    there = [s for s in await views.live_sessions(world, queue.org) if queue.id in s.queues and s.routable]
    free = sum(has_room(s) for s in there)
    return _document(forecast(stays, now, position, free=free, eligible=len(there), waiting=waiting))


async def _stays(world: World, queue: Queue) -> list[Past]:
    """The newest stays that have ended in the last day, and those that have not."""
    since = world.clock.now() - LOOKS_BACK_MS
    query = Query(
        name="left_passes", org=queue.org, queue=queue.id, since=since, descending=True, limit=PASSES_MAX
    )  # fmt: skip
    left = cast("list[QueuePass]", await world.store.find(query))
    ended = [Past(p.entered_queue_at or 0, _first_offer(p), p.left_at, p.left_because == "accepted") for p in left]
    waiting = await views.items_of_queue(world, queue.org, queue.id, frozenset(), 0, PASSES_MAX)
    heads = [w.last_revision for w in waiting if w.last_revision and not w.paused]
    return [*ended, *(Past(h.entered_queue_at, None, None, False) for h in heads if h.entered_queue_at is not None)]


def _first_offer(p: QueuePass) -> int | None:
    """When it was first offered; a pass keeps only the last time, so of several it is not known."""
    return p.routed_at if p.offers <= 1 else None


def _document(f: Forecast) -> Json:
    known = f.low is not None and f.middle is not None and f.high is not None
    seconds = [round(v / 1000) for v in (f.low, f.middle, f.high) if v is not None]
    return {
        "known": known,
        "because": f.because or None,
        "sentence": SENTENCES[f.because] or _sentence(f, seconds),
        "waitSeconds": dict(zip(("low", "middle", "high"), seconds, strict=True)) if known else None,
        "share": SHARE,
        "basis": {
            "position": f.position, "takesPerHour": f.takes_per_hour, "agentsFree": f.free,
            "agentsEligible": f.eligible, "sample": f.sample,
        },
    }  # fmt: skip


def _sentence(f: Forecast, seconds: list[int]) -> str:
    low, middle, high = (_words(s) for s in seconds)
    ahead = "nobody is ahead" if not f.position else f"{f.position} ahead"
    return f"About {middle} to wait, four times in five between {low} and {high}: {ahead}, by {f.sample} waits like it."


def _words(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
