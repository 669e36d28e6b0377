"""Queue rules: one ordered list per org; the first that matches chooses the queue."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import rows
from interlock.api.operation import get
from interlock.api.rule_list import Change, Criteria, RuleList, Writable, fields_said, operations_of
from interlock.api.shapes import Id, Name, QueueRef
from interlock.domain.criteria import described_criteria
from interlock.domain.errors import NotFound
from interlock.domain.rule import QueueRule
from interlock.service import queues as service

PATH = "/v1/routing/queue-rules"
QueueKey = Annotated[str, Meta(max_length=200)]


class RuleNew(Writable, frozen=True, kw_only=True):
    """A new rule, with a queue by id or by key."""

    name: Name
    criteria: Criteria
    queue: QueueRef | Id | UnsetType | None = UNSET
    queue_key: QueueKey | UnsetType | None = UNSET


class RuleChange(Change, frozen=True, kw_only=True):
    """A change of a rule."""

    queue: QueueRef | Id | UnsetType | None = UNSET
    queue_key: QueueKey | UnsetType | None = UNSET


def _fields(call: Call) -> dict[str, Any]:
    queue, fields = call.body.queue, fields_said(call, QueueRule, but=("queue",))
    if isinstance(queue, QueueRef):
        queue = queue.id
        if queue is UNSET:
            raise NotFound("A rule names one of our queues, by id or by queueKey.", pointer="/queue")
    if queue is not UNSET:
        fields["queue"] = queue
    return fields


QUEUE_RULES = RuleList(
    kind=QueueRule,
    one="QueueRule",
    many="QueueRules",
    tag="queue rules",
    path=PATH,
    new=RuleNew,
    new_example={
        "name": "Chats",
        "criteria": {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]},
        "queueKey": "orders",
    },
    changed=RuleChange,
    read=roles.QUEUE_RULE_READ,
    create=roles.QUEUE_RULE_CREATE,
    update=roles.QUEUE_RULE_UPDATE,
    delete=roles.QUEUE_RULE_DELETE,
    fields=_fields,
    make=service.create_rule,
    alter=service.update_rule,
    remove=service.delete_rule,
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
    data: Any = {
        "type": "queue-rule-criteria",
        "id": "criteria",
        "attributes": {"fields": described_criteria()},
        "relationships": {},
    }
    return Answer(200, rows(data, {}, {"self": call.path}))


OPERATIONS = (*operations_of(QUEUE_RULES), criteria)
