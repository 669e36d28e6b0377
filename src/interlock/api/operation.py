"""One operation of the API as a value: where it answers, who may call it, what it takes and gives, and what does it.

Routing, checks and the OpenAPI document are all made from these values, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from interlock.api.answer import Answer
from interlock.api.reading import Body, QueryString
from interlock.api.roles import Roles
from interlock.domain.errors import Problem
from interlock.domain.record import Record

if TYPE_CHECKING:
    from interlock.api.call import Call

Do = Callable[["Call"], Awaitable[Answer]]
Idempotency = Literal["no", "optional", "required"]
Guard = Literal["no", "optional", "required"]


class NoParameters(msgspec.Struct, frozen=True):
    """An operation without query parameters."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation.

    id           operationId              roles        any one opens it; `()`: any key; `None`: no key is needed
    body         what comes in, `None`: nothing       kind         the record it is about
    answers      `kind` (one), `many`, or a name of a schema of its own
    guard        whether `rev`, If-Match or basis is taken, or needed
    idempotency  whether an Idempotency-Key is taken, or needed
    own          not in the reference API: unknown query parameters are refused
    patch        `application/json-patch+json` is a plain object here
    again        what a repeat gets where the first answer is no record: made anew, nothing is done
    wraps        a body that is a list alone is understood as an object with the list under this name
    """

    id: str
    method: str
    path: str
    summary: str
    tag: str
    do: Do
    roles: Roles | None
    kind: type[Record] | None = None
    answers: str = "one"
    status: int = 200
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] = NoParameters
    guard: Guard = "no"
    idempotency: Idempotency = "no"
    own: bool = False
    patch: bool = False
    wraps: str = ""
    again: Do | None = None
    media: str = ""
    errors: tuple[type[Problem], ...] = ()
    example: Any = None
    description: str = ""


class Door(msgspec.Struct, frozen=True):
    """An operation with its readers, made once."""

    operation: Operation
    body: Body | None
    query: QueryString


def door(operation: Operation) -> Door:
    """The readers of an operation."""
    body = Body(operation.body, operation.kind, operation.wraps) if operation.body else None
    return Door(operation, body, QueryString(operation.query, strict=operation.own))


def operation(method: str, path: str, id: str, **rest: Any) -> Callable[[Do], Operation]:
    """Turn a handler into an operation; its docstring is the summary."""

    def make(do: Do) -> Operation:
        summary, _, more = (do.__doc__ or id).strip().partition("\n")
        return Operation(
            method=method, path=path, id=id, do=do, summary=summary.strip(), description=more.strip(), **rest
        )

    return make


def get(path: str, id: str, **rest: Any) -> Callable[[Do], Operation]:
    """A reading operation."""
    return operation("GET", path, id, **rest)


def post(path: str, id: str, **rest: Any) -> Callable[[Do], Operation]:
    """An operation that creates or acts. An Idempotency-Key is needed on our own ones, taken on the reference's."""
    rest.setdefault("idempotency", "required" if rest.get("own") else "optional")
    return operation("POST", path, id, **{"status": 201, **rest})


def put(path: str, id: str, **rest: Any) -> Callable[[Do], Operation]:
    """An operation that writes the fields that were sent."""
    return operation("PUT", path, id, **{"guard": "optional", "idempotency": "optional", **rest})


def patch(path: str, id: str, **rest: Any) -> Callable[[Do], Operation]:
    """The same, with a stated rev."""
    return operation("PATCH", path, id, **{"guard": "required", "patch": True, "idempotency": "optional", **rest})


def delete(path: str, id: str, **rest: Any) -> Callable[[Do], Operation]:
    """An operation that takes a record away."""
    return operation(
        "DELETE",
        path,
        id,
        **{"guard": "required", "status": 204, "answers": "nothing", "idempotency": "optional", **rest},
    )
