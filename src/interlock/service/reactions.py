"""Two tables: which event leads to which functions, and which functions run by the clock. A new consequence is one line here.

Every function is given a cue, which tells where to look and never what to write. It loads the current records and
decides again, so a repeated, late or reordered cue ends in a decision that nothing is to be done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import msgspec

from interlock.domain.decision import Provenance
from interlock.domain.change import ChangeSet
from interlock.domain.log import Row
from interlock.domain.record import Ref
from interlock.domain.work_item import WorkItem
from interlock.domain import log
from interlock.ports import World
from interlock.service import agents, conversations, orgs, routing, sync, work_items, workflows
from interlock.service.routing import by_routing
from interlock.service.sync import by_sync
from interlock.service.work_items import by_rules

Role = Literal["sync", "rules", "routing", "workflow"]
ROLES: tuple[Role, ...] = ("sync", "rules", "routing", "workflow")
"""Each runs as a task of its own with a durable position of its own; they meet only through the log."""


class Cue(msgspec.Struct, frozen=True):
    """A committed change, as a place to look: the record, what moved, and the trace to carry on."""

    org: str
    record: Ref
    verb: str
    changed: frozenset[str]
    trace: str
    cause: str
    source: Ref | None
    snapshot: ChangeSet
    is_sync: bool = False


React = Callable[[World, Cue], Awaitable[Any]]


class Reaction(msgspec.Struct, frozen=True):
    """On a change of `type` that moves one of `fields` (empty: any), `role` calls `do`. A creation moves every field.

    `each`: every event counts by itself. Otherwise the function looks at the record as it is now, so that of several
    cues about one record the last is enough.
    """

    role: Role
    type: str
    do: React
    fields: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = ("create", "update")
    each: bool = False


async def forward(world: World, cue: Cue) -> None:
    """A conversation's shared fields moved: its work item takes them."""
    await sync.forward(world, by_sync(cue.org, "forward", trace=cue.trace, cause=cue.cause, source=cue.source), cue.record.id)


async def reverse(world: World, cue: Cue) -> None:
    """A work item's unit moved: the conversation takes it."""
    await sync.reverse(world, by_sync(cue.org, "reverse", trace=cue.trace, cause=cue.cause, source=cue.source), cue.record.id)


async def place(world: World, cue: Cue) -> None:
    """A work item stands in `ivr`: the queue rules place it."""
    if _item(cue).status == "ivr":
        await work_items.queue_by_rules(world, by_rules(cue.org, trace=cue.trace, cause=cue.cause), cue.record.id)


async def offer(world: World, cue: Cue) -> None:
    """A work item waits: a round of its queue."""
    item = _item(cue)
    if item.status == "queued" and item.queue and not item.paused:
        await routing.round_of_queue(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), item.queue)


async def make_use_of_room(world: World, cue: Cue) -> None:
    """An agent's session changed: what waits may go to them; what they can no longer take goes back."""
    by = by_routing(cue.org, trace=cue.trace, cause=cue.cause)
    await agents.rescind_offers_of(world, by, cue.record.id)
    await routing.round_of_session(world, by, cue.record.id)


async def take_settings(world: World, cue: Cue) -> None:
    """A team's settings changed: its live sessions take them at once."""
    await agents.refresh_sessions(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), team=cue.record.id)


async def take_limits(world: World, cue: Cue) -> None:
    """An agent's own limits changed."""
    await agents.refresh_sessions(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), user=cue.record.id)


async def take_org_limits(world: World, cue: Cue) -> None:
    """The org's limits changed: every live session takes them."""
    await agents.refresh_sessions(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause))


async def automate(world: World, cue: Cue) -> None:
    """A conversation changed: the workflows that listen. What a workflow wrote itself starts none of its own kind."""
    by = Provenance(cue.org, workflows.by_workflow(cue.org, "").actor, "workflow", cue.trace, cause=cue.cause)
    if not cue.is_sync:
        await workflows.run(world, by, cue.record.id, f"conversation.{cue.verb}", cue.changed)


def _item(cue: Cue) -> WorkItem:
    """The item as it was at the cue: good enough to see that there is nothing to do, never to decide on."""
    found = log.snapshot_of(cue.snapshot)
    assert isinstance(found, WorkItem)
    return found


_SHARED = frozenset({"coupled", "priority"})

REACTIONS: tuple[Reaction, ...] = (
    Reaction("sync", "conversation", forward, _SHARED),
    Reaction("sync", "work_item", reverse, frozenset({"coupled"})),
    Reaction("rules", "work_item", place, frozenset({"status", "coupled"})),
    Reaction("routing", "work_item", offer, frozenset({"status", "paused", "lastRevision"})),
    Reaction("routing", "work_session", make_use_of_room),
    Reaction("routing", "team_routing_settings", take_settings),
    Reaction("routing", "user", take_limits, frozenset({"capacity"}), ("update",)),
    Reaction("routing", "org_settings", take_org_limits, frozenset({"capacity"}), ("update",)),
    Reaction("workflow", "conversation", automate, each=True),
)


async def expire_offers(world: World) -> int:
    """Offers whose time is up."""
    return len(await routing.expire_overdue(world))


async def wake_snoozed(world: World) -> int:
    """Snoozes whose time has come."""
    return len(await conversations.wake_due(world))


async def sweep_queues(world: World) -> int:
    """What waits beside an agent who could take it. In a healthy system: nothing."""
    return sum([len(await routing.sweep(world, org.id)) for org in await orgs.all_orgs(world)])


async def heal_pairs(world: World) -> int:
    """Pairs that have been out of step for longer than the lag objective. In a healthy system: nothing."""
    now = world.clock.now()
    done = [await sync.heal(world, org.id, older_than=now - HEAL_AFTER_MS) for org in await orgs.all_orgs(world)]
    return sum(len(d) for d in done)


HEAL_AFTER_MS = 2_000


class Cadence(msgspec.Struct, frozen=True):
    """`do` runs every `seconds`, in `role`; it answers how much it found to do."""

    role: Role
    name: str
    seconds: float
    do: Callable[[World], Awaitable[int]]


CADENCES: tuple[Cadence, ...] = (
    Cadence("routing", "expire_offers", 0.5, expire_offers),
    Cadence("routing", "wake_snoozed", 1.0, wake_snoozed),
    Cadence("routing", "sweep_queues", 5.0, sweep_queues),
    Cadence("sync", "heal_pairs", 2.0, heal_pairs),
)


def cues(row: Row, role: Role, table: Sequence[Reaction] = REACTIONS) -> list[tuple[Reaction, Cue]]:
    """What a role has to do about a committed row, in the order of the table."""
    found: list[tuple[Reaction, Cue]] = []
    for change in row.changes:
        for reaction in table:
            if reaction.role != role or reaction.type != change.type or change.verb not in reaction.verbs:
                continue
            if reaction.fields and not change.touches(reaction.fields):
                continue
            found.append((reaction, cue_of(row, change)))
    return found


def cue_of(row: Row, change: ChangeSet) -> Cue:
    """The cue that a change set gives."""
    changed = frozenset(change.attributes) | frozenset(change.relationships)
    return Cue(
        row.org, Ref(change.type, change.id), change.verb, changed, row.by.trace, row.id, row.by.source, change, row.why.is_sync
    )
