"""Kubernetes audit events. A write that succeeded is an observation; one refused with 409 an audit of a stale guard.

A resourceVersion orders the writes of a cluster but does not count those of an object, so it is the `sequence`, not the
rev: that it jumps says nothing. What moved is told only where the log has the bodies of two versions in a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interlock.investigation.observation import Audit, Entry, Observation, RecordRef, Times
from interlock.investigation.readers.derive import Versions, moved_between
from interlock.investigation.readers.shape import Item, Json
from interlock.investigation.scalars import ms_of, text, whole

_VERBS = {"create": "create", "update": "update", "patch": "update", "delete": "delete"}
_CONFLICT, _REFUSED = 409, 300


class KubernetesAudit:
    """The audit log of an API server."""

    NAME = "kubernetes-audit"

    def __init__(self) -> None:
        self._versions = Versions()

    def entries(self, item: Item) -> Iterable[Entry] | None:
        """What the event comes to; reads, early stages and failures other than 409 come to nothing."""
        event = item.value
        if not isinstance(event, dict) or not text(event.get("apiVersion")).startswith("audit.k8s.io/"):
            return None
        if event.get("kind") == "EventList":
            inner = event.get("items")
            rows = inner if isinstance(inner, list) else []
            found = [self.entries(Item(item.place, {"apiVersion": event["apiVersion"], **_object(r)})) for r in rows]
            return [e for entries in found for e in entries or ()]
        done = event.get("stage", "ResponseComplete") == "ResponseComplete"
        if not done or text(event.get("verb")) not in _VERBS:
            return []
        code = whole(_object(event.get("responseStatus")).get("code")) or 200
        if code == _CONFLICT:
            return [self._conflict(item, event)]
        return [self._write(item, event)] if code < _REFUSED else []

    def _write(self, item: Item, event: Json) -> Observation:
        record, body = _record(event), _object(event.get("responseObject"))
        fields = _fields(body)
        before = self._versions.swap(record.id, fields)
        return Observation(
            place=item.place,
            record=record,
            group=record.id,
            rev=None,
            verb=_VERBS[event["verb"]],  # type: ignore[arg-type]
            client=text(event.get("userAgent")).partition(" ")[0],
            actor=text(_object(event.get("user")).get("username")),
            changes=moved_between(before, fields) if before and fields else {},
            snapshot=fields or None,
            times=Times(event=ms_of(event.get("requestReceivedTimestamp")), log=ms_of(event.get("stageTimestamp"))),
            event_id=text(event.get("auditID")),
            name=f"{record.type}.{event['verb']}",
            sequence=_version(body) or _version({"metadata": _object(event.get("objectRef"))}),
            grade=item.grade,
            unknown=item.unknown,
        )

    def _conflict(self, item: Item, event: Json) -> Audit:
        record, sent = _record(event), _object(event.get("requestObject"))
        return Audit(
            place=item.place,
            at=ms_of(event.get("stageTimestamp", event.get("requestReceivedTimestamp"))),
            record=record,
            group=record.id,
            guard=_version(sent) or _version({"metadata": _object(event.get("objectRef"))}),
            patch=_fields(sent),
            outcome="conflict",
            service=text(event.get("userAgent")).partition(" ")[0],
            grade=item.grade,
        )


def _record(event: Json) -> RecordRef:
    ref = _object(event.get("objectRef"))
    kind = "/".join(p for p in (text(ref.get("resource")), text(ref.get("subresource"))) if p)
    return RecordRef(kind.partition("/")[0], f"{text(ref.get('namespace'))}/{text(ref.get('name'))}".lstrip("/"))


def _fields(body: Json) -> dict[str, Any]:
    """Spec and status, flat by one level: `spec.replicas`."""
    return {f"{part}.{n}": v for part in ("spec", "status") for n, v in _object(body.get(part)).items()}


def _version(body: Json) -> int | None:
    return whole(_object(body.get("metadata")).get("resourceVersion"))


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
