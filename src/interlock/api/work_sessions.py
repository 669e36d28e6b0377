"""Work sessions: one shift of one agent."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import get, post, put
from interlock.api.pages import Pages, paged, whole
from interlock.api.shapes import Base, Guarded, Id, StatusType
from interlock.domain.agent import User, WorkSession
from interlock.domain.errors import InvalidValue, NoLiveSession
from interlock.domain.queue import Queue
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import WorkItem
from interlock.service import absence, views
from interlock.service import agents as service

PATH = "/v1/routing/work-sessions"


class SayStatus(Base, frozen=True, kw_only=True):
    """What the caller says of themselves."""

    status: Id
    team: Id | UnsetType | None = UNSET


class ChangeSession(Guarded, frozen=True, kw_only=True):
    """What a supervisor says of a shift."""

    status: Id
    team: Id | UnsetType | None = UNSET


class SessionPages(Pages, frozen=True, kw_only=True):
    """Which sessions."""

    user: bool = False
    active: bool | None = None
    status_type: StatusType | None = None
    sort: Literal["asc", "desc"] = "desc"


class OfUser(Pages, frozen=True, kw_only=True):
    """Which sessions of a user."""

    status_type: StatusType | None = None


class OfQueue(Pages, frozen=True, kw_only=True):
    """Which sessions of a queue."""

    routable: bool | None = None
    status_type: StatusType | None = None
    channel: str | None = None
    app: str | None = None


class ByType(msgspec.Struct, frozen=True, rename="camel"):
    """Only if it is in this type of status."""

    status_type: StatusType | None = None


def _user(call: Call) -> str:
    """The agent that the caller is."""
    if not call.key.user:
        raise InvalidValue("This key acts as no user: make one with user, or name a session by its id.")
    return call.key.user


async def live_session(call: Call, user: str) -> WorkSession:
    """The live session of a user; raises `NoLiveSession`."""
    found = await views.live_session(call.world, call.org, user)
    if found is None:
        raise NoLiveSession("Set a routable status to sign in.")
    return found


async def _cut(call: Call, found: list[WorkSession]) -> Answer:
    async def cut(offset: int, limit: int) -> list[WorkSession]:
        return found[offset : offset + limit]

    return await paged(call, cut)


@get(
    PATH,
    "listWorkSessions",
    tag="work sessions",
    roles=roles.SESSION_READ,
    kind=WorkSession,
    answers="many",
    query=SessionPages,
)
async def listed(call: Call) -> Answer:
    """List sessions, newest first; `user=true`: only the caller's."""
    q: SessionPages = call.query
    user, up = _user(call) if q.user else "", q.sort == "asc"
    return await paged(
        call,
        lambda offset, limit: views.sessions(
            call.world, call.org, user, q.active, q.status_type, offset, limit, oldest_first=up
        ),
    )


@get(
    f"{PATH}/current",
    "getCurrentWorkSession",
    tag="work sessions",
    roles=roles.SESSION_READ,
    kind=WorkSession,
    query=ByType,
    errors=(NoLiveSession,),
)
async def current(call: Call) -> Answer:
    """Read the caller's live session."""
    session = await live_session(call, _user(call))
    if call.query.status_type not in (None, session.status_type):
        raise NoLiveSession(f"The session is {session.status_type}.")
    return call.show(session)


@put(
    f"{PATH}/current",
    "updateCurrentWorkSession",
    tag="work sessions",
    roles=(*roles.SESSION_UPDATE, "org.user"),
    body=SayStatus,
    kind=WorkSession,
    guard="no",
    example={"status": "68f0a0000000000000000501"},
)
async def say(call: Call) -> Answer:
    """Say what you are: the first routable status signs in, an offline one signs out."""
    body: SayStatus = call.body
    user, team = _user(call), body.team if body.team is not UNSET else None
    return await call.act(
        lambda beside: service.set_status(call.world, call.by, user, body.status, team, beside=beside), WorkSession
    )


@post(
    f"{PATH}/current/heartbeat",
    "beatCurrentWorkSession",
    tag="work sessions",
    roles=(*roles.SESSION_UPDATE, "org.user"),
    kind=WorkSession,
    answers="nothing",
    status=204,
    idempotency="no",
    own=True,
    errors=(NoLiveSession,),
)
async def beat(call: Call) -> Answer:
    """Say that this agent's client is there. With `unreachableSeconds`, who says nothing for longer gets no offers."""
    user = _user(call)
    await live_session(call, user)
    await absence.heard(call.world, call.by, user)
    return Answer(204)


@get(
    f"{PATH}/current/work-items",
    "listCurrentWorkItems",
    tag="work sessions",
    roles=roles.SESSION_READ,
    kind=WorkItem,
    answers="many",
    errors=(NoLiveSession,),
)
async def current_items(call: Call) -> Answer:
    """List what the caller carries or is offered."""
    return whole(call, await views.items_of_session(call.world, await live_session(call, _user(call))))


@get(
    f"{PATH}/current/reservations",
    "listCurrentReservations",
    tag="work sessions",
    roles=roles.SESSION_READ,
    kind=Reservation,
    answers="many",
    own=True,
)
async def current_offers(call: Call) -> Answer:
    """List the offers that wait for the caller's answer."""
    return whole(call, await views.reservations(call.world, call.org, _user(call), ("pending",), 0, 100))


@get(f"{PATH}/{{id:str}}", "getWorkSession", tag="work sessions", roles=roles.SESSION_READ, kind=WorkSession)
async def read(call: Call) -> Answer:
    """Read a session."""
    return call.show(await call.one(WorkSession, call.id()))


@put(
    f"{PATH}/{{id:str}}",
    "updateWorkSession",
    tag="work sessions",
    roles=roles.SESSION_UPDATE,
    body=ChangeSession,
    kind=WorkSession,
    example={"status": "68f0a0000000000000000501"},
)
async def change(call: Call) -> Answer:
    """Change somebody's status."""
    id, body = call.id(), call.body
    precondition = call.precondition(WorkSession, id)
    return await call.act(
        lambda beside: service.change_session(call.world, call.by, id, body.status, precondition, beside=beside),
        WorkSession,
        id=id,
    )


@get(
    f"{PATH}/{{id:str}}/work-items",
    "listSessionWorkItems",
    tag="work sessions",
    roles=roles.SESSION_READ,
    kind=WorkItem,
    answers="many",
)
async def items(call: Call) -> Answer:
    """List what a session carries."""
    return whole(call, await views.items_of_session(call.world, await call.one(WorkSession, call.id())))


@get(
    "/v1/routing/users/{id:str}/work-sessions",
    "listUserWorkSessions",
    tag="work sessions",
    roles=roles.SESSION_READ,
    kind=WorkSession,
    answers="many",
    query=OfUser,
)
async def of_user(call: Call) -> Answer:
    """List the sessions of a user, newest first."""
    user = await call.one(User, call.id())
    of_type = call.query.status_type
    return await paged(
        call, lambda offset, limit: views.sessions(call.world, call.org, user.id, None, of_type, offset, limit)
    )


@get(
    "/v1/routing/users/{id:str}/work-sessions/current",
    "getUserWorkSession",
    tag="work sessions",
    roles=roles.SESSION_READ,
    kind=WorkSession,
    query=ByType,
    errors=(NoLiveSession,),
)
async def of_user_now(call: Call) -> Answer:
    """Read the live session of a user."""
    session = await live_session(call, (await call.one(User, call.id())).id)
    if call.query.status_type not in (None, session.status_type):
        raise NoLiveSession(f"The session is {session.status_type}.")
    return call.show(session)


@get(
    "/v1/routing/queues/{id:str}/work-sessions",
    "listQueueWorkSessions",
    tag="work sessions",
    roles=roles.SESSION_READ,
    kind=WorkSession,
    answers="many",
    query=OfQueue,
)
async def of_queue(call: Call) -> Answer:
    """List the live sessions that serve a queue."""
    queue = await call.one(Queue, call.id())
    q: OfQueue = call.query
    found = await views.sessions_of_queue(call.world, queue, q.routable, q.status_type, q.channel)
    return await _cut(call, found)


OPERATIONS = (
    listed,
    current,
    say,
    beat,
    current_items,
    current_offers,
    read,
    change,
    items,
    of_user,
    of_user_now,
    of_queue,
)
