"""What Prometheus reads. No id is ever a label; the keys of queues are, up to a number."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from interlock.domain.log import Row

QUEUE_KEYS_MAX = 200
MEDIA = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one server, in a registry of its own."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        made: dict[str, Any] = {"registry": self.registry}
        self.requests = Histogram(
            "interlock_http_request_seconds",
            "Time from the head of a request to the head of its answer",
            ["method", "route", "status"],
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            **made,
        )
        self.sync_decisions = Counter(
            "interlock_sync_decisions",
            "Decisions of both syncs, the decision not to write included",
            ["direction", "outcome", "reason"],
            **made,
        )
        self.offers = Counter("interlock_offers", "Offers by how they ended", ["outcome"], **made)
        self.lag = Gauge("interlock_relay_position_lag", "Rows of the log not yet handled, per role", ["role"], **made)
        self.out_of_step = Gauge(
            "interlock_out_of_step_pairs", "Conversations that differ from their work item", **made
        )
        self.waiting = Gauge("interlock_queue_waiting", "Work items that wait", ["queue"], **made)
        self.oldest = Gauge("interlock_queue_oldest_wait_seconds", "The longest wait in a queue", ["queue"], **made)
        self.agents = Gauge("interlock_agents", "Live work sessions by type of status", ["state"], **made)
        self.streams = Gauge("interlock_sse_clients", "Open streams of events", **made)
        Gauge("interlock_build_info", "The version that runs", ["version"], **made).labels(version).set(1)
        self._children: dict[tuple[str, str, int], Any] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self.requests.labels(method, route, str(status))
        child.observe(seconds)

    def decided(self, row: Row) -> None:
        """One decision of the log."""
        why = row.why
        if why.direction in ("forward", "reverse"):
            self.sync_decisions.labels(why.direction, why.kind, why.reason[:60] if why.kind != "parked" else "").inc()
        for change in row.changes:
            moved = change.attributes.get("state") if change.type == "reservation" else None
            if change.type == "reservation" and (moved is not None or not change.before_rev):
                self.offers.labels(str(moved.after) if moved is not None else "offered").inc()

    def queues(self, waits: dict[str, tuple[int, float]]) -> None:
        """Items waiting and the longest wait in seconds, per queue key; beyond the first 200 as one."""
        self.waiting.clear()
        self.oldest.clear()
        rest, oldest = 0, 0.0
        for place, (key, (number, seconds)) in enumerate(sorted(waits.items())):
            if place >= QUEUE_KEYS_MAX:
                rest, oldest = rest + number, max(oldest, seconds)
                continue
            self.waiting.labels(key).set(number)
            self.oldest.labels(key).set(seconds)
        if len(waits) > QUEUE_KEYS_MAX:
            self.waiting.labels("other").set(rest)
            self.oldest.labels("other").set(oldest)

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)
