"""What one agent can do and carry: their skills, and limits of their own. Both belong to the user, whom they show."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import get, put
from interlock.api.shapes import Base, Guarded, Id, PriorityLimit, Small
from interlock.domain.agent import User
from interlock.service import directory, skills

PATH = "/v1/routing/users/{id:str}"


class SkillLevel(Base, frozen=True, kw_only=True):
    """How well a skill is had."""

    skill: Id
    level: Annotated[int, Meta(ge=1, le=5)]


class UserSkills(Guarded, frozen=True, kw_only=True):
    """The skills of an agent, whole."""

    skills: Annotated[tuple[SkillLevel, ...], Meta(max_length=200)]


class UserCapacity(Guarded, frozen=True, kw_only=True):
    """The limits of an agent, whole; what is absent is as their team or the org has it. All absent: no own limits."""

    total: Small | UnsetType | None = UNSET
    channels: dict[str, Small] | UnsetType | None = UNSET
    priorities: Annotated[tuple[PriorityLimit, ...], Meta(max_length=100)] | UnsetType | None = UNSET


@get(f"{PATH}/skills", "getUserSkills", tag="skills", roles=roles.SKILL_READ, kind=User, own=True)
async def read_skills(call: Call) -> Answer:
    """Read what an agent can do: `skills` of the user, level by skill."""
    return call.show(await call.one(User, call.id()))


@put(
    f"{PATH}/skills",
    "updateUserSkills",
    tag="skills",
    roles=roles.SKILL_UPDATE,
    body=UserSkills,
    kind=User,
    own=True,
    example={"skills": [{"skill": "68f0a0000000000000000601", "level": 4}]},
)
async def change_skills(call: Call) -> Answer:
    """Say what an agent can do; their live session takes it at once."""
    id = call.id()
    precondition = call.precondition(User, id)
    levels = [(s.skill, s.level) for s in call.body.skills]
    return await call.act(
        lambda beside: skills.give_skills(call.world, call.by, id, levels, precondition, beside=beside), User, id=id
    )


@get(f"{PATH}/capacity", "getUserCapacity", tag="settings", roles=roles.SETTINGS_READ, kind=User, own=True)
async def read_capacity(call: Call) -> Answer:
    """Read the limits of an agent: `capacity` of the user; absent: they have none of their own."""
    return call.show(await call.one(User, call.id()))


@put(
    f"{PATH}/capacity",
    "updateUserCapacity",
    tag="settings",
    roles=roles.SETTINGS_UPDATE,
    body=UserCapacity,
    kind=User,
    own=True,
    example={"total": 10, "channels": {"chat": 3}},
)
async def change_capacity(call: Call) -> Answer:
    """Say how much an agent carries; their live session takes it at once."""
    id, body = call.id(), call.body
    said = {n: getattr(body, n) for n in ("total", "channels", "priorities")}
    limits = {n: v for n, v in said.items() if v is not UNSET and v is not None}
    if "priorities" in limits:
        limits["priorities"] = [{"priority": p.priority, "limit": p.limit} for p in limits["priorities"]]
    precondition = call.precondition(User, id)
    return await call.act(
        lambda beside: directory.set_capacity(call.world, call.by, id, limits or None, precondition, beside=beside),
        User,
        id=id,
    )


OPERATIONS = (read_skills, change_skills, read_capacity, change_capacity)
