"""Workflows: automation that enters by the same door as a person, and decides again when it comes too late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain import conversation as conversations
from interlock.domain import workflow as domain
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Provenance, Why
from interlock.domain.record import Ref
from interlock.domain.workflow import Workflow
from interlock.ports import Query, World
from interlock.service.requirements import check_asked
from interlock.service.transact import Done, Reading, note, transact

CHAIN_MAX = 10
"""How deep a chain of workflows may get, each started by the write of another: a loop ends here, and is logged."""


def by_workflow(org: str, workflow: str, *, trace: str = "", cause: str = "", depth: int = 0) -> Provenance:
    """The provenance of what a workflow writes."""
    actor = Actor("workflow", "workflow", workflow)
    return Provenance(org, actor, "workflow", trace, cause=cause, source=Ref("workflow", workflow), depth=depth)


async def check_workflow(reading: Reading, present: Workflow | None, fields: Mapping[str, Any]) -> None:
    """What a workflow has to satisfy when it is saved."""
    kept = {f: getattr(present, f) for f in ("name", "trigger", "steps")} if present else {}
    values: dict[str, Any] = {**kept, **fields}
    domain.check_workflow(values)
    for place, asked in domain.asked_skills(values.get("steps", ())).items():
        await check_asked(reading, asked, f"/steps/{place}/params/skills")


async def enabled(world: World, org: str) -> list[Workflow]:
    """The workflows of an org that are switched on."""
    query = Query(name="listing", org=org, type=Workflow.TYPE, states=("enabled",), limit=1000)
    return [w for w in await world.store.find(query) if isinstance(w, Workflow)]


async def run(world: World, by: Provenance, seen: Conversation, verb: str, changed: frozenset[str]) -> list[Done]:
    """Every enabled workflow that an event starts, one after the other, on the conversation as it is now.

    The event says which start: `seen` is the conversation as the event brought it. So it does not matter how soon we
    come to it, and that one did not start can be told from the log at any time: no row is written about it. One that
    starts leaves a row whatever comes of it (docs/adr/0013).
    `by` carries on from the event: its depth, and in `source` the workflow that made it, which it does not start again.
    """
    done: list[Done] = []
    conversation = seen.id
    for w in await enabled(world, by.org):
        if by.source == w.ref or not domain.starts(w, Conversation.TYPE, verb, seen, changed):
            continue
        if by.depth >= CHAIN_MAX:
            await note(world, by, conversation, _too_deep(w, conversation))
            continue
        mine = by_workflow(by.org, w.id, trace=by.trace, cause=by.cause, depth=by.depth + 1)

        async def decide(reading: Reading, w: Workflow = w) -> Decision:
            reading.saw(w)
            c = await reading.one(Conversation, conversation)
            wish = domain.act(w, c, changed)
            if wish is None:
                return _declined(c)
            fields, said = wish
            return conversations.update(c, fields, said, reading.moment, basis=c.rev)

        done.append(await transact(world, mine, decide))
    return done


def _too_deep(w: Workflow, conversation: str) -> Why:
    reason = f"a chain of {CHAIN_MAX} workflows led to {w.name}: they start each other"
    return Why(direction="workflow", kind="parked", reason=reason, record=Ref(Conversation.TYPE, conversation))


def _declined(c: Conversation) -> Decision:
    why = Why(
        direction="workflow",
        kind="declined",
        reason="its conditions do not hold any more, or what it wants is so already",
        record=c.ref,
        rev_before=c.rev,
        rev_after=c.rev,
    )
    return Decision(partition=c.id, why=why)
