"""Work items: routing's record of one conversation that needs an agent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import get, post, put
from interlock.api.pages import Pages, paged
from interlock.api.queues import ItemStatus, statuses
from interlock.api.shapes import Base, Channel, Guarded, Id, Moment, QueueRef, Rev, ms
from interlock.domain.conversation import Conversation
from interlock.domain.errors import (
    InvalidCombination,
    InvalidTransition,
    Malformed,
    OfferExpired,
    OfferTaken,
    PreconditionRequired,
    StaleBasis,
    TooHeavy,
)
from interlock.domain.order import Order
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.service import views
from interlock.service import work_items as service
from interlock.service.dated import NOW, Dated

PATH = "/v1/routing/work-items"


class Resource(Base, frozen=True, kw_only=True):
    """The conversation, and the rev of it that the author had seen."""

    id: Id
    type: Literal["conversation"]
    rev: Rev | UnsetType = UNSET
    created_at: Moment | UnsetType = UNSET
    direction: Literal["in", "out"] | UnsetType = UNSET


class EnterQueue(Base, frozen=True, kw_only=True):
    """A queue of ours by id, or one outside by its vendor's name."""

    id: Id | UnsetType = UNSET
    external: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    entered_at: Moment | UnsetType = UNSET


class ItemNew(Base, frozen=True, kw_only=True):
    """A new item; where there is an open one already, that one is given back."""

    resource: Resource
    channel: Channel | UnsetType = UNSET
    created_at: Moment | UnsetType = UNSET
    queue: EnterQueue | UnsetType = UNSET
    assigned_to: Id | UnsetType = UNSET


class Routed(Base, frozen=True, kw_only=True):
    """An offer, its refusal, or the end of its time."""

    to: Id | UnsetType = UNSET
    at: Moment | UnsetType = UNSET
    rejected_by: Id | UnsetType = UNSET
    timedout: Literal[True] | UnsetType = UNSET


class Accepted(Base, frozen=True, kw_only=True):
    """Who takes it."""

    by: Id
    at: Moment | UnsetType = UNSET
    work_session: Id | UnsetType = UNSET


class SeenResource(Base, frozen=True, kw_only=True):
    """The conversation rev that the author had seen."""

    id: Id | UnsetType = UNSET
    type: Literal["conversation"] | UnsetType = UNSET
    rev: Rev | UnsetType = UNSET


class ItemChange(Guarded, frozen=True, kw_only=True):
    """A state change: all of what it says, or nothing."""

    queue: QueueRef | UnsetType | None = UNSET
    routed: Routed | UnsetType = UNSET
    accepted: Accepted | UnsetType = UNSET
    status: Literal["assigned", "wrap-up", "completed"] | UnsetType = UNSET
    paused: bool | UnsetType = UNSET
    assigned_to: Id | UnsetType | None = UNSET
    resource: SeenResource | UnsetType = UNSET


class ItemPages(Pages, frozen=True, kw_only=True):
    """Which items."""

    sort: Literal["asc", "desc"] = "desc"
    status: ItemStatus | None = None


@get(PATH, "listWorkItems", tag="work items", roles=roles.ITEM_READ, kind=WorkItem, answers="many", query=ItemPages)
async def listed(call: Call) -> Answer:
    """List work items, newest first."""
    q: ItemPages = call.query
    return await paged(
        call,
        lambda offset, limit: views.listing(
            call.world,
            call.org,
            WorkItem,
            offset,
            limit,
            states=tuple(sorted(statuses(q.status))),
            by_id=True,
            descending=q.sort == "desc",
        ),
    )


@post(
    PATH,
    "createWorkItem",
    tag="work items",
    roles=roles.ITEM_CREATE,
    body=ItemNew,
    kind=WorkItem,
    errors=(StaleBasis,),
    example={"resource": {"type": "conversation", "id": "69a551900000000000000c01"}},
)
async def create(call: Call) -> Answer:
    """Make the item of a conversation: 201, or 200 with the open one that it has already.

    With an administrator's role `queue.enteredAt`, else `createdAt`, says when that happened, for items that are taken
    over from elsewhere; it cannot lie ahead. Without the role it is passed over.
    """
    body: ItemNew = call.body
    queue, external = _queue(body.queue if body.queue is not UNSET else UNSET)
    order = Order(queue=queue, external=external, assigned_to=body.assigned_to)
    seen = body.resource.rev if body.resource.rev is not UNSET else None
    entered = body.queue.entered_at if body.queue is not UNSET else UNSET
    dated = _dated(call, ("/queue/enteredAt", entered), ("/createdAt", body.created_at))
    return await call.act(
        lambda beside: service.create(
            call.world, call.by, body.resource.id, order, seen=seen, dated=dated, beside=beside
        ),
        WorkItem,
    )


@get(f"{PATH}/{{id:str}}", "getWorkItem", tag="work items", roles=roles.ITEM_READ, kind=WorkItem)
async def read(call: Call) -> Answer:
    """Read an item."""
    return call.show(await call.one(WorkItem, call.id()))


@put(
    f"{PATH}/{{id:str}}",
    "updateWorkItem",
    tag="work items",
    roles=roles.ITEM_UPDATE,
    body=ItemChange,
    kind=WorkItem,
    guard="required",
    errors=(
        InvalidTransition,
        InvalidCombination,
        OfferTaken,
        OfferExpired,
        StaleBasis,
        TooHeavy,
        PreconditionRequired,
    ),
    example={"rev": 1, "status": "completed"},
)
async def change(call: Call) -> Answer:
    """Change the state of an item: the body's wanted facts are reached in one step, or refused whole.

    With an administrator's role `routed.at` and `accepted.at` say when that happened; they cannot lie ahead.
    """
    id, body = call.id(), call.body
    order = order_of(body)
    precondition = call.precondition(WorkItem, id)
    seen = await _seen(call, body, id)
    offered = body.routed.at if body.routed is not UNSET else UNSET
    accepted = body.accepted.at if body.accepted is not UNSET else UNSET
    dated = _dated(call, ("/accepted/at", accepted), ("/routed/at", offered))
    return await call.act(
        lambda beside: service.command(
            call.world, call.by, id, order, precondition, seen=seen, dated=dated, beside=beside
        ),
        WorkItem,
        id=id,
    )


def _dated(call: Call, *said: tuple[str, datetime | UnsetType]) -> Dated:
    """When it happened, if somebody says so who may: the first of the times that were given."""
    if not call.may(roles.ROUTING_ADMIN):
        return NOW
    return next((Dated(ms(at), pointer) for pointer, at in said if at is not UNSET), NOW)


def order_of(body: ItemChange) -> Order:
    """The facts that a body wants."""
    queue, external = _queue(body.queue)
    routed = body.routed if body.routed is not UNSET else Routed()
    return Order(
        queue=queue,
        external=external,
        assigned_to=body.assigned_to,
        routed_to=routed.to if routed.to is not UNSET else None,
        rejected_by=routed.rejected_by if routed.rejected_by is not UNSET else None,
        timedout=routed.timedout is True,
        accepted_by=body.accepted.by if body.accepted is not UNSET else None,
        status=body.status if body.status is not UNSET else None,
        paused=body.paused if body.paused is not UNSET else None,
    )


def _queue(given: QueueRef | EnterQueue | UnsetType | None) -> tuple[str | UnsetType | None, bool]:
    if given is None or given is UNSET:
        return given, False
    if (given.id is UNSET) == (given.external is UNSET):
        raise Malformed("Name a queue either by id or by external.", pointer="/queue")
    return (given.id, False) if given.id is not UNSET else (given.external, True)


async def _seen(call: Call, body: ItemChange, id: str) -> int | None:
    """The conversation rev that the author had seen: `resource.rev`, or the conversation's entry in `basis`."""
    if body.resource is not UNSET and body.resource.rev is not UNSET:
        return body.resource.rev
    if body.basis is UNSET or not any(b.type == Conversation.TYPE for b in body.basis):
        return None
    item = await call.one(WorkItem, id)
    return call.basis_of(Conversation.TYPE, item.resource)


@get(
    "/v1/routing/conversations/{id:str}/work-items",
    "listConversationWorkItems",
    tag="work items",
    roles=roles.ITEM_READ,
    kind=WorkItem,
    answers="many",
    query=ItemPages,
)
async def of_conversation(call: Call) -> Answer:
    """List the items of a conversation, newest first."""
    id = (await call.one(Conversation, call.id())).id
    return await paged(
        call,
        lambda offset, limit: views.items_of_conversation(
            call.world, call.org, id, statuses(call.query.status), offset, limit
        ),
    )


class PassPages(Pages, frozen=True, kw_only=True):
    """Which queue passes."""


@get(
    f"{PATH}/{{id:str}}/revisions",
    "listWorkItemRevisions",
    tag="work items",
    roles=roles.ITEM_READ,
    kind=QueuePass,
    answers="many",
    query=PassPages,
    own=True,
)
async def passes(call: Call) -> Answer:
    """List the queue passes of an item, first one first."""
    id = (await call.one(WorkItem, call.id())).id
    return await paged(call, lambda offset, limit: views.passes(call.world, call.org, id, offset, limit))


@get(
    "/v1/routing/work-item-revisions/{id:str}",
    "getWorkItemRevision",
    tag="work items",
    roles=roles.ITEM_READ,
    kind=QueuePass,
    own=True,
)
async def one_pass(call: Call) -> Answer:
    """Read a queue pass."""
    return call.show(await call.one(QueuePass, call.id()))


OPERATIONS = (listed, create, read, change, of_conversation, passes, one_pass)
