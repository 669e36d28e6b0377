"""Topics: where a row of the log can be seen. A topic says where to look, never what to show.

`queues` `agents` `incidents` `rules` `system` are whole rooms; `queue:{id}` `agent:{id}` `conversation:{id}` are one
record with what hangs on it. A subscriber to topics loads what they name; it is never told a value.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from interlock.domain.change import ChangeSet
from interlock.domain.ids import is_id
from interlock.domain.log import Row

Family = Literal["queues", "queue", "agents", "agent", "conversation", "incidents", "rules", "system"]
FAMILIES: tuple[Family, ...] = get_args(Family)
OF_ONE: frozenset[str] = frozenset({"queue", "agent", "conversation"})
"""Families whose topics name one record: `queue:{id}`."""
INCIDENTS = frozenset({"conflict", "parked", "stale-refused", "fenced", "restored"})
"""Decisions that people who watch over the service want to see."""


class Mentions(msgspec.Struct, frozen=True, rename="camel"):
    """What a record of any type says about whom it concerns; everything else in it is passed over."""

    queue: Any = None
    queues: Any = None
    resource: Any = None
    conversation: Any = None
    user: Any = None
    assigned_to: Any = None
    routed_to: Any = None


_mentions = msgspec.json.Decoder(Mentions)
_BY_TYPE: dict[str, tuple[str, ...]] = {
    "queue": ("queues",),
    "work_item": ("queues",),
    "work_item_revision": (),
    "reservation": (),
    "conversation": (),
    "message": (),
    "note": (),
    "customer": (),
    "work_session": ("agents",),
    "user": ("agents",),
    "team": ("agents",),
    "team_routing_settings": ("agents", "queues"),
    "status": ("agents",),
    "queue-rule": ("rules",),
    "workflow": ("rules",),
    "incident": ("incidents",),
}
"""The rooms in which a change of a type is seen; a type that is not here is seen in `system`."""
_PEOPLE = ("assignedTo", "routedTo", "user")
_SELF: dict[str, str] = {"queue": "queue", "user": "agent", "conversation": "conversation"}


def family_of(topic: str) -> Family | None:
    """The family of a topic; `None` if it is none."""
    name, colon, id = topic.partition(":")
    if name not in FAMILIES or bool(colon) != (name in OF_ONE) or (colon and not is_id(id)):
        return None
    return name


def topics_of(row: Row) -> frozenset[str]:
    """Every topic in which a row can be seen."""
    out: set[str] = set()
    for change in row.changes:
        out |= _of_change(change)
    about = row.why.record
    if row.why.kind in INCIDENTS:
        out.add("incidents")
        if about is not None and about.type in ("conversation", "work_item"):
            out.add(f"conversation:{row.partition}")
    return frozenset(out)


def _of_change(change: ChangeSet) -> set[str]:
    out = set(_BY_TYPE.get(change.type, ("system",)))
    if change.type in _SELF:
        out.add(f"{_SELF[change.type]}:{change.id}")
    said = _mentions.decode(change.snapshot)
    out |= _named("conversation", said.resource, said.conversation)
    if change.type == "conversation":
        return out
    out |= _named("agent", said.assigned_to, said.routed_to, said.user, *(_left(change, name) for name in _PEOPLE))
    return out | _named("queue", said.queue, said.queues, _left(change, "queue"), _left(change, "queues"))


def _named(family: Family, *mentioned: Any) -> set[str]:
    """The topics of the records mentioned, by id or by a list of ids."""
    ids: list[Any] = []
    for given in mentioned:
        ids += given if isinstance(given, list) else [given]
    return {f"{family}:{id}" for id in ids if isinstance(id, str) and is_id(id)}


def _left(change: ChangeSet, name: str) -> Any:
    """Whom or what a change took the record away from: it is news there too."""
    moved = change.relationships.get(name) or change.attributes.get(name)
    return moved.before if moved else None
