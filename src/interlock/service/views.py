"""Read models: lists and pages. Nothing here decides or writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

from interlock.domain import agent
from interlock.domain.agent import OrgSettings, RoutingSettings, Team, User, WorkSession
from interlock.domain.conversation import Conversation
from interlock.domain.errors import NotFound
from interlock.domain.log import Row
from interlock.domain.message import Message
from interlock.domain.queue import Queue, claim_of_key
from interlock.domain.record import Address, Record
from interlock.domain.reservation import Reservation
from interlock.domain.schedule import Schedule
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Query, World

R = TypeVar("R", bound=Record)
ALL = 10_000


async def listing(
    world: World,
    org: str,
    kind: type[R],
    offset: int,
    limit: int,
    *,
    states: tuple[str, ...] = (),
    by_id: bool = False,
    descending: bool = False,
) -> list[R]:
    """Records of a kind, in its order."""
    query = Query(
        name="listing",
        org=org,
        type=kind.TYPE,
        states=states,
        by_id=by_id,
        descending=descending,
        offset=offset,
        limit=limit,
    )
    return cast("list[R]", await world.store.find(query))


async def children(
    world: World,
    org: str,
    kind: type[R],
    parent: str,
    offset: int,
    limit: int,
    *,
    states: tuple[str, ...] = (),
    descending: bool = False,
    by_id: bool = False,
) -> list[R]:
    """Records of a kind that hang on another."""
    query = Query(
        name="children",
        org=org,
        type=kind.TYPE,
        parent=parent,
        states=states,
        descending=descending,
        by_id=by_id,
        offset=offset,
        limit=limit,
    )
    return cast("list[R]", await world.store.find(query))


async def of_owner(
    world: World,
    org: str,
    kind: type[R],
    owner: str,
    states: tuple[str, ...],
    offset: int,
    limit: int,
    *,
    oldest_first: bool = False,
) -> list[R]:
    """Records that belong to somebody, newest first."""
    query = Query(
        name="of_owner",
        org=org,
        type=kind.TYPE,
        owner=owner,
        states=states,
        descending=not oldest_first,
        offset=offset,
        limit=limit,
    )
    return cast("list[R]", await world.store.find(query))


async def present(world: World, org: str, kind: type[R], id: str) -> R | None:
    """One record, if it is there."""
    return cast("R | None", (await world.store.load([Address(kind.TYPE, org, id)]))[0])


async def one(world: World, org: str, kind: type[R], id: str) -> R:
    """One record; raises `NotFound`."""
    found = await present(world, org, kind, id)
    if found is None:
        raise NotFound(f"There is no {kind.TYPE} {id}.")
    return found


async def holder(world: World, org: str, kind: type[R], claim: str) -> R | None:
    """The record that holds a unique name."""
    found = await world.store.find(Query(name="claimed", org=org, type=kind.TYPE, claim=claim, limit=1))
    return cast("R | None", found[0] if found else None)


async def named(world: World, org: str, kind: type[R], ids: Sequence[str]) -> list[R]:
    """Those of these records that are there."""
    found = await world.store.load([Address(kind.TYPE, org, id) for id in ids]) if ids else []
    return [cast("R", r) for r in found if r is not None]


async def conversations(
    world: World, org: str, status: str | None, customer: str | None, offset: int, limit: int
) -> list[Conversation]:
    """Conversations, newest first; deleted ones only if they are asked for."""
    states = (status,) if status else ("open", "snoozed", "done")
    if customer:
        return await children(
            world, org, Conversation, customer, offset, limit, states=states, descending=True, by_id=True
        )
    return await listing(world, org, Conversation, offset, limit, states=states, by_id=True, descending=True)


async def messages(world: World, org: str, conversation: str, offset: int, limit: int) -> list[Message]:
    """The messages of a conversation, oldest first."""
    return await children(world, org, Message, conversation, offset, limit)


async def items_of_conversation(
    world: World, org: str, conversation: str, statuses: frozenset[str], offset: int, limit: int
) -> list[WorkItem]:
    """The work items of a conversation, newest first."""
    states = tuple(sorted(statuses))
    return await children(world, org, WorkItem, conversation, offset, limit, states=states, descending=True, by_id=True)


async def items_of_queue(
    world: World, org: str, queue: str, statuses: frozenset[str], offset: int, limit: int, *, descending: bool = False
) -> list[WorkItem]:
    """What waits in a queue, in routing order."""
    states = tuple(s for s in ("queued", "routed") if not statuses or s in statuses)
    if not states:
        return []
    query = Query(
        name="waiting",
        org=org,
        type=WorkItem.TYPE,
        queue=queue,
        states=states,
        descending=descending,
        offset=offset,
        limit=limit,
    )
    return cast("list[WorkItem]", await world.store.find(query))


async def items_of_session(world: World, session: WorkSession) -> list[WorkItem]:
    """What a shift carries: the open items of its user, and what is offered to it."""
    found = await named(world, session.org, WorkItem, [h.item for h in session.holding])
    return sorted(found, key=lambda w: w.id)


async def passes(world: World, org: str, item: str, offset: int, limit: int) -> list[QueuePass]:
    """The queue passes of an item, first one first."""
    return await children(world, org, QueuePass, item, offset, limit)


async def rules(world: World, org: str, kind: type[R]) -> list[R]:
    """The rules of a list, in order; deleted ones are not there any more."""
    return await listing(world, org, kind, 0, ALL, states=("live",))


async def live_sessions(world: World, org: str, user: str = "") -> list[WorkSession]:
    """Sessions that have not ended; of one user, if given."""
    query = Query(name="live_sessions", org=org, type=WorkSession.TYPE, owner=user, limit=ALL)
    return cast("list[WorkSession]", await world.store.find(query))


async def live_session(world: World, org: str, user: str) -> WorkSession | None:
    """The live session of a user."""
    found = await live_sessions(world, org, user)
    return found[0] if found else None


async def sessions(
    world: World,
    org: str,
    user: str,
    active: bool | None,
    status_type: str | None,
    offset: int,
    limit: int,
    *,
    oldest_first: bool = False,
) -> list[WorkSession]:
    """Sessions, newest first, of one user if given. Those that ended are offline, and only those are."""
    if status_type is not None:
        lives = status_type != "offline"
        if active is not None and active != lives:
            return []
        active = lives
    if active and status_type is not None:
        found = [s for s in await live_sessions(world, org, user) if s.status_type == status_type]
        found.sort(key=lambda s: (s.signed_in_at, s.id), reverse=not oldest_first)
        return found[offset : offset + limit]
    states = {None: (), True: ("live",), False: ("ended",)}[active]
    if user:
        return await of_owner(world, org, WorkSession, user, states, offset, limit, oldest_first=oldest_first)
    return await listing(world, org, WorkSession, offset, limit, states=states, descending=not oldest_first)


async def reservations(
    world: World, org: str, user: str, states: tuple[str, ...], offset: int, limit: int
) -> list[Reservation]:
    """Offers, newest first; of one agent if given."""
    if user and states == ("pending",):
        query = Query(name="claimed", org=org, type=Reservation.TYPE, claim=f"{org}/offer-to-user/{user}", limit=1)
        return cast("list[Reservation]", await world.store.find(query))[offset : offset + limit]
    if not user:
        return await listing(world, org, Reservation, offset, limit, states=states, descending=True)
    return await of_owner(world, org, Reservation, user, states, offset, limit)


async def queues(world: World, org: str, *, system: bool | None, key: str | None, everything: bool) -> list[Queue]:
    """Queues by name; archived ones only if everything is asked for."""
    if key:
        found = await holder(world, org, Queue, claim_of_key(org, key))
        kept = [found] if found is not None and (everything or not found.archived) else []
    else:
        states = () if everything else ("active", "system")
        kept = await listing(world, org, Queue, 0, ALL, states=states)
    return [q for q in kept if system is None or q.system == system]


async def default_schedule(world: World, org: str) -> Schedule | None:
    """The schedule that the org's settings name."""
    settings = await present(world, org, OrgSettings, org)
    found = await present(world, org, Schedule, settings.schedule) if settings and settings.schedule else None
    return found if found and not found.deleted else None


async def settings_of_teams(world: World, org: str, user: str | None = None) -> list[RoutingSettings]:
    """The routing settings of all teams, or of those of one user."""
    if user is None:
        return await listing(world, org, RoutingSettings, 0, ALL)
    found = await present(world, org, User, user)
    return await named(world, org, RoutingSettings, found.teams if found else ())


async def teams_of_user(world: World, org: str, user: str) -> list[Team]:
    """The teams of a user."""
    found = await present(world, org, User, user)
    return await named(world, org, Team, found.teams if found else ())


async def log_page(world: World, org: str, after: int, limit: int, *, partition: str = "") -> list[Row]:
    """Rows of the org's log after a position, in order."""
    return await world.store.changes(after, limit, org=org, partition=partition)


async def newest_rows(world: World, org: str, limit: int, *, partition: str = "") -> list[Row]:
    """The last rows of the org's log, in order."""
    return await world.store.changes(0, limit, org=org, partition=partition, newest=True)


async def trimmed_to(world: World) -> int:
    """The position up to which the log is gone; 0 while all of it is there."""
    first = await world.store.changes(0, 1)
    return first[0].position - 1 if first else 0


async def sessions_of_queue(
    world: World, queue: Queue, routable: bool | None, status_type: str | None, channel: str | None
) -> list[WorkSession]:
    """Live sessions that serve a queue; `channel`: only those with room for one more item of it."""
    found = [s for s in await live_sessions(world, queue.org) if queue.id in s.queues]
    return [
        s
        for s in found
        if routable in (None, s.routable)
        and status_type in (None, s.status_type)
        and (channel is None or not agent.room(s, queue.item_size, channel, queue.priority))
    ]
