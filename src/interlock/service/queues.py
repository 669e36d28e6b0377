"""Queues and queue rules: the org's own configuration of where work goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain import life_cycle, rule
from interlock.domain.decision import Decision, Provenance, changed, step
from interlock.domain.errors import InUse, InvalidValue, Refused, TooMany
from interlock.domain.queue import Applied, Queue, guard_default
from interlock.domain.rule import QueueRule
from interlock.domain.work_item import WorkItem
from interlock.ports import Query, World
from interlock.service.cases import case_of
from interlock.service.preconditions import Precondition
from interlock.service.records import new, update
from interlock.service.rule_lists import in_order
from interlock.service.schedules import live_schedule
from interlock.service.transact import Beside, Done, Reading, transact

APPLY_PAGE = 500
"""Items that are looked at at once when a priority is applied to what waits."""


async def check_queue(reading: Reading, present: Queue | None, fields: Mapping[str, Any]) -> None:
    """The rules of a queue's change: the default queue keeps its values, and archiving needs an empty queue without
    rules.
    """
    if fields.get("schedule"):
        await live_schedule(reading, str(fields["schedule"]), pointer="/schedule")
    if present is not None:
        guard_default(present, fields)
        if fields.get("archived") and not present.archived:
            waiting = Query(
                name="waiting",
                org=reading.org,
                type=WorkItem.TYPE,
                queue=present.id,
                states=("queued", "routed"),
                limit=1,
            )
            if await reading.find(WorkItem, waiting):
                raise InUse("Items wait in this queue; move them first.", pointer="/archived")
            taken = Query(
                name="listing", org=reading.org, type=WorkItem.TYPE, states=("assigned", "wrap-up"), limit=100_000
            )
            held = next((w for w in await reading.find(WorkItem, taken) if w.queue == present.id), None)
            if held is not None:
                raise InUse(
                    "An agent has an item that would come back to this queue; complete or move it first.",
                    pointer="/archived",
                    workItem=held.id,
                )
            for r in await in_order(reading, QueueRule):
                if r.queue == present.id or (present.key and r.queue_key == present.key):
                    raise InUse(
                        f"The queue rule {r.name} targets this queue; change the rule first.",
                        pointer="/archived",
                        rule=r.id,
                    )


async def update_queue(
    world: World,
    by: Provenance,
    id: str,
    fields: Mapping[str, Any],
    precondition: Precondition,
    *,
    reaches_waiting: bool = False,
    beside: Beside,
) -> Done:
    """Change a queue. `reaches_waiting`: its new priority holds for what waits there already, too (a reaction)."""
    if reaches_waiting:
        if "priority" not in fields:
            raise InvalidValue("applyToWaiting needs the priority that is to be applied.", pointer="/applyToWaiting")
        fields = {**fields, "applied": Applied(world.clock.now(), int(fields["priority"]))}
    return await update(world, by, Queue, id, fields, precondition, beside=beside, check=check_queue)


async def apply_priority(world: World, by: Provenance, id: str) -> int:
    """Give what waits in a queue the priority that was applied to it, one decision for each. Answers how many."""
    done = 0
    while True:
        queue = await Reading(world, by).one(Queue, id)
        moved = await _apply_to_some(world, by, queue) if queue.applied else 0
        if not moved:
            return done
        done += moved


async def _apply_to_some(world: World, by: Provenance, queue: Queue) -> int:
    """One walk through the queue. Items change their places under it, so another walk has to find nothing."""
    done, offset = 0, 0
    while True:
        query = Query(name="waiting", org=by.org, type=WorkItem.TYPE, queue=queue.id, offset=offset, limit=APPLY_PAGE)
        found = await Reading(world, by).find(WorkItem, query)
        for item in found:
            applied = queue.applied
            if applied is None or not life_cycle.is_applied(item, applied):
                continue

            async def decide(reading: Reading, id: str = item.id, applied: Applied = applied) -> Decision:
                w = await reading.one(WorkItem, id)
                return life_cycle.reprioritise(await case_of(reading, w), queue.id, applied, reading.moment)

            try:
                await transact(world, by, decide)
            except Refused:
                continue
            done += 1
        if len(found) < APPLY_PAGE:
            return done
        offset += APPLY_PAGE


async def create_rule(world: World, by: Provenance, fields: Mapping[str, Any], *, beside: Beside) -> Done:
    """A new rule, at the end of the order. Of two that are made at once the later finds the place taken, and looks
    again.
    """

    async def decide(reading: Reading) -> Decision:
        rules = await in_order(reading, QueueRule)
        if len(rules) >= rule.RULES_MAX:
            raise TooMany(f"An org has at most {rule.RULES_MAX} queue rules; delete one first.")
        await check_rule(reading, None, fields)
        last = max((r.position for r in rules), default=0)
        return new(QueueRule, {**fields, "position": last + 1}, reading.moment)

    return await transact(world, by, decide, beside=beside)


async def update_rule(
    world: World, by: Provenance, id: str, fields: Mapping[str, Any], precondition: Precondition, *, beside: Beside
) -> Done:
    """Change a rule; its place in the order stays. A target by id takes the place of one by key, and the reverse."""
    if fields.get("queue") and "queue_key" not in fields:
        fields = {**fields, "queue_key": None}
    if fields.get("queue_key") and "queue" not in fields:
        fields = {**fields, "queue": None}
    return await update(world, by, QueueRule, id, fields, precondition, beside=beside, check=check_rule)


async def check_rule(reading: Reading, present: QueueRule | None, fields: Mapping[str, Any]) -> None:
    """What a rule has to satisfy when it is saved: its criteria and its target."""
    values: dict[str, Any] = (
        {f: getattr(present, f) for f in ("name", "criteria", "queue", "queue_key")} if present else {}
    )
    values |= fields
    queue = await reading.one(Queue, str(values["queue"]), pointer="/queue/id") if values.get("queue") else None
    rule.check_rule(values, queue)


async def delete_rule(world: World, by: Provenance, id: str, precondition: Precondition, *, beside: Beside) -> Done:
    """Delete a rule: it is kept, marked deleted, so that decisions that rest on it can still be explained."""

    async def decide(reading: Reading) -> Decision:
        present = await reading.one(QueueRule, id)
        await precondition.check(reading, present, set())
        gone = step(present, present.with_(deleted=True, enabled=False), reading.moment.now, by_hand=True)
        why = changed(present, "person")
        return Decision(partition=present.id, why=why, writes=(gone,))

    return await transact(world, by, decide, beside=beside)
