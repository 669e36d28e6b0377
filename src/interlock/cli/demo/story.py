"""What happened, told from the log alone: rows and the records they left go in, figures come out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from interlock.domain.agent import User, WorkSession
from interlock.domain.conversation import Conversation
from interlock.domain.log import Row
from interlock.domain.queue import Queue
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.domain.workflow import Workflow
from interlock.investigation.ledger import Ledger, Verdict

RATE_OVER_MS = 5_000


class Line(msgspec.Struct):
    """One queue now: how many wait, since when the longest (ms), how many were taken."""

    name: str
    waiting: int
    since: int | None
    taken: int


class Story:
    """The figures of one run, and the ledger that is kept beside them."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.position = 0
        self.conversations = 0
        self.reopened = 0
        self.assigned: set[str] = set()
        self.completed = 0
        self.waits: list[int] = []
        self.offers: Counter[str] = Counter()
        self.syncs: dict[str, Counter[str]] = {"forward": Counter(), "reverse": Counter()}
        self.first_at = self.last_at = 0
        self.sessions: dict[str, WorkSession] = {}
        self.last_conflict: Row | None = None
        self._reopens: dict[str, int] = {}
        self.names = {"queue-rules": "the queue rules", "routing": "routing"}
        self._queues: dict[str, Queue] = {}
        self._waiting: dict[str, tuple[str, int]] = {}
        self._taken: Counter[str] = Counter()
        self._lately: deque[int] = deque()

    def take(self, rows: Iterable[Row]) -> None:
        """More of the log, in order."""
        for row in rows:
            self.position = row.position
            records = self.ledger.take(row)
            if row.why.direction in self.syncs:
                self.syncs[row.why.direction][row.why.kind] += 1
                if row.why.kind == "conflict":
                    self.last_conflict = row
            for change, record in zip(row.changes, records, strict=True):
                self._note(row, record, born=not change.before_rev)

    def _note(self, row: Row, record: Record, *, born: bool) -> None:
        if isinstance(record, Conversation):
            self.conversations += born
            self.first_at = self.first_at or row.at
            self.reopened += not born and record.status == "open" and self._was_done(record)
        elif isinstance(record, WorkItem):
            self._item(row, record)
        elif isinstance(record, QueuePass):
            if (
                record.left_at is not None
                and record.left_because in ("accepted", "dequeued")
                and record.queue_time is not None
            ):
                self.waits.append(record.queue_time)
                self._taken[record.queue or ""] += 1
        elif isinstance(record, Reservation):
            self.offers["made" if born else record.state] += 1
        elif isinstance(record, WorkSession):
            self.sessions[record.id] = record
        elif isinstance(record, Queue):
            self._queues[record.id] = record
        elif isinstance(record, User | Workflow):
            self.names[record.id] = record.name

    def _was_done(self, c: Conversation) -> bool:
        before, self._reopens[c.id] = self._reopens.get(c.id, 0), c.reopen_count
        return c.reopen_count > before

    def _item(self, row: Row, item: WorkItem) -> None:
        if item.status in ("queued", "routed"):
            entered = item.last_revision.entered_queue_at if item.last_revision else None
            self._waiting[item.id] = (item.queue or "", entered or row.at)
            return
        self._waiting.pop(item.id, None)
        if item.status == "assigned" and item.resource not in self.assigned:
            self.assigned.add(item.resource)
            self._lately.append(row.at)
        elif item.status == "completed":
            self.completed += 1
            self.last_at = row.at

    def queues(self) -> list[Line]:
        """Every queue that the org made, by its priority."""
        out: list[Line] = []
        for queue in sorted(self._queues.values(), key=lambda q: (q.system, q.priority, q.name)):
            since = [at for id, at in self._waiting.values() if id == queue.id]
            if not queue.system or since or self._taken[queue.id]:
                out.append(Line(queue.name, len(since), min(since, default=None), self._taken[queue.id]))
        return out

    def agents(self) -> dict[str, int]:
        """How many agents are in which state: free, busy, ringing, away, off."""
        states: Counter[str] = Counter()
        for s in self.sessions.values():
            if s.signed_out_at:
                continue
            ringing = s.pending_reservation is not None
            busy = "busy" if s.work_item_count else "free"
            states["ringing" if ringing else busy if s.routable else "away"] += 1
        return dict(states)

    def assignments_per_s(self, now: int) -> float:
        """First assignments a second, over the last few seconds."""
        while self._lately and self._lately[0] < now - RATE_OVER_MS:
            self._lately.popleft()
        return len(self._lately) / (RATE_OVER_MS / 1000)

    def summary(self, verdict: Verdict, told: dict[str, Any]) -> dict[str, Any]:
        """The document of a run that is over. `told`: what the run knows besides the log."""
        seconds = max(1, self.last_at - self.first_at) / 1000
        return {
            "conversations": self.conversations,
            "assigned": len(self.assigned),
            "completed": self.completed,
            "reopened": self.reopened,
            "conversations_per_s": round(self.completed / seconds, 1),
            "wait_ms": spread(self.waits),
            "sync_lag_ms": spread(verdict.lag_ms),
            "offers": dict(sorted(self.offers.items())),
            "sync_decisions": {d: dict(sorted(c.items())) for d, c in self.syncs.items()},
            "lost_assignments": len(verdict.lost),
            "invariant_violations": verdict.by_number,
            "violations": [msgspec.to_builtins(v) for v in (*verdict.lost, *verdict.others)][:20],
            "log_rows": verdict.rows,
            **told,
        }


def spread(values: Sequence[int]) -> dict[str, int | None]:
    """Median, 99th percentile and maximum."""
    if not values:
        return {"p50": None, "p99": None, "max": None}
    ordered = sorted(values)
    return {
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
        "max": ordered[-1],
    }


HOW = {
    "conversations": "conversations created in the log",
    "assigned": "conversations whose work item was assigned at least once",
    "conversations_per_s": "work items completed, by the time from the first conversation to the last completion",
    "wait_ms": "time in a queue of the items that were taken from it, from the queue passes in the log",
    "sync_lag_ms": "from the commit of an intent to the commit that shows it on the other record",
    "lost_assignments": "live intents gone or hidden under something whose basis did not cover them (I1, I4, I5)",
    "invariant_violations": "every other breach, by number, from one fold over the whole log after it came to rest",
    "load": "a process of its own; created, accepted and done over HTTP, queued by rule and offered by the server",
    "store": "one SQLite file, write-ahead log, synchronous=FULL; thrown away at the end",
}
"""How each figure of the summary was taken."""
