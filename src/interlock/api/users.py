"""Users."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.collection import Collection, operations_of
from interlock.api.operation import get
from interlock.api.pages import whole
from interlock.api.shapes import Base, CapacityIn, Ids, Name, Rev, SeenRevs, Text, Words
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
    accept_timeout_factor: Annotated[float, Meta(ge=1, le=10)] | UnsetType | None = UNSET


class UserNew(Writable, frozen=True, kw_only=True):
    """A new user."""

    name: Name


class UserChange(Writable, frozen=True, kw_only=True):
    """A change of a user."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    name: Name | UnsetType = UNSET


USERS = Collection(
    kind=User,
    one="user",
    many="users",
    path=PATH,
    new=UserNew,
    new_example={"name": "Ana"},
    changed=UserChange,
    change_example={"enabled": True},
    read=roles.USER_READ,
    create=roles.USER_ADMIN,
    update=roles.USER_ADMIN,
    page_max=USERS_MAX,
    make=directory.create_user,
    alter=directory.update_user,
)


@get(f"{PATH}/current", "getCurrentUser", tag="users", roles=roles.ANYBODY, kind=User)
async def current(call: Call) -> Answer:
    """Read the user that this key acts as."""
    if not call.key.user:
        raise NotFound("This key acts as no user; make one with user.")
    return call.show(await call.one(User, call.key.user))


@get(f"{PATH}/{{id:str}}/teams", "listUserTeams", tag="users", roles=roles.TEAM_READ, answers="many:team")
async def teams(call: Call) -> Answer:
    """List the teams of a user."""
    user = await call.one(User, call.id())
    return whole(call, await views.teams_of_user(call.world, call.org, user.id))


OPERATIONS = (*operations_of(USERS), current, teams)
