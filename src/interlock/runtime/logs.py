"""The service's own log, one JSON object a line, in the shape of the incident's logs, so that it can be investigated
like anybody's.

Two kinds of line come from the change log: an *event* line for every change set, and a `CONVERSATION_SYNC_AUDIT` line
for every sync decision, also for one that wrote nothing. Both are written from committed rows only.
"""

from __future__ import annotations

import os
import socket
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog

from interlock.domain import kinds
from interlock.domain.event import inner_body, outer_id
from interlock.domain.log import Row, snapshot_of
from interlock.domain.work_item import WorkItem

VERSION = 3
"""Version of the outer body, as the incident's event lines carry it."""

_encode = msgspec.json.Encoder().encode


def iso(ms: int) -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


class LogLines:
    """Turns committed rows into lines and writes them to a stream."""

    def __init__(self, stream: TextIO, service: str, version: str, *, prefix: str = "interlock.") -> None:
        self._stream = stream
        self._prefix = prefix
        self._head: dict[str, Any] = {"hostname": socket.gethostname(), "pid": os.getpid(), "level": 30}
        self._service, self._version = service, version

    def write(self, row: Row, now: int) -> None:
        """All lines of one row."""
        lines = [*self.event_lines(row, now)]
        audit = self.audit_line(row, now)
        if audit is not None:
            lines.append(audit)
        for line in lines:
            self._stream.write(_encode(line).decode() + "\n")

    def event_lines(self, row: Row, now: int) -> list[dict[str, Any]]:
        """One line for each change set that is announced: the outer body, its length, and where it came from."""
        lines: list[dict[str, Any]] = []
        for n, change in enumerate(row.changes):
            kind = kinds.KINDS[change.type]
            if not kind.NOUN:
                continue
            name = f"{self._prefix}{kind.NOUN}.{change.verb}"
            inner = inner_body(row, change, n, prefix=self._prefix)
            body = {
                "id": outer_id(row, n),
                "name": name,
                "partition": row.org,
                "body": inner,
                "publishedAt": iso(now),
                "version": VERSION,
            }
            lines.append(
                {
                    "name": "event",
                    **self._head,
                    "fullBodyLength": len(_encode(body)),
                    "body": body,
                    "producer": "InterlockRelay",
                    "msg": "",
                    "time": iso(now),
                    "v": 0,
                    "dd": self._trace(row, outer_id(row, n)),
                }
            )
        return lines

    def audit_line(self, row: Row, now: int) -> dict[str, Any] | None:
        """What a sync decision came to: basis revs, guard, the peer rev read, outcome, winner and losers."""
        why = row.why
        if why.direction not in ("forward", "reverse"):
            return None
        item = row.change_of(WorkItem.TYPE)
        snapshot = snapshot_of(item) if item else None
        revs = {"rev": why.rev_after, "before": why.rev_before}
        return {
            "name": why.direction + "-sync",
            **self._head,
            "event": {"id": row.by.cause},
            "org": row.org,
            "conversationId": row.partition,
            "workItemId": _item_id(row, snapshot),
            "direction": why.direction,
            "outcome": why.kind,
            "reason": why.reason,
            "record": why.record,
            "revs": revs,
            "guard": why.guard,
            "peer": why.peer,
            "basis": row.basis,
            "updatedConversation" if why.direction == "reverse" else "updatedWorkItem": {
                **why.written,
                "rev": why.guard,
            },
            "winner": why.winner,
            "losers": why.losers,
            "policy": why.policy,
            "decision": row.id,
            "msg": "CONVERSATION_SYNC_AUDIT",
            "time": iso(now),
            "v": 0,
            "dd": self._trace(row, row.id),
        }

    def _trace(self, row: Row, span: str) -> dict[str, str]:
        return {"trace_id": row.by.trace, "span_id": span[-16:], "service": self._service, "version": self._version}


def _item_id(row: Row, snapshot: object) -> str:
    if isinstance(snapshot, WorkItem):
        return snapshot.id
    why = row.why
    refs = [why.record, why.peer]
    return next((r.id for r in refs if r is not None and r.type == WorkItem.TYPE), "")


def configure(*, text: bool = False, level: str = "info") -> None:
    """The process's own messages: JSON lines on stderr, or text for people."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        if text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            {"debug": 10, "info": 20, "warning": 30, "error": 40}[level]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
