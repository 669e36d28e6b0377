"""Rounds of routing: items in order, an agent for each, one commit per offer; and what happens when nobody answers.

Rounds run on news (an item waits, an agent has room, a step of ageing or relaxation is due) and on a cadence, so that
nothing eligible waits beside an agent who could take it for longer than one sweep.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from interlock.domain import agent, life_cycle, matching, routing
from interlock.domain.agent import OrgSettings, Status, User, WorkSession
from interlock.domain.assignment import Actor
from interlock.domain.decision import Basis, Decision, Moment, Provenance, Reason, Why
from interlock.domain.errors import Conflict, NoWaitingItem, Refused
from interlock.domain.floor import Floor
from interlock.domain.matching import LeftWaiting, Match
from interlock.domain.queue import Queue
from interlock.domain.reservation import Reservation
from interlock.domain.routing import Place
from interlock.domain.settle import Case
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Query, World
from interlock.service.by_clock import due_here
from interlock.service.cases import case_of
from interlock.service.floors import catch_up, check, floor_of, follow, has_room, one_look
from interlock.service.transact import Done, Reading, note, provenance, transact, unless_refused

__all__ = ["has_room"]

GRANTS_MAX = 200
"""Matches that are committed side by side."""
CHECKED_MAX = 200
"""Floors that one check looks at."""
TURNS_MAX = 50
"""How often one round matches anew; what is left then is the next round's."""


def by_routing(org: str, *, trace: str = "", cause: str = "") -> Provenance:
    """The provenance of routing's own decisions: class rule, so that a person or workflow outranks them."""
    return Provenance(org, Actor("rule", "routing", "routing"), "routing", trace, cause=cause)


async def round(
    world: World, by: Provenance, *, queues: Iterable[str] = (), sessions: Iterable[str] = (), heard: bool = False
) -> list[Done]:
    """Match what waits with who is free, and commit one offer (or assignment) per match.

    What is news is known from the log, or (`heard`) the bus has brought it; `queues` and `sessions` are looked at in
    any case. Each grant reads its own records anew, and one that came too late is dropped: whatever made it late is
    news, and the next turn's.
    """
    kept = world.floors is not None
    if kept:
        floor = await floor_of(world, by, heard=heard)
        floor.look_at(queues, sessions)
    else:
        floor = await one_look(Reading(world, by), queues, sessions)
    done: list[Done] = []
    for _ in range(TURNS_MAX):
        found = matching.match(floor, GRANTS_MAX)
        if not found:
            break
        await world.together([_grant(world, by, floor, each, done) for each in found])
        if kept:
            await catch_up(world, by, floor, heard=heard)
    return done


async def _grant(world: World, by: Provenance, floor: Floor, match: Match, done: list[Done]) -> None:
    """Commit one match, if it still holds of the records as they are now."""
    choice = match.choice

    async def decide(reading: Reading) -> Decision:
        w = await reading.one(WorkItem, match.item)
        case = await case_of(reading, w, users=(choice.user,))
        queue, session = case.queues.get(w.queue or ""), case.sessions.get(choice.user)
        settings = reading.settings or floor.settings
        at = _place(case, queue, settings, reading.moment.now)
        if at is None or queue is None or session is None:
            raise Refused("The match does not hold any more.")
        reason = routing.ineligible(at.wants, session, reading.moment.now, at.declined)
        if reason:
            raise Refused(f"The match does not hold any more: {reason}.")
        return _give(case, session, match, at, routing.in_force(settings, queue), reading.moment)

    try:
        made = await transact(world, by, decide)
    except (Refused, Conflict):
        await _put_right(world, by, floor, match)
        return
    for write in made.decision.writes:
        floor.put(write.after, ahead=made.row.position)
    done.append(made)


def _place(case: Case, queue: Queue | None, settings: OrgSettings, now: int) -> Place | None:
    """Where an item stands as its records are now; `None` if it does not wait, or is held."""
    waiting = routing.waiting_of(case.item, case.pass_)
    if waiting is None or waiting.state != "queued" or queue is None:
        return None
    if routing.held(queue, case.hours.of(queue.id), now):
        return None
    return routing.place(waiting, queue, now, settings.reoffer_seconds)


async def _put_right(world: World, by: Provenance, floor: Floor, match: Match) -> None:
    """A grant came to nothing: the floor gets the records as they are. If they are what it had, the two disagree, which
    must not be: the pair is left to the sweep, so that it is not tried for ever.
    """
    item, session = match.item, match.choice.session
    if world.floors is None:
        floor.release(item, session)
        floor.forget_news(item, session)
        return
    found = await Reading(world, by).load((WorkItem, item), (WorkSession, session))
    news = tuple(r.rev if r is not None else 0 for r in found) != match.revs
    floor.release(item, session)
    for record in found:
        if record is not None:
            floor.put(record, anew=True)
    w = found[0]
    pass_ = await Reading(world, by).maybe(QueuePass, w.pass_) if isinstance(w, WorkItem) else None
    if pass_ is not None:
        floor.put(pass_)
    if not news:
        await follow(world, by, floor)  # something else they rest on may have moved: a queue, the settings
        if matching.fits(floor, item, session):
            floor.disagreed += 1
            floor.forget_news(item, session)


def _give(case: Case, session: WorkSession, match: Match, at: Place, settings: OrgSettings, moment: Moment) -> Decision:
    """The offer of a choice, or the assignment at once where no acceptance is asked for."""
    choice = match.choice
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
    expires = moment.now + agent.accept_ms(session, settings)
    return life_cycle.offer(
        case, session.user, moment, expires_at=expires, strategy=choice.strategy, afresh=at.afresh, why=why
    )


async def settings_of(reading: Reading) -> OrgSettings:
    """The org's routing settings, or the defaults where none were ever stored."""
    found = await reading.maybe(OrgSettings, reading.org)
    return found or OrgSettings(id=reading.org, org=reading.org)


async def settings_for(reading: Reading, queue: str | None) -> OrgSettings:
    """The routing settings as they hold for one queue."""
    return routing.in_force(await settings_of(reading), await reading.maybe(Queue, queue))


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

    return await unless_refused(world, by, decide)


async def _timeout_status(reading: Reading) -> Status | None:
    settings = await settings_of(reading)
    return await reading.maybe(Status, settings.timeout_status)


async def expire_overdue(world: World) -> list[Done]:
    """Every offer, of any org of this process's share, whose time is up."""
    ended = [await expire(world, r) for r in await due_here(world, Reservation)]
    return [d for d in ended if d is not None]


async def route_due(world: World) -> list[Done]:
    """A round for every org in which something is due by the clock, or was put off. Asks no store where nothing is."""
    done: list[Done] = []
    for org, floor in list((world.floors or {}).items()):
        floor.advance(world.clock.now())
        if floor.has_news:
            done += await round(world, by_routing(org))
    return done


async def sweep(world: World, org: str) -> list[Done]:
    """A round over everything that waits in an org: what news did not reach. In a healthy system it finds nothing.

    What has stood beside an agent who could take it for longer than a sweep, and what waits for no reason that can be
    told, is an incident: it goes into the log before it is routed.
    """
    by = by_routing(org)
    if world.floors is None:
        queues = await world.store.find(Query(name="listing", org=org, type=Queue.TYPE, limit=10_000))
        return await round(world, by, queues=[q.id for q in queues])
    floor = await floor_of(world, by)
    for each in matching.left_waiting(floor, floor.settings.sweep_seconds * 1000):
        await _report(world, by, each)
    for kind in [k for id in floor.queues for k in matching.kinds_of(floor, id) if k.because == "UNKNOWN"]:
        await _report(world, by, LeftWaiting(kind.first, "", 0))
    done = await round(world, by)
    floor.look_at_all()
    missed = matching.match(floor, GRANTS_MAX)
    floor.missed += len(missed)
    await world.together([_grant(world, by, floor, each, done) for each in missed])
    return done + await round(world, by)


async def _report(world: World, by: Provenance, found: LeftWaiting) -> None:
    """An incident, as a row of the log beside everything else that happened to the item."""
    item = await Reading(world, by).maybe(WorkItem, found.item)
    if item is None:
        return
    code = "LEFT_WAITING" if found.user else "UNKNOWN"
    meta = {"user": found.user, "forMs": found.for_ms} if found.user else {}
    why = Why(
        direction="routing",
        kind="noop",
        reason=f"incident: {code}",
        record=item.ref,
        rev_before=item.rev,
        rev_after=item.rev,
        reasons=(Reason("ROUTE_WORK_ITEM", code, meta),),
    )
    await note(world, by, item.resource, why)


async def check_floors(world: World) -> int:
    """Compare some of some floors with the store, others each time. Answers what was wrong: in a healthy system
    nothing.
    """
    found = 0
    floors = world.floors
    if floors is None:
        return found
    for org in list(islice(floors, CHECKED_MAX)):
        floor = floors[org] = floors.pop(org)  # to the end of the line: every floor has its turn
        found += await check(world, by_routing(org), floor) + floor.disagreed
        floor.disagreed = 0
    return found


async def next_item(world: World, org: str, queue: str) -> WorkItem:
    """The item of a queue that would be offered next. Raises `NoWaitingItem`."""
    by = by_routing(org)
    kept = world.floors is not None
    floor = await floor_of(world, by) if kept else await one_look(Reading(world, by), [queue], ())
    first = floor.first_of(queue)
    found = await Reading(world, by).maybe(WorkItem, first) if first else None
    if found is None:
        raise NoWaitingItem("Everything in this queue is taken.")
    return found


async def active_user(reading: Reading, user: str, *, pointer: str = "") -> User:
    """A user who may be given work; raises if there is none or they are disabled."""
    found = await reading.one(User, user, pointer=pointer)
    if not found.enabled:
        raise Refused(f"User {found.name} is disabled.", pointer=pointer)
    return found
