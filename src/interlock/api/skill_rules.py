"""Skill rules: which skills an item asks for, by what its conversation says. All that hold count."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.call import Call
from interlock.api.rule_list import Change, Criteria, RuleList, Writable, fields_said, operations_of
from interlock.api.shapes import Name, Requirements
from interlock.domain.skill_rule import SkillRule
from interlock.service import skills as service


class SkillRuleNew(Writable, frozen=True, kw_only=True):
    """A new rule: criteria as those of queue rules, and the skills that are asked for where they hold."""

    name: Name
    criteria: Criteria
    skills: Requirements


class SkillRuleChange(Change, frozen=True, kw_only=True):
    """A change of a rule."""

    skills: Requirements | UnsetType = UNSET


def _fields(call: Call) -> dict[str, Any]:
    return fields_said(call, SkillRule)


SKILL_RULES = RuleList(
    kind=SkillRule,
    one="SkillRule",
    many="SkillRules",
    tag="skill rules",
    path="/v1/routing/skill-rules",
    new=SkillRuleNew,
    new_example={
        "name": "German customers",
        "criteria": {"and": [{"conversation_defaultLang": {"operator": "equals", "value": "de"}}]},
        "skills": [
            {"skill": "68f0a0000000000000000601", "level": 3, "relax": [{"afterSeconds": 120, "mode": "preferred"}]}
        ],
    },
    changed=SkillRuleChange,
    read=roles.SKILL_RULE_READ,
    create=roles.SKILL_RULE_CREATE,
    update=roles.SKILL_RULE_UPDATE,
    delete=roles.SKILL_RULE_DELETE,
    fields=_fields,
    make=service.create_rule,
    alter=service.update_rule,
    remove=service.delete_rule,
    own=True,
)
OPERATIONS = operations_of(SKILL_RULES)
