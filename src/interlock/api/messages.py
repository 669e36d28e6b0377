"""Messages: they join a conversation, or begin one."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.custom import check_free
from interlock.api.operation import get, post
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Channel, Free, Id, Long, Moment, Name, Text, fields_of
from interlock.domain.conversation import Conversation
from interlock.domain.message import Message
from interlock.service import conversations as service
from interlock.service import views
from interlock.service.messages import begin_with


class MessageNew(Base, frozen=True, kw_only=True):
    """A message in or out."""

    channel: Channel
    app: Name | UnsetType = UNSET
    direction: Literal["in", "out"] | UnsetType = UNSET
    direction_type: Name | UnsetType = UNSET
    preview: Long | UnsetType = UNSET
    subject: Text | UnsetType | None = UNSET
    status: Name | UnsetType = UNSET
    auto: bool | UnsetType = UNSET
    external_id: Name | UnsetType | None = UNSET
    sent_at: Moment | UnsetType = UNSET
    meta: Free | UnsetType = UNSET


class MessageAnywhere(MessageNew, frozen=True, kw_only=True):
    """A message that names its conversation, or begins a new one."""

    conversation: Id | UnsetType = UNSET
    customer: Id | UnsetType = UNSET


def _fields(call: Call) -> dict[str, Any]:
    body: MessageNew = call.body
    if body.meta is not UNSET:
        check_free("meta", body.meta)
    fields = fields_of(body, Message, but=("conversation", "customer"))
    if call.key.user and fields.get("direction") == "out":
        fields["created_by"] = call.key.user
    return fields


def _count(call: Call, to: str) -> None:
    """Raises `RateLimited` for a caller who floods one customer or one conversation."""
    if to:
        call.host.message_limits.count(f"{call.key.id}/{to}", call.world.clock.now())


_EXAMPLE = {"channel": "chat", "app": "chat", "direction": "in", "preview": "Where is my parcel?"}


@post(
    "/v1/conversations/{id:str}/messages",
    "createConversationMessage",
    tag="messages",
    roles=roles.MESSAGE_CREATE,
    body=MessageNew,
    kind=Message,
    example=_EXAMPLE,
)
async def join(call: Call) -> Answer:
    """Add a message to a conversation; an inbound one wakes a snoozed conversation and reopens a done one."""
    id, fields = call.id(), _fields(call)
    _count(call, id)
    return await call.act(lambda beside: service.receive(call.world, call.by, id, fields, beside=beside), Message)


@post(
    "/v1/messages",
    "createMessage",
    tag="messages",
    roles=roles.MESSAGE_CREATE,
    body=MessageAnywhere,
    kind=Message,
    example=_EXAMPLE,
)
async def anywhere(call: Call) -> Answer:
    """Add a message to the conversation that it names; without one a new conversation begins."""
    body: MessageAnywhere = call.body
    fields = _fields(call)
    named = body.conversation
    _count(call, named if named is not UNSET else body.customer if body.customer is not UNSET else "")
    if named is not UNSET:
        return await call.act(
            lambda beside: service.receive(call.world, call.by, named, fields, beside=beside), Message
        )
    customer = body.customer if body.customer is not UNSET else None
    return await call.act(lambda beside: begin_with(call.world, call.by, customer, fields, beside=beside), Message)


@get(
    "/v1/conversations/{id:str}/messages",
    "listConversationMessages",
    tag="messages",
    roles=roles.MESSAGE_READ,
    kind=Message,
    answers="many",
    query=Pages,
)
async def of_conversation(call: Call) -> Answer:
    """List the messages of a conversation, oldest first."""
    id = (await call.one(Conversation, call.id())).id
    return await paged(call, lambda offset, limit: views.messages(call.world, call.org, id, offset, limit))


@get("/v1/messages/{id:str}", "getMessage", tag="messages", roles=roles.MESSAGE_READ, kind=Message)
async def read(call: Call) -> Answer:
    """Read a message."""
    return call.show(await call.one(Message, call.id()))


OPERATIONS = (join, anywhere, of_conversation, read)
