"""Conversations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.custom import check_custom
from interlock.api.operation import delete, get, patch, post, put
from interlock.api.pages import Pages, paged
from interlock.api.shapes import (
    Base,
    Channel,
    Free,
    Frees,
    Guarded,
    Id,
    Ids,
    Long,
    Moment,
    Name,
    QueueRef,
    Requirements,
    Rev,
    SeenRevs,
    Text,
    Words,
    defaults_of,
    fields_of,
    ms,
)
from interlock.domain.conversation import Conversation, Shared, Snooze
from interlock.domain.errors import InvalidCombination, Malformed
from interlock.service import conversations as service
from interlock.service import views

PATH = "/v1/conversations"
SPOKEN = frozenset({"status", "assigned_users", "queue", "snooze", "ended"})
"""Fields of a body that speak about the coupled unit or its registers."""


class SnoozeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when it sleeps; without a time until the customer replies."""

    time: Moment | None = None
    status: Literal["scheduled", "canceled"] = "scheduled"


class AnsweredIn(Base, frozen=True, kw_only=True):
    """Whose an answer or an end was; kept and returned."""

    created_by_teams: Ids = ()
    assigned_teams: Ids = ()
    assigned_users: Ids = ()


class SatisfactionIn(Base, frozen=True, kw_only=True):
    """A survey's state; kept and returned."""

    sent_by_teams: Ids = ()
    answers: Frees = ()


class Writable(Base, frozen=True, kw_only=True):
    """What a conversation's author may say."""

    sub_status: Text | UnsetType | None = UNSET
    priority: Annotated[int, Meta(ge=1, le=5)] | UnsetType | None = UNSET
    direction: Literal["in", "out"] | UnsetType | None = UNSET
    channels: Annotated[tuple[Channel, ...], Meta(max_length=20)] | UnsetType | None = UNSET
    reply_channel: Channel | UnsetType | None = UNSET
    assigned_users: Ids | UnsetType | None = UNSET
    assigned_teams: Ids | UnsetType | None = UNSET
    queue: QueueRef | UnsetType | None = UNSET
    snooze: SnoozeIn | UnsetType | None = UNSET
    ended: bool | UnsetType = UNSET
    ended_reason: Text | UnsetType | None = UNSET
    ended_by: Id | UnsetType | None = UNSET
    ended_by_type: Literal["user", "customer"] | UnsetType | None = UNSET
    tags: Words | UnsetType | None = UNSET
    custom: Free | UnsetType | None = UNSET
    skills: Requirements | UnsetType | None = UNSET
    name: Text | UnsetType | None = UNSET
    preview: Long | UnsetType | None = UNSET
    external_id: Name | UnsetType | None = UNSET
    default_lang: Annotated[str, Meta(max_length=35)] | UnsetType | None = UNSET
    locked: bool | UnsetType | None = UNSET
    phase: Name | UnsetType | None = UNSET
    spam: bool | UnsetType | None = UNSET
    deleted: bool | UnsetType | None = UNSET
    satisfaction: Annotated[int, Meta(ge=-(2**31), le=2**31)] | UnsetType | None = UNSET
    satisfaction_level: SatisfactionIn | UnsetType | None = UNSET
    sentiment: Free | UnsetType | None = UNSET
    suggested_tags: Frees | UnsetType | None = UNSET
    suggested_shortcuts: Frees | UnsetType | None = UNSET
    predictions: Frees | UnsetType | None = UNSET
    assistant: Free | UnsetType | None = UNSET
    role_group_versions: Frees | UnsetType | None = UNSET
    access_override: Frees | UnsetType | None = UNSET
    first_response: AnsweredIn | UnsetType | None = UNSET
    first_response_since_last_done: AnsweredIn | UnsetType | None = UNSET
    last_response: AnsweredIn | UnsetType | None = UNSET
    first_done: AnsweredIn | UnsetType | None = UNSET
    last_done: AnsweredIn | UnsetType | None = UNSET
    brand: Id | UnsetType | None = UNSET
    customer: Id | UnsetType | None = UNSET


class ConversationNew(Writable, frozen=True, kw_only=True):
    """A new conversation."""

    status: Literal["open", "done"] | UnsetType = UNSET


class ConversationChange(Writable, frozen=True, kw_only=True):
    """A change of a conversation: the fields that are sent, no others."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    status: Literal["open", "snoozed", "done"] | UnsetType = UNSET


class ConversationPages(Pages, frozen=True, kw_only=True):
    """Which conversations."""

    status: Literal["open", "snoozed", "done", "deleted"] | None = None
    customer: Id | None = None


class Replace(msgspec.Struct, frozen=True, rename="camel"):
    """`replace=true`: the body is the whole document."""

    replace: bool = False
    rev: Rev | None = None


def said_by(body: Any) -> Shared:
    """What a body says of status, queue, users, snooze and end."""
    if all(getattr(body, f) is UNSET for f in SPOKEN):
        return Shared()
    queue, external = _queue(body.queue)
    snooze = body.snooze
    if isinstance(snooze, SnoozeIn):
        snooze = Snooze(ms(snooze.time) if snooze.time else None, snooze.status)
    users = body.assigned_users
    return Shared(
        status=body.status,
        users=() if users is None else users,
        queue=queue,
        external=external,
        ended=body.ended,
        snooze=snooze,
    )


def _queue(given: QueueRef | UnsetType | None) -> tuple[Any, bool]:
    """(queue, is it outside) as a body names it."""
    if not isinstance(given, QueueRef):
        return given, False
    if (given.id is UNSET) == (given.external is UNSET):
        raise Malformed("Name a queue either by id or by external.", pointer="/queue")
    return (given.id, False) if given.id is not UNSET else (given.external, True)


def fields_said(body: Any, *, but: Collection[str] = SPOKEN) -> dict[str, Any]:
    """The domain fields that a body names, but for those that speak about the unit."""
    if body.custom is not UNSET:
        check_custom(body.custom)
    if body.snooze is None and body.status == "snoozed":
        raise InvalidCombination(
            "status snoozed and snooze null contradict each other.", pointer="/snooze", fields=["status", "snooze"]
        )
    return fields_of(body, Conversation, but=but)


@post(
    PATH,
    "createConversation",
    tag="conversations",
    roles=roles.CONVERSATION_CREATE,
    body=ConversationNew,
    kind=Conversation,
    example={"name": "Where is my parcel?", "direction": "in", "channels": ["chat"]},
)
async def create(call: Call) -> Answer:
    """Begin a conversation."""
    fields, said = fields_said(call.body), said_by(call.body)
    return await call.act(lambda beside: service.create(call.world, call.by, fields, said, beside=beside), Conversation)


@get(
    PATH,
    "listConversations",
    tag="conversations",
    roles=roles.CONVERSATION_READ,
    kind=Conversation,
    answers="many",
    query=ConversationPages,
)
async def listed(call: Call) -> Answer:
    """List conversations, newest first."""
    q: ConversationPages = call.query
    return await paged(
        call, lambda offset, limit: views.conversations(call.world, call.org, q.status, q.customer, offset, limit)
    )


@get(f"{PATH}/{{id:str}}", "getConversation", tag="conversations", roles=roles.CONVERSATION_READ, kind=Conversation)
async def read(call: Call) -> Answer:
    """Read a conversation."""
    return call.show(await call.one(Conversation, call.id()))


async def _change(call: Call) -> Answer:
    id = call.id()
    call.host.object_limits.count(f"{call.key.id}/{id}", call.world.clock.now())
    fields, said = fields_said(call.body), said_by(call.body)
    if getattr(call.query, "replace", False):
        fields = {**defaults_of(ConversationChange, Conversation, but=SPOKEN), **fields}
        said = _whole(said)
    precondition = call.precondition(Conversation, id)
    return await call.act(
        lambda beside: service.update(call.world, call.by, id, fields, said, precondition, beside=beside),
        Conversation,
        id=id,
    )


def _whole(said: Shared) -> Shared:
    """What a whole document says: what it leaves out has its default."""
    return msgspec.structs.replace(
        said,
        status="open" if said.status is UNSET else said.status,
        users=() if said.users is UNSET else said.users,
        queue=None if said.queue is UNSET else said.queue,
    )


@put(
    f"{PATH}/{{id:str}}",
    "updateConversation",
    tag="conversations",
    roles=roles.CONVERSATION_UPDATE,
    body=ConversationChange,
    kind=Conversation,
    query=Replace,
    example={"priority": 4},
)
async def change(call: Call) -> Answer:
    """Change the fields that are sent; status, queue and assignedUsers together are one command."""
    return await _change(call)


@patch(
    f"{PATH}/{{id:str}}",
    "patchConversation",
    tag="conversations",
    roles=roles.CONVERSATION_UPDATE,
    body=ConversationChange,
    kind=Conversation,
    query=Replace,
    guard="optional",
    example={"tags": ["parcel"]},
)
async def patched(call: Call) -> Answer:
    """Change the fields that are sent; the body is a plain object in both media types, `rev` may stand in the query."""
    return await _change(call)


class Seen(msgspec.Struct, frozen=True):
    """The rev, in the query."""

    rev: Rev | None = None


@delete(
    f"{PATH}/{{id:str}}",
    "deleteConversation",
    tag="conversations",
    roles=roles.CONVERSATION_DELETE,
    kind=Conversation,
    query=Seen,
)
async def remove(call: Call) -> Answer:
    """Delete a conversation: it is done, its work item completed; it is kept, marked deleted."""
    id = call.id()
    precondition = call.precondition(Conversation, id)
    return await call.act(
        lambda beside: service.update(
            call.world, call.by, id, {"deleted": True}, Shared(status="done"), precondition, beside=beside
        ),
        Conversation,
        id=id,
        status=204,
    )


class Marks(Guarded, frozen=True, kw_only=True):
    """Tags, each by its id or its word."""

    tags: Words


@post(
    f"{PATH}/{{id:str}}/tags",
    "addConversationTags",
    tag="conversations",
    roles=roles.CONVERSATION_UPDATE,
    body=Marks,
    kind=Conversation,
    status=200,
    guard="optional",
    example={"tags": ["parcel"]},
)
async def tagged(call: Call) -> Answer:
    """Add tags to a conversation; the ones it has stay."""
    return await _mark(call, off=False)


@delete(
    f"{PATH}/{{id:str}}/tags",
    "removeConversationTags",
    tag="conversations",
    roles=roles.CONVERSATION_UPDATE,
    body=Marks,
    kind=Conversation,
    status=200,
    answers="one",
    guard="optional",
    example={"tags": ["parcel"]},
)
async def untagged(call: Call) -> Answer:
    """Take tags off a conversation; the others stay."""
    return await _mark(call, off=True)


async def _mark(call: Call, *, off: bool) -> Answer:
    id, tags = call.id(), call.body.tags
    precondition = call.precondition(Conversation, id)
    return await call.act(
        lambda beside: service.mark(call.world, call.by, id, tags, precondition, beside=beside, off=off),
        Conversation,
        id=id,
    )


@get(
    f"{PATH}/externalId={{externalId:str}}",
    "getConversationByExternalId",
    tag="conversations",
    roles=roles.CONVERSATION_READ,
    kind=Conversation,
)
async def by_external_id(call: Call) -> Answer:
    """Read a conversation by the id that it has elsewhere."""
    return call.show(await call.holder(Conversation, "conversation-external-id", "externalId"))


OPERATIONS = (create, listed, read, by_external_id, change, patched, remove, tagged, untagged)
