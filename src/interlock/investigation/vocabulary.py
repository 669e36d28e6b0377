"""What systems call the things that two records share, and how their values are made comparable.

The tables know the incident's names, our own and common ones of other systems; a field that is in none of them is
itself. Three things stay apart: `UNSET` (the log does not say), nobody (`()` or `None`), and a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET

from interlock.investigation.observation import Moved, Observation

USERS, QUEUE, STATUS = "users", "queue", "status"
UNIT = (USERS, QUEUE, STATUS)
"""The parts of what two records must agree on."""

_NAMES = {
    USERS: (
        "assignedUsers", "assignedTo", "assignedUser", "assigned_users", "assigned_to", "assignee", "assignees",
        "assigneeId", "assignee_id", "owner", "ownerId", "owner_id",
    ),
    QUEUE: ("queue", "queueId", "queue_id", "assignment_group", "groupId", "group_id"),
    STATUS: ("status", "state", "incident_state"),
}  # fmt: skip
CANONICAL: dict[str, str] = {name: word for word, names in _NAMES.items() for name in names}

BOOKKEEPING = frozenset(
    {
        "rev", "_rev", "revision", "version", "resourceVersion", "sys_mod_count", "sys_updated_at", "sys_updated_by",
        "updatedAt", "updated_at", "modifiedAt", "modified_at", "modifiedBy", "modified_by", "updatedBy", "updated_by",
    }
)  # fmt: skip
"""Moves with every write: says nothing of what the write was for."""

OPAQUE = frozenset({"coupled", "resourceRev", "lastRevision", "reservation", "pass", "routedTo", "rule"})
"""Kept by a service for itself: moves with what it is about, and no intent is about it alone."""

FINAL = frozenset({"done", "completed", "closed", "Closed", "resolved", "cancelled", "canceled", "deleted"})
WAITING = frozenset({"queued", "routed"})
HELD = frozenset({"assigned", "wrap-up"})
"""Words for the status of a work item: no user yet; a user is needed."""

PERSONS = frozenset({"web", "console", "mobile", "ios", "android", "agent", "supervisor", "person", "user", "desktop"})
"""Clients through which a person acts, and actor classes and source types that mean one."""

BULK = frozenset({"bulk", "import", "migration"})
_COMPUTED_ENDS = ("At", "_at", "Count", "_count", "Time", "_time", "Level", "Remaining")
_COMPUTED_STARTS = ("last", "first", "sys_", "satisfaction", "suggested", "predict", "total")
_COMPUTED = frozenset({"preview", "ivr", "assistant", "capacity", "search", "active"})

_encode = msgspec.json.Encoder(order="deterministic").encode


_NAMES_MAX = 8_192
"""Field names whose meaning is remembered; a log has some dozens."""


def bare(name: str) -> str:
    """The name without the arrow that marks a relationship."""
    return name[1:] if name[:1] == "→" else name


@lru_cache(_NAMES_MAX)
def word_of(name: str) -> str:
    """The shared word for a field, or its own bare name."""
    name = bare(name)
    return CANONICAL.get(name, name)


@lru_cache(_NAMES_MAX)
def is_computed(name: str) -> bool:
    """Whether a field follows from others, so that no write of it is anybody's wish."""
    name = bare(name)
    return name in _COMPUTED or name.endswith(_COMPUTED_ENDS) or name.startswith(_COMPUTED_STARTS)


@lru_cache(_NAMES_MAX)
def says_something(name: str) -> bool:
    """Whether a change of this field can be what somebody wanted."""
    name = bare(name)
    return name not in BOOKKEEPING and name not in OPAQUE and not is_computed(name)


def value_of(word: str, value: Any) -> Any:
    """A value in the form in which it compares: users as a sorted tuple, links as ids, unordered lists sorted."""
    if value is UNSET:
        return UNSET
    if word == USERS:
        return users_of(value)
    if word == QUEUE:
        found = id_of(value)
        return found if found != "" and found is not UNSET else None
    return value if type(value) in _PLAIN else plain(value)


_PLAIN = frozenset({str, int, float, bool, type(None)})


def users_of(value: Any) -> tuple[str, ...]:
    """Whoever is named: one id, a list of ids, links, or nobody."""
    if type(value) is str:
        return (value,) if value else ()
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(sorted(str(id_of(v)) for v in value))
    if type(value) is dict and "data" in value:
        return users_of(value["data"])
    return (str(id_of(value)),)


def id_of(value: Any) -> Any:
    """The id behind a link; anything else is itself."""
    if type(value) is dict:
        inner = value.get("data", value)
        if type(inner) is dict and "id" in inner:
            return inner["id"]
    return value


def plain(value: Any) -> Any:
    """A value whose equality is what a reader means by equal."""
    if type(value) in _PLAIN:
        return value
    value = id_of(value)
    if isinstance(value, list | tuple):
        return tuple(sorted((plain(v) for v in value), key=repr)) if len(value) > 1 else tuple(map(plain, value))
    return _encode(value) if type(value) is dict else value


def same(word: str, a: Any, b: Any) -> bool:
    """Whether two values of a field say the same; null and absent do, and `()` for users."""
    if a is UNSET or b is UNSET:
        return a is b
    if a == b and type(a) is type(b):
        return True
    x, y = value_of(word, a), value_of(word, b)
    return x == y or (_is_number(x) and _is_number(y) and float(x) == float(y))


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return True
    return isinstance(value, str) and value.replace(".", "", 1).removeprefix("-").isdecimal()


def said(moved: Moved) -> tuple[Any, Any]:
    """Before and after of a move, with what its op implies: an `add` came from nothing, a `remove` leaves nothing."""
    before = None if moved.op == "add" and moved.before is UNSET else moved.before
    after = None if moved.op == "remove" and moved.after is UNSET else moved.after
    return before, after


def shown(o: Observation, names: Iterable[str]) -> Any:
    """What the resource of an event shows under the first of these names that it has; `UNSET` if under none."""
    if o.snapshot is not None:
        for name in names:
            if name in o.snapshot:
                return o.snapshot[name]
            if (arrow := "→" + name) in o.snapshot:
                return o.snapshot[arrow]
    return UNSET


def names_of(word: str) -> tuple[str, ...]:
    """Every name under which a shared word may stand; another field stands under its own."""
    return _NAMES.get(word, (word,))


def by_person(o: Observation) -> bool:
    """Whether a person made this write, as far as the log says."""
    return o.actor_class in PERSONS or o.source_type in PERSONS or o.client in PERSONS
