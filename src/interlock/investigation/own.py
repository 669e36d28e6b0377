"""Our own log as any other: a row's change sets become observations, a sync's decision becomes an audit.

The running service and the simulator are looked at by the detectors that read other people's logs. Nothing is told that
an event or an audit line of ours would not tell: hidden fields stay hidden, except that their moving is no empty write.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import cache
from typing import Any

import msgspec

from interlock.domain.agent import Capacity
from interlock.domain.change import ChangeSet
from interlock.domain.decision import Basis
from interlock.domain.event import event_id
from interlock.domain.kinds import KINDS
from interlock.domain.log import Row
from interlock.investigation.observation import Audit, Entry, Moved, Observation, Place, ReadMark, RecordRef, Times

COUPLED = frozenset({"conversation", "work_item"})
"""The two records that syncs keep in agreement."""

SESSION = "work_session"
WATCHED = COUPLED | {SESSION}
"""What the rules look at; other records change without them."""

CAPACITY = Capacity().total
"""What a session may carry where nothing else is stored."""

_EMPTY: dict[str, dict[str, Any]] = {
    "conversation": {"assignedUsers": [], "→queue": None, "status": "open", "ended": False},
    "work_item": {"→assignedTo": None, "→queue": None, "→routedTo": None, "→reservation": None, "status": "ivr"},
}
"""What a record shows where its stored form leaves a default out: ours always has a value, and null is no absence."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def entries_of(row: Row, *, types: frozenset[str] = WATCHED) -> Iterator[Entry]:
    """The entries that a row comes to, in the order of its change sets; its audit, if a sync decided it, comes last."""
    place = Place(0, row.position, row.position)
    for n, change in enumerate(row.changes):
        if change.type in types:
            yield _observation(row, change, n, place)
    if row.why.is_sync and row.why.record is not None:
        yield _audit(row, place)


def entries(rows: Iterator[Row] | list[Row], *, types: frozenset[str] = WATCHED) -> Iterator[Entry]:
    """The entries of many rows."""
    for row in rows:
        yield from entries_of(row, types=types)


def _observation(row: Row, change: ChangeSet, n: int, place: Place) -> Observation:
    stored = _decode(change.snapshot)
    relations, hidden = _outward_names(change.type)
    org = str(stored.get("org", row.org))
    record = RecordRef(change.type, change.id, org)
    resource = RecordRef("conversation", str(stored.get("resource", "")), org) if change.type == "work_item" else None
    by = row.by
    return Observation(
        place=place,
        record=record,
        group=resource.id if resource is not None else change.id,
        rev=change.rev,
        before_rev=change.before_rev or None,
        verb="update" if change.before_rev else "create",
        client=by.client,
        actor=by.actor.id,
        actor_class=by.actor.cls,
        is_sync=row.why.is_sync,
        source_type=by.source.type if by.source else "",
        source_id=by.source.id if by.source else "",
        changes=_moves(change, hidden) if change.type in COUPLED else {},
        snapshot=_snapshot(change.type, stored, relations, hidden) if change.type in COUPLED else _load(stored),
        marks=tuple(_mark(b, row.org) for b in row.basis if b.type in COUPLED),
        resource=resource,
        times=Times(commit=row.at),
        service="interlock",
        trace=by.trace,
        span=by.span,
        cause=by.cause if by.cause and row.why.is_sync else "",
        event_id=event_id(row.id, n),
        partition=row.org,
        sequence=row.position,
    )


@cache
def _outward_names(type: str) -> tuple[frozenset[str], frozenset[str]]:
    """What a kind's relationships and its hidden fields are called outside."""
    kind = KINDS[type]
    return frozenset(map(kind.outward, kind.RELATIONS)), frozenset(map(kind.outward, kind.HIDDEN))


def _moves(change: ChangeSet, hidden: Set[str]) -> dict[str, Moved]:
    moves = {name: Moved(c.op, c.before, c.after) for name, c in change.attributes.items() if name not in hidden}
    for name, c in change.relationships.items():
        moves["→" + name] = Moved(c.op, c.before, c.after, relationship=True)
    if not hidden.isdisjoint(change.attributes):
        moves["coupled"] = Moved("replace")
    return moves


def _snapshot(type: str, stored: dict[str, Any], relations: Set[str], hidden: Set[str]) -> dict[str, Any]:
    shown = dict(_EMPTY.get(type, {}))
    for name, value in stored.items():
        if name not in hidden:
            shown["→" + name if name in relations else name] = value
    return shown


def _load(stored: dict[str, Any]) -> dict[str, Any]:
    """What a session carries and may carry. Its figures follow from the items: no change of one is anybody's wish."""
    limits, held = stored.get("limits", {}), stored.get("holding", [])
    return {"→user": stored.get("user"), "totalCapacity": limits.get("total", CAPACITY), "holding": held}


def _mark(b: Basis, org: str) -> ReadMark:
    return ReadMark(RecordRef(b.type, b.id, org), b.rev, "basis" if b.seen else "loaded")


def _audit(row: Row, place: Place) -> Audit:
    why = row.why
    assert why.record is not None
    wrote = bool(row.changes)
    return Audit(
        place=place,
        at=row.at,
        record=RecordRef(why.record.type, why.record.id, row.org),
        group=row.partition,
        guard=why.rev_before or None,
        patch=dict(why.written) if wrote and why.record.type == "conversation" else {},
        peer=_mark(why.peer, row.org) if why.peer is not None and why.peer.type in COUPLED else None,
        basis=tuple(_mark(b, row.org) for b in row.basis if b.type in COUPLED),
        outcome=why.kind if wrote or why.kind not in ("merge", "conflict") else "noop",
        winner_class=why.winner.actor.cls if why.winner is not None else "",
        loser_classes=tuple(p.actor.cls for p in why.losers),
        policy=why.policy or None,
        service="interlock",
        trace=row.by.trace,
        span=row.by.span,
    )
