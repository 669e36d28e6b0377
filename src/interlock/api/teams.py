"""Teams."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.collection import Collection, operations_of
from interlock.api.operation import get
from interlock.api.pages import whole
from interlock.api.shapes import Base, Ids, Name, Rev, SeenRevs, Text
from interlock.domain.agent import Team, User
from interlock.service import directory, views

PATH = "/v1/teams"
TEAMS_MAX = 500


class Writable(Base, frozen=True, kw_only=True):
    """What may be said of a team."""

    display_name: Text | UnsetType | None = UNSET
    icon: Text | UnsetType | None = UNSET
    members: Ids | UnsetType | None = UNSET


class TeamNew(Writable, frozen=True, kw_only=True):
    """A new team."""

    name: Name


class TeamChange(Writable, frozen=True, kw_only=True):
    """A change of a team; `members` is the whole list."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    name: Name | UnsetType = UNSET


TEAMS = Collection(
    kind=Team,
    one="team",
    many="teams",
    path=PATH,
    new=TeamNew,
    new_example={"name": "Support"},
    changed=TeamChange,
    change_example={"icon": "headset"},
    read=roles.TEAM_READ,
    create=roles.TEAM_ADMIN,
    update=roles.TEAM_ADMIN,
    page_max=TEAMS_MAX,
    make=directory.create_team,
    alter=directory.update_team,
)


@get(f"{PATH}/{{id:str}}/members", "listTeamMembers", tag="teams", roles=roles.TEAM_READ, answers="many:user")
async def members(call: Call) -> Answer:
    """List the members of a team."""
    team = await call.one(Team, call.id())
    return whole(call, await views.named(call.world, call.org, User, team.members))


OPERATIONS = (*operations_of(TEAMS), members)
