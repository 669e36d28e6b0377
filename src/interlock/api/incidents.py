"""Findings in the own log, and incidents: findings of one kind together. The log is read, not a process's memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import rows
from interlock.api.operation import get
from interlock.domain.resource import iso
from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.explain import explain
from interlock.investigation.finding import Finding
from interlock.investigation.live import LiveDetectors
from interlock.ports import World

LOOKED_BACK = 10_000
"""Rows of the log that are looked at when an org is asked about for the first time."""
PAGE = 250
KEPT = 1_000
ORGS_MAX = 50
EXAMPLES = 20


class Watch:
    """The rules over one org's log, as far as it was read. `found`: the newest findings of weight."""

    def __init__(self, org: str) -> None:
        self.org = org
        self.position = -1
        self.found: deque[Finding] = deque(maxlen=KEPT)
        self.lock = asyncio.Lock()
        self._rules = LiveDetectors(budget=10**9)

    async def catch_up(self, world: World) -> None:
        """Read what is new, a page at a time so that everything else has its turn, and look at what is at rest."""
        store = world.store
        if self.position < 0:
            first = await store.changes(0, LOOKED_BACK, org=self.org, newest=True)
            self.position = first[0].position - 1 if first else await store.last_position()
        while page := await store.changes(self.position, PAGE, org=self.org):
            for row in page:
                self._rules.feed(row)
            self.position = page[-1].position
            await asyncio.sleep(0)
        self.found.extend(f for f in self._rules.due(world.clock.now()) if f.severity != "low")


class Watches:
    """The watch of each org that was asked about; bounded."""

    def __init__(self) -> None:
        self._kept: dict[str, Watch] = {}

    async def of(self, world: World, org: str) -> list[Finding]:
        """The findings of an org, newest first."""
        watch = self._kept.pop(org, None) or Watch(org)
        self._kept[org] = watch
        while len(self._kept) > ORGS_MAX:
            del self._kept[next(iter(self._kept))]
        async with watch.lock:
            await watch.catch_up(world)
        return list(reversed(watch.found))


class Some(msgspec.Struct, frozen=True, kw_only=True):
    """How many, newest first."""

    limit: Annotated[int, Meta(ge=1, le=KEPT)] = 100


async def _findings(call: Call) -> list[Finding]:
    watches: Watches = call.host.rooms.setdefault("watches", Watches())
    return await watches.of(call.world, call.org)


def fingerprint(f: Finding) -> str:
    """What makes two findings one incident: the anomaly, the field, who wrote."""
    return hashlib.blake2b(f"{f.rule} {f.field} {f.client}".encode(), digest_size=12).hexdigest()


def _name(f: Finding) -> str:
    return CATALOGUE[f.rule].name if f.rule in CATALOGUE else f.rule


def _finding(f: Finding) -> dict[str, Any]:
    key = f"{f.rule} {f.record.type} {f.record.id} {f.rev} {f.field}"
    attributes: dict[str, Any] = {
        "rule": f.rule,
        "anomaly": _name(f),
        "severity": f.severity,
        "certainty": f.certainty,
        "record": {"type": f.record.type, "id": f.record.id},
        "field": f.field,
        "rev": f.rev,
        "at": iso(f.at) if f.at is not None else None,
        "client": f.client,
        "incident": fingerprint(f),
        "explanation": explain(f),
    }
    id = hashlib.blake2b(key.encode(), digest_size=12).hexdigest()
    return {"type": "finding", "id": id, "attributes": attributes, "relationships": {}}


@get(
    "/v1/findings",
    "listFindings",
    tag="investigations",
    roles=roles.EVENT_READ,
    answers="resources",
    query=Some,
    own=True,
)
async def findings(call: Call) -> Answer:
    """List what the rules of `investigate` found in the own log, newest first: what was read of it lately."""
    found = await _findings(call)
    data = [_finding(f) for f in found[: call.query.limit]]
    return Answer(200, rows(data, {"count": len(found)}, {"self": call.path, "next": None}))


@get("/v1/incidents", "listIncidents", tag="investigations", roles=roles.EVENT_READ, answers="resources", own=True)
async def incidents(call: Call) -> Answer:
    """List incidents: findings of one kind together, with how often, since when, and examples."""
    by_kind: dict[str, list[Finding]] = {}
    for f in await _findings(call):
        by_kind.setdefault(fingerprint(f), []).append(f)
    data = [_incident(id, found) for id, found in by_kind.items()]
    return Answer(200, rows(data, {"count": len(data)}, {"self": call.path, "next": None}))


def _incident(id: str, found: list[Finding]) -> dict[str, Any]:
    newest, times = found[0], [f.at for f in found if f.at is not None]
    attributes = {
        "rule": newest.rule,
        "anomaly": _name(newest),
        "field": newest.field,
        "client": newest.client,
        "severity": min((f.severity for f in found), key=("high", "medium", "low").index),
        "certainty": newest.certainty,
        "state": "open",
        "count": len(found),
        "firstSeen": iso(min(times)) if times else None,
        "lastSeen": iso(max(times)) if times else None,
        "explanation": explain(newest),
        "examples": [{"type": f.record.type, "id": f.record.id, "rev": f.rev} for f in found[:EXAMPLES]],
    }
    return {"type": "incident", "id": id, "attributes": attributes, "relationships": {}}


OPERATIONS = (findings, incidents)
