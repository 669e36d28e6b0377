"""Events: a committed change set in its envelope. CloudEvents 1.0 outside, the incident's inner body inside.

An event is never built by hand: it is a way of reading a row of the log, so the resource in it is the one at that rev,
and reading the row again gives the same event.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from interlock.domain.assignment import Actor
from interlock.domain.change import ChangeSet
from interlock.domain.decision import Basis, Party
from interlock.domain.kinds import KINDS
from interlock.domain.log import Row, snapshot_of
from interlock.domain.record import Ref
from interlock.domain.resource import Json, changes_of, iso, resource

PREFIX = "interlock."
SHAPE = "/schemas/event/1"
VERSION = "v1"


def event_id(row: str, n: int) -> str:
    """The id of the event of a row's `n`-th change set (from 0): the same for every reader, new for every event."""
    return row[:8] + hashlib.blake2b(f"{row}/{n}".encode(), digest_size=8).hexdigest()


def outer_id(row: Row, n: int) -> str:
    """The id of an event in its envelope."""
    return event_id(row.id, n)


def is_announced(change: ChangeSet) -> bool:
    """Whether a change set makes an event; some records are kept and logged only."""
    kind = KINDS.get(change.type)
    return bool(kind and kind.NOUN)


def name_of(change: ChangeSet, prefix: str = PREFIX) -> str:
    """The name of an event: `interlock.work-item.update`."""
    return f"{prefix}{KINDS[change.type].NOUN}.{change.verb}"


def inner_body(row: Row, change: ChangeSet, n: int, *, prefix: str = PREFIX) -> Json:
    """The body that the incident's events have, with the author, what they had seen, the decision and its cause."""
    by, why = row.by, row.why
    body: Json = {
        "id": event_id(row.id, n),
        "name": name_of(change, prefix),
        "org": row.org,
        "partition": row.org,
        "data": resource(snapshot_of(change)),
        "createdAt": iso(row.at),
        "changes": changes_of(change),
        "routingReasons": [{"action": r.action, "code": r.code, "meta": r.meta} for r in why.reasons],
        "client": by.client,
        "isSync": why.is_sync,
        "persist": True,
    }
    if by.source is not None:
        body |= {"sourceType": by.source.type, "sourceId": by.source.id}
    body |= {
        "actor": _actor(by.actor),
        "basis": [{"type": b.type, "id": b.id, "rev": b.rev} for b in row.basis],
        "decision": row.id,
    }
    if by.cause:
        body["cause"] = by.cause
    return body


def traceparent(row: Row, n: int) -> str:
    """The W3C trace that a row was written in, its span named after the event; empty if there was none."""
    if not row.by.trace:
        return ""
    return f"00-{row.by.trace:0>32}-{row.by.span or event_id(row.id, n)[-16:]}-01"


def cloud_event(row: Row, change: ChangeSet, n: int, *, published_at: int, prefix: str = PREFIX) -> Json:
    """The event of one change set."""
    name, at = name_of(change, prefix), traceparent(row, n)
    event: Json = {
        "specversion": "1.0",
        "id": event_id(row.id, n),
        "source": f"/v1/orgs/{row.org}",
        "type": f"{name}.{VERSION}",
        "subject": f"{change.type}/{change.id}",
        "time": iso(row.at),
        "datacontenttype": "application/json",
        "dataschema": SHAPE,
        "partitionkey": row.partition,
        "sequence": f"{row.position:018d}",
    }
    if at:
        event["traceparent"] = at
    return event | {"publishedat": iso(published_at), "data": inner_body(row, change, n, prefix=prefix)}


def events_of(row: Row, *, published_at: int, prefix: str = PREFIX, topics: frozenset[str] = frozenset()) -> list[Json]:
    """Every event of a row, in order; of these topics only, if any are given. A row without change sets has none."""
    return [
        cloud_event(row, change, n, published_at=published_at, prefix=prefix)
        for n, change in enumerate(row.changes)
        if is_announced(change) and (not topics or wanted(change, topics))
    ]


def wanted(change: ChangeSet, topics: frozenset[str]) -> bool:
    """Whether a change set is of one of these topics: a type, a noun, or one record as `type/id`."""
    kind = KINDS[change.type]
    return bool(topics & {change.type, kind.NOUN, f"{change.type}/{change.id}", f"{kind.NOUN}.{change.verb}"})


def decision_resource(row: Row) -> Json:
    """A row of the log as the decision that it is: why, on what basis, what was tried, who won against whom."""
    why, by = row.why, row.by
    told: Json = {
        "at": iso(row.at),
        "position": row.position,
        "partition": row.partition,
        "direction": why.direction,
        "kind": why.kind,
        "reason": why.reason,
        "record": _ref(why.record),
        "revBefore": why.rev_before,
        "revAfter": why.rev_after,
        "guard": why.guard,
        "rule": _basis(why.rule) if why.rule else None,
        "tried": [{"rule": t.rule, "rev": t.rev, "failed": t.failed} for t in why.tried],
        "basis": [_basis(b) for b in row.basis],
        "peer": _basis(why.peer) if why.peer else None,
        "meant": why.meant,
        "written": why.written,
        "candidates": [msgspec.to_builtins(c) | {"eligible": c.eligible} for c in why.candidates],
        "counts": why.counts,
        "strategy": why.strategy,
        "settings": [_basis(b) for b in why.settings],
        "winner": party_of(why.winner) if why.winner else None,
        "losers": [party_of(p) for p in why.losers],
        "policy": why.policy,
        "reasons": [{"action": r.action, "code": r.code, "meta": r.meta} for r in why.reasons],
        "isSync": why.is_sync,
        "unconditional": why.unconditional,
        "client": by.client,
        "trace": by.trace,
        "cause": by.cause,
        "actor": _actor(by.actor),
        "source": _ref(by.source),
        "changes": [{"type": c.type, "id": c.id, "revBefore": c.before_rev, "rev": c.rev} for c in row.changes],
        "updatedAt": iso(row.at),
    }
    return {
        "type": "decision",
        "id": row.id,
        "attributes": {k: v for k, v in told.items() if v is not None},
        "relationships": {},
        "links": {"self": f"/v1/routing/decisions/{row.id}?position={row.position}"},
    }


def _ref(ref: Ref | None) -> Json | None:
    return {"type": ref.type, "id": ref.id} if ref else None


def _actor(actor: Actor) -> Json:
    return {"class": actor.cls, "type": actor.type, "id": actor.id}


def _basis(basis: Basis) -> Json:
    out: Json = {"type": basis.type, "id": basis.id, "rev": basis.rev}
    if basis.read_at:
        out["readAt"] = iso(basis.read_at)
    return out if basis.seen else out | {"seen": False}


def party_of(party: Party) -> Json:
    """One side of a conflict."""
    return {
        "value": party.value,
        "actor": _actor(party.actor),
        "record": _ref(party.record),
        "rev": party.rev,
        "dot": list(party.dot),
        "seen": [list(d) for d in party.seen],
    }


def encode(value: Any) -> bytes:
    """An event as it is sent."""
    return _encode(value)


_encode = msgspec.json.Encoder().encode
