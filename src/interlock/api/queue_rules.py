"""Queue rules: one ordered list per org; the first that matches chooses the queue."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.custom import check_free
from interlock.api.document import rows
from interlock.api.operation import delete, get, post, put
from interlock.api.pages import whole
from interlock.api.shapes import Base, Free, Id, Name, QueueRef, Rev, SeenRevs, Text, fields_of
from interlock.domain.criteria import described_criteria
from interlock.domain.errors import NotFound, TooMany
from interlock.domain.rule import QueueRule
from interlock.service import queues as service
from interlock.service import views

PATH = "/v1/routing/queue-rules"


class Criteria(Base, frozen=True, kw_only=True):
    """Every condition of `and`, and at least one of `or` if there are any. A condition: `{"conversation_channel":
    {"operator": "equals", "value": "chat"}}`."""

    and_: Annotated[tuple[Free, ...], Meta(max_length=100)] = msgspec.field(default=(), name="and")
    or_: Annotated[tuple[Free, ...], Meta(max_length=100)] = msgspec.field(default=(), name="or")


class Writable(Base, frozen=True, kw_only=True):
    """What may be said of a rule."""

    description: Text | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    queue: QueueRef | Id | UnsetType | None = UNSET
    queue_key: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET


class RuleNew(Writable, frozen=True, kw_only=True):
    """A new rule, with a queue by id or by key."""

    name: Name
    criteria: Criteria


class RuleChange(Writable, frozen=True, kw_only=True):
    """A change of a rule."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    name: Name | UnsetType = UNSET
    criteria: Criteria | UnsetType = UNSET


class RuleOrder(Base, frozen=True, kw_only=True):
    """Every rule once, the first first. `basis`: the revs that the order was decided on; one that moved refuses it."""

    rules: Annotated[tuple[Id, ...], Meta(max_length=1_000)]
    basis: SeenRevs | UnsetType = UNSET


class Which(msgspec.Struct, frozen=True):
    """Which rules."""

    enabled: bool | None = None


class Seen(msgspec.Struct, frozen=True):
    """The rev, in the query."""

    rev: Rev | None = None


def _fields(call: Call) -> dict[str, Any]:
    body: Any = call.body
    fields = fields_of(body, QueueRule, but=("queue", "criteria"))
    if body.queue is not UNSET:
        fields["queue"] = (
            body.queue.id if isinstance(body.queue, QueueRef) and body.queue.id is not UNSET else body.queue
        )
    if isinstance(fields.get("queue"), QueueRef):
        raise NotFound("A rule names one of our queues, by id or by queueKey.", pointer="/queue")
    if body.criteria is not UNSET:
        check_free("criteria", [*body.criteria.and_, *body.criteria.or_])
        fields["criteria"] = {"and": list(body.criteria.and_), "or": list(body.criteria.or_)}
    return fields


_EXAMPLE = {
    "name": "Chats",
    "criteria": {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]},
    "queueKey": "orders",
}


@get(
    PATH, "listQueueRules", tag="queue rules", roles=roles.QUEUE_RULE_READ, kind=QueueRule, answers="many", query=Which
)
async def listed(call: Call) -> Answer:
    """List the rules in their order."""
    found = await views.rules(call.world, call.org)
    return whole(call, [r for r in found if call.query.enabled in (None, r.enabled)])


@post(
    PATH,
    "createQueueRule",
    tag="queue rules",
    roles=roles.QUEUE_RULE_CREATE,
    body=RuleNew,
    kind=QueueRule,
    errors=(TooMany,),
    example=_EXAMPLE,
)
async def create(call: Call) -> Answer:
    """Add a rule at the end."""
    fields = _fields(call)
    return await call.act(lambda beside: service.create_rule(call.world, call.by, fields, beside=beside), QueueRule)


async def _in_order(call: Call) -> Answer:
    return whole(call, await views.rules(call.world, call.org))


@put(
    f"{PATH}/order",
    "orderQueueRules",
    tag="queue rules",
    roles=roles.QUEUE_RULE_UPDATE,
    body=RuleOrder,
    kind=QueueRule,
    answers="many",
    guard="no",
    again=_in_order,
    example={"rules": []},
)
async def order(call: Call) -> Answer:
    """Give the rules a new order, naming each once."""
    seen = {} if call.body.basis is UNSET else {s.id: s.rev for s in call.body.basis if s.type == QueueRule.TYPE}
    await service.order_rules(call.world, call.by, call.body.rules, seen=seen, beside=call.done_once)
    return await _in_order(call)


async def _rule(call: Call) -> QueueRule:
    found = await call.one(QueueRule, call.id())
    if found.deleted:
        raise NotFound(f"The queue rule {found.name} was deleted.")
    return found


@get(f"{PATH}/{{id:str}}", "getQueueRule", tag="queue rules", roles=roles.QUEUE_RULE_READ, kind=QueueRule)
async def read(call: Call) -> Answer:
    """Read a rule."""
    return call.show(await _rule(call))


@put(
    f"{PATH}/{{id:str}}",
    "updateQueueRule",
    tag="queue rules",
    roles=roles.QUEUE_RULE_UPDATE,
    body=RuleChange,
    kind=QueueRule,
    example={"enabled": False},
)
async def change(call: Call) -> Answer:
    """Change a rule; its place stays."""
    id, fields = (await _rule(call)).id, _fields(call)
    precondition = call.precondition(QueueRule, id)
    return await call.act(
        lambda beside: service.update_rule(call.world, call.by, id, fields, precondition, beside=beside),
        QueueRule,
        id=id,
    )


@delete(
    f"{PATH}/{{id:str}}",
    "deleteQueueRule",
    tag="queue rules",
    roles=roles.QUEUE_RULE_DELETE,
    kind=QueueRule,
    query=Seen,
    guard="optional",
)
async def remove(call: Call) -> Answer:
    """Delete a rule; what it decided can still be explained."""
    id = (await _rule(call)).id
    precondition = call.precondition(QueueRule, id)
    return await call.act(
        lambda beside: service.delete_rule(call.world, call.by, id, precondition, beside=beside),
        QueueRule,
        id=id,
        status=204,
    )


@get(
    "/v1/routing/queue-rules-criteria",
    "getQueueRulesCriteria",
    tag="queue rules",
    roles=roles.QUEUE_RULE_READ,
    answers="criteria",
)
async def criteria(call: Call) -> Answer:
    """Read which fields a rule may test, and how."""
    data = {
        "type": "queue-rule-criteria",
        "id": "criteria",
        "attributes": {"fields": described_criteria()},
        "relationships": {},
    }
    return Answer(200, _one(data, call.path))


def _one(data: Any, path: str) -> bytes:
    return rows(data, {}, {"self": path})


OPERATIONS = (listed, create, order, read, change, remove, criteria)
