"""The OpenAPI 3.1 document, made from the operations and the very types that read bodies and show records."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from interlock.api import problems
from interlock.api.operation import Operation
from interlock.api.plain_schemas import plain
from interlock.api.schemas import ID_PATTERN, REF, Json, answer_name, schemas_of, without_null
from interlock.domain import errors
from interlock.domain.errors import Problem

JSON_TYPES = ("application/vnd.api+json", "application/json")
PATTERNS = {"ids": "^[0-9a-f]{24}(,[0-9a-f]{24}){0,99}$", "email": "^[^/]+$", "externalId": "^[^/]+$"}
"""Of path parameters that are not one id."""
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
    return plain({
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
            "schemas": schemas_of(shown),
        },
    })  # fmt: skip


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
        {"name": name, "in": "query", "required": False, "schema": without_null(s)} for name, s in properties.items()
    ]


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
    schema = {"$ref": REF.format(name=answer_name(o))}
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
