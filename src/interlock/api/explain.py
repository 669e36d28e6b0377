"""Explanations: why assigned, why waiting, why synced or not. What is found is told as data and in plain sentences."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import encode
from interlock.api.operation import get
from interlock.api.pages import Cursor, cursor_page
from interlock.domain.conversation import Conversation
from interlock.domain.event import decision_resource
from interlock.domain.ids import is_id
from interlock.domain.queue import Queue
from interlock.domain.work_item import WorkItem
from interlock.service import explanations, views


class Items(msgspec.Struct, frozen=True):
    """Which items: ids with commas between them, at most a hundred; absent: the first in routing order."""

    items: Annotated[str, Meta(max_length=2_500)] | None = None


def _told(call: Call, id: str, attributes: dict[str, Any]) -> Answer:
    data = {
        "type": "explanation",
        "id": id,
        "attributes": attributes,
        "relationships": {},
        "links": {"self": call.path},
    }
    return Answer(200, encode({"data": data, "links": {"self": call.path}}))


@get(
    "/v1/conversations/{id:str}/explain",
    "explainConversation",
    tag="explain",
    roles=roles.CONVERSATION_READ,
    answers="explanation",
    own=True,
)
async def of_conversation(call: Call) -> Answer:
    """Explain who has a conversation and why, why it waits, and what each sync made of it."""
    c = await call.one(Conversation, call.id())
    return _told(call, c.id, await explanations.of_conversation(call.world, c))


@get(
    "/v1/routing/work-items/{id:str}/explain",
    "explainWorkItem",
    tag="explain",
    roles=roles.ITEM_READ,
    answers="explanation",
    own=True,
)
async def of_item(call: Call) -> Answer:
    """Explain who has a work item and why, or why it still waits."""
    item = await call.one(WorkItem, call.id())
    return _told(call, item.id, await explanations.of_item(call.world, item))


@get(
    "/v1/routing/queues/{id:str}/explain",
    "explainQueue",
    tag="explain",
    roles=roles.QUEUE_READ,
    answers="explanation",
    query=Items,
    own=True,
)
async def of_queue(call: Call) -> Answer:
    """Explain why items wait in a queue: counts by reason, then the first items, or those named."""
    queue = await call.one(Queue, call.id())
    items = [i for i in (call.query.items or "").split(",") if is_id(i)]
    return _told(call, queue.id, await explanations.of_queue(call.world, queue, items))


@get(
    "/v1/routing/decisions",
    "listDecisions",
    tag="explain",
    roles=roles.ITEM_READ,
    answers="decisions",
    query=Cursor,
    own=True,
)
async def decisions(call: Call) -> Answer:
    """List the decisions of the log, the decision not to write included, oldest first."""
    return await _page(call, "")


@get(
    "/v1/conversations/{id:str}/decisions",
    "listConversationDecisions",
    tag="explain",
    roles=roles.CONVERSATION_READ,
    answers="decisions",
    query=Cursor,
    own=True,
)
async def of_one(call: Call) -> Answer:
    """List the decisions about a conversation and its work items, oldest first."""
    return await _page(call, (await call.one(Conversation, call.id())).id)


async def _page(call: Call, partition: str) -> Answer:
    size, after = call.query.size, call.query.after
    found = await views.log_page(call.world, call.org, after, size + 1, partition=partition)
    page = found[:size]
    last = page[-1].position if page else None
    return cursor_page(call, [decision_resource(row) for row in page], size, last, more=len(found) > size)


class Where(msgspec.Struct, frozen=True):
    """Where in the log the decision stands; the links say it. Without it the newest rows are searched."""

    position: Annotated[int, Meta(ge=1, le=2**53)] | None = None


@get(
    "/v1/routing/decisions/{id:str}",
    "getDecision",
    tag="explain",
    roles=roles.ITEM_READ,
    answers="decision",
    query=Where,
    own=True,
)
async def decision(call: Call) -> Answer:
    """Read one decision."""
    row = await explanations.decision(call.world, call.org, call.id(), call.query.position)
    data = decision_resource(row)
    return Answer(200, encode({"data": data, "links": data["links"]}))


OPERATIONS = (of_conversation, of_item, of_queue, decisions, of_one, decision)
