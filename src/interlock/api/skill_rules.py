"""Skill rules: which skills an item asks for, by what its conversation says. All that hold count."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.custom import check_free
from interlock.api.operation import delete, get, post, put
from interlock.api.pages import whole
from interlock.api.queue_rules import Criteria, RuleOrder
from interlock.api.shapes import Base, Name, Requirements, Rev, SeenRevs, Text, fields_of
from interlock.domain.errors import NotFound, TooMany
from interlock.domain.skill_rule import SkillRule
from interlock.service import skills as service
from interlock.service import views

PATH = "/v1/routing/skill-rules"


class Writable(Base, frozen=True, kw_only=True):
    """What may be said of a rule."""

    description: Text | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class SkillRuleNew(Writable, frozen=True, kw_only=True):
    """A new rule: criteria as those of queue rules, and the skills that are asked for where they hold."""

    name: Name
    criteria: Criteria
    skills: Requirements


class SkillRuleChange(Writable, frozen=True, kw_only=True):
    """A change of a rule."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    name: Name | UnsetType = UNSET
    criteria: Criteria | UnsetType = UNSET
    skills: Requirements | UnsetType = UNSET


class Which(msgspec.Struct, frozen=True):
    """Which rules."""

    enabled: bool | None = None


class Seen(msgspec.Struct, frozen=True):
    """The rev, in the query."""

    rev: Rev | None = None


def _fields(call: Call) -> dict[str, Any]:
    body: Any = call.body
    fields = fields_of(body, SkillRule, but=("criteria",))
    if body.criteria is not UNSET:
        check_free("criteria", [*body.criteria.and_, *body.criteria.or_])
        fields["criteria"] = {"and": list(body.criteria.and_), "or": list(body.criteria.or_)}
    return fields


@get(
    PATH,
    "listSkillRules",
    tag="skill rules",
    roles=roles.SKILL_RULE_READ,
    kind=SkillRule,
    answers="many",
    query=Which,
    own=True,
)
async def listed(call: Call) -> Answer:
    """List the skill rules in their order."""
    found = await views.skill_rules(call.world, call.org)
    return whole(call, [r for r in found if call.query.enabled in (None, r.enabled)])


@post(
    PATH,
    "createSkillRule",
    tag="skill rules",
    roles=roles.SKILL_RULE_CREATE,
    body=SkillRuleNew,
    kind=SkillRule,
    own=True,
    errors=(TooMany,),
    example={
        "name": "German customers",
        "criteria": {"and": [{"conversation_defaultLang": {"operator": "equals", "value": "de"}}]},
        "skills": [
            {"skill": "68f0a0000000000000000601", "level": 3, "relax": [{"afterSeconds": 120, "mode": "preferred"}]}
        ],
    },
)
async def create(call: Call) -> Answer:
    """Add a skill rule at the end."""
    fields = _fields(call)
    return await call.act(lambda beside: service.create_rule(call.world, call.by, fields, beside=beside), SkillRule)


@put(
    f"{PATH}/order",
    "orderSkillRules",
    tag="skill rules",
    roles=roles.SKILL_RULE_UPDATE,
    body=RuleOrder,
    kind=SkillRule,
    answers="many",
    guard="no",
    idempotency="no",
    own=True,
    example={"rules": []},
)
async def order(call: Call) -> Answer:
    """Give the skill rules a new order, naming each once."""
    await service.order_rules(call.world, call.by, call.body.rules, beside=lambda _: ())
    return whole(call, await views.skill_rules(call.world, call.org))


async def _rule(call: Call) -> SkillRule:
    found = await call.one(SkillRule, call.id())
    if found.deleted:
        raise NotFound(f"The skill rule {found.name} was deleted.")
    return found


@get(f"{PATH}/{{id:str}}", "getSkillRule", tag="skill rules", roles=roles.SKILL_RULE_READ, kind=SkillRule, own=True)
async def read(call: Call) -> Answer:
    """Read a skill rule."""
    return call.show(await _rule(call))


@put(
    f"{PATH}/{{id:str}}",
    "updateSkillRule",
    tag="skill rules",
    roles=roles.SKILL_RULE_UPDATE,
    body=SkillRuleChange,
    kind=SkillRule,
    own=True,
    example={"enabled": False},
)
async def change(call: Call) -> Answer:
    """Change a skill rule; its place stays."""
    id, fields = (await _rule(call)).id, _fields(call)
    precondition = call.precondition(SkillRule, id)
    return await call.act(
        lambda beside: service.update_rule(call.world, call.by, id, fields, precondition, beside=beside),
        SkillRule,
        id=id,
    )


@delete(
    f"{PATH}/{{id:str}}",
    "deleteSkillRule",
    tag="skill rules",
    roles=roles.SKILL_RULE_DELETE,
    kind=SkillRule,
    query=Seen,
    guard="optional",
    own=True,
)
async def remove(call: Call) -> Answer:
    """Delete a skill rule; what it asked for can still be explained."""
    id = (await _rule(call)).id
    precondition = call.precondition(SkillRule, id)
    return await call.act(
        lambda beside: service.delete_rule(call.world, call.by, id, precondition, beside=beside),
        SkillRule,
        id=id,
        status=204,
    )


OPERATIONS = (listed, create, order, read, change, remove)
