"""Which skills an item asks for: what the skill rules say of its conversation, and what the conversation itself asks.

Worked out when an item begins, and anew whenever its conversation changes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

from interlock.domain.agent import OrgSettings, User
from interlock.domain.conversation import Conversation
from interlock.domain.customer import Customer
from interlock.domain.decision import Basis, Decision, Provenance, Reason, changed, step
from interlock.domain.errors import InUse, InvalidValue, NotFound, Refused
from interlock.domain.facts import Facts
from interlock.domain.message import Message
from interlock.domain.record import Address
from interlock.domain.skill import Requirement, Skill, check_reach, check_requirements, requirements_at, unfit
from interlock.domain.skill_rule import Asked, SkillRule, asked
from interlock.domain.work_item import WorkItem, open_item_claim
from interlock.domain.workflow import Workflow, asked_skills
from interlock.ports import Query, World
from interlock.service.rule_lists import in_order
from interlock.service.transact import Done, Reading, unless_refused


class Criterial(Protocol):
    """A rule, as far as it matters for what has to be read."""

    @property
    def enabled(self) -> bool:
        """Whether it is asked at all."""
        ...

    @property
    def wants_message(self) -> bool:
        """Whether it looks at the latest message."""
        ...


async def facts_of(reading: Reading, c: Conversation, rules: Iterable[Criterial]) -> Facts:
    """What rules are tested against; the latest message is read only if one of them looks at it."""
    customer = await reading.maybe(Customer, c.customer)
    message = await latest_message(reading, c) if any(r.enabled and r.wants_message for r in rules) else None
    return Facts(c, customer, message, reading.moment.now)


async def latest_message(reading: Reading, c: Conversation) -> Message | None:
    """The newest message of a conversation, by the time of sending."""
    query = Query(name="children", org=c.org, type=Message.TYPE, parent=c.id, descending=True, limit=1)
    found = await reading.find(Message, query)
    return found[0] if found else None


async def requirements(reading: Reading, c: Conversation) -> Asked:
    """What an item of this conversation asks for now."""
    rules: Sequence[SkillRule] = ()
    if reading.settings is not None and reading.settings.skill_rules:
        rules = await in_order(reading, SkillRule)
    if not rules:
        return Asked(c.skills, ())
    return asked(rules, await facts_of(reading, c, rules), c.skills)


async def require(world: World, by: Provenance, conversation: str, *, own: bool = False) -> Done | None:
    """A conversation changed (`own`: its own requirements did): its open item asks for what holds now. `None` if it
    asks for just that already.
    """
    if not own:
        settings, c = await world.store.load(
            [Address(OrgSettings.TYPE, by.org, by.org), Address(Conversation.TYPE, by.org, conversation)]
        )
        ruled = isinstance(settings, OrgSettings) and settings.skill_rules > 0
        if not ruled and not (isinstance(c, Conversation) and c.skills):
            return None

    async def decide(reading: Reading) -> Decision:
        c = await reading.one(Conversation, conversation)
        item = await reading.claimed(WorkItem, open_item_claim(by.org, conversation))
        if item is None:
            raise Refused("It has no open item.")
        found = await requirements(reading, c)
        if found.requirements == item.skills:
            raise Refused("It asks for that already.")
        after = item.with_(skills=found.requirements)
        meta = {"rules": [r.id for r in found.rules], "skills": [r.skill for r in found.requirements]}
        why = changed(
            item,
            "rule",
            peer=Basis(c.TYPE, c.id, c.rev, reading.moment.now),
            reasons=(Reason("REQUIRE_SKILLS", "SKILL_RULES" if found.rules else "CONVERSATION", meta),),
        )
        return Decision(partition=item.resource, why=why, writes=(step(item, after, reading.moment.now),))

    return await unless_refused(world, by, decide)


async def check_asked(reading: Reading, wanted: Sequence[Requirement], pointer: str) -> None:
    """Raises unless these requirements can stand: well formed, of skills that are there, and in some agent's reach."""
    check_requirements(wanted, pointer)
    known = await reading.many(Skill, (r.skill for r in wanted))
    for place, each in enumerate(wanted):
        if each.skill not in known or known[each.skill].deleted:
            raise NotFound(f"There is no skill {each.skill}.", pointer=f"{pointer}/{place}/skill")
    if wanted:
        check_reach(wanted, await reach(reading), pointer)


async def reach(reading: Reading, *, instead: User | None = None) -> dict[str, int]:
    """The highest level of any enabled agent, by skill; with `instead` in the place of the stored user of that id."""
    best: dict[str, int] = {}
    query = Query(name="listing", org=reading.org, type=User.TYPE, states=("enabled",), limit=10_000)
    for stored in await reading.find(User, query):
        user = instead if instead is not None and instead.id == stored.id else stored
        for skill, level in user.skills.items():
            best[skill] = max(level, best.get(skill, 0))
    return best


async def check_still_reached(reading: Reading, before: User, after: User) -> None:
    """Raises if what an agent is losing makes an enabled rule or workflow ask for what nobody has any more."""
    lost = {skill for skill, level in before.skills.items() if after.skills.get(skill, 0) < level}
    if not lost or not before.enabled:
        return
    best = await reach(reading, instead=after)
    async for what, who, wanted in asking(reading):
        try:
            check_reach([r for r in wanted if r.skill in lost and not unfit(before.skills, _at_last(r))], best, "")
        except InvalidValue as problem:
            raise InUse(
                f"The {what} {who.name} asks for this, and nobody else has it. {problem} Change the {what} first, or "
                "disable it.",
                pointer="/skills", by=who.id, skill=problem.meta["skill"],
            ) from problem  # fmt: skip


def _at_last(each: Requirement) -> tuple[Requirement, ...]:
    """What is left of it when every step of relaxation is done."""
    return requirements_at((each,), float("inf"))


async def asking(reading: Reading) -> AsyncIterator[tuple[str, SkillRule | Workflow, Sequence[Requirement]]]:
    """Every enabled skill rule and workflow that asks for skills: what it is, which, and what it asks for."""
    for rule in await in_order(reading, SkillRule):
        if rule.enabled:
            yield "skill rule", rule, rule.skills
    query = Query(name="listing", org=reading.org, type=Workflow.TYPE, states=("enabled",), limit=1000)
    for flow in await reading.find(Workflow, query):
        for wanted in asked_skills(flow.steps).values():
            yield "workflow", flow, wanted
