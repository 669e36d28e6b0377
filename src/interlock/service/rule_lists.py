"""An org's ordered lists of rules: of queue rules the first that holds counts, of skill rules all that hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from interlock.domain.decision import Decision, Provenance, Why, step
from interlock.domain.errors import InvalidValue, PreconditionFailed
from interlock.domain.rule import RULES_MAX, QueueRule
from interlock.domain.skill_rule import SkillRule
from interlock.ports import Query, World
from interlock.service.transact import Beside, Done, Reading, transact

L = TypeVar("L", bound="QueueRule | SkillRule")


async def in_order(reading: Reading, kind: type[L]) -> list[L]:
    """The rules of a list, first one first, without deleted ones."""
    live = Query(name="listing", org=reading.org, type=kind.TYPE, states=("live",), limit=RULES_MAX)
    return await reading.find(kind, live)


async def order(
    world: World, by: Provenance, kind: type[L], ids: Sequence[str], *, seen: Mapping[str, int], beside: Beside
) -> Done:
    """A new order, naming every rule once. `seen`: revs that it was decided on, by id; one that moved refuses it."""

    async def decide(reading: Reading) -> Decision:
        rules = {r.id: r for r in await in_order(reading, kind)}
        if sorted(ids) != sorted(rules):
            missing, unknown = sorted(set(rules) - set(ids)), sorted(set(ids) - set(rules))
            raise InvalidValue("Name every rule exactly once.", pointer="/rules", missing=missing, unknown=unknown)
        moved = [r for r in rules.values() if seen.get(r.id, r.rev) != r.rev]
        if moved:
            raise PreconditionFailed(
                f"The rule {moved[0].name} is at rev {moved[0].rev} now; read the rules again and decide anew.",
                pointer="/basis",
                moved=[{"id": r.id, "name": r.name, "currentRev": r.rev, "givenRev": seen[r.id]} for r in moved],
            )
        writes = tuple(
            step(rules[id], rules[id].with_(position=n), reading.moment.now, by_hand=True)
            for n, id in enumerate(ids, 1)
            if rules[id].position != n
        )
        why = Why(direction="person", kind="change" if writes else "noop")
        return Decision(partition=by.org, why=why, writes=writes)

    return await transact(world, by, decide, beside=beside)
