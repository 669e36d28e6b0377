"""The OpenAPI 3.1 document, made from the operations and the very types that read bodies and show records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from interlock.api import problems
from interlock.api.operation import Operation
from interlock.domain import errors
from interlock.domain.errors import Problem
from interlock.domain.kinds import KINDS
from interlock.domain.record import Record
from interlock.domain.resource import COLLECTIONS, INNER_NAMES, plan_of

Json = dict[str, Any]
REF = "#/components/schemas/{name}"
JSON_TYPES = ("application/vnd.api+json", "application/json")
ID_PATTERN = "^[0-9a-f]{24}$"
PATTERNS = {"ids": "^[0-9a-f]{24}(,[0-9a-f]{24}){0,99}$"}
"""Of path parameters that are not one id."""
TIME: Json = {"type": "string", "format": "date-time"}
TAGGED = ("one", "many", "metrics", "series")
"""Answers that carry an ETag."""
_PARAMETER = re.compile(r"\{(\w+):str\}")


def describe(operations: Sequence[Operation]) -> bytes:
    """The whole document, laid out for people and for diffs."""
    return msgspec.json.format(msgspec.json.encode(document(operations), order="deterministic"), indent=2) + b"\n"


def document(operations: Sequence[Operation]) -> Json:
    """The whole document."""
    shown = [o for o in operations if o.path != "/docs"]
    paths: dict[str, Json] = {}
    refusals = Refusals()
    for o in shown:
        paths.setdefault(_PARAMETER.sub(r"{\1}", o.path), {})[o.method.lower()] = _operation(o, refusals.of(o))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Interlock",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Work routing in which no assignment is ever lost. Flat JSON in, JSON:API documents out.",
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "tags": [{"name": t} for t in dict.fromkeys(o.tag for o in shown)],
        "paths": paths,
        "webhooks": {"event": {"post": _webhook()}},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "ilk_…"}},
            "responses": refusals.known,
            "schemas": _schemas(shown),
        },
    }


def _operation(o: Operation, refused: Json) -> Json:
    out: Json = {
        "operationId": o.id,
        "summary": o.summary,
        "tags": [o.tag],
        "parameters": [*_path(o), *_query(o), *_headers(o)],
        "responses": {str(o.status): _success(o), **_also(o), **refused},
    }
    if o.description:
        out["description"] = re.sub(r"\s+", " ", o.description)
    if o.roles is None:
        out["security"] = []
    else:
        out["x-roles"] = list(o.roles)
    if o.body is not None:
        types = ("application/json", "application/json-patch+json") if o.patch else ("application/json",)
        media: Json = {"schema": {"$ref": REF.format(name=o.body.__name__)}}
        if o.example is not None:
            media["example"] = o.example
        out["requestBody"] = {"required": True, "content": dict.fromkeys(types, media)}
    return out


def _path(o: Operation) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": PATTERNS.get(name, ID_PATTERN)},
        }
        for name in _PARAMETER.findall(o.path)
    ]


def _query(o: Operation) -> list[Json]:
    (schema,), _ = msgspec.json.schema_components([o.query])
    _, components = msgspec.json.schema_components([o.query], ref_template=REF)
    properties: Json = (
        next(iter(components.values())).get("properties", {}) if components else schema.get("properties", {})
    )
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(s)} for name, s in properties.items()
    ]


def _without_null(schema: Json) -> Json:
    """A query parameter is there or not; it is never null."""
    kept = {k: v for k, v in schema.items() if not (k == "default" and v is None)}
    options = kept.get("anyOf")
    if not options:
        return kept
    rest = [s for s in options if s != {"type": "null"}]
    return {**{k: v for k, v in kept.items() if k != "anyOf"}, **(rest[0] if len(rest) == 1 else {"anyOf": rest})}


def _headers(o: Operation) -> list[Json]:
    out: list[Json] = []
    if o.guard != "no":
        out.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "pattern": '^"[0-9]{1,15}"$'},
                "description": "The rev that was decided on, as the ETag gave it.",
            }
        )
    if o.idempotency != "no":
        out.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": o.idempotency == "required",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
                "description": "A repeat under the same key gets the first answer.",
            }
        )
    if o.method == "GET" and o.kind is not None:
        out.append({"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    return out


def _success(o: Operation) -> Json:
    if o.status == 204:
        return {"description": "Done; there is nothing to show."}
    if o.answers == "text":
        media: Json = {"schema": {"type": "object"} if o.media == "application/json" else {"type": "string"}}
        return {"description": o.summary, "content": {o.media: media}}
    schema = {"$ref": REF.format(name=_answer_name(o))}
    content: Json = {t: {"schema": schema} for t in JSON_TYPES}
    if o.id in ("listEvents", "listChanges"):
        content["text/event-stream"] = {"schema": {"type": "string"}}
    headers: Json = {"traceparent": {"schema": {"type": "string"}}}
    if o.answers in TAGGED:
        headers["ETag"] = {"schema": {"type": "string"}}
    if o.status == 201:
        headers["Location"] = {"schema": {"type": "string"}}
    return {"description": o.summary, "headers": headers, "content": content}


def _also(o: Operation) -> Json:
    """Other answers that are no errors."""
    out: Json = {}
    if o.status == 201:
        out["200"] = {**_success(o), "description": "Nothing was made: this is what there is already."}
    if (o.method == "GET" and o.answers in TAGGED) or o.answers.startswith("many"):
        out["304"] = {"description": "Unchanged since the tag that was given."}
    if o.id in ("ready", "live", "healthy"):
        out["503"] = {"description": "A check fails.", "content": {o.media: {"schema": {"type": "string"}}}}
    return out


def _answer_name(o: Operation) -> str:
    if o.answers == "one" and o.kind is not None:
        return f"{o.kind.__name__}Document"
    if o.answers == "many" and o.kind is not None:
        return f"{o.kind.__name__}List"
    if o.answers.startswith("many:"):
        return f"{KINDS[o.answers[5:]].__name__}List"
    return {
        "events": "EventPage",
        "changes": "ChangeList",
        "metrics": "QueueMetrics",
        "series": "QueueSeries",
        "decisions": "DecisionList",
        "decision": "DecisionDocument",
        "explanation": "Explanation",
        "criteria": "CriteriaDocument",
        "dry-run": "ToldDocument",
        "evaluation": "ToldDocument",
        "resource": "ResourceDocument",
        "resources": "ResourceList",
    }[o.answers]


def problems_of(o: Operation) -> list[type[Problem]]:
    """Every error that an operation can give."""
    if o.answers == "text":
        return [errors.Malformed, *([problems.Unauthenticated] if o.id in ("ready", "live", "healthy") else [])]
    found: list[type[Problem]] = [
        errors.Malformed,
        problems.NotAcceptable,
        problems.InternalError,
        errors.Unavailable,
        errors.Busy,
    ]
    if o.roles is not None:
        found += [problems.Unauthenticated, problems.Forbidden, problems.RateLimited]
    if "{" in o.path or o.body is not None or "current" in o.path or o.kind is not None:
        found.append(errors.NotFound)
    if o.method != "GET":
        found += [
            errors.Conflict,
            errors.KeyTaken,
            errors.RevMoved,
            errors.Refused,
            errors.InvalidValue,
            errors.InvalidCombination,
        ]
    if o.body is not None:
        found += [problems.BodyTooLarge, problems.UnsupportedMediaType, errors.ReadOnlyField, errors.TooMany]
    if o.guard != "no":
        found += [errors.PreconditionFailed, errors.PreconditionRequired, errors.StaleBasis]
    if o.idempotency != "no":
        found += [errors.IdempotencyRunning, errors.IdempotencyMismatch]
    if o.idempotency == "required":
        found.append(problems.IdempotencyKeyRequired)
    if "current" in o.path:
        found += [errors.NoLiveSession, errors.InvalidValue]
    if o.id == "listWorkSessions":
        found.append(errors.InvalidValue)
    return list(dict.fromkeys([*found, *o.errors]))


class Refusals:
    """The error answers, each kind of them written down once and mentioned by name."""

    def __init__(self) -> None:
        self.known: Json = {}
        self._names: dict[tuple[int, str], str] = {}

    def of(self, o: Operation) -> Json:
        """The error answers of one operation, by status."""
        by_status: dict[int, set[str]] = {}
        for problem in problems_of(o):
            by_status.setdefault(problem.STATUS, set()).add(problem().code)
        other = _also(o)
        return {
            str(status): {"$ref": f"#/components/responses/{self._named(status, ', '.join(sorted(said)))}"}
            for status, said in sorted(by_status.items())
            if str(status) not in other
        }

    def _named(self, status: int, said: str) -> str:
        name = self._names.get((status, said))
        if name is None:
            number = sum(s == status for s, _ in self._names) + 1
            name = self._names[status, said] = f"Error{status}" if number == 1 else f"Error{status}_{number}"
            self.known[name] = _refusal(status, said)
        return name


def _refusal(status: int, said: str) -> Json:
    headers: Json = {"Retry-After": {"schema": {"type": "string"}}} if status in (429, 503) else {}
    content: Json = {t: {"schema": {"$ref": REF.format(name="Errors")}} for t in JSON_TYPES}
    return {"description": said, "content": content, **({"headers": headers} if headers else {})}


def _webhook() -> Json:
    return {
        "operationId": "event",
        "summary": "A committed change, at least once, for one subject in the order of its rev.",
        "requestBody": {"content": {"application/cloudevents+json": {"schema": {"$ref": REF.format(name="Event")}}}},
        "responses": {"2XX": {"description": "Taken."}},
    }


def _schemas(operations: Sequence[Operation]) -> Json:
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
        INNER_NAMES.get(n, n): TIME if n.endswith("At") else _without_null(s)
        for n, s in schema.get("properties", {}).items()
    }
    required = [INNER_NAMES.get(n, n) for n in schema.get("required", ())]
    return {**schema, "properties": properties, **({"required": required} if required else {})}


def _resource(kind: type[Record], schema: Json) -> Json:
    plan, properties = plan_of(kind), schema.get("properties", {})
    stored = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    outward = {kind.outward(f): stored[f] for f in kind.__struct_fields__}
    attributes = {
        name: TIME if is_time else _without_null(properties[_stored(kind, name, outward)])
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


def all_problems() -> list[type[Problem]]:
    """Every kind of error there is, once."""
    found: Iterable[type[Problem]] = problems.leaves([Problem])
    inner = {Problem, problems.Several}
    return sorted({p for p in found if p not in inner and p.__name__ != "TooFast"}, key=lambda p: (p.STATUS, p().code))


def codes() -> list[str]:
    """Every code of an error."""
    return sorted({p().code for p in all_problems()})
