"""Rounds of routing: items in order, an agent for each, one commit per offer; and what happens when nobody answers.

Rounds run on news (an item waits, an agent has room) and on a cadence, so that nothing eligible waits beside an agent
who could take it for longer than one sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from interlock.domain import life_cycle, routing
from interlock.domain.agent import OrgSettings, Status, User, WorkSession
from interlock.domain.assignment import Actor
from interlock.domain.decision import Basis, Decision, Moment, Provenance, Why
from interlock.domain.errors import Conflict, Refused
from interlock.domain.queue import Queue
from interlock.domain.reservation import Reservation
from interlock.domain.settle import Case
from interlock.domain.work_item import QueuePass, WorkItem, waiting_order
from interlock.ports import Query, World
from interlock.service.cases import case_of
from interlock.service.transact import Done, Reading, provenance, transact

ROUND_MAX = 50
"""Items looked at in one round of one queue; the sweep comes back for the rest."""


def by_routing(org: str, *, trace: str = "", cause: str = "") -> Provenance:
    """The provenance of routing's own decisions: class rule, so that a person or workflow outranks them."""
    return Provenance(org, Actor("rule", "routing", "routing"), "routing", trace, cause=cause)


async def round(world: World, by: Provenance, *, queues: Iterable[str], sessions: Iterable[str] = ()) -> list[Done]:
    """Match what waits with who is free, and commit one offer (or assignment) per match.

    `queues` have something new waiting; `sessions` have room, so that every queue they serve is looked at. The match is
    made on one look at the floor; each grant then reads its own records anew, and one that came too late is dropped:
    whatever made it late is news, and the next round's.
    """
    settings, live = await _floor(world, by)
    free = [s for s in live if has_room(s)]
    roomy = set(sessions)
    wanted = set(queues).union(*(s.queues for s in free if s.id in roomy))
    served = wanted.intersection(*([set[str]().union(*(s.queues for s in free))] if free else [set[str]()]))
    if not served:
        return []
    items = await _waiting(world, by, served)
    grants = await _match(world, by, items, live, settings)
    done: list[Done] = []
    await world.together([_grant(world, by, grant, settings, done) for grant in grants])
    return done


def has_room(s: WorkSession) -> bool:
    """Whether an offer to this agent is thinkable at all."""
    return s.routable and not s.signed_out_at and not s.pending_reservation and s.capacity_remaining > 0


async def _floor(world: World, by: Provenance) -> tuple[OrgSettings, list[WorkSession]]:
    reading = Reading(world, by)
    settings = await settings_of(reading)
    query = Query(name="live_sessions", org=by.org, type=WorkSession.TYPE, limit=10_000)
    return settings, await reading.find(WorkSession, query)


async def settings_of(reading: Reading) -> OrgSettings:
    """The org's routing settings, or the defaults where none were ever stored."""
    found = await reading.maybe(OrgSettings, reading.org)
    return found or OrgSettings(id=reading.org, org=reading.org)


async def _waiting(world: World, by: Provenance, queues: Iterable[str]) -> list[WorkItem]:
    """The first items of several queues in one order; of paused or archived queues none."""
    reading = Reading(world, by)
    open_ones = [q.id for q in (await reading.many(Queue, sorted(queues))).values() if routing.may_wait(q)]
    heads: list[WorkItem] = []
    for queue in open_ones:
        query = Query(name="waiting", org=by.org, type=WorkItem.TYPE, queue=queue, states=("queued",), limit=ROUND_MAX)
        heads += await reading.find(WorkItem, query)
    if len(open_ones) > 1:
        heads.sort(key=lambda w: (waiting_order(w), w.id))
    return heads


class _Grant(msgspec.Struct, frozen=True):
    """One match: the item's id, and the choice that was made for it."""

    item: str
    choice: routing.Choice


async def _match(
    world: World, by: Provenance, items: Sequence[WorkItem], live: Sequence[WorkSession], settings: OrgSettings
) -> list[_Grant]:
    """Items in order, each to the agent the strategy names. An item that nobody can take blocks none behind it."""
    reading = Reading(world, by)
    passes = await reading.many(QueuePass, (w.pass_ for w in items[: ROUND_MAX * 2]))
    free = {s.id: s for s in live if has_room(s)}
    floor = {s.id: s for s in live}
    grants: list[_Grant] = []
    for item in items:
        if not free:
            break
        waits = passes.get(item.pass_)
        if waits is None or item.paused or not any(item.queue in s.queues for s in free.values()):
            continue
        choice = routing.choose(item, waits, floor.values(), settings)
        if choice.session is None:
            continue
        grants.append(_Grant(item.id, choice))
        taken = free.pop(choice.session.id)
        floor[taken.id] = routing.taken(taken, item, settings)
        if has_room(floor[taken.id]):
            free[taken.id] = floor[taken.id]
    return grants


async def _grant(world: World, by: Provenance, grant: _Grant, settings: OrgSettings, done: list[Done]) -> None:
    """Commit one match, if it still holds of the records as they are now."""

    async def decide(reading: Reading) -> Decision:
        w = await reading.one(WorkItem, grant.item)
        chosen = grant.choice.session
        assert chosen is not None
        case = await case_of(reading, w, users=(chosen.user,))
        session = case.sessions.get(chosen.user)
        if w.status != "queued" or session is None or routing.ineligible(w, case.pass_, session):
            raise Refused("The match does not hold any more.")
        return _give(case, session, grant.choice, settings, reading.moment)

    try:
        done.append(await transact(world, by, decide))
    except (Refused, Conflict):
        return


def _give(case: Case, session: WorkSession, choice: routing.Choice, settings: OrgSettings, moment: Moment) -> Decision:
    """The offer of a choice, or the assignment at once where the org asks for no acceptance."""
    why = Why(
        direction="offer" if settings.accept_required else "routing",
        kind="change" if settings.accept_required else "intent",
        candidates=choice.candidates,
        counts=choice.counts,
        strategy=choice.strategy,
        settings=(Basis(settings.TYPE, settings.id, settings.rev),),
    )
    if not settings.accept_required:
        return life_cycle.auto_assign(case, session.user, moment, why=why)
    expires = moment.now + settings.accept_timeout_seconds * 1000
    return life_cycle.offer(case, session.user, moment, expires_at=expires, strategy=choice.strategy, why=why)


async def expire(world: World, reservation: Reservation) -> Done | None:
    """One offer whose time is up: back to its place in the queue, and its silent agent becomes unavailable."""
    by = provenance(reservation.org, "routing")

    async def decide(reading: Reading) -> Decision:
        offer = await reading.one(Reservation, reservation.id)
        if offer.state != "pending" or reading.moment.now < offer.expires_at:
            raise Refused("It was answered meanwhile.")
        item = await reading.one(WorkItem, offer.work_item)
        case = await case_of(reading, item)
        silent = await _timeout_status(reading)
        return life_cycle.expire(case, reading.moment, silent)

    try:
        return await transact(world, by, decide)
    except Refused:
        return None


async def _timeout_status(reading: Reading) -> Status | None:
    settings = await settings_of(reading)
    return await reading.maybe(Status, settings.timeout_status)


async def expire_overdue(world: World) -> list[Done]:
    """Every offer, of any org, whose time is up."""
    due = await world.store.find(
        Query(name="overdue", org="", type=Reservation.TYPE, before=world.clock.now(), limit=200)
    )
    ended = [await expire(world, r) for r in due if isinstance(r, Reservation)]
    return [d for d in ended if d is not None]


async def sweep(world: World, org: str) -> list[Done]:
    """A round over every queue of an org: what news did not reach."""
    queues = await world.store.find(Query(name="listing", org=org, type=Queue.TYPE, limit=10_000))
    return await round(world, by_routing(org), queues=[q.id for q in queues])


async def active_user(reading: Reading, user: str, *, pointer: str = "") -> User:
    """A user who may be given work; raises if there is none or they are disabled."""
    found = await reading.one(User, user, pointer=pointer)
    if not found.enabled:
        raise Refused(f"User {found.name} is disabled.", pointer=pointer)
    return found
