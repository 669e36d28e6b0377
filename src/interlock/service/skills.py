"""Skills, the rules that ask for them, and who has them: the org's own configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.domain.agent import OrgSettings, User
from interlock.domain.criteria import check_criteria
from interlock.domain.decision import Decision, Provenance, Why, Write, birth, step
from interlock.domain.errors import InUse, InvalidValue, NotFound, TooMany
from interlock.domain.record import Record
from interlock.domain.rule import RULES_MAX
from interlock.domain.skill import Skill
from interlock.domain.skill_rule import SkillRule
from interlock.ports import World
from interlock.service.preconditions import Precondition
from interlock.service.records import put, update
from interlock.service.requirements import asking, check_asked, check_still_reached
from interlock.service.routing import settings_of
from interlock.service.rule_lists import in_order
from interlock.service.transact import Beside, Done, Reading, transact


async def delete_skill(world: World, by: Provenance, id: str, precondition: Precondition, *, beside: Beside) -> Done:
    """Delete a skill that no rule and no workflow asks for. It is kept, marked deleted."""

    async def decide(reading: Reading) -> Decision:
        present = await reading.one(Skill, id)
        await precondition.check(reading, present, set())
        for rule in await in_order(reading, SkillRule):
            if any(r.skill == id for r in rule.skills):
                raise InUse(f"The skill rule {rule.name} asks for this skill; change the rule first.", rule=rule.id)
        async for what, who, wanted in asking(reading):
            if any(r.skill == id for r in wanted):
                raise InUse(f"The {what} {who.name} asks for this skill; change it first.", by=who.id)
        return _gone(present, reading)

    return await transact(world, by, decide, beside=beside)


async def create_rule(world: World, by: Provenance, fields: Mapping[str, Any], *, beside: Beside) -> Done:
    """A new rule, at the end of the order."""

    async def decide(reading: Reading) -> Decision:
        rules = await in_order(reading, SkillRule)
        if len(rules) >= RULES_MAX:
            raise TooMany(f"An org has at most {RULES_MAX} skill rules; delete one first.")
        now, id = reading.moment.now, reading.moment.fresh()
        position = max((r.position for r in rules), default=0) + 1
        made = SkillRule(
            id=id, org=by.org, position=position, created_at=now, updated_at=now, modified_at=now, **fields
        )
        await _check(reading, made)
        why = Why(direction="person", kind="change", record=made.ref, rev_after=1)
        return Decision(partition=id, why=why, writes=(birth(made), await _counted(reading)))

    return await transact(world, by, decide, beside=beside)


async def _counted(reading: Reading) -> Write:
    """The settings, which say that there are rules to look for."""
    stored = await reading.maybe(OrgSettings, reading.org)
    settings = await settings_of(reading)
    after = settings.with_(skill_rules=settings.skill_rules + 1)
    return step(settings, after, reading.moment.now) if stored else birth(after)


async def update_rule(
    world: World, by: Provenance, id: str, fields: Mapping[str, Any], precondition: Precondition, *, beside: Beside
) -> Done:
    """Change a rule; its place in the order stays. Waiting items follow when their conversation next changes."""

    async def check(reading: Reading, present: SkillRule | None, given: Mapping[str, Any]) -> None:
        if present is not None:
            await _check(reading, present.with_(**given))

    return await update(world, by, SkillRule, id, fields, precondition, beside=beside, check=check)


async def _check(reading: Reading, rule: SkillRule) -> None:
    check_criteria(rule.criteria)
    if not rule.skills:
        raise InvalidValue("A skill rule asks for at least one skill.", pointer="/skills")
    await check_asked(reading, rule.skills, "/skills")


async def delete_rule(world: World, by: Provenance, id: str, precondition: Precondition, *, beside: Beside) -> Done:
    """Delete a rule: it is kept, marked deleted, so that what it asked for can still be explained."""

    async def decide(reading: Reading) -> Decision:
        present = await reading.one(SkillRule, id)
        await precondition.check(reading, present, set())
        return _gone(present, reading)

    return await transact(world, by, decide, beside=beside)


def _gone(present: Record, reading: Reading) -> Decision:
    return put(present, {"deleted": True}, reading.moment)


async def give_skills(
    world: World, by: Provenance, user: str, levels: Sequence[tuple[str, int]], precondition: Precondition, *,
    beside: Beside,
) -> Done:  # fmt: skip
    """What an agent can do, whole. Their live shift takes it at once (a reaction)."""

    async def decide(reading: Reading) -> Decision:
        present = await reading.one(User, user)
        await precondition.check(reading, present, {"skills"})
        known = await reading.many(Skill, (skill for skill, _ in levels))
        for place, (skill, _) in enumerate(levels):
            if skill not in known or known[skill].deleted:
                raise NotFound(f"There is no skill {skill}.", pointer=f"/skills/{place}/skill")
            if skill in (s for s, _ in levels[:place]):
                raise InvalidValue(f"The skill {skill} is named twice.", pointer=f"/skills/{place}/skill")
        await check_still_reached(reading, present, present.with_(skills=dict(levels)))
        return put(present, {"skills": dict(levels)}, reading.moment)

    return await transact(world, by, decide, beside=beside)
