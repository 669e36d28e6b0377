"""Errors as JSON:API error objects: one shape for every status from 400 up, and one table from cause to status.

The sentence, the code and the status come from the domain's own classes; what only HTTP knows has its classes here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from interlock.domain.errors import Malformed, NotFound, Problem, Unavailable
from interlock.domain.resource import iso

Json = dict[str, Any]
DOCS = "/docs#error-"


class Unauthenticated(Problem):
    """No valid key came with this request."""

    STATUS = 401


class Forbidden(Problem):
    """This key has none of the roles that are accepted here."""

    STATUS = 403


class MethodNotAllowed(Problem):
    """This address does not know that method."""

    STATUS = 405


class NotAcceptable(Problem):
    """The answer cannot be given in any of the accepted media types."""

    STATUS = 406


class BodyTooLarge(Problem):
    """The body is larger than this server takes."""

    STATUS = 413


class UnsupportedMediaType(Problem):
    """Bodies of this media type are not understood here."""

    STATUS = 415


class RateLimited(Problem):
    """This key has used up its requests of this minute."""

    STATUS = 429


class IdempotencyKeyRequired(Malformed):
    """This request creates or acts, and must carry an Idempotency-Key, so that it can be repeated safely."""

    CODE = "IDEMPOTENCY_KEY_REQUIRED"


class NoSuchRoute(NotFound):
    """There is nothing at this address."""

    CODE = "NOT_FOUND"


class InternalError(Problem):
    """Something went wrong on our side; the id finds it in the server's log."""

    STATUS = 500


class Several(Problem):
    """More than one thing is wrong with this request."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = tuple(problems)


def parts_of(problem: Problem) -> tuple[Problem, ...]:
    """The single problems behind one."""
    return problem.problems if isinstance(problem, Several) else (problem,)


def status_of(problem: Problem) -> int:
    """The status of an answer: of several, the one that covers the rest."""
    statuses = {p.STATUS for p in parts_of(problem)}
    return 400 if 400 in statuses else min(statuses, default=500)


_encode = msgspec.json.Encoder(enc_hook=str).encode


def error_body(problem: Problem, trace: str) -> bytes:
    """The document of a problem."""
    return _encode({"errors": [error_object(p, trace) for p in parts_of(problem)]})


def error_object(problem: Problem, trace: str) -> Json:
    """One problem as a JSON:API error object that is also the reference's (`code`, `message`, `meta`)."""
    detail = problem.detail or problem.title
    out: Json = {
        "id": trace,
        "status": str(problem.STATUS),
        "code": problem.code,
        "title": problem.title,
        "detail": detail,
        "message": detail,
        "links": {"type": DOCS + problem.code.lower().replace("_", "-")},
    }
    source = _source(problem)
    if source:
        out["source"] = source
    if problem.meta:
        out["meta"] = {name: shown(name, value) for name, value in problem.meta.items() if value is not None}
    return out


def _source(problem: Problem) -> Json:
    if problem.header:
        return {"header": problem.header}
    if problem.parameter:
        return {"parameter": problem.parameter}
    if problem.pointer:
        return {"pointer": "" if problem.pointer == "/" else problem.pointer}
    return {}


_TIMES = frozenset({"at", "endedAt", "expiresAt", "offeredAt"})


def shown(name: str, value: Any) -> Any:
    """A value of `meta`, its times as text."""
    if type(value) is int and name in _TIMES:
        return iso(value)
    if isinstance(value, dict):
        known: dict[str, Any] = value
        return {n: shown(n, v) for n, v in known.items()}
    if isinstance(value, list | tuple):
        return [shown("", v) for v in value]
    return value


def retry_after(problem: Problem) -> str:
    """The seconds to wait before trying again; empty where waiting does not help."""
    if isinstance(problem, RateLimited):
        return str(problem.meta.get("retryAfter", 1))
    return "1" if isinstance(problem, Unavailable) else ""


def leaves(roots: Iterable[type[Problem]]) -> list[type[Problem]]:
    """These problems and all that derive from them."""
    out: list[type[Problem]] = []
    for root in roots:
        out += [root, *leaves(root.__subclasses__())]
    return out
