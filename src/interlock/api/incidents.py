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
from interlock.api.document import encode, etag_of, rows
from interlock.api.operation import get, put
from interlock.api.shapes import Guarded, Text
from interlock.domain.decision import Decision
from interlock.domain.errors import NotFound
from interlock.domain.incident import Incident, State
from interlock.domain.record import Record
from interlock.domain.resource import iso
from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.explain import explain
from interlock.investigation.finding import Finding
from interlock.investigation.live import LiveDetectors
from interlock.ports import World
from interlock.service import incidents as service

PATH = "/v1/incidents"
KEPT_FIELDS = ("rule", "field", "client", "severity", "certainty", "explanation")
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


class Which(msgspec.Struct, frozen=True):
    """Only those in this state."""

    state: State | None = None


class IncidentChange(Guarded, frozen=True, kw_only=True):
    """How far somebody is with it. `reason`: what was found out; a closed one needs it."""

    state: State
    reason: Text = ""


@get(PATH, "listIncidents", tag="investigations", roles=roles.EVENT_READ, answers="resources", query=Which, own=True)
async def incidents(call: Call) -> Answer:
    """List incidents: findings of one kind together, with how often, since when, examples, and how far somebody is."""
    told = [_incident(id, found, said) for id, (found, said) in (await _kinds(call)).items()]
    data = [i for i in told if call.query.state in (None, i["attributes"]["state"])]
    return Answer(200, rows(data, {"count": len(data)}, {"self": call.path, "next": None}))


async def _kinds(call: Call) -> dict[str, tuple[list[Finding], Incident | None]]:
    """What was found and what was said, by fingerprint; what is not seen in the log any more keeps what was said."""
    found: dict[str, list[Finding]] = {}
    for f in await _findings(call):
        found.setdefault(fingerprint(f), []).append(f)
    known = await service.known(call.world, call.org)
    return {id: (found.get(id, []), known.get(id)) for id in [*found, *(k for k in known if k not in found)]}


@get(f"{PATH}/{{id:str}}", "getIncident", tag="investigations", roles=roles.EVENT_READ, answers="resource", own=True)
async def read(call: Call) -> Answer:
    """Read an incident."""
    id = call.id()
    found, said = await _one(call, id)
    shown = _incident(id, found, said)
    return Answer(200, encode({"data": shown, "links": shown["links"]}), etag_of(said) if said else "")


async def _one(call: Call, id: str) -> tuple[list[Finding], Incident | None]:
    kinds = await _kinds(call)
    if id not in kinds:
        raise NotFound("There is no such incident, and there was none that anybody said something of.")
    return kinds[id]


@put(
    f"{PATH}/{{id:str}}",
    "updateIncident",
    tag="investigations",
    roles=roles.INCIDENT_UPDATE,
    body=IncidentChange,
    answers="resource",
    own=True,
    example={"state": "closed", "reason": "A test of ours wrote it by hand"},
)
async def change(call: Call) -> Answer:
    """Acknowledge an incident, close it with a reason, or open it again; one that comes back is open by itself."""
    id, body = call.id(), call.body
    found, _ = await _one(call, id)
    precondition = call.precondition(Incident, id)

    def show(record: Record, _: Decision) -> bytes:
        assert isinstance(record, Incident)
        shown = _incident(id, found, record)
        return encode({"data": shown, "links": shown["links"]})

    return await call.act(
        lambda beside: service.say(
            call.world, call.by, id, body.state, body.reason, call.key.name, _about(found), precondition, beside=beside
        ),
        Incident,
        id=id,
        show=show,
    )


def _about(found: list[Finding]) -> dict[str, Any]:
    """What is kept of a kind, so that a closed incident can still be read when its rows are out of sight."""
    if not found:
        return {}
    newest = found[0]
    return {
        "rule": newest.rule, "field": newest.field, "client": newest.client or "", "severity": _severity(found),
        "certainty": newest.certainty, "explanation": explain(newest),
    }  # fmt: skip


def _severity(found: list[Finding]) -> str:
    return min((f.severity for f in found), key=("high", "medium", "low").index)


def _incident(id: str, found: list[Finding], said: Incident | None) -> dict[str, Any]:
    """`state` is `open` again where a closed one was found after it was closed: `cameBack`."""
    times = [f.at for f in found if f.at is not None]
    last = max(times) if times else None
    kept = _about(found) or {name: getattr(said, name) for name in KEPT_FIELDS}
    back = said is not None and said.came_back(last)
    attributes = {
        **kept,
        "anomaly": CATALOGUE[kept["rule"]].name if kept["rule"] in CATALOGUE else kept["rule"],
        "state": "open" if said is None or back else said.state,
        "cameBack": back,
        "reason": said.reason if said else "",
        "stateBy": said.state_by if said else "",
        "stateChangedAt": iso(said.state_changed_at) if said and said.state_changed_at else None,
        "rev": said.rev if said else 0,
        "count": len(found),
        "firstSeen": iso(min(times)) if times else None,
        "lastSeen": iso(last) if last is not None else None,
        "examples": [{"type": f.record.type, "id": f.record.id, "rev": f.rev} for f in found[:EXAMPLES]],
    }
    return {
        "type": "incident", "id": id, "attributes": attributes, "relationships": {}, "links": {"self": f"{PATH}/{id}"}
    }  # fmt: skip


OPERATIONS = (findings, incidents, read, change)
