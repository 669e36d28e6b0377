"""Skills: what agents can do and items may ask for."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import delete, get, post, put
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Guarded, Name, Rev, Text, fields_of
from interlock.domain.errors import InUse, KeyTaken, NotFound
from interlock.domain.skill import Skill
from interlock.service import records, views
from interlock.service import skills as service

PATH = "/v1/routing/skills"


class SkillNew(Base, frozen=True, kw_only=True):
    """A new skill."""

    name: Name
    description: Text | UnsetType = UNSET


class SkillChange(Guarded, frozen=True, kw_only=True):
    """A change of a skill."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class Seen(msgspec.Struct, frozen=True):
    """The rev, in the query."""

    rev: Rev | None = None


@get(PATH, "listSkills", tag="skills", roles=roles.SKILL_READ, kind=Skill, answers="many", query=Pages, own=True)
async def listed(call: Call) -> Answer:
    """List skills by name."""
    return await paged(
        call, lambda offset, limit: views.listing(call.world, call.org, Skill, offset, limit, states=("live",))
    )


@post(
    PATH,
    "createSkill",
    tag="skills",
    roles=roles.SKILL_CREATE,
    body=SkillNew,
    kind=Skill,
    own=True,
    errors=(KeyTaken,),
    example={"name": "German", "description": "Speaks and writes it"},
)
async def create(call: Call) -> Answer:
    """Add a skill."""
    fields = fields_of(call.body, Skill)
    return await call.act(lambda beside: records.create(call.world, call.by, Skill, fields, beside=beside), Skill)


async def _skill(call: Call) -> Skill:
    found = await call.one(Skill, call.id())
    if found.deleted:
        raise NotFound(f"The skill {found.name} was deleted.")
    return found


@get(f"{PATH}/{{id:str}}", "getSkill", tag="skills", roles=roles.SKILL_READ, kind=Skill, own=True)
async def read(call: Call) -> Answer:
    """Read a skill."""
    return call.show(await _skill(call))


@put(
    f"{PATH}/{{id:str}}",
    "updateSkill",
    tag="skills",
    roles=roles.SKILL_UPDATE,
    body=SkillChange,
    kind=Skill,
    own=True,
    errors=(KeyTaken,),
    example={"description": "Speaks it"},
)
async def change(call: Call) -> Answer:
    """Change a skill."""
    id, fields = (await _skill(call)).id, fields_of(call.body, Skill)
    precondition = call.precondition(Skill, id)
    return await call.act(
        lambda beside: records.update(call.world, call.by, Skill, id, fields, precondition, beside=beside), Skill, id=id
    )


@delete(
    f"{PATH}/{{id:str}}",
    "deleteSkill",
    tag="skills",
    roles=roles.SKILL_DELETE,
    kind=Skill,
    query=Seen,
    guard="optional",
    own=True,
    errors=(InUse,),
)
async def remove(call: Call) -> Answer:
    """Delete a skill that no rule asks for."""
    id = (await _skill(call)).id
    precondition = call.precondition(Skill, id)
    return await call.act(
        lambda beside: service.delete_skill(call.world, call.by, id, precondition, beside=beside),
        Skill,
        id=id,
        status=204,
    )


OPERATIONS = (listed, create, read, change, remove)
