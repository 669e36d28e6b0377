"""Users, teams, statuses and shifts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.domain import agent
from interlock.domain.agent import OrgSettings, RoutingSettings, Status, Team, User, WorkSession
from interlock.domain.capacity import check_limits, check_team
from interlock.domain.decision import Decision, Provenance, Why, birth, changed
from interlock.domain.errors import InvalidValue, NoLiveSession, Refused, TooMany
from interlock.domain.queue import Queue
from interlock.domain.record import Address
from interlock.domain.reservation import Reservation
from interlock.domain.settle import held_of
from interlock.domain.work_item import WorkItem
from interlock.ports import Query, World
from interlock.service import schedules
from interlock.service.absence import requeue_due
from interlock.service.by_clock import each_live_session
from interlock.service.calendars import hours_of
from interlock.service.cases import live_session
from interlock.service.preconditions import Precondition
from interlock.service.records import put
from interlock.service.routing import active_user, settings_of
from interlock.service.transact import SYSTEM, Beside, Done, Reading, provenance, transact, unless_refused


async def set_status(world: World, by: Provenance, user: str, status: str, team: str | None, *, beside: Beside) -> Done:
    """An agent says what they are: the first routable status begins a shift, an offline one ends it."""

    async def decide(reading: Reading) -> Decision:
        who = await active_user(reading, user, pointer="/user")
        said = await reading.one(Status, status, pointer="/status")
        session = await live_session(reading, user)
        if session is not None:
            return await _says(reading, session, who, said)
        settings = await _team_settings(reading, who, team)
        query = Query(name="open_of_owner", org=by.org, type=WorkItem.TYPE, owner=user, limit=10_000)
        carried = await reading.find(WorkItem, query, basis=True)
        held, priorities = [held_of(i) for i in carried], await _priorities(reading, settings)
        org = await settings_of(reading)
        return agent.sign_in(who, said, settings, org, held, reading.moment, priorities=priorities)

    return await transact(world, by, decide, beside=beside)


async def _team_settings(reading: Reading, user: User, team: str | None) -> RoutingSettings | None:
    """The settings of the team in which a shift begins; an agent of several has to name it."""
    if team is not None and team not in user.teams:
        raise InvalidValue(f"User {user.name} is not in team {team}.", pointer="/team")
    if team is None and len(user.teams) > 1:
        raise InvalidValue("Name the team: this user is in several.", pointer="/team", teams=list(user.teams))
    chosen = team or (user.teams[0] if user.teams else None)
    settings = await reading.maybe(RoutingSettings, chosen)
    return settings if settings and settings.enabled else None


async def _priorities(reading: Reading, settings: RoutingSettings | None) -> tuple[int, ...]:
    """The priorities among the queues that a team serves, in order."""
    queues = await reading.many(Queue, settings.queues if settings else ())
    return tuple(sorted({q.priority for q in queues.values()}))


async def change_session(
    world: World, by: Provenance, session: str, status: str, precondition: Precondition, *, beside: Beside
) -> Done:
    """A supervisor changes the status of somebody's shift."""

    async def decide(reading: Reading) -> Decision:
        s = await reading.one(WorkSession, session)
        if s.signed_out_at:
            raise NoLiveSession("This session has ended and cannot be changed.")
        await precondition.check(reading, s, {"status"})
        who, said = await reading.one(User, s.user), await reading.one(Status, status, pointer="/status")
        return await _says(reading, s, who, said)

    return await transact(world, by, decide, beside=beside)


async def _says(reading: Reading, s: WorkSession, who: User, said: Status) -> Decision:
    calendar = (await hours_of(reading)).org
    due = await requeue_due(reading, s) if said.status_type == "offline" else None
    return agent.change_status(s, who, said, reading.moment, calendar, requeue_due_at=due)


async def reconcile(world: World, by: Provenance, user: str) -> Done | None:
    """The live session of a user carries what they own and what is offered to them, no more and no less.

    An item may be assigned to somebody in the moment in which they sign in, so that neither commit sees the other. Load
    is a set, so the remedy is to make the set anew; `None` if it is right, or they are not signed in.
    """

    async def decide(reading: Reading) -> Decision:
        session = await live_session(reading, user)
        if session is None:
            raise NoLiveSession("Nobody to weigh anything on.")
        query = Query(name="open_of_owner", org=by.org, type=WorkItem.TYPE, owner=user, limit=10_000)
        owned = await reading.find(WorkItem, query)
        offer = await reading.maybe(Reservation, session.pending_reservation)
        pending = offer if offer and offer.state == "pending" else None
        after = agent.reweighed(session, [held_of(i) for i in owned], pending.work_item if pending else None)
        if after == session:
            raise Refused("It carries what it should.")
        why = changed(session, "system", reason="load made anew from the items")
        calendar = (await hours_of(reading)).org
        write = agent.turn(session, after, reading.moment.now, calendar)
        return Decision(partition=session.id, why=why, writes=(write,))

    return await unless_refused(world, by, decide, also=(NoLiveSession,))


async def is_live(world: World, org: str, session: str | None) -> bool:
    """Whether this shift is there and has not ended; no shift is not."""
    found = (await world.store.load([Address(WorkSession.TYPE, org, session)]))[0] if session else None
    return isinstance(found, WorkSession) and not found.signed_out_at


async def reconcile_all(world: World, org: str) -> list[Done]:
    """Every live session of an org, made right where it is not."""
    by = by_system(org)
    done = [await reconcile(world, by, s.user) async for s in each_live_session(world, org)]
    return [d for d in done if d is not None]


async def put_routing_settings(
    world: World, by: Provenance, team: str, fields: Mapping[str, Any], precondition: Precondition, *, beside: Beside
) -> Done:
    """A team's routing settings; the first PUT makes them. Live sessions of the team take a changed list at once (a
    reaction).
    """

    async def decide(reading: Reading) -> Decision:
        await reading.one(Team, team)
        if len(fields.get("queues", ())) > RoutingSettings.QUEUES_MAX:
            raise TooMany(f"A team serves at most {RoutingSettings.QUEUES_MAX} queues.", pointer="/queues")
        for place, queue in enumerate(fields.get("queues", ())):
            await reading.one(Queue, queue, pointer=f"/queues/{place}")
        present = await reading.maybe(RoutingSettings, team)
        now = reading.moment.now
        org = await settings_of(reading)
        after = (present or RoutingSettings(id=team, org=by.org, team=team)).with_(**fields)
        check_team(after)
        total = after.work_item_capacity if after.work_item_capacity is not None else org.capacity.get("total")
        check_limits(after.capacity or {}, inherited=total, pointer="/capacity")
        if present is None:
            made = RoutingSettings(
                id=team, org=by.org, team=team, created_at=now, updated_at=now, modified_at=now, **fields
            )
            why = Why(direction="person", kind="change", record=made.ref, rev_after=1)
            return Decision(partition=team, why=why, writes=(birth(made),))
        await precondition.check(reading, present, {RoutingSettings.outward(f) for f in fields})
        return put(present, fields, reading.moment)

    return await transact(world, by, decide, beside=beside)


async def refresh_sessions(
    world: World, by: Provenance, *, team: str | None = None, user: str | None = None
) -> list[Done]:
    """Live sessions take the queues and limits that their team's settings, their user and the org have now."""
    sessions = await world.store.find(
        Query(name="live_sessions", org=by.org, type=WorkSession.TYPE, owner=user or "", limit=10_000)
    )
    done: list[Done] = []
    for found in sessions:
        if not isinstance(found, WorkSession) or (team and found.team != team):
            continue

        async def decide(reading: Reading, id: str = found.id, user: str = found.user) -> Decision:
            s, who = await reading.one(WorkSession, id), await reading.one(User, user)
            settings = await reading.maybe(RoutingSettings, s.team)
            enabled = settings if settings and settings.enabled else None
            org = await settings_of(reading)
            after = agent.reckon(s.with_(
                queues=enabled.queues if enabled else (), routing_settings=enabled.id if enabled else None,
                limits=agent.limits(who, enabled, org), skills=who.skills,
                accept_timeout_factor=who.accept_timeout_factor,
                unreachable_since_at=s.unreachable_since_at if org.unreachable_seconds else None,
                priorities=await _priorities(reading, enabled),
                offer_rate=enabled.offer_rate if enabled else None,
            ))  # fmt: skip
            if after == s or s.signed_out_at:
                raise Refused("Nothing changes for this session.")
            why = changed(s, "system")
            calendar = (await hours_of(reading)).org
            return Decision(partition=s.id, why=why, writes=(agent.turn(s, after, reading.moment.now, calendar),))

        try:
            done.append(await transact(world, by, decide))
        except Refused:
            continue
    return done


async def put_org_settings(
    world: World, by: Provenance, fields: Mapping[str, Any], precondition: Precondition, *, beside: Beside
) -> Done:
    """How routing behaves in this org."""

    async def decide(reading: Reading) -> Decision:
        check_limits(fields.get("capacity") or {}, inherited=20, pointer="/capacity")
        if fields.get("timeout_status"):
            silent = await reading.one(Status, fields["timeout_status"], pointer="/timeoutStatus")
            if silent.status_type in ("available", "offline"):
                raise InvalidValue(
                    f"{silent.name} is {silent.status_type}: whoever lets an offer pass would get it again at once, or "
                    "be signed out. Use a status of type unavailable or busy.",
                    pointer="/timeoutStatus",
                )  # fmt: skip
        present = await settings_of(reading)
        await precondition.check(reading, present, {OrgSettings.outward(f) for f in fields})
        decision = put(present, fields, reading.moment)
        if "schedule" in fields and fields["schedule"] != present.schedule:
            flags = await schedules.default_flags(reading, present.schedule, fields["schedule"])
            decision = msgspec.structs.replace(decision, writes=(*decision.writes, *flags))
        return decision

    return await transact(world, by, decide, beside=beside)


def by_system(org: str) -> Provenance:
    """The provenance of what nobody asked for."""
    return provenance(org, "system", SYSTEM)
