"""What supervisors do to a queue: pause it, let it go on, move what waits in it."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.bulk import shown_outcome
from interlock.api.call import Call
from interlock.api.document import rows
from interlock.api.operation import post
from interlock.api.shapes import Guarded, Id, Nothing, Text
from interlock.domain.queue import Queue
from interlock.domain.resource import link
from interlock.service import supervision as service

PATH = "/v1/routing/queues/{id:str}"


class Pausing(Guarded, frozen=True, kw_only=True):
    """Why nothing of it is offered for now."""

    reason: Text | UnsetType = UNSET


class Moving(Guarded, frozen=True, kw_only=True):
    """Where to, and which; without `items` what waits and is not offered, in routing order."""

    to: Id
    items: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=service.MOVES_MAX)] | UnsetType = UNSET


_SHARED: dict[str, Any] = {"tag": "queues", "roles": roles.QUEUE_UPDATE, "kind": Queue, "own": True, "status": 200}


@post(f"{PATH}/pause", "pauseQueue", body=Pausing, guard="optional", example={"reason": "The line is down"}, **_SHARED)
async def pause(call: Call) -> Answer:
    """Pause a queue: nothing of it is offered until it is resumed; offers that are out stay."""
    id, said = call.id(), call.body.reason
    precondition, reason = call.precondition(Queue, id), None if said is UNSET else said
    return await call.act(
        lambda beside: service.pause(call.world, call.by, id, reason, precondition, beside=beside), Queue, id=id
    )


@post(f"{PATH}/resume", "resumeQueue", body=Nothing, guard="optional", example={}, **_SHARED)
async def resume(call: Call) -> Answer:
    """Let a paused queue go on."""
    id = call.id()
    precondition = call.precondition(Queue, id)
    return await call.act(
        lambda beside: service.resume(call.world, call.by, id, precondition, beside=beside), Queue, id=id
    )


@post(
    f"{PATH}/move",
    "moveQueue",
    tag="queues",
    roles=(*roles.QUEUE_UPDATE, *roles.ITEM_UPDATE),
    body=Moving,
    answers="outcomes",
    own=True,
    status=200,
    example={"to": "68f0a0000000000000000202"},
)
async def move(call: Call) -> Answer:
    """Move waiting items to another queue, each by a command of its own, and tell what came of each.

    Those that are offered stay with their offers unless they are named. `meta.more`: there are more than a hundred.
    """
    body: Moving = call.body
    id = (await call.one(Queue, call.id())).id
    to = (await call.one(Queue, body.to)).id
    items = None if body.items is UNSET else body.items
    moved = await service.move(call.world, call.by, id, to, items, call.slot)
    data = [
        {
            "type": "outcome",
            "id": item,
            "attributes": shown_outcome(o),
            "relationships": {"workItem": link("work_item", item)},
        }
        for item, o in moved.items
    ]
    failed = sum(not o.went_through for _, o in moved.items)
    meta = {"total": len(data), "succeeded": len(data) - failed, "failed": failed, "more": moved.more}
    return await call.keep(Answer(200, rows(data, meta, {"self": call.path, "next": None})))


OPERATIONS = (pause, resume, move)
