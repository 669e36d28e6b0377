"""Skills: what an agent can do (level 1 to 5), what an item asks for, and how the asking softens while it waits.

All ours: the reference has skill rules and skills of which it prefers those who have them, but no levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

import msgspec

from interlock.domain.errors import InvalidValue, TooMany
from interlock.domain.record import Index, Record

LEVEL_MAX = 5
REQUIREMENTS_MAX = 20
"""Requirements of one list: of one rule, or of one conversation."""
STEPS_MAX = 10
"""Steps of relaxation of one requirement."""
Mode = Literal["required", "preferred"]


class Skill(Record, frozen=True, kw_only=True):
    """Something that some agents can do and some items ask for."""

    TYPE: ClassVar[str] = "skill"
    PATH: ClassVar[str] = "/v1/routing/skills/"
    NOUN: ClassVar[str] = "skill"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    description: str = ""
    deleted: bool = False

    def index(self) -> Index:
        """By name; deleted ones apart."""
        return Index(state="deleted" if self.deleted else "live", sort=self.name.lower())

    def claims(self) -> tuple[str, ...]:
        """A name is one skill of its org."""
        return () if self.deleted else (f"{self.org}/skill-name/{self.name.lower()}",)


class Relax(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One step of softening, due once an item has waited `after_seconds` in its queue pass.

    It does one thing: another `level`, another `mode`, or `drop`: nothing is asked any more.
    """

    after_seconds: int
    level: int | None = None
    mode: Mode | None = None
    drop: bool = False


class Requirement(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A skill that an item asks for. Required: agents below `level` are out. Preferred: those who reach it go first."""

    skill: str
    level: int = 1
    mode: Mode = "required"
    relax: tuple[Relax, ...] = ()


def requirements_at(requirements: Iterable[Requirement], waited_s: float) -> tuple[Requirement, ...]:
    """What is asked for after `waited_s` seconds in the queue pass: each step that is due is applied, in order of time.

    The steps that are left stay on the requirement, so that what is shown says what comes next.
    """
    asked: list[Requirement] = []
    for each in requirements:
        now: Requirement | None = each
        for step in sorted(each.relax, key=_after):
            if step.after_seconds > waited_s or now is None:
                break
            now = _softened(now, step)
        if now is not None:
            left = tuple(s for s in each.relax if s.after_seconds > waited_s)
            asked.append(msgspec.structs.replace(now, relax=left))
    return tuple(asked)


def next_step(requirements: Iterable[Requirement], waited_s: float) -> int | None:
    """After how many seconds of waiting (counted from the entry of the pass) the next step is due; `None`: none is."""
    return min((s.after_seconds for r in requirements for s in r.relax if s.after_seconds > waited_s), default=None)


def _after(step: Relax) -> int:
    return step.after_seconds


def _softened(asked: Requirement, step: Relax) -> Requirement | None:
    if step.drop:
        return None
    return msgspec.structs.replace(
        asked,
        level=asked.level if step.level is None else step.level,
        mode=asked.mode if step.mode is None else step.mode,
    )


def unfit(skills: Mapping[str, int], asked: Iterable[Requirement]) -> str:
    """Why an agent with these skills is out, as a reason code: `SKILL_MISSING`, `SKILL_LEVEL`; empty if they are not.

    `asked` is what `requirements_at` gives. A skill that is not there at all is named before one of too low a level.
    """
    low = False
    for each in asked:
        if each.mode == "required":
            level = skills.get(each.skill, 0)
            if not level:
                return "SKILL_MISSING"
            low = low or level < each.level
    return "SKILL_LEVEL" if low else ""


def preferred(skills: Mapping[str, int], asked: Iterable[Requirement]) -> bool:
    """Whether an agent with these skills reaches everything that is preferred; true if nothing is."""
    return all(skills.get(r.skill, 0) >= r.level for r in asked if r.mode == "preferred")


def combined(lists: Iterable[Sequence[Requirement]]) -> tuple[Requirement, ...]:
    """The requirements of several rules as one list: of each skill once, the highest level, and of equal ones the
    required one before the preferred.
    """
    strictest: dict[str, Requirement] = {}
    for each in (r for requirements in lists for r in requirements):
        had = strictest.get(each.skill)
        if had is None or _strictness(each) > _strictness(had):
            strictest[each.skill] = each
    return tuple(strictest.values())


def _strictness(asked: Requirement) -> tuple[int, bool]:
    return asked.level, asked.mode == "required"


def check_requirements(requirements: Sequence[Requirement], pointer: str) -> None:
    """Raises unless these are requirements: each skill once, steps in order of time, each of them one thing."""
    if len(requirements) > REQUIREMENTS_MAX:
        raise TooMany(f"At most {REQUIREMENTS_MAX} skills are asked for at once.", pointer=pointer)
    seen: set[str] = set()
    for place, each in enumerate(requirements):
        at = f"{pointer}/{place}"
        if each.skill in seen:
            raise InvalidValue(f"The skill {each.skill} is asked for twice; name it once.", pointer=f"{at}/skill")
        seen.add(each.skill)
        if not 1 <= each.level <= LEVEL_MAX:
            raise InvalidValue(f"A level is 1 to {LEVEL_MAX}.", pointer=f"{at}/level")
        _check_steps(each, f"{at}/relax")


def _check_steps(each: Requirement, pointer: str) -> None:
    if len(each.relax) > STEPS_MAX:
        raise TooMany(f"A requirement has at most {STEPS_MAX} steps.", pointer=pointer)
    last = 0
    for place, step in enumerate(each.relax):
        at = f"{pointer}/{place}"
        if step.after_seconds <= last:
            raise InvalidValue("Steps stand in order of time, each later than the one before.", pointer=at)
        if (step.level is not None) + (step.mode is not None) + step.drop != 1:
            raise InvalidValue("A step does one thing: another level, another mode, or drop: true.", pointer=at)
        if step.level is not None and not 1 <= step.level <= LEVEL_MAX:
            raise InvalidValue(f"A level is 1 to {LEVEL_MAX}.", pointer=f"{at}/level")
        last = step.after_seconds


def check_reach(requirements: Sequence[Requirement], reach: Mapping[str, int], pointer: str) -> None:
    """Raises if nobody could ever take an item that asks for this: when every step is done, a skill is still required
    at a level that no agent has. `reach`: the highest level of any agent, by skill.
    """
    for place, each in enumerate(requirements):
        for end in requirements_at((each,), float("inf")):
            best = reach.get(end.skill, 0)
            if end.mode == "required" and best < end.level:
                had = f"the best has level {best}" if best else "nobody has it"
                raise InvalidValue(
                    f"No agent could take an item that requires the skill {end.skill} at level {end.level}: {had}. "
                    "Give it to an agent first, prefer it, or relax it.",
                    pointer=f"{pointer}/{place}",
                    skill=end.skill,
                    best=best,
                )  # fmt: skip
