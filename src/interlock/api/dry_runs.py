"""Queue rules tried out: on what was, and on one conversation. Nothing is written."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.custom import check_free
from interlock.api.document import encode
from interlock.api.operation import post
from interlock.api.queue_rules import PATH
from interlock.api.rule_list import Criteria
from interlock.api.shapes import Base, Id, Moment, Name, QueueRef, Text, ms
from interlock.domain.errors import HistoryNotRecorded, InvalidCombination, NotFound
from interlock.domain.rule import RULES_MAX
from interlock.service import dry_runs as service


class RuleDraft(Base, frozen=True, kw_only=True):
    """A rule as it would be saved. With `id` it stands for a stored rule, so that the answer can say what changed."""

    id: Id | UnsetType = UNSET
    name: Name
    description: Text = ""
    enabled: bool = True
    criteria: Criteria
    queue: QueueRef | Id | UnsetType | None = UNSET
    queue_key: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET


Drafts = Annotated[tuple[RuleDraft, ...], Meta(max_length=RULES_MAX)]


class RulesTried(Base, frozen=True, kw_only=True):
    """Rules, first one first (absent: those stored), against one conversation, the `last` runs of the rules, or the
    runs from `from` on and before `to`.
    """

    rules: Drafts | UnsetType = UNSET
    conversation: Id | UnsetType = UNSET
    last: Annotated[int, Meta(ge=1, le=service.RUNS_MAX)] | UnsetType = UNSET
    from_: Moment | UnsetType = msgspec.field(default=UNSET, name="from")
    to: Moment | UnsetType = UNSET
    items: Annotated[int, Meta(ge=0, le=service.ITEMS_MAX)] = 100


class RulesEvaluated(Base, frozen=True, kw_only=True):
    """One conversation, as the rules saw it when they last ran on it (`now`: as it is), and rules (absent: those
    stored)."""

    conversation: Id
    rules: Drafts | UnsetType = UNSET
    now: bool = False


LAST = 1_000
"""Runs that a dry run looks at when nothing is said."""


def _fields(n: int, draft: RuleDraft) -> dict[str, Any]:
    check_free(f"rules/{n}/criteria", [*draft.criteria.and_, *draft.criteria.or_])
    queue = draft.queue.id if isinstance(draft.queue, QueueRef) else draft.queue
    if isinstance(draft.queue, QueueRef) and queue is UNSET:
        raise NotFound("A rule names one of our queues, by id or by queueKey.", pointer=f"/rules/{n}/queue")
    fields: dict[str, Any] = {
        "name": draft.name,
        "description": draft.description,
        "enabled": draft.enabled,
        "criteria": {"and": list(draft.criteria.and_), "or": list(draft.criteria.or_)},
        "queue": queue or None,
        "queue_key": draft.queue_key or None,
    }
    return fields if draft.id is UNSET else {**fields, "id": draft.id}


async def _rules(call: Call) -> list[Any]:
    given: Drafts | UnsetType = call.body.rules
    fields = None if given is UNSET else [_fields(n, draft) for n, draft in enumerate(given)]
    return await service.drafts(call.world, call.org, fields)


def _span(call: Call) -> service.Span:
    body: RulesTried = call.body
    now = call.world.clock.now() + 1
    timed = body.from_ is not UNSET or body.to is not UNSET
    if body.conversation is not UNSET:
        if timed or body.last is not UNSET:
            raise InvalidCombination(
                "Ask about one conversation, or about many.",
                pointer="/conversation",
                fields=["conversation", "last", "from", "to"],
            )
        return service.Span(conversation=body.conversation, until=now)
    last = service.RUNS_MAX if timed and body.last is UNSET else LAST if body.last is UNSET else body.last
    since = 0 if body.from_ is UNSET else ms(body.from_)
    until = now if body.to is UNSET else ms(body.to)
    return service.Span(last=last, since=since, until=until)


def _told(call: Call, type: str, attributes: dict[str, Any]) -> Answer:
    data = {"type": type, "id": call.trace.id, "attributes": attributes, "relationships": {}}
    return Answer(200, encode({"data": data, "links": {"self": call.path}}))


_RULE = {
    "name": "Chats",
    "criteria": {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]},
    "queueKey": "orders",
}


@post(
    f"{PATH}/dry-run",
    "dryRunQueueRules",
    tag="queue rules",
    roles=roles.QUEUE_RULE_READ,
    body=RulesTried,
    answers="dry-run",
    status=200,
    idempotency="no",
    errors=(HistoryNotRecorded, NotFound),
    example={"rules": [_RULE], "last": 1_000},
    own=True,
)
async def dry_run(call: Call) -> Answer:
    """Try rules on what was: per queue before and after, which items change and why.

    Rule matches are replayed exactly, from the versions that the rules had read. Nothing is written.
    """
    span = _span(call)
    rules = await _rules(call)
    return _told(
        call, "dry-run", await service.try_out(call.world, call.org, rules, span, items_max=call.body.items)
    )  # fmt: skip


@post(
    f"{PATH}/evaluate",
    "evaluateQueueRules",
    tag="queue rules",
    roles=roles.QUEUE_RULE_READ,
    body=RulesEvaluated,
    answers="evaluation",
    status=200,
    idempotency="no",
    errors=(HistoryNotRecorded, NotFound),
    example={"conversation": "69a551900000000000000c01", "now": True},
    own=True,
)
async def evaluate(call: Call) -> Answer:
    """Try each rule on one conversation, with the first condition that fails. Nothing is written."""
    rules, body = await _rules(call), call.body
    return _told(
        call, "evaluation", await service.evaluate(call.world, call.org, rules, body.conversation, then=not body.now)
    )


OPERATIONS = (dry_run, evaluate)
