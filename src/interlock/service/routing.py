"""Rounds of routing: items in order, an agent for each, one commit per offer; and what happens when nobody answers.

Rounds run on news (an item waits, an agent has room) and on a cadence, so that nothing eligible waits beside an agent
who could take it for longer than one sweep.
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.domain import life_cycle, routing
from interlock.domain.agent import OrgSettings, Status, User, WorkSession
from interlock.domain.assignment import Actor
from interlock.domain.decision import Decision, Provenance, Why
from interlock.domain.errors import Conflict, Refused
from interlock.domain.queue import Queue
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Query, World
from interlock.service.cases import case_of
from interlock.service.transact import Done, Reading, provenance, transact

ROUND_MAX = 50
"""Items looked at in one round of one queue; the sweep comes back for the rest."""


def by_routing(org: str, *, trace: str = "", cause: str = "") -> Provenance:
    """The provenance of routing's own decisions: class rule, so that a person or workflow outranks them."""
    return Provenance(org, Actor("rule", "routing", "routing"), "routing", trace, cause=cause)


async def round_of_queue(world: World, by: Provenance, queue: str) -> list[Done]:
    """Offer what waits in one queue, in order, until nobody is free for any of it."""
    settings, sessions = await _floor(world, by)
    if not _anybody_free(sessions, queue):
        return []
    waiting = await world.store.find(
        Query(name="waiting", org=by.org, type=WorkItem.TYPE, queue=queue, states=("queued",), limit=ROUND_MAX)
    )
    return await _offer_all(world, by, [w for w in waiting if isinstance(w, WorkItem)], settings, sessions)


async def round_of_session(world: World, by: Provenance, session: str) -> list[Done]:
    """An agent may have room: the first waiting items of all the queues they serve, in one order."""
    reading = Reading(world, by)
    s = await reading.maybe(WorkSession, session)
    if s is None or s.signed_out_at or not s.routable or s.pending_reservation or not s.capacity_remaining:
        return []
    heads: list[WorkItem] = []
    for queue in s.queues:
        query = Query(name="waiting", org=by.org, type=WorkItem.TYPE, queue=queue, states=("queued",), limit=ROUND_MAX)
        heads += await reading.find(WorkItem, query)
    if not heads:
        return []
    settings, sessions = await _floor(world, by)
    heads.sort(key=lambda w: (w.index().sort, w.id))
    return await _offer_all(world, by, heads[:ROUND_MAX], settings, sessions)


async def _floor(world: World, by: Provenance) -> tuple[OrgSettings, list[WorkSession]]:
    reading = Reading(world, by)
    settings = await settings_of(reading)
    found = await reading.find(
        WorkSession, Query(name="live_sessions", org=by.org, type=WorkSession.TYPE, limit=10_000)
    )
    return settings, found


async def settings_of(reading: Reading) -> OrgSettings:
    """The org's routing settings, or the defaults where none were ever stored."""
    found = await reading.maybe(OrgSettings, reading.org)
    return found or OrgSettings(id=reading.org, org=reading.org)


def _anybody_free(sessions: Sequence[WorkSession], queue: str) -> bool:
    return any(
        s.routable and not s.pending_reservation and s.capacity_remaining and queue in s.queues for s in sessions
    )


async def _offer_all(
    world: World, by: Provenance, items: Sequence[WorkItem], settings: OrgSettings, sessions: Sequence[WorkSession]
) -> list[Done]:
    """Offer each in turn. A taken agent is out for the rest of the round; an item that nobody can take blocks none behind it."""
    done: list[Done] = []
    taken: set[str] = set()
    for item in items:
        free = [s for s in sessions if s.id not in taken]
        if not any(s.routable and not s.pending_reservation and s.capacity_remaining for s in free):
            break
        if item.paused or not any(item.queue in s.queues for s in free):
            continue
        made = await offer_item(world, by, item.id, settings)
        if made is None:
            continue
        done.append(made)
        for w in made.decision.writes:
            if isinstance(w.after, WorkSession):
                taken.add(w.after.id)
    return done


async def offer_item(world: World, by: Provenance, item: str, settings: OrgSettings) -> Done | None:
    """Offer (or assign) one item to the agent the strategy names; `None` if it does not wait any more or nobody can take it."""

    async def decide(reading: Reading) -> Decision:
        w = await reading.one(WorkItem, item)
        if w.status != "queued" or w.paused or w.external_queue:
            raise Refused("It does not wait any more.")
        case = await case_of(reading, w)
        queue = case.queues.get(w.queue or "")
        if queue is None or not routing.may_wait(queue):
            raise Refused("Its queue is not served now.")
        sessions = await reading.find(
            WorkSession, Query(name="live_sessions", org=by.org, type=WorkSession.TYPE, limit=10_000)
        )
        choice = routing.choose(w, case.pass_, sessions, settings)
        if choice.session is None:
            raise Refused(choice.because)
        return _grant(reading, case.item, case.pass_, case.queues, choice, settings)

    try:
        return await transact(world, by, decide)
    except (Refused, Conflict):
        return None


def _grant(
    reading: Reading,
    item: WorkItem,
    p: QueuePass,
    queues: dict[str, Queue],
    choice: routing.Choice,
    settings: OrgSettings,
) -> Decision:
    """The offer of a choice, or the assignment at once where the org asks for no acceptance."""
    session = choice.session
    assert session is not None
    reading.saw(session)
    case = life_cycle.Case(item, p, None, {session.user: session}, queues)
    moment = reading.moment
    why = Why(
        direction="offer", kind="change", candidates=choice.candidates, counts=choice.counts, strategy=choice.strategy
    )
    if not settings.accept_required:
        return life_cycle.auto_assign(case, session.user, moment, why=Why(
            direction="routing", kind="intent", candidates=choice.candidates, counts=choice.counts, strategy=choice.strategy,
        ))  # fmt: skip
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
    done: list[Done] = []
    for queue in queues:
        done += await round_of_queue(world, by_routing(org), queue.id)
    return done


async def active_user(reading: Reading, user: str, *, pointer: str = "") -> User:
    """A user who may be given work; raises if there is none or they are disabled."""
    found = await reading.one(User, user, pointer=pointer)
    if not found.enabled:
        raise Refused(f"User {found.name} is disabled.", pointer=pointer)
    return found
