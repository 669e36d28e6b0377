"""From a request to its answer: trace, limits, key, roles, body, idempotency, handler, and the one place for errors.

One function around every operation instead of a stack of wrappers: each of them would cost on every request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from interlock.api.answer import JSON_API, Answer, Fields, Send, media_of, safe_media_of
from interlock.api.call import Call
from interlock.api.host import Host
from interlock.api.keyring import TooFast
from interlock.api.operation import Door
from interlock.api.problems import (
    BodyTooLarge,
    Forbidden,
    IdempotencyKeyRequired,
    InternalError,
    UnsupportedMediaType,
    error_body,
    retry_after,
    status_of,
)
from interlock.api.trace import Trace, trace_of
from interlock.domain.access import allowed
from interlock.domain.decision import Provenance
from interlock.domain.errors import IdempotencyRunning, KeyTaken, Malformed, Problem

Receive = Callable[[], Awaitable[Any]]
Scope = dict[str, Any]

_log = structlog.get_logger("interlock")
_PLAIN, _PATCH = b"application/json", b"application/json-patch+json"
_BASE: Fields = [(b"vary", b"Accept"), (b"cache-control", b"no-store")]


async def respond(host: Host, door: Door, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    began = host.timer()
    operation = door.operation
    headers: dict[bytes, bytes] = dict(scope["headers"])
    trace = trace_of(headers.get(b"traceparent"), host.world.ids.fresh)
    call = Call(host, operation, headers, scope["path_params"], scope["path"], trace)
    extra: Fields = []
    try:
        answer = await _work(call, door, scope, receive, extra)
    except Problem as problem:
        answer = problem_answer(problem, trace, headers)
    except Exception as fault:  # noqa: BLE001 every fault of ours ends as one answer that tells nothing of the inside
        answer = fault_answer(fault, trace, headers, operation.id)
    host.metrics.observe(scope["method"], operation.path, answer.status, host.timer() - began)
    await transmit(answer, trace, extra, send, headers, receive, head=scope["method"] == "HEAD")


async def _work(call: Call, door: Door, scope: Scope, receive: Receive, extra: Fields) -> Answer:
    operation, host, headers = door.operation, call.host, call.headers
    media = b"" if operation.media else media_of(headers.get(b"accept", b""))
    if operation.roles is not None:
        await _identify(call, extra)
        if operation.roles and not allowed(call.key.roles, operation.roles):
            raise Forbidden(
                f"Any one of these roles would do: {', '.join(operation.roles)}.", roles=list(operation.roles)
            )
    call.query = door.query.read(scope["query_string"])
    if door.body is not None:
        call.raw = await _body(headers, receive, host.settings.body_max)
        _content_type(headers, patch=operation.patch)
        call.body = door.body.read(call.raw)
    answer = await (operation.do(call) if operation.idempotency == "no" else _once(call))
    answer.media = answer.media or media
    if answer.etag and headers.get(b"if-none-match") and operation.method == "GET":
        return _unless_known(answer, headers[b"if-none-match"])
    return answer


async def _identify(call: Call, extra: Fields) -> None:
    host = call.host
    key = await host.keyring.key_of(call.headers.get(b"authorization"))
    now = host.world.clock.now()
    if key.signed_in:
        extra += host.limits.count(key.id, now, times=host.limits.SIGNED_IN_TIMES)[1]
    else:
        extra += min(host.limits.count(key.id, now), host.org_limits.count(key.org, now))[1]
    call.key = key
    call.by = Provenance(key.org, key.actor, "api", call.trace.id, call.trace.span)


async def _body(headers: dict[bytes, bytes], receive: Receive, most: int) -> bytes:
    """The whole body, refused as soon as it is known to be too large."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise BodyTooLarge(f"Send at most {most} bytes.", limit=most)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body") and size <= most:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise Malformed("The body ended early.")
    if len(body) > most:
        raise BodyTooLarge(f"Send at most {most} bytes.", limit=most)
    return body


def _content_type(headers: dict[bytes, bytes], *, patch: bool) -> None:
    given = headers.get(b"content-type")
    if given is None or given == _PLAIN:
        return
    name, _, rest = given.partition(b";")
    name = name.strip().lower()
    if name == _PLAIN or (patch and name == _PATCH):
        charset = rest.strip().lower()
        if not charset or charset.replace(b'"', b"").replace(b" ", b"") in (b"charset=utf-8", b"charset=utf8"):
            return
    detail = "Send application/json" + (" or application/json-patch+json, both with a plain object." if patch else ".")
    raise UnsupportedMediaType(detail, header="Content-Type")


async def _once(call: Call) -> Answer:
    """Run a handler under its Idempotency-Key, if there is one: a repeat gets the first answer."""
    text = call.headers.get(b"idempotency-key")
    if text is None:
        if call.operation.idempotency == "required":
            raise IdempotencyKeyRequired(
                "Send a new random Idempotency-Key with each request.", header="Idempotency-Key"
            )
        return await call.operation.do(call)
    name = text.strip().strip(b'"')
    if not name or len(name) > 255:
        raise Malformed("An Idempotency-Key has 1 to 255 characters.", header="Idempotency-Key")
    where = f"{call.key.id} {call.operation.method} {call.path} ".encode() + name
    slot = hashlib.blake2b(where, digest_size=16).hexdigest()
    running = call.host.running
    if slot in running:
        raise IdempotencyRunning("Wait for the first request, then ask again.", header="Idempotency-Key")
    running.add(slot)
    call.slot = slot
    try:
        return await call.kept_answer() or await call.operation.do(call)
    except KeyTaken:
        kept = await call.kept_answer()
        if kept is None:
            raise
        return kept
    finally:
        running.discard(slot)


def _unless_known(answer: Answer, given: bytes) -> Answer:
    tags = {tag.strip().removeprefix("W/") for tag in given.decode("latin-1").split(",")}
    if answer.etag in tags or "*" in tags:
        return Answer(304, b"", answer.etag)
    return answer


def problem_answer(problem: Problem, trace: Trace, headers: dict[bytes, bytes]) -> Answer:
    """The answer that tells of a problem."""
    answer = Answer(status_of(problem), error_body(problem, trace.id), media=safe_media_of(headers.get(b"accept", b"")))
    wait = retry_after(problem)
    if wait:
        answer.headers = [(b"retry-after", wait.encode())]
    if answer.status == 401:
        answer.headers = [(b"www-authenticate", b'Bearer realm="interlock"')]
    if isinstance(problem, TooFast):
        answer.headers += problem.fields
    return answer


def fault_answer(fault: Exception, trace: Trace, headers: dict[bytes, bytes], where: str) -> Answer:
    """The answer to a fault of ours: the log has it all, the caller gets the id."""
    _log.error("request_failed", operation=where, trace=trace.id, exc_info=fault)
    return problem_answer(InternalError(f"Give this id to whoever runs the server: {trace.id}."), trace, headers)


async def transmit(
    answer: Answer,
    trace: Trace,
    extra: Fields,
    send: Send,
    headers: dict[bytes, bytes],
    receive: Receive,
    *,
    head: bool = False,
) -> None:
    """Send an answer."""
    fields: Fields = [(b"traceparent", trace.header), *_BASE, *extra, *answer.headers]
    if answer.etag:
        fields.append((b"etag", answer.etag.encode()))
    if answer.stream is not None:
        await answer.stream(fields, send, receive)
        return
    body = answer.body
    if answer.status not in (204, 304):
        fields += [(b"content-type", answer.media or JSON_API), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if head else body})
