"""Agents who are not there: what becomes of what they were offered and of what they have."""

from __future__ import annotations

from interlock.domain import life_cycle, routing
from interlock.domain.agent import OrgSettings, WorkSession
from interlock.domain.decision import Decision, Provenance, changed, step
from interlock.domain.errors import NotFound, Refused
from interlock.domain.queue import Queue
from interlock.domain.settle import Manner
from interlock.domain.work_item import WorkItem
from interlock.ports import Commit, Mark, Query, World
from interlock.service.by_clock import due_here, each_live_session
from interlock.service.cases import case_of, last_item, live_session
from interlock.service.transact import SYSTEM, Decide, Done, Reading, provenance, unless_refused


async def give_back(world: World, by: Provenance, session: str) -> list[Done]:
    """After a shift has ended or stopped being routable: its pending offer goes back; with `requeueWhenOffline` and no
    time of grace, its items too.
    """
    s = await Reading(world, by).one(WorkSession, session)
    done: list[Done] = []
    if s.pending_reservation and not s.routable:
        offered = next((h.item for h in s.holding if h.offered), None)
        done += await _rescind(world, by, offered, s.user) if offered else []
    if s.requeue_due_at is not None and s.requeue_due_at <= world.clock.now():
        done += await requeue(world, by, s)
    return done


async def _rescind(world: World, by: Provenance, item: str, user: str) -> list[Done]:
    async def decide(reading: Reading) -> Decision:
        case = await case_of(reading, await reading.one(WorkItem, item), users=(user,))
        if case.offer is None or case.offer.user != user:
            raise Refused("The offer has ended meanwhile.")
        return life_cycle.rescind(case, reading.moment, "the agent is not available")

    return await _unless_refused(world, by, decide)


async def _unless_refused(world: World, by: Provenance, decide: Decide) -> list[Done]:
    done = await unless_refused(world, by, decide, also=(NotFound,))
    return [done] if done else []


async def requeue_due(reading: Reading, s: WorkSession) -> int | None:
    """When the items of an agent who signs out now go back to their queues; `None` if they stay theirs."""
    settings = reading.settings or OrgSettings(id=reading.org, org=reading.org)
    due = reading.moment.now + settings.requeue_grace_seconds * 1000
    if settings.requeue_when_offline:
        return due
    items = await reading.many(WorkItem, (h.item for h in s.holding if not h.offered))
    queues = await reading.many(Queue, (w.queue for w in items.values()))
    return due if any(q.overrides.requeue_when_offline for q in queues.values()) else None


async def requeue(world: World, by: Provenance, s: WorkSession) -> list[Done]:
    """What an agent left behind goes back to its queues, open and snoozed items alike, each with a fresh pass, where
    its queue or the org wants it so and they are not back. Items in wrap-up stay theirs.
    """
    query = Query(name="open_of_owner", org=by.org, type=WorkItem.TYPE, owner=s.user, limit=10_000)
    done: list[Done] = []
    for item in await world.store.find(query):
        done += await _take_back(world, by, item.id, s.user)
    await _seen_to(world, by, s.id)
    return done


async def _take_back(world: World, by: Provenance, id: str, user: str) -> list[Done]:
    async def decide(reading: Reading) -> Decision:
        item = await reading.one(WorkItem, id)
        if item.assigned_to != user or await live_session(reading, user):
            raise Refused("It is not theirs any more, or they are back.")
        case = await case_of(reading, item, users=(user,))
        if not _in_force(reading, case.queues.get(item.queue or "")).requeue_when_offline:
            raise Refused("Items of this queue stay with their agent.")
        return life_cycle.unassign(case, reading.moment, Manner(), code="REQUEUED_OFFLINE", command="sign-out")

    return await _unless_refused(world, by, decide)


async def _seen_to(world: World, by: Provenance, session: str) -> None:
    async def decide(reading: Reading) -> Decision:
        s = await reading.one(WorkSession, session)
        if s.requeue_due_at is None:
            raise Refused("It was seen to.")
        return _changed(s, s.with_(requeue_due_at=None), reading)

    await _unless_refused(world, by, decide)


def _in_force(reading: Reading, queue: Queue | None) -> OrgSettings:
    return routing.in_force(reading.settings or OrgSettings(id=reading.org, org=reading.org), queue)


def _changed(before: WorkSession, after: WorkSession, reading: Reading) -> Decision:
    why = changed(before, "system")
    return Decision(partition=before.id, why=why, writes=(step(before, after, reading.moment.now),))


async def requeue_overdue(world: World) -> list[Done]:
    """The time of grace of agents who signed out is over, in whatever org of this process's share."""
    done: list[Done] = []
    for s in await due_here(world, WorkSession):
        done += await requeue(world, provenance(s.org, "routing", SYSTEM), s)
    return done


async def unassign_absent(world: World, by: Provenance, item: str) -> Done | None:
    """A done conversation came back, and its agent is not available: with `autoUnassign` it goes to the queue it was in
    last. Not if whoever reopened it gave it to somebody else. `None` if it stays.
    """

    async def decide(reading: Reading) -> Decision:
        w = await reading.one(WorkItem, item)
        owner = w.assigned_to
        if w.status not in ("assigned", "wrap-up") or owner is None or w.work_item_number < 2:
            raise Refused("It is no reopened item that somebody has.")
        session = await live_session(reading, owner)
        if session is not None and session.status_type == "available":
            raise Refused("Its agent is available.")
        former = await last_item(reading, w.resource, before=w.work_item_number)
        if former is None or former.assigned_to != owner:
            raise Refused("It was given to them when it was reopened.")
        case = await case_of(reading, w, users=(owner,))
        if not _in_force(reading, case.queues.get(w.queue or "")).auto_unassign:
            raise Refused("Here it stays with its agent.")
        return life_cycle.unassign(case, reading.moment, Manner(), code="REQUEUED_UNAVAILABLE")

    made = await _unless_refused(world, by, decide)
    return made[0] if made else None


HEARD = "heard"
"""The space of marks that say when an agent's client was last heard: no record, no row, no event."""


async def heard(world: World, by: Provenance, user: str) -> None:
    """A sign of life of an agent's client. Whoever was unreachable is back at once."""
    now = world.clock.now()
    mark = Mark(space=HEARD, org=by.org, key=user, value=str(now).encode())
    await world.store.commit(Commit(marks=(mark,)))

    async def decide(reading: Reading) -> Decision:
        s = await live_session(reading, user)
        if s is None or s.unreachable_since_at is None:
            raise Refused("They were not missed.")
        return _changed(s, s.with_(unreachable_since_at=None), reading)

    session = await live_session(Reading(world, by), user)
    if session is not None and session.unreachable_since_at is not None:
        await _unless_refused(world, by, decide)


async def miss_silent(world: World, org: str) -> list[Done]:
    """Agents of whose client nothing was heard for longer than `unreachableSeconds` are unreachable from now on."""
    by = provenance(org, "routing", SYSTEM)
    settings = await Reading(world, by).maybe(OrgSettings, org)
    if settings is None or settings.unreachable_seconds is None:
        return []
    done: list[Done] = []
    async for s in each_live_session(world, org):
        if s.unreachable_since_at is None:
            done += await _miss(world, by, s, settings.unreachable_seconds * 1000)
    return done


async def _miss(world: World, by: Provenance, s: WorkSession, after_ms: int) -> list[Done]:
    last = await _last_heard(world, s)
    if world.clock.now() - last <= after_ms:
        return []

    async def decide(reading: Reading) -> Decision:
        now = await reading.one(WorkSession, s.id)
        if now.rev != s.rev or await _last_heard(world, s) != last:
            raise Refused("Something was heard of them.")
        return _changed(now, now.with_(unreachable_since_at=last), reading)

    return await _unless_refused(world, by, decide)


async def _last_heard(world: World, s: WorkSession) -> int:
    """When a shift's client was last heard (ms); signing in counts."""
    mark = await world.store.mark(HEARD, s.org, s.user)
    return max(s.signed_in_at, int(mark.value or b"0") if mark else 0)
