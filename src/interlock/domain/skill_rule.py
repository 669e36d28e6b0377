"""Skill rules: what a conversation says decides which skills its work item asks for.

Unlike queue rules, all that hold count: of a skill that several ask for, the highest level wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from interlock.domain.facts import Facts
from interlock.domain.record import Index, Record
from interlock.domain.rule import compile_rule, names_in
from interlock.domain.skill import Requirement, combined


class SkillRule(Record, frozen=True, kw_only=True):
    """One rule: if its criteria `{and, or}` hold, its requirements are asked for."""

    TYPE: ClassVar[str] = "skill_rule"
    PATH: ClassVar[str] = "/v1/routing/skill-rules/"
    NOUN: ClassVar[str] = "skill-rule"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    description: str = ""
    enabled: bool = True
    criteria: dict[str, Any] = {}
    position: int = 1
    skills: tuple[Requirement, ...] = ()
    deleted: bool = False

    def index(self) -> Index:
        """In order."""
        return Index(state="deleted" if self.deleted else "live", sort=f"{self.position:06d}")

    @property
    def wants_message(self) -> bool:
        """Whether the latest message has to be read to judge it."""
        return any(name.startswith("message") for name in names_in(self.criteria))


class Asked(NamedTuple):
    """What an item asks for, and the rules that said so."""

    requirements: tuple[Requirement, ...]
    rules: tuple[SkillRule, ...]


def asked(rules: Iterable[SkillRule], facts: Facts, own: Sequence[Requirement]) -> Asked:
    """The requirements of every enabled rule that holds, with the conversation's own."""
    hold = tuple(r for r in rules if r.enabled and not compile_rule(r).judge(facts).failed)
    return Asked(combined([*(r.skills for r in hold), own]), hold)
