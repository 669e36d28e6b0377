"""The schemas of the OpenAPI document: bodies and records from their own types, and what is no record by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from interlock.api import problems
from interlock.api.operation import Operation
from interlock.domain.errors import Problem
from interlock.domain.kinds import KINDS
from interlock.domain.record import Record
from interlock.domain.resource import COLLECTIONS, INNER_NAMES, plan_of

Json = dict[str, Any]
REF = "#/components/schemas/{name}"
ID_PATTERN = "^[0-9a-f]{24}$"
TIME: Json = {"type": "string", "format": "date-time"}


def schemas_of(operations: Sequence[Operation]) -> Json:
    """Every schema that the document mentions."""
    bodies = list(dict.fromkeys(o.body for o in operations if o.body is not None))
    _, out = msgspec.json.schema_components(bodies, ref_template=REF)
    known: Json = {name: _flat(s) for name, s in out.items()}
    kinds = list(KINDS.values())
    _, inside = msgspec.json.schema_components(kinds, ref_template=REF)
    for name, schema in inside.items():
        if not any(k.__name__ == name for k in kinds):
            known[name] = _nested(_flat(schema))
    for kind in kinds:
        known[kind.__name__] = _resource(kind, inside[kind.__name__])
        known[f"{kind.__name__}Document"] = _document({"$ref": REF.format(name=kind.__name__)})
        known[f"{kind.__name__}List"] = _list({"$ref": REF.format(name=kind.__name__)})
    return known | _own()


def _flat(schema: Json) -> Json:
    return {k: re.sub(r"\s+", " ", v) if k == "description" else v for k, v in schema.items() if k != "title"}


def _nested(schema: Json) -> Json:
    """A nested value as it is shown: times as text, some members under their outward names, and none that is null."""
    properties = {
        INNER_NAMES.get(n, n): TIME if n.endswith("At") else without_null(s)
        for n, s in schema.get("properties", {}).items()
    }
    required = [INNER_NAMES.get(n, n) for n in schema.get("required", ())]
    return {**schema, "properties": properties, **({"required": required} if required else {})}


def _resource(kind: type[Record], schema: Json) -> Json:
    plan, properties = plan_of(kind), schema.get("properties", {})
    stored = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    outward = {kind.outward(f): stored[f] for f in kind.__struct_fields__}
    attributes = {
        name: TIME if is_time else without_null(properties[_stored(kind, name, outward)])
        for name, is_time, *_ in plan.attributes
    }
    related: Json = {name: {"$ref": REF.format(name="Relationship")} for name, _, _ in plan.relations}
    related |= {name: {"$ref": REF.format(name="Collection")} for name in COLLECTIONS.get(kind.TYPE, {})}
    return {
        "type": "object",
        "description": re.sub(r"\s+", " ", (kind.__doc__ or "").strip()),
        "required": ["id", "type", "attributes", "relationships"],
        "properties": {
            "id": {"type": "string", "pattern": ID_PATTERN},
            "type": {"const": kind.TYPE},
            "attributes": {
                "type": "object",
                "properties": attributes,
                "required": ["createdAt", "rev", "updatedAt"],
                "additionalProperties": False,
            },
            "relationships": {"type": "object", "properties": related, "additionalProperties": False},
            "links": {"$ref": REF.format(name="Links")},
        },
    }


def _stored(kind: type[Record], name: str, outward: dict[str, str]) -> str:
    """The stored name of an attribute; where a relationship bears the same outward name, the attribute's own."""
    plain = {
        stored
        for field, stored in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
        if field not in kind.RELATIONS
    }
    return name if name in plain else outward[name]


def _document(data: Json) -> Json:
    return {
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": data,
            "included": {"type": "array", "items": {"type": "object"}},
            "meta": {"type": "object"},
            "links": {"$ref": REF.format(name="Links")},
        },
    }


def _list(items: Json) -> Json:
    return {
        "type": "object",
        "required": ["data", "meta", "links"],
        "properties": {
            "data": {"type": "array", "items": items},
            "meta": {"type": "object"},
            "links": {"$ref": REF.format(name="PageLinks")},
            "included": {"type": "array", "items": {"type": "object"}},
        },
    }


def _own() -> Json:
    """Schemas of what is no record."""
    text: Json = {"type": "string"}
    path: Json = {"type": "string", "pattern": "^/"}
    maybe: Json = {"type": ["string", "null"]}
    loose = _document({"type": "object", "required": ["type", "id", "attributes"]})
    error: Json = {
        "type": "object",
        "required": ["id", "status", "code", "title", "detail", "message"],
        "properties": {
            "id": text,
            "status": text,
            "code": {"type": "string", "enum": codes()},
            "title": text,
            "detail": text,
            "message": text,
            "source": {"type": "object", "properties": {"pointer": text, "parameter": text, "header": text}},
            "links": {"type": "object", "properties": {"type": text}},
            "meta": {"type": "object"},
        },
    }
    return {
        "Links": {"type": "object", "properties": {"self": path}},
        "PageLinks": {
            "type": "object",
            "properties": {"self": path, "first": path, "prev": maybe, "next": maybe},
            "required": ["self"],
        },
        "Collection": {"type": "object", "properties": {"links": {"$ref": REF.format(name="Links")}}},
        "Relationship": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "data": {"anyOf": [_mention(), {"type": "array", "items": _mention()}]},
                "links": {"$ref": REF.format(name="Links")},
            },
        },
        "Errors": {
            "type": "object",
            "required": ["errors"],
            "properties": {"errors": {"type": "array", "minItems": 1, "items": error}},
        },
        "Event": _event(),
        "EventPage": _list({"$ref": REF.format(name="Event")}),
        "QueueMetrics": _list(_metrics()),
        "QueueSeries": loose,
        "OutcomeList": _list({"type": "object", "required": ["type", "id", "attributes"]}),
        "AuditList": _list({"type": "object", "required": ["type", "id", "attributes", "relationships"]}),
        "FoundList": _list({"type": "object", "required": ["type", "id", "attributes", "relationships"]}),
        "ChangeList": _list({"type": "object", "required": ["type", "id", "attributes"]}),
        "DecisionDocument": loose,
        "DecisionList": _list({"type": "object", "required": ["type", "id", "attributes"]}),
        "Explanation": _explanation(),
        "CriteriaDocument": _document({"type": "object"}),
        "ToldDocument": loose,
        "ResourceDocument": loose,
        "ResourceList": _list({"type": "object", "required": ["type", "id", "attributes"]}),
    }


def _metrics() -> Json:
    figure: Json = {"type": ["number", "null"], "minimum": 0}
    names = (
        "latestWaitTimeSeconds",
        "latestWaitTimeSinceQueueEntryOrLastUnpauseSeconds",
        "latestWaitTimeBeforeOrAfterLastPauseSeconds",
    )
    attributes: Json = {"type": "object", "required": list(names), "properties": dict.fromkeys(names, figure)}
    return {
        "type": "object",
        "required": ["type", "id", "attributes"],
        "properties": {"type": {"const": "session_queue"}, "id": {"type": "string"}, "attributes": attributes},
    }


def _mention() -> Json:
    return {
        "type": "object",
        "required": ["type", "id"],
        "properties": {"type": {"type": "string"}, "id": {"type": "string"}},
    }


def _explanation() -> Json:
    attributes: Json = {
        "type": "object",
        "required": ["sentences"],
        "properties": {"sentences": {"type": "array", "items": {"type": "string"}}},
    }
    return _document(
        {
            "type": "object",
            "required": ["type", "id", "attributes"],
            "properties": {"type": {"const": "explanation"}, "id": {"type": "string"}, "attributes": attributes},
        }
    )


def _event() -> Json:
    text: Json = {"type": "string"}
    needed = ("specversion", "id", "source", "type", "subject", "time", "partitionkey", "sequence", "data")
    return {
        "type": "object",
        "description": "CloudEvents 1.0. It tells where to look: load the record and decide.",
        "required": list(needed),
        "properties": {
            "specversion": {"const": "1.0"},
            "id": text,
            "source": text,
            "type": text,
            "subject": text,
            "time": TIME,
            "datacontenttype": text,
            "dataschema": text,
            "partitionkey": text,
            "sequence": text,
            "traceparent": text,
            "publishedat": TIME,
            "data": {"type": "object", "required": ["id", "name", "org", "data", "changes", "client"]},
        },
    }


def without_null(schema: Json) -> Json:
    """A query parameter is there or not; it is never null."""
    kept = {k: v for k, v in schema.items() if not (k == "default" and v is None)}
    options = kept.get("anyOf")
    if not options:
        return kept
    rest = [s for s in options if s != {"type": "null"}]
    return {**{k: v for k, v in kept.items() if k != "anyOf"}, **(rest[0] if len(rest) == 1 else {"anyOf": rest})}


def answer_name(o: Operation) -> str:
    """The name of the schema of an operation's answer."""
    if o.answers == "one" and o.kind is not None:
        return f"{o.kind.__name__}Document"
    if o.answers == "many" and o.kind is not None:
        return f"{o.kind.__name__}List"
    if o.answers.startswith("many:"):
        return f"{KINDS[o.answers[5:]].__name__}List"
    return {
        "events": "EventPage",
        "changes": "ChangeList",
        "found": "FoundList",
        "audit": "AuditList",
        "outcomes": "OutcomeList",
        "metrics": "QueueMetrics",
        "series": "QueueSeries",
        "decisions": "DecisionList",
        "decision": "DecisionDocument",
        "explanation": "Explanation",
        "criteria": "CriteriaDocument",
        "dry-run": "ToldDocument",
        "evaluation": "ToldDocument",
        "forecast": "ToldDocument",
        "resource": "ResourceDocument",
        "resources": "ResourceList",
    }[o.answers]


def all_problems() -> list[type[Problem]]:
    """Every kind of error there is, once."""
    found: Iterable[type[Problem]] = problems.leaves([Problem])
    inner = {Problem, problems.Several}
    return sorted({p for p in found if p not in inner and p.__name__ != "TooFast"}, key=lambda p: (p.STATUS, p().code))


def codes() -> list[str]:
    """Every code of an error."""
    return sorted({p().code for p in all_problems()})
