"""Figures of queues: the latest waits, as the reference API tells them, and figures over time."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import encode, rows, tag_of_bytes
from interlock.api.operation import get
from interlock.domain.errors import Malformed, NotFound
from interlock.domain.ids import is_id
from interlock.domain.queue import Queue
from interlock.domain.resource import iso, link
from interlock.domain.waits import Step, waits_of
from interlock.service import forecasts, views, waits

QUEUES_MAX = 100
STEPS_MAX = 1_440
DAY_MS = 86_400_000


class Since(msgspec.Struct, frozen=True, rename="camel"):
    """From when on (ms since 1970); without it a day back."""

    range_from: Annotated[float, Meta(ge=0, le=2**53)] | None = None


def _ids(call: Call) -> list[str]:
    ids = list(dict.fromkeys(part for part in str(call.params["ids"]).split(",") if part))
    if len(ids) > QUEUES_MAX:
        raise Malformed(f"At most {QUEUES_MAX} queues at a time.")
    for id in ids:
        if not is_id(id):
            raise NotFound(f"There is no queue {id[:64]}.")
    return ids


@get(
    "/v1/chat/queues/metrics/{ids:str}",
    "getQueueMetrics",
    tag="queues",
    roles=(*roles.QUEUE_READ, "org.user", "org.admin"),
    answers="metrics",
    query=Since,
)
async def metrics(call: Call) -> Answer:
    """Read the latest waits of queues (ids separated by commas), in seconds.

    `latestWaitTimeSeconds`: the whole wait of the item that left the queue last. The other two differ from it where the
    item was snoozed: since it entered or last woke; and, up to its last snooze or after it. Each is null if nothing
    left the queue since `rangeFrom` (ms; without it, in the last day).
    """
    ids, now = _ids(call), call.world.clock.now()
    since = now - DAY_MS if call.query.range_from is None else int(call.query.range_from)
    found = {q.id: q for q in await views.named(call.world, call.org, Queue, ids)}
    for id in ids:
        if id not in found:
            raise NotFound(f"There is no queue {id}.")
    data = [await _latest(call, found[id], since) for id in ids]
    body = rows(data, {"page": 1, "pageSize": len(data)}, {"self": call.path, "next": None})
    return Answer(200, body, tag_of_bytes(body))


async def _latest(call: Call, queue: Queue, since: int) -> dict[str, Any]:
    last = await waits.last_left(call.world, call.org, queue.id, since)
    told = waits_of(last) if last else None
    related: dict[str, Any] = {"queue": link("queue", queue.id)}
    if last is not None:
        item = link("work_item", last.work_item)
        related["workItem"] = {**item, "data": {"type": "work-item", "id": last.work_item}}
    return {
        "type": "session_queue",
        "id": queue.id,
        "attributes": {
            "latestWaitTimeSeconds": told and told.whole / 1000,
            "latestWaitTimeSinceQueueEntryOrLastUnpauseSeconds": told and told.lately / 1000,
            "latestWaitTimeBeforeOrAfterLastPauseSeconds": told and told.around_pause / 1000,
            "updatedAt": iso(last.updated_at if last else queue.updated_at),
        },
        "relationships": related,
    }


class Span(msgspec.Struct, frozen=True, rename="camel"):
    """How far back, and in steps of how long."""

    minutes: Annotated[int, Meta(ge=1, le=10_080)] = 60
    step_seconds: Annotated[int, Meta(ge=10, le=86_400)] = 60


@get(
    "/v1/routing/queues/{id:str}/series",
    "getQueueSeries",
    tag="queues",
    roles=roles.QUEUE_READ,
    answers="series",
    query=Span,
    own=True,
)
async def series(call: Call) -> Answer:
    """Read what came into a queue and left it, step by step up to now; the last step is still going on.

    `taken`: an agent got the item; `inTarget`: of those, within the queue's `targetSeconds` (all, if it has none).
    `complete` is false if more items left it than are counted; then the oldest steps tell of some of them only.
    """
    q: Span = call.query
    step, now = q.step_seconds * 1000, call.world.clock.now()
    steps = -(-q.minutes * 60_000 // step)
    if steps > STEPS_MAX:
        raise Malformed(f"At most {STEPS_MAX} steps; make stepSeconds longer.", parameter="stepSeconds")
    queue = await call.one(Queue, call.id())
    begin = now // step * step - (steps - 1) * step
    found = await waits.series_of(call.world, queue, begin, step, steps)
    attributes = {
        "from": iso(begin),
        "to": iso(begin + steps * step),
        "stepSeconds": q.step_seconds,
        "targetSeconds": queue.target_seconds,
        "complete": found.complete,
        "steps": [_shown(s) for s in found.steps],
    }
    data = {
        "type": "queue_series",
        "id": queue.id,
        "attributes": attributes,
        "relationships": {"queue": link("queue", queue.id)},
    }
    body = encode({"data": data, "links": {"self": call.path}})
    return Answer(200, body, tag_of_bytes(body))


def _shown(s: Step) -> dict[str, Any]:
    return {
        "at": iso(s.at),
        "entered": s.entered,
        "left": s.left,
        "taken": s.taken,
        "inTarget": s.in_target,
        "longestWaitSeconds": s.longest / 1000,
        "averageWaitSeconds": round(s.total / s.left / 1000, 3) if s.left else None,
    }


@get(
    "/v1/routing/queues/{id:str}/forecast",
    "getQueueForecast",
    tag="queues",
    roles=roles.QUEUE_READ,
    answers="forecast",
    own=True,
)
async def forecast(call: Call) -> Answer:
    """Read how long an item would wait that entered the queue now, with an 80 % interval and what it rests on.

    Where there is too little to go on, `known` is false and `because` says why.
    """
    queue = await call.one(Queue, call.id())
    data = {
        "type": "forecast",
        "id": queue.id,
        "attributes": await forecasts.of_queue(call.world, queue),
        "relationships": {"queue": link("queue", queue.id)},
    }
    return Answer(200, encode({"data": data, "links": {"self": call.path}}))


OPERATIONS = (metrics, series, forecast)
