"""Teams."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import get, post, put
from interlock.api.pages import Pages, paged, whole
from interlock.api.shapes import Base, Ids, Name, Rev, SeenRevs, Text, fields_of
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
    """A change of a team."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET

    name: Name | UnsetType = UNSET


@post(PATH, "createTeam", tag="teams", roles=roles.TEAM_ADMIN, body=TeamNew, kind=Team, example={"name": "Support"})
async def create(call: Call) -> Answer:
    """Add a team."""
    fields = fields_of(call.body, Team)
    return await call.act(lambda beside: directory.create_team(call.world, call.by, fields, beside=beside), Team)


@get(PATH, "listTeams", tag="teams", roles=roles.TEAM_READ, kind=Team, answers="many", query=Pages)
async def listed(call: Call) -> Answer:
    """List teams by name."""
    return await paged(
        call, lambda offset, limit: views.listing(call.world, call.org, Team, offset, limit), most=TEAMS_MAX
    )


@get(f"{PATH}/{{id:str}}", "getTeam", tag="teams", roles=roles.TEAM_READ, kind=Team)
async def read(call: Call) -> Answer:
    """Read a team."""
    return call.show(await call.one(Team, call.id()))


@put(
    f"{PATH}/{{id:str}}",
    "updateTeam",
    tag="teams",
    roles=roles.TEAM_ADMIN,
    body=TeamChange,
    kind=Team,
    example={"icon": "headset"},
)
async def change(call: Call) -> Answer:
    """Change a team; `members` is the whole list."""
    id, fields = call.id(), fields_of(call.body, Team)
    precondition = call.precondition(Team, id)
    return await call.act(
        lambda beside: directory.update_team(call.world, call.by, id, fields, precondition, beside=beside), Team, id=id
    )


@get(f"{PATH}/{{id:str}}/members", "listTeamMembers", tag="teams", roles=roles.TEAM_READ, answers="many:user")
async def members(call: Call) -> Answer:
    """List the members of a team."""
    team = await call.one(Team, call.id())
    return whole(call, await views.named(call.world, call.org, User, team.members))


OPERATIONS = (create, listed, read, change, members)
