"""Queues."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import get, post, put
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Free, Id, Name, Rev, SeenRevs, Small, Text, fields_of
from interlock.domain.errors import NoWaitingItem
from interlock.domain.queue import Queue, Strategy
from interlock.domain.work_item import WorkItem
from interlock.service import queues as service
from interlock.service import records, routing, views

PATH = "/v1/routing/queues"
ItemStatus = Literal["ivr", "queued", "routed", "assigned", "wrap-up", "completed", "!wrap-up"]


class OverridesIn(Base, frozen=True, kw_only=True):
    """Where this queue differs from the org's settings; `null`: as the org has it."""

    accept_required: bool | None = None
    accept_timeout_seconds: Annotated[int, Meta(ge=5, le=600)] | None = None
    auto_unassign: bool | None = None
    requeue_when_offline: bool | None = None


class AgeingIn(Base, frozen=True, kw_only=True):
    """What has waited so long counts as of this priority, if that is the better one."""

    after_seconds: Annotated[int, Meta(ge=0, le=2_592_000)]
    priority: Annotated[int, Meta(ge=1, le=100)] = 1


class StickyIn(Base, frozen=True, kw_only=True):
    """Whose agent is asked first, and for how long an item is kept for them if they are there without room."""

    by: Literal["none", "last-agent", "customer-owner"]
    seconds: Annotated[int, Meta(ge=0, le=86_400)] = 60


class Writable(Base, frozen=True, kw_only=True):
    """What may be said of a queue. Priority 1 is served first."""

    display_name: Text | UnsetType | None = UNSET
    description: Text | UnsetType = UNSET
    item_size: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    restrict_transfers_by_users: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    paused: Free | UnsetType | None = UNSET
    target_seconds: Small | UnsetType | None = UNSET
    schedule: Id | UnsetType | None = UNSET
    outside_hours: Literal["hold", "route"] | UnsetType = UNSET
    overrides: OverridesIn | UnsetType | None = UNSET
    ageing: AgeingIn | UnsetType | None = UNSET
    strategy: Strategy | UnsetType | None = UNSET
    sticky: StickyIn | UnsetType | None = UNSET
    returned_first: bool | UnsetType = UNSET


class QueueNew(Writable, frozen=True, kw_only=True):
    """A new queue."""

    name: Name
    key: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET


class QueueChange(Writable, frozen=True, kw_only=True):
    """A change of a queue."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    name: Name | UnsetType = UNSET
    key: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    apply_to_waiting: bool | UnsetType = UNSET
    """Give the new priority also to what waits already; without it, it holds for what enters from now on."""


class QueuePages(Pages, frozen=True, kw_only=True):
    """Which queues."""

    system: bool | None = None
    key: Name | None = None
    all: bool = False


class ItemPages(Pages, frozen=True, kw_only=True):
    """Which items."""

    sort: Literal["asc", "desc"] = "asc"
    status: ItemStatus | None = None


def statuses(word: str | None) -> frozenset[str]:
    """The item states that a filter means; empty: all."""
    if word is None:
        return frozenset()
    known = frozenset({"ivr", "queued", "routed", "assigned", "wrap-up", "completed"})
    return known - {word[1:]} if word.startswith("!") else frozenset({word})


@get(PATH, "listQueues", tag="queues", roles=roles.QUEUE_READ, kind=Queue, answers="many", query=QueuePages)
async def listed(call: Call) -> Answer:
    """List queues by name."""
    q: QueuePages = call.query
    found = await views.queues(call.world, call.org, system=q.system, key=q.key, everything=q.all)

    async def cut(offset: int, limit: int) -> list[Queue]:
        return found[offset : offset + limit]

    return await paged(call, cut)


@post(
    PATH,
    "createQueue",
    tag="queues",
    roles=roles.QUEUE_CREATE,
    body=QueueNew,
    kind=Queue,
    example={"name": "Parcels", "key": "parcels", "itemSize": 1, "priority": 2},
)
async def create(call: Call) -> Answer:
    """Add a queue."""
    fields: dict[str, Any] = fields_of(call.body, Queue)
    return await call.act(
        lambda beside: records.create(call.world, call.by, Queue, fields, beside=beside, check=service.check_queue),
        Queue,
    )


@get(f"{PATH}/{{id:str}}", "getQueue", tag="queues", roles=roles.QUEUE_READ, kind=Queue)
async def read(call: Call) -> Answer:
    """Read a queue."""
    return call.show(await call.one(Queue, call.id()))


@put(
    f"{PATH}/{{id:str}}",
    "updateQueue",
    tag="queues",
    roles=roles.QUEUE_UPDATE,
    body=QueueChange,
    kind=Queue,
    example={"description": "What was ordered, and where it is"},
)
async def change(call: Call) -> Answer:
    """Change a queue."""
    id, fields = call.id(), fields_of(call.body, Queue, but=("apply_to_waiting",))
    precondition = call.precondition(Queue, id)
    reaches_waiting = call.body.apply_to_waiting is True
    return await call.act(
        lambda beside: service.update_queue(
            call.world, call.by, id, fields, precondition, reaches_waiting=reaches_waiting, beside=beside
        ),
        Queue,
        id=id,
    )


@get(
    f"{PATH}/{{id:str}}/work-items",
    "listQueueWorkItems",
    tag="queues",
    roles=roles.ITEM_READ,
    kind=WorkItem,
    answers="many",
    query=ItemPages,
)
async def items(call: Call) -> Answer:
    """List the items in a queue, in routing order."""
    q: ItemPages = call.query
    id = (await call.one(Queue, call.id())).id
    return await paged(
        call,
        lambda offset, limit: views.items_of_queue(
            call.world, call.org, id, statuses(q.status), offset, limit, descending=q.sort == "desc"
        ),
    )


@get(
    f"{PATH}/{{id:str}}/work-items/next",
    "getNextWorkItem",
    tag="queues",
    roles=roles.QUEUE_READ,
    kind=WorkItem,
    errors=(NoWaitingItem,),
)
async def following(call: Call) -> Answer:
    """Read the item that would be offered next. It reserves nothing."""
    id = (await call.one(Queue, call.id())).id
    return call.show(await routing.next_item(call.world, call.org, id))


OPERATIONS = (listed, create, read, change, items, following)
