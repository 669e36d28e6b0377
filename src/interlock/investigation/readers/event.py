"""An event envelope as an observation: the incident's shape, ours, and CloudEvents that carry either.

Outside an envelope {id, name, partition, publishedAt, body}, inside the body {id, name, org, data, changes, client …}
whose `data` is a resource {type, id, attributes, relationships}. Whatever is missing stays missing.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from interlock.investigation.observation import Grade, Moved, Observation, Op, Place, ReadMark, RecordRef, Times
from interlock.investigation.scalars import ms_of, text, whole

Json = dict[str, Any]

CONVERSATION = "conversation"
ARROW = "→"
_VERBS = {"create": "create", "created": "create", "delete": "delete", "deleted": "delete", "remove": "delete"}
_OPS: dict[str, Op] = {"add": "add", "replace": "replace", "remove": "remove"}


def inner_of(line: Json) -> tuple[Json, Json] | None:
    """(envelope, body) if the object carries an event; the envelope is empty where there is none."""
    candidate: Any = line
    envelope: Json = {}
    for _ in range(4):
        if _is_body(candidate):
            return envelope, candidate
        inside = candidate.get("body", candidate.get("data"))
        if not isinstance(inside, dict):
            return None
        envelope, candidate = candidate, inside
    return None


def _is_body(body: Json) -> bool:
    data = body.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not isinstance(data.get("type"), str):
        return False
    return "attributes" in data and ("changes" in body or "createdAt" in body or "name" in body)


def observation_of(
    line: Json, place: Place, *, grade: Grade = "A", unknown: frozenset[str] = frozenset()
) -> Observation | None:
    """The observation that an event line comes to, `None` if the object carries no event."""
    found = inner_of(line)
    if found is None:
        return None
    envelope, body = found
    data = body["data"]
    org = text(body.get("org")) or text(body.get("partition")) or text(envelope.get("partition"))
    record = RecordRef(data["type"], data["id"], org)
    attributes, relationships = _object(data.get("attributes")), _object(data.get("relationships"))
    changes = _object(body.get("changes"))
    resource = _resource_of(relationships, attributes, org)
    moved = moved_of(changes)
    trace = _object(line.get("dd"))
    name = text(body.get("name")) or text(envelope.get("name")) or text(envelope.get("type"))
    actor = _object(body.get("actor"))
    return Observation(
        place=place,
        record=record,
        group=_group_of(record, resource),
        rev=_rev_of(attributes, moved),
        before_rev=whole(moved["rev"].before) if "rev" in moved else None,
        verb=_verb_of(name),  # type: ignore[arg-type]
        client=text(body.get("client")),
        actor=text(actor.get("id")) or text(body.get("actor")),
        actor_class=text(actor.get("class")),
        is_sync=body.get("isSync") is True,
        source_type=text(body.get("sourceType")),
        source_id=text(body.get("sourceId")),
        changes=moved,
        snapshot=snapshot_of(attributes, relationships),
        marks=marks_of(body, attributes, resource, record),
        resource=resource,
        times=Times(
            ms_of(attributes.get("updatedAt")),
            ms_of(body.get("createdAt")),
            _published(envelope),
            _logged(line, envelope),
        ),
        service=text(trace.get("service")) or text(line.get("service")),
        host=text(line.get("hostname")) or text(line.get("host")),
        version=text(trace.get("version")),
        trace=text(trace.get("trace_id")) or _trace_parent(envelope, 1) or text(line.get("trace_id")),
        span=text(trace.get("span_id")) or _trace_parent(envelope, 2) or text(line.get("span_id")),
        cause=text(body.get("cause")),
        event_id=text(body.get("id")) or text(envelope.get("id")),
        outer_id=text(envelope.get("id")),
        name=name,
        partition=text(body.get("partition")) or text(envelope.get("partition")),
        sequence=whole(envelope.get("sequence")),
        effect_key=text(body.get("effectKey")),
        lease_epoch=whole(body.get("leaseEpoch")),
        grade=grade,
        unknown=unknown,
    )


def _published(envelope: Json) -> int | None:
    return ms_of(envelope.get("publishedAt", envelope.get("publishedat")))


def _logged(line: Json, envelope: Json) -> int | None:
    return None if line is envelope and "specversion" in line else ms_of(line.get("time", line.get("timestamp")))


def _trace_parent(envelope: Json, part: int) -> str:
    """Part of a W3C `traceparent`: 1 the trace, 2 the span."""
    parts = text(envelope.get("traceparent")).split("-")
    return parts[part] if len(parts) == 4 else ""


def _verb_of(name: str) -> str:
    for word in reversed(name.split(".")):
        if word in _VERBS:
            return _VERBS[word]
    return "update"


def _rev_of(attributes: Json, moved: dict[str, Moved]) -> int | None:
    rev = whole(attributes.get("rev"))
    return rev if rev is not None or "rev" not in moved else whole(moved["rev"].after)


def _group_of(record: RecordRef, resource: RecordRef | None) -> str:
    return resource.id if resource is not None and resource.type == CONVERSATION else record.id


def _resource_of(relationships: Json, attributes: Json, org: str) -> RecordRef | None:
    """What the record is about: its relationship `resource`, else `conversation`, with the type that is said."""
    for name in ("resource", CONVERSATION):
        to = _object(_object(relationships.get(name)).get("data"))
        if isinstance(to.get("id"), str):
            return RecordRef(text(to.get("type")) or text(attributes.get("resourceType")) or name, to["id"], org)
    return None


def snapshot_of(attributes: Json, relationships: Json) -> Json:
    """The resource, flat: attributes as they are, relationships as ids under `→name`; pure links are left out."""
    flat = dict(attributes)
    for name, value in relationships.items():
        ids = ids_of(value)
        if ids is not UNSET:
            flat[ARROW + name] = ids
    return flat


def ids_of(value: Any) -> Any:
    """A relationship's value as an id, a list of ids, `None`; `UNSET` where there are links only."""
    if not isinstance(value, dict):
        return value
    if "data" not in value:
        return UNSET if "links" in value else value
    data = value["data"]
    if isinstance(data, dict):
        return data.get("id")
    if isinstance(data, list):
        return [d.get("id") if isinstance(d, dict) else d for d in data]
    return data


def moved_of(changes: Json) -> dict[str, Moved]:
    """What moved, by outward name; relationship names with a leading arrow."""
    out: dict[str, Moved] = {}
    for name, change in _object(changes.get("attributes")).items():
        if isinstance(change, dict):
            out[name] = Moved(op_of(change), change.get("before", UNSET), change.get("after", UNSET))
    for name, change in _object(changes.get("relationships")).items():
        if isinstance(change, dict):
            before, after = (ids_of(change.get(side, UNSET)) for side in ("before", "after"))
            out[ARROW + name] = Moved(op_of(change), before, after, relationship=True)
    return out


def op_of(change: Json) -> Op:
    """The op as said; where it is not, it follows from which sides are there."""
    said = _OPS.get(text(change.get("op")))
    if said is not None:
        return said
    if change.get("before") is None:
        return "add"
    return "remove" if change.get("after") is None else "replace"


def marks_of(body: Json, attributes: Json, resource: RecordRef | None, record: RecordRef) -> tuple[ReadMark, ...]:
    """Every version of another record that the author says to have read."""
    marks: list[ReadMark] = []
    read = whole(attributes.get("resourceRev"))
    if resource is not None and read is not None:
        marks.append(ReadMark(resource, read, "resourceRev"))
    reasons = body.get("routingReasons")
    for reason in reasons if isinstance(reasons, list) else [reasons]:
        read = whole(_object(_object(reason).get("meta")).get("conversationRev"))
        peer = record if record.type == CONVERSATION else resource
        if read is not None and peer is not None:
            marks.append(ReadMark(peer, read, "conversationRev"))
    return (*marks, *basis_marks(body.get("basis"), record.org))


def basis_marks(basis: Any, org: str, source: str = "basis") -> tuple[ReadMark, ...]:
    """Our own basis [{type, id, rev, seen?}]. `seen: false` (the server's read, not the author's) is named `loaded`."""
    marks: list[ReadMark] = []
    for read in basis if isinstance(basis, list) else []:
        mark = mark_of(read, org, source)
        if mark is not None:
            marks.append(mark)
    return tuple(marks)


def mark_of(read: Any, org: str, source: str) -> ReadMark | None:
    """One {type, id, rev} as a mark, `None` if it is not one."""
    read = _object(read)
    rev = whole(read.get("rev"))
    if rev is None or not isinstance(read.get("id"), str):
        return None
    return ReadMark(
        RecordRef(text(read.get("type")), read["id"], org), rev, "loaded" if read.get("seen") is False else source
    )


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
