"""Two tables: which event leads to which functions, and which functions run by the clock. A new consequence is one
line here.

Every function is given a cue, which tells where to look and never what to write. It loads the current records and
decides again, so a repeated, late or reordered cue ends in a decision that nothing is to be done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from interlock.domain.agent import WorkSession
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Provenance
from interlock.domain.message import Message
from interlock.domain.queue import Queue
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
from interlock.service.cues import Cue, Keeper, Reaction, Role, Round
from interlock.service.routing import by_routing
from interlock.service.sync import by_sync
from interlock.service.transact import SYSTEM
from interlock.service.work_items import by_rules


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
    """A work item stands in `ivr`: the queue rules place it, unless they are to wait."""
    seen = cue.seen
    if isinstance(seen, WorkItem) and (seen.rules_due_at is None or seen.rules_due_at <= world.clock.now()):
        await work_items.queue_by_rules(world, by_rules(cue.org, trace=cue.trace, cause=cue.cause), cue.record.id)


def stands_in_ivr(cue: Cue) -> bool:
    """A work item has no queue and nobody yet."""
    return isinstance(cue.seen, WorkItem) and cue.seen.status == "ivr"


async def ask_for_skills(world: World, cue: Cue) -> None:
    """A conversation changed: its work item asks for the skills that the rules now say."""
    by = by_rules(cue.org, trace=cue.trace, cause=cue.cause)
    await requirements.require(world, by, cue.record.id, own="skills" in cue.changed)


async def round_of_news(world: World, news: Sequence[Cue]) -> None:
    """Items wait, agents have room, or something that routing goes by was changed: one round.

    A floor that is kept has the news from the bus, or from the log; without one, the round is told the queues and
    agents concerned.
    """
    last = news[-1]
    by = by_routing(last.org, trace=last.trace, cause=last.cause)
    if world.floors is not None:
        await routing.round(world, by, heard=True)
        return
    waiting_in, agents_with_room = set[str](), set[str]()
    for cue in news:
        seen = cue.seen
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
    await absence.give_back(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), cue.record.id)


def takes_no_work(cue: Cue) -> bool:
    """An agent is not offered anything now."""
    return isinstance(cue.seen, WorkSession) and not cue.seen.routable


async def take_from_absent(world: World, cue: Cue) -> None:
    """An item begins with an agent: a done conversation came back, and they may not be there."""
    await absence.unassign_absent(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), cue.record.id)


def comes_back_assigned(cue: Cue) -> bool:
    """A work item that is not its conversation's first has somebody already."""
    return isinstance(cue.seen, WorkItem) and bool(cue.seen.assigned_to) and cue.seen.work_item_number > 1


async def follow_calls(world: World, cue: Cue) -> None:
    """What an agent carries changed: a call makes them busy, its end may make them what they were."""
    await calls.follow(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), cue.record.id)


def may_be_on_a_call(cue: Cue) -> bool:
    """A call, or the end of one, may change what an agent is."""
    return isinstance(cue.seen, WorkSession) and not cue.seen.signed_out_at and calls.may_concern(cue.seen)


async def note_response(world: World, cue: Cue) -> None:
    """A message went out: it may be the owner's first answer."""
    await messages.note_response(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), cue.record.id)


def answers(cue: Cue) -> bool:
    """Somebody, not a program, wrote to the customer."""
    seen = cue.seen
    return isinstance(seen, Message) and seen.direction == "out" and bool(seen.created_by) and not seen.auto


async def weigh(world: World, cue: Cue) -> None:
    """A shift began, or somebody without one was given an item: what they have weighs from now on."""
    seen = cue.seen
    user = seen.user if isinstance(seen, WorkSession) else seen.assigned_to if isinstance(seen, WorkItem) else None
    if user is not None:
        await agents.reconcile(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), user)


def has_no_shift(cue: Cue) -> bool:
    """A work item went to somebody without a shift."""
    return isinstance(cue.seen, WorkItem) and bool(cue.seen.assigned_to) and not cue.seen.work_session


async def relieve(world: World, cue: Cue) -> None:
    """An item left somebody. If they had no shift then, one may have begun meanwhile and been charged for the item."""
    former, session = _left(cue)
    if former is not None and not await agents.is_live(world, cue.org, session):
        await agents.reconcile(world, by_routing(cue.org, trace=cue.trace, cause=cue.cause), former)


def left_somebody(cue: Cue) -> bool:
    """Somebody had the work item until now."""
    return _left(cue)[0] is not None


def _left(cue: Cue) -> tuple[str | None, str | None]:
    """Who had an item until this change, and in which shift; nobody, if it left nobody."""
    change = cue.snapshot
    moved, status = change.relationships.get("assignedTo"), change.attributes.get("status")
    if moved is not None and isinstance(moved.before, str):
        shift = change.relationships.get("workSession")
        before = shift.before if shift is not None else None
        return moved.before, before if isinstance(before, str) else None
    if status is not None and status.after == "completed" and isinstance(cue.seen, WorkItem):
        return cue.seen.assigned_to, cue.seen.work_session
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
    seen = cue.seen
    assert isinstance(seen, Conversation)
    if await workflows.run(world, by, seen, cue.verb, cue.changed):
        rules = by_rules(cue.org, trace=cue.trace, cause=cue.cause)
        await holding.release_after_workflows(world, rules, cue.record.id)


def is_no_copy(cue: Cue) -> bool:
    """It is somebody's own doing, not a sync's."""
    return not cue.is_sync


async def know_of_workflows(world: World, cue: Cue) -> None:
    """A workflow was made: from now on queue rules wait for such."""
    await holding.note_workflows(world, by_rules(cue.org, trace=cue.trace, cause=cue.cause))


_SHARED = frozenset({"coupled", "priority"})

REACTIONS: tuple[Reaction, ...] = (
    Reaction("sync", "conversation", forward, _SHARED, echo=False),
    Reaction("sync", "work_item", reverse, frozenset({"coupled"}), echo=False),
    Reaction("rules", "conversation", ask_for_skills, verbs=("update",)),
    Reaction("rules", "work_item", place, frozenset({"status", "coupled", "rulesDueAt"}), concerns=stands_in_ivr),
    Reaction("routing", "work_session", give_back, frozenset({"status", "pendingReservation"}), concerns=takes_no_work),
    Reaction("routing", "work_session", follow_calls, frozenset({"holding"}), concerns=may_be_on_a_call),
    Reaction("routing", "message", note_response, verbs=("create",), concerns=answers),
    Reaction("routing", "work_item", take_from_absent, verbs=("create",), concerns=comes_back_assigned),
    Reaction("routing", "work_session", weigh, verbs=("create",)),
    Reaction("routing", "work_item", weigh, frozenset({"assignedTo"}), concerns=has_no_shift),
    Reaction(
        "routing",
        "work_item",
        relieve,
        frozenset({"assignedTo", "status"}),
        ("update",),
        each=True,
        concerns=left_somebody,
    ),
    Reaction("routing", "team_routing_settings", take_settings),
    Reaction("routing", "queue", apply_priority, frozenset({"applied"}), ("update",)),
    Reaction("routing", "user", take_limits, frozenset({"capacity", "skills", "acceptTimeoutFactor"}), ("update",)),
    Reaction("routing", "org_settings", take_org_limits, frozenset({"capacity", "unreachableSeconds"}), ("update",)),
    Reaction("routing", "queue", take_org_limits, frozenset({"priority"}), ("update",)),
    Reaction("workflow", "conversation", automate, each=True, concerns=is_no_copy),
    Reaction("workflow", "bulk", carry_out_bulk, verbs=("create",)),
    Reaction("workflow", "workflow", know_of_workflows, verbs=("create",)),
)


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


def rounds_of(role: Role, table: Sequence[Round] = ROUNDS) -> list[Round]:
    """A role's rounds."""
    return [each for each in table if each.role == role]
