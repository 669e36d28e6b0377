"""Users."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import get, post, put
from interlock.api.pages import Pages, paged, whole
from interlock.api.shapes import Base, CapacityIn, Ids, Name, Rev, SeenRevs, Text, Words, fields_of
from interlock.domain.agent import User
from interlock.domain.errors import NotFound
from interlock.service import directory, views

PATH = "/v1/users"
USERS_MAX = 500
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern="@")]


class Writable(Base, frozen=True, kw_only=True):
    """What may be said of a user."""

    display_name: Text | UnsetType | None = UNSET
    email: Email | UnsetType | None = UNSET
    user_type: Literal["user", "machine"] | UnsetType = UNSET
    roles: Words | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    teams: Ids | UnsetType | None = UNSET
    capacity: CapacityIn | UnsetType | None = UNSET


class UserNew(Writable, frozen=True, kw_only=True):
    """A new user."""

    name: Name


class UserChange(Writable, frozen=True, kw_only=True):
    """A change of a user."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    name: Name | UnsetType = UNSET


@post(PATH, "createUser", tag="users", roles=roles.USER_ADMIN, body=UserNew, kind=User, example={"name": "Ana"})
async def create(call: Call) -> Answer:
    """Add a user, who can be given work."""
    fields = fields_of(call.body, User)
    return await call.act(lambda beside: directory.create_user(call.world, call.by, fields, beside=beside), User)


@get(PATH, "listUsers", tag="users", roles=roles.USER_READ, kind=User, answers="many", query=Pages)
async def listed(call: Call) -> Answer:
    """List users by name."""
    return await paged(
        call, lambda offset, limit: views.listing(call.world, call.org, User, offset, limit), most=USERS_MAX
    )


@get(f"{PATH}/current", "getCurrentUser", tag="users", roles=roles.ANYBODY, kind=User)
async def current(call: Call) -> Answer:
    """Read the user that this key acts as."""
    if not call.key.user:
        raise NotFound("This key acts as no user; make one with user.")
    return call.show(await call.one(User, call.key.user))


@get(f"{PATH}/{{id:str}}", "getUser", tag="users", roles=roles.USER_READ, kind=User)
async def read(call: Call) -> Answer:
    """Read a user."""
    return call.show(await call.one(User, call.id()))


@put(
    f"{PATH}/{{id:str}}",
    "updateUser",
    tag="users",
    roles=roles.USER_ADMIN,
    body=UserChange,
    kind=User,
    example={"enabled": True},
)
async def change(call: Call) -> Answer:
    """Change a user."""
    id, fields = call.id(), fields_of(call.body, User)
    precondition = call.precondition(User, id)
    return await call.act(
        lambda beside: directory.update_user(call.world, call.by, id, fields, precondition, beside=beside), User, id=id
    )


@get(f"{PATH}/{{id:str}}/teams", "listUserTeams", tag="users", roles=roles.TEAM_READ, answers="many:team")
async def teams(call: Call) -> Answer:
    """List the teams of a user."""
    user = await call.one(User, call.id())
    return whole(call, await views.teams_of_user(call.world, call.org, user.id))


OPERATIONS = (create, listed, current, read, change, teams)
