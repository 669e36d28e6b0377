"""How a record looks from outside: attributes, relationships, links. The API and the events show the same form.

A field that is `None` is not shown, an empty to-one relation neither; times are RFC 3339 in UTC with milliseconds, also
inside nested values. What is worked out per type is worked out once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple, cast, get_args

import msgspec

from interlock.domain.change import Change, ChangeSet, Fields
from interlock.domain.kinds import KINDS
from interlock.domain.record import Record

Json = dict[str, Any]

INNER_NAMES = {"wakeAt": "time", "abandonedAt": "at"}
"""Outward names inside nested values that do not follow from the field's own."""

PATHS: dict[str, str] = {"decision": "/v1/routing/decisions/"}
"""Addresses of types that are mentioned but are no records."""

COLLECTIONS: dict[str, dict[str, str]] = {"conversation": {"messages": "/messages"}}
"""Relationships that are shown as a link alone: what hangs on a record, below its own address."""


@lru_cache(4096)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]


def iso(ms: int) -> str:
    """RFC 3339, UTC, milliseconds."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


class Plan(NamedTuple):
    """How records of one type are shown: getters and names, worked out once."""

    type: str
    path: str
    attributes: tuple[tuple[str, bool, bool, Any, Any], ...]
    """(outward name, is a time, has structs inside, default, how the default is shown), in the order of `values`."""
    values: Callable[[Record], tuple[Any, ...]]
    relations: tuple[tuple[str, str, str], ...]
    """(outward name, type, path of that type), in the order of `ids`."""
    ids: Callable[[Record], tuple[Any, ...]]
    typed: dict[str, Any]
    """Outward names of fields with nested structs, and their types: a logged value is read back before it is shown."""


def _many(fields: list[str]) -> Callable[[Record], tuple[Any, ...]]:
    if len(fields) > 1:
        return attrgetter(*fields)
    return lambda record: tuple(getattr(record, f) for f in fields)


def path_of(type: str) -> str:
    """Where records of a type answer, with a slash at the end; empty for what has no address."""
    kind = KINDS.get(type)
    return kind.PATH if kind else PATHS.get(type, "")


def self_of(type: str, id: str) -> str:
    """The path of one record; empty for what has no address."""
    path = path_of(type)
    return f"{path}{id}" if path.endswith("/") else path


@lru_cache(256)
def plan_of(kind: type[Record]) -> Plan:
    """The plan of a type."""
    shown = [f for f in kind.__struct_fields__ if f not in {"id", "org"} and f not in kind.HIDDEN]
    own = [f for f in shown if f not in kind.RELATIONS]
    linked = [f for f in kind.RELATIONS if f not in kind.HIDDEN]
    relations = tuple((kind.outward(f), kind.RELATIONS[f], kind.RELATIONS[f]) for f in linked)
    types = {f.name: f.type for f in msgspec.structs.fields(kind)}
    typed = {kind.outward(f): types[f] for f in own if _has_struct(types[f])}
    defaults = {f.name: f.default for f in msgspec.structs.fields(kind)}
    attributes = tuple(
        (kind.outward(f), f.endswith("_at"), _has_struct(types[f]), defaults[f], inner(defaults[f])) for f in own
    )
    return Plan(kind.TYPE, kind.PATH, attributes, _many(own), relations, _many(linked), typed)


def _has_struct(annotation: Any) -> bool:
    """Whether values of this type are, or hold, structs."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return True
    return any(_has_struct(a) for a in get_args(annotation))


def inner(value: Any) -> Any:
    """A nested value as it is shown."""
    if isinstance(value, msgspec.Struct):
        pairs = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        found = ((name, getattr(value, field)) for name, field in pairs)
        return {INNER_NAMES.get(n, n): iso(v) if n.endswith("At") else inner(v) for n, v in found if v is not None}
    if isinstance(value, dict):
        known = cast("dict[str, Any]", value)
        return {n: inner(v) for n, v in known.items()}
    if isinstance(value, list | tuple):
        return [inner(v) for v in cast("list[Any]", value)]
    return value


def attributes_of(record: Record, plan: Plan) -> Json:
    """The attributes of a record."""
    out: Json = {}
    for (name, is_time, structured, default, shown), value in zip(plan.attributes, plan.values(record), strict=True):
        if value is None:
            continue
        if is_time:
            out[name] = iso(value)
        elif structured:
            out[name] = shown if value is default else inner(value)
        else:
            out[name] = value
    return out


def link(type: str, id: str) -> Json:
    """A mention of another record, with its address if it has one."""
    to = self_of(type, id)
    mention: Json = {"data": {"type": type, "id": id}}
    if to:
        mention["links"] = {"self": to}
    return mention


def links(type: str, ids: Any) -> Json:
    """A mention of one record or of several."""
    if isinstance(ids, str):
        return link(type, ids)
    return {"data": [{"type": type, "id": i} for i in ids]}


def relationships_of(record: Record, plan: Plan) -> Json:
    """The relationships of a record; empty to-one ones are left out."""
    out: Json = {}
    for (name, type, _), value in zip(plan.relations, plan.ids(record), strict=True):
        if value:
            out[name] = links(type, value)
    for name, tail in COLLECTIONS.get(plan.type, {}).items():
        out[name] = {"links": {"self": f"{plan.path}{record.id}{tail}"}}
    return out


def resource(record: Record) -> Json:
    """The whole record in its outward form."""
    plan = plan_of(type(record))
    out: Json = {
        "id": record.id,
        "type": plan.type,
        "attributes": attributes_of(record, plan),
        "relationships": relationships_of(record, plan),
    }
    at = self_of(plan.type, record.id)
    if at:
        out["links"] = {"self": at}
    return out


def changes_of(change: ChangeSet) -> Json | None:
    """What moved, in outward form; `None` for a creation. Each `after` is what the resource beside it shows."""
    if not change.before_rev:
        return None
    kind = KINDS[change.type]
    plan = plan_of(kind)
    times = {name: is_time for name, is_time, *_ in plan.attributes}
    related = {name: type for name, type, _ in plan.relations}
    return {
        "attributes": {n: _moved(c, _shower(n, times[n], plan)) for n, c in change.attributes.items() if n in times},
        "relationships": _related(change.relationships, related),
    }


def _related(moves: Fields, related: dict[str, str]) -> Json:
    return {n: _moved(c, lambda ids, t=related[n]: links(t, ids)) for n, c in moves.items() if n in related}


def _shower(name: str, is_time: bool, plan: Plan) -> Callable[[Any], Any]:
    if is_time:
        return iso
    if name in plan.typed:
        return lambda value: inner(msgspec.convert(value, plan.typed[name]))
    return _as_is


def _as_is(value: Any) -> Any:
    return value


def _moved(change: Change, show: Callable[[Any], Any]) -> Json:
    out: Json = {"op": change.op}
    if change.before is not msgspec.UNSET and change.before is not None:
        out["before"] = show(change.before)
    if change.after is not msgspec.UNSET and change.after is not None:
        out["after"] = show(change.after)
    return out
