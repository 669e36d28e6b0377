"""Audit lines: what a sync worker says it wrote, on which guard, having seen what. The incident's shape, and ours.

theirs   conversationId, workItemId, updatedConversation {patch…, rev: the guard}, msg CONVERSATION_SYNC_AUDIT
ours     the same and record, revs, peer, basis, outcome, winner, losers, policy
"""

from __future__ import annotations

from typing import Any

from interlock.investigation.observation import Audit, Grade, Place, RecordRef
from interlock.investigation.readers.event import CONVERSATION, Json, basis_marks, mark_of
from interlock.investigation.scalars import ms_of, text, whole

MESSAGE = "CONVERSATION_SYNC_AUDIT"
WORK_ITEM = "work_item"
_PATCHES = (("updatedConversation", CONVERSATION), ("updatedWorkItem", WORK_ITEM))


def is_audit(line: Json) -> bool:
    """Whether a line is an audit: it says so, or it names both records and what was sent to one of them."""
    if line.get("msg") == MESSAGE or line.get("message") == MESSAGE:
        return isinstance(line.get("conversationId"), str) or isinstance(line.get("workItemId"), str)
    return isinstance(line.get("conversationId"), str) and any(isinstance(line.get(k), dict) for k, _ in _PATCHES)


def audit_of(line: Json, place: Place, *, grade: Grade = "A") -> Audit | None:
    """The audit that a line comes to, `None` if it is not one."""
    if not is_audit(line):
        return None
    org = text(line.get("org"))
    conversation, item = text(line.get("conversationId")), text(line.get("workItemId"))
    written, kind = _written(line)
    patch = {name: value for name, value in written.items() if name != "rev"}
    guard = whole(line.get("guard"))
    trace = _object(line.get("dd"))
    return Audit(
        place=place,
        at=ms_of(line.get("time", line.get("timestamp"))),
        record=_record(line, kind, conversation, item, org),
        group=conversation or item,
        guard=guard if guard is not None else whole(written.get("rev")),
        patch=patch,
        peer=mark_of(line.get("peer"), org, "peer"),
        basis=basis_marks(line.get("basis"), org),
        outcome=text(line.get("outcome")),
        winner_class=_class_of(line.get("winner")),
        loser_classes=tuple(_class_of(p) for p in _list(line.get("losers"))),
        policy=whole(line.get("policy")),
        item=RecordRef(WORK_ITEM, item, org) if item else None,
        service=text(trace.get("service")) or text(line.get("name")),
        host=text(line.get("hostname")),
        trace=text(trace.get("trace_id")),
        span=text(trace.get("span_id")),
        grade=grade,
    )


def _written(line: Json) -> tuple[Json, str]:
    """The patch with its guard, and the type of the record that it went to."""
    for key, kind in _PATCHES:
        if isinstance(line.get(key), dict):
            return line[key], kind
    return {}, CONVERSATION


def _record(line: Json, kind: str, conversation: str, item: str, org: str) -> RecordRef:
    said = _object(line.get("record"))
    if isinstance(said.get("id"), str):
        return RecordRef(text(said.get("type")) or kind, said["id"], org)
    return RecordRef(kind, conversation if kind == CONVERSATION and conversation else item, org)


def _class_of(party: Any) -> str:
    return text(_object(_object(party).get("actor")).get("class"))


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
