"""What can stand in configuration files: one row per section, in the order in which they are applied.

The fields of a section are those that the API's own bodies have, so a field that the API learns is known here at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

USERS = "users"
"""People are referred to, by mail address or, without one, by name; they are not made by files."""
GUARDS = frozenset({"rev", "basis"})


@dataclass(frozen=True, kw_only=True)
class Noun:
    """One section.

    section, title   as it is called in files, and one of its records in sentences
    path             where the API lists and creates them; `put_only`: there is no POST, the address is known beforehand
    identity         the fields that say which record is meant, the first that is not empty
    fields           what may be said, in the order of exported files
    refs             fields that hold ids of another section's records, and that section
    inner            fields that hold a list of objects with such an id in one member: that member, and the section
    ordered          the order of its records means something
    fixed            fields that never change after creation
    unsaid           fields that may be said, and that exported files leave out
    pruned           what stands in for deleting; `None`: DELETE; `False`: it cannot be taken away
    about            what exported files say above the section
    """

    section: str
    title: str
    path: str
    fields: tuple[str, ...]
    identity: tuple[str, ...] = ("name",)
    refs: Mapping[str, str] = field(default_factory=dict[str, str])
    fixed: frozenset[str] = frozenset()
    unsaid: frozenset[str] = frozenset()
    pruned: Mapping[str, Any] | bool | None = None
    inner: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    ordered: bool = False
    put_only: bool = False
    single: bool = False
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    about: str = ""

    @property
    def file(self) -> str:
        """The file that `export` writes it to."""
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in self.section) + ".yaml"

    def names(self, values: Mapping[str, Any]) -> tuple[str, str]:
        """Which record is meant: the identifying field and its value."""
        found = next((f for f in self.identity if values.get(f)), self.identity[-1])
        return found, str(values.get(found) or "")


def _fields(*bodies: Any, but: frozenset[str] = frozenset(), first: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names that these bodies know, in their order."""
    names = dict.fromkeys([*first, *(n for body in bodies for n in body.__struct_encode_fields__)])
    return tuple(n for n in names if n not in GUARDS | but)


@cache
def all_nouns() -> tuple[Noun, ...]:
    """Every section there is."""
    return (*_places(), *_people_and_rules())


def _places() -> tuple[Noun, ...]:
    """What others refer to: statuses, schedules, skills and queues."""
    from interlock.api import queues, schedules, skills, statuses

    return (
        Noun(
            section="statuses", title="status", path="/v1/routing/statuses",
            fields=_fields(statuses.StatusNew, first=("name",)), fixed=frozenset({"statusType"}),
            pruned={"enabled": False},
            about="""Statuses: what agents say of themselves. Only one of type available is given new work.
A status is known by its name; its type never changes. Of a built-in one only description and externalId can change.
Statuses cannot be deleted: --prune switches off those that are not listed.""",
        ),
        Noun(
            section="schedules", title="schedule", path="/v1/schedules",
            fields=_fields(schedules.ScheduleNew, first=("name",)),
            about="""Schedules: when the organisation works, in its own time zone. Days are 0 (Sunday) to 6, hours in
minutes of the day. A schedule is known by its name. --prune deletes those that are not listed.""",
        ),
        Noun(
            section="skills", title="skill", path="/v1/routing/skills",
            fields=_fields(skills.SkillNew, first=("name",)),
            about="""Skills that agents may have and items may ask for. A skill is known by its name.
Who has which is not configuration. --prune deletes those that are not listed.""",
        ),
        Noun(
            section="queues", title="queue", path="/v1/routing/queues",
            fields=_fields(queues.QueueNew, first=("key", "name"), but=frozenset({"paused"})), identity=("key", "name"),
            refs={"schedule": "schedules"},
            pruned={"archived": True}, query={"all": "true"},
            about="""Queues: where work waits. A queue is known by its key, or by its name if it has none.
priority 1 is served first; itemSize is the weight of its items. The default queue takes what no rule matches.
Whether a queue is paused just now is not configuration.
Queues cannot be deleted: --prune archives those that are not listed.""",
        ),
    )  # fmt: skip


def _people_and_rules() -> tuple[Noun, ...]:
    """How work is spread: settings, teams and rules."""
    from interlock.api import org_settings, queue_rules, skill_rules, teams

    return (
        Noun(
            section="orgSettings", title="org settings", path="/v1/routing/org-settings", identity=(),
            fields=_fields(org_settings.OrgWide), refs={"timeoutStatus": "statuses", "schedule": "schedules"},
            pruned=False,
            put_only=True, single=True,
            about="""How routing behaves in the whole organisation. timeoutStatus is the name of a status.""",
        ),
        Noun(
            section="teams", title="team", path="/v1/teams",
            fields=_fields(teams.TeamNew, first=("name",)), refs={"members": USERS}, unsaid=frozenset({"members"}),
            pruned=False,
            about="""Teams: who serves the same queues. A team is known by its name.
`members` lists people by mail address, or by name where they have none; left out, they stay as they are.
Teams cannot be deleted.""",
        ),
        Noun(
            section="teamRouting", title="routing settings of team", path="/v1/routing/settings", identity=("team",),
            fields=("team", *_fields(org_settings.TeamSettings)), refs={"team": "teams", "queues": "queues"},
            pruned={"enabled": False}, put_only=True,
            about="""Which queues a team serves, first choice first, and how much its agents carry.
Agents route only through a team that is enabled. --prune switches off what is not listed.""",
        ),
        Noun(
            section="queueRules", title="queue rule", path="/v1/routing/queue-rules",
            fields=_fields(queue_rules.RuleNew, first=("name", "description", "enabled", "criteria")),
            refs={"queue": "queues"}, ordered=True,
            about="""Queue rules, first one first: the first that holds says where a conversation waits.
A rule holds when every condition of `and` does and, if `or` has any, at least one of those. Its target is `queue`,
a queue of this configuration, or `queueKey`, which may hold paths such as {{conversation.defaultLang}}.
A rule is known by its name. --prune deletes those that are not listed.""",
        ),
        Noun(
            section="skillRules", title="skill rule", path="/v1/routing/skill-rules",
            fields=_fields(skill_rules.SkillRuleNew, first=("name", "description", "enabled", "criteria", "skills")),
            inner={"skills": ("skill", "skills")}, ordered=True,
            about="""Skill rules, first one first: what an item asks for, by the same criteria as queue rules have.
A rule is known by its name. --prune deletes those that are not listed.""",
        ),
    )  # fmt: skip


def title_of(section: str) -> str:
    """What one record of a section is called in sentences."""
    return "user" if section == USERS else next(n.title for n in all_nouns() if n.section == section)
