"""Health, metrics and the API's own description: what operators and generators read."""

from __future__ import annotations

import msgspec

from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.host import Check
from interlock.api.metrics import MEDIA
from interlock.api.operation import get
from interlock.service import figures

TEXT = b"text/plain; charset=utf-8"


class Verbose(msgspec.Struct, frozen=True):
    """`verbose`: each check with its value; needs a key."""

    verbose: str | None = None


async def _health(call: Call, checks: list[Check]) -> Answer:
    ok = all(c.ok for c in checks)
    lines = ["ok" if ok else "fail"]
    if call.query.verbose is not None:
        await call.host.keyring.key_of(call.headers.get(b"authorization"))
        lines += [_line(c) for c in checks]
    return Answer(200 if ok else 503, ("\n".join(lines) + "\n").encode(), media=TEXT)


def _line(check: Check) -> str:
    held = f" (limit {check.limit})" if check.limit else ""
    return f"[{'+' if check.ok else '-'}] {check.name} {check.value}{held}".rstrip()


@get("/livez", "live", tag="operation", roles=None, answers="text", query=Verbose, media="text/plain")
async def live(call: Call) -> Answer:
    """Whether the process turns."""
    return await _health(call, await call.host.live())


@get("/readyz", "ready", tag="operation", roles=None, answers="text", query=Verbose, media="text/plain")
async def ready(call: Call) -> Answer:
    """Whether this server can do its work: store, roles and their lag."""
    return await _health(call, await call.host.ready())


@get("/healthz", "healthy", tag="operation", roles=None, answers="text", query=Verbose, media="text/plain")
async def healthy(call: Call) -> Answer:
    """The same as /readyz."""
    return await _health(call, await call.host.ready())


@get("/metrics", "metrics", tag="operation", roles=None, answers="text", media="text/plain")
async def metrics(call: Call) -> Answer:
    """What Prometheus reads."""
    host = call.host
    now = host.world.clock.now()
    seen = await figures.look(host.world)
    host.metrics.queues({key: (n, max(0, now - since) / 1000) for key, (n, since) in seen.waiting.items()})
    host.metrics.agents.clear()
    for state, number in seen.agents.items():
        host.metrics.agents.labels(state).set(number)
    host.metrics.out_of_step.set(seen.out_of_step)
    for role, lag in seen.lag.items():
        host.metrics.lag.labels(role).set(lag)
    host.metrics.streams.set(host.streams)
    return Answer(200, host.metrics.text(), media=MEDIA)


@get("/openapi.json", "openapi", tag="operation", roles=None, answers="text", media="application/json")
async def openapi(call: Call) -> Answer:
    """This description."""
    return Answer(200, call.host.description.openapi, media=b"application/json")


@get("/docs", "docs", tag="operation", roles=None, answers="text", media="text/html")
async def docs(call: Call) -> Answer:
    """The reference, to be read."""
    return Answer(200, call.host.description.page, media=b"text/html; charset=utf-8")


OPERATIONS = (live, ready, healthy, metrics, openapi, docs)
