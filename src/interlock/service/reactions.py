"""Two tables: which event leads to which functions, and which functions run by the clock. A new consequence is one
line here.

Every function is given a cue, which tells where to look and never what to write. It loads the current records and
decides again, so a repeated, late or reordered cue ends in a decision that nothing is to be done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from interlock.domain import log
from interlock.domain.agent import WorkSession
from interlock.domain.assignment import Actor
from interlock.domain.change import ChangeSet
from interlock.domain.decision import Provenance
from interlock.domain.event import event_id
from interlock.domain.log import Row
from interlock.domain.message import Message
from interlock.domain.queue import Queue
from interlock.domain.record import Ref
from interlock.domain.work_item import WorkItem
from interlock.ports import World
from interlock.service import (
    absence,
    agents,
    bulk,
    calls,
    conversations,
    holding,
    messages,
    queues,
    requirements,
    routing,
    sync,
    work_items,
    workflows,
)
from interlock.service.by_clock import orgs_here
from interlock.service.routing import by_routing
from interlock.service.sync import by_sync
from interlock.service.transact import SYSTEM
from interlock.service.work_items import by_rules

Role = Literal["sync", "rules", "routing", "workflow"]
ROLES: tuple[Role, ...] = ("sync", "rules", "routing", "workflow")
"""Each runs as a task of its own with a durable position of its own; they meet only through the log."""
Keeper = Role | Literal["records"]
"""Who does something by the clock: the roles, and `records`, which looks after conversations and hears of no event."""


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
    depth: int = 0


React = Callable[[World, Cue], Awaitable[Any]]
ReactAtOnce = Callable[[World, Sequence[Cue]], Awaitable[Any]]


class Reaction(msgspec.Struct, frozen=True):
    """On a change of `type` that moves one of `fields` (empty: any), `role` calls `do`. A creation moves every field.

    `each`: every event counts by itself. Otherwise the function looks at the record as it is now, so that of several
    cues about one record the last is enough. `echo`: also called for a copy that ended in step with the record it came
    from; the two syncs are not, since such a copy holds nothing that its peer has not.
    """

    role: Role
    type: str
    do: React
    fields: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = ("create", "update")
    each: bool = False
    echo: bool = True


async def forward(world: World, cue: Cue) -> None:
    """A conversation's shared fields moved: its work item takes them."""
    await sync.forward(
        world, by_sync(cue.org, "forward", trace=cue.trace, cause=cue.cause, source=cue.source), cue.record.id
    )


async def reverse(world: World, cue: Cue) -> None:
    """A work item's unit moved: the conversation takes it."""
    await sync.reverse(
        world, by_sync(cue.org, "reverse", trace=cue.trace, cause=cue.cause, source=cue.source), cue.record.id
    )


async def place(world: World, cue: Cue) -> None:
    """A work item stands in `ivr`: the queue rules place it."""
    seen = _item(cue)
    if seen.status == "ivr" and (seen.rules_due_at is None or seen.rules_due_at <= world.clock.now()):
        await work_items.queue_by_rules(world, by_rules(cue.org, trace=cue.trace, cause=cue.cause), cue.record.id)


async def ask_for_skills(world: World, cue: Cue) -> None:
    """A conversation changed: its work item asks for the skills that the rules now say."""
    by = by_rules(cue.org, trace=cue.trace, cause=cue.cause)
    await requirements.require(world, by, cue.record.id, own="skills" in cue.changed)


async def round_of_news(world: World, news: Sequence[Cue]) -> None:
    """Items wait, agents have room, or something that routing goes by was changed: one round.

    A floor that is kept has the news from the log; without one, the round is told the queues and agents concerned.
    """
    last = news[-1]
    by = by_routing(last.org, trace=last.trace, cause=last.cause)
    if world.floors is not None:
        await routing.round(world, by)
        return
    waiting_in, agents_with_room = set[str](), set[str]()
    for cue in news:
        seen = log.snapshot_of(cue.snapshot)
        if isinstance(seen, WorkItem) and seen.status == "queued" and seen.queue and not seen.paused:
            waiting_in.add(seen.queue)
        if isinstance(seen, WorkSession) and routing.has_room(seen):
            agents_with_room.add(seen.id)
        if isinstance(seen, Queue):
            waiting_in.add(seen.id)
    if waiting_in or agents_with_room:
        await routing.round(world, by, queues=waiting_in, sessions=agents_with_room)


async def give_back(world: World, cue: Cue) -> None:
    """An agent stopped taking work: what was offered to them goes back, and by the org's settings what they have."""
    seen = log.snapshot_of(cue.snapshot)
    if isinstance(seen, WorkSession) and not seen.routable:
        await absence.give_back(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), cue.record.id)


async def take_from_absent(world: World, cue: Cue) -> None:
    """An item begins with an agent: a done conversation came back, and they may not be there."""
    seen = _item(cue)
    if seen.assigned_to and seen.work_item_number > 1:
        await absence.unassign_absent(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), seen.id)


async def follow_calls(world: World, cue: Cue) -> None:
    """What an agent carries changed: a call makes them busy, its end may make them what they were."""
    seen = log.snapshot_of(cue.snapshot)
    if isinstance(seen, WorkSession) and not seen.signed_out_at and calls.may_concern(seen):
        await calls.follow(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), seen.id)


async def note_response(world: World, cue: Cue) -> None:
    """A message went out: it may be the owner's first answer."""
    seen = log.snapshot_of(cue.snapshot)
    if isinstance(seen, Message) and seen.direction == "out" and seen.created_by and not seen.auto:
        await messages.note_response(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), seen.id)


async def weigh(world: World, cue: Cue) -> None:
    """A shift began, or somebody without one was given an item: what they have weighs from now on."""
    seen = log.snapshot_of(cue.snapshot)
    user = seen.user if isinstance(seen, WorkSession) else None
    if isinstance(seen, WorkItem) and seen.assigned_to and not seen.work_session:
        user = seen.assigned_to
    if user is not None:
        await agents.reconcile(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), user)


async def relieve(world: World, cue: Cue) -> None:
    """An item left somebody. If they had no shift then, one may have begun meanwhile and been charged for the item."""
    former, session = _left(cue.snapshot)
    if former is not None and not await agents.is_live(world, cue.org, session):
        await agents.reconcile(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), former)


def _left(change: ChangeSet) -> tuple[str | None, str | None]:
    """Who had an item until this change, and in which shift; nobody, if it left nobody."""
    moved, status = change.relationships.get("assignedTo"), change.attributes.get("status")
    if moved is not None and isinstance(moved.before, str):
        shift = change.relationships.get("workSession")
        before = shift.before if shift is not None else None
        return moved.before, before if isinstance(before, str) else None
    if status is not None and status.after == "completed":
        seen = log.snapshot_of(change)
        assert isinstance(seen, WorkItem)
        return seen.assigned_to, seen.work_session
    return None, None


async def apply_priority(world: World, cue: Cue) -> None:
    """A queue's priority was given to what waits there already."""
    await queues.apply_priority(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), cue.record.id)


async def take_settings(world: World, cue: Cue) -> None:
    """A team's settings changed: its live sessions take them at once."""
    await agents.refresh_sessions(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), team=cue.record.id)


async def take_limits(world: World, cue: Cue) -> None:
    """An agent's own limits or skills changed."""
    await agents.refresh_sessions(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), user=cue.record.id)


async def take_org_limits(world: World, cue: Cue) -> None:
    """The org's limits changed, or a queue's priority: every live session takes them."""
    await agents.refresh_sessions(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause))


async def carry_out_bulk(world: World, cue: Cue) -> None:
    """A bulk job was taken in."""
    by = Provenance(cue.org, SYSTEM, "system", cue.trace, cause=cue.cause)
    await bulk.carry_out(world, by, cue.record.id)


async def automate(world: World, cue: Cue) -> None:
    """A conversation changed: the workflows that listen, but for the one that changed it."""
    by = Provenance(
        cue.org,
        Actor("workflow", "workflow", ""),
        "workflow",
        cue.trace,
        cause=cue.cause,
        source=cue.source,
        depth=cue.depth,
    )
    if not cue.is_sync and await workflows.run(world, by, cue.record.id, f"conversation.{cue.verb}", cue.changed):
        rules = by_rules(cue.org, trace=cue.trace, cause=cue.cause)
        await holding.release_after_workflows(world, rules, cue.record.id)


async def know_of_workflows(world: World, cue: Cue) -> None:
    """A workflow was made: from now on queue rules wait for such."""
    await holding.note_workflows(world, by_rules(cue.org, trace=cue.trace, cause=cue.cause))


def _item(cue: Cue) -> WorkItem:
    """The item as it was at the cue: good enough to see that there is nothing to do, never to decide on."""
    found = log.snapshot_of(cue.snapshot)
    assert isinstance(found, WorkItem)
    return found


_SHARED = frozenset({"coupled", "priority"})

REACTIONS: tuple[Reaction, ...] = (
    Reaction("sync", "conversation", forward, _SHARED, echo=False),
    Reaction("sync", "work_item", reverse, frozenset({"coupled"}), echo=False),
    Reaction("rules", "conversation", ask_for_skills, verbs=("update",)),
    Reaction("rules", "work_item", place, frozenset({"status", "coupled", "rulesDueAt"})),
    Reaction("routing", "work_session", give_back, frozenset({"status", "pendingReservation"})),
    Reaction("routing", "work_session", follow_calls, frozenset({"holding"})),
    Reaction("routing", "message", note_response, verbs=("create",)),
    Reaction("routing", "work_item", take_from_absent, verbs=("create",)),
    Reaction("routing", "work_session", weigh, verbs=("create",)),
    Reaction("routing", "work_item", weigh, frozenset({"assignedTo"})),
    Reaction("routing", "work_item", relieve, frozenset({"assignedTo", "status"}), ("update",), each=True),
    Reaction("routing", "team_routing_settings", take_settings),
    Reaction("routing", "queue", apply_priority, frozenset({"applied"}), ("update",)),
    Reaction("routing", "user", take_limits, frozenset({"capacity", "skills", "acceptTimeoutFactor"}), ("update",)),
    Reaction("routing", "org_settings", take_org_limits, frozenset({"capacity", "unreachableSeconds"}), ("update",)),
    Reaction("routing", "queue", take_org_limits, frozenset({"priority"}), ("update",)),
    Reaction("workflow", "conversation", automate, each=True),
    Reaction("workflow", "bulk", carry_out_bulk, verbs=("create",)),
    Reaction("workflow", "workflow", know_of_workflows, verbs=("create",)),
)


class Round(msgspec.Struct, frozen=True):
    """All the news of a batch about the `watched` types that moves one of their fields (empty: any), handed over at
    once.
    """

    role: Role
    watched: Mapping[str, frozenset[str]]
    do: ReactAtOnce


ROUNDS: tuple[Round, ...] = (
    Round(
        "routing",
        {
            "work_item": frozenset({"status", "paused", "lastRevision", "skills", "priority"}),
            "work_session": frozenset(),
            "queue": frozenset(),
            "org_settings": frozenset(),
            "schedule": frozenset(),
        },
        round_of_news,
    ),
)


async def expire_offers(world: World) -> int:
    """Offers whose time is up."""
    return len(await routing.expire_overdue(world))


async def wake_snoozed(world: World) -> int:
    """Snoozes whose time has come."""
    return len(await conversations.wake_due(world))


async def release_held(world: World) -> int:
    """Items that the queue rules left alone for a while, and now may place."""
    return len(await holding.release_due(world))


async def miss_silent(world: World) -> int:
    """Agents of whose client nothing was heard for too long."""
    return sum([len(await absence.miss_silent(world, org.id)) async for org in orgs_here(world, once=True)])


async def requeue_left(world: World) -> int:
    """What agents left behind who signed out and did not come back in time."""
    return len(await absence.requeue_overdue(world))


async def sweep_queues(world: World) -> int:
    """What waits beside an agent who could take it, and no news led to. In a healthy system: nothing."""
    found = 0
    async for org in orgs_here(world):
        done = await routing.sweep(world, org.id)
        floor = (world.floors or {}).get(org.id)
        found += len(done) if floor is None else floor.missed
        if floor is not None:
            floor.missed = 0
    return found


async def route_due(world: World) -> int:
    """Steps of ageing and relaxation, hours that begin, declines that lapse, offer rates that let through again."""
    return len(await routing.route_due(world))


async def check_floors(world: World) -> int:
    """Where a floor in memory does not know what the store says. In a healthy system: nothing."""
    return await routing.check_floors(world)


async def reconcile_load(world: World) -> int:
    """Sessions that do not carry just what their users have. In a healthy system: nothing."""
    return sum([len(await agents.reconcile_all(world, org.id)) async for org in orgs_here(world, once=True)])


async def heal_pairs(world: World) -> int:
    """Pairs that have been out of step for longer than the lag objective. In a healthy system: nothing."""
    now = world.clock.now()
    done = [await sync.heal(world, org.id, older_than=now - HEAL_AFTER_MS) async for org in orgs_here(world)]
    return sum(len(d) for d in done)


HEAL_AFTER_MS = 2_000


PACE = 20


class Cadence(msgspec.Struct, frozen=True):
    """`do` runs every `seconds`, in `role`; it answers how much it found to do.

    `paced`: it looks through all there is and in a healthy system finds nothing, so it has one part in 20 of the time
    at most: an installation that grows is looked through more slowly instead of standing still.
    """

    role: Keeper
    name: str
    seconds: float
    do: Callable[[World], Awaitable[int]]
    paced: bool = False

    def pause_s(self, took_s: float) -> float:
        """How long to rest after a look that took so long."""
        return max(self.seconds, took_s * (PACE - 1)) if self.paced else self.seconds


CADENCES: tuple[Cadence, ...] = (
    Cadence("routing", "expire_offers", 0.5, expire_offers),
    Cadence("routing", "route_due", 0.5, route_due),
    Cadence("records", "wake_snoozed", 1.0, wake_snoozed),
    Cadence("routing", "requeue_left", 1.0, requeue_left),
    Cadence("routing", "miss_silent", 5.0, miss_silent, paced=True),
    Cadence("rules", "release_held", 0.5, release_held),
    Cadence("routing", "sweep_queues", 5.0, sweep_queues, paced=True),
    Cadence("routing", "check_floors", 5.0, check_floors, paced=True),
    Cadence("routing", "reconcile_load", 10.0, reconcile_load, paced=True),
    Cadence("sync", "heal_pairs", 2.0, heal_pairs, paced=True),
)


ByType = Mapping[str, Sequence[Reaction]]
"""A role's reactions by the type of record that they look at, in the order of the table."""


def by_type(role: Role, table: Sequence[Reaction] = REACTIONS) -> ByType:
    """What a role reacts to: made once for a batch, since most rows are none of its business."""
    found: dict[str, list[Reaction]] = {}
    for reaction in table:
        if reaction.role == role:
            found.setdefault(reaction.type, []).append(reaction)
    return found


def cues(row: Row, mine: ByType) -> list[tuple[Reaction, Cue]]:
    """What a role has to do about a committed row, in the order of the table."""
    found: list[tuple[Reaction, Cue]] = []
    for n, change in enumerate(row.changes):
        for reaction in mine.get(change.type, ()):
            if change.verb not in reaction.verbs or (row.why.in_step and not reaction.echo):
                continue
            if _moves(change, reaction.fields):
                found.append((reaction, cue_of(row, change, n)))
    return found


def rounds_of(role: Role, table: Sequence[Round] = ROUNDS) -> list[Round]:
    """A role's rounds."""
    return [each for each in table if each.role == role]


def rounds(row: Row, mine: Sequence[Round]) -> list[tuple[Round, Cue]]:
    """What a committed row adds to a role's rounds."""
    if not mine:
        return []
    return [
        (each, cue_of(row, change, n))
        for n, change in enumerate(row.changes)
        for each in mine
        if change.type in each.watched and _moves(change, each.watched[change.type])
    ]


def _moves(change: ChangeSet, fields: frozenset[str]) -> bool:
    return not fields or change.touches(fields)


def cue_of(row: Row, change: ChangeSet, n: int) -> Cue:
    """The cue that a row's `n`-th change set gives; its cause is the id of that event."""
    changed = frozenset(change.attributes) | frozenset(change.relationships)
    return Cue(
        row.org,
        Ref(change.type, change.id),
        change.verb,
        changed,
        row.by.trace,
        event_id(row.id, n),
        row.by.source,
        change,
        row.why.is_sync,
        row.by.depth,
    )
