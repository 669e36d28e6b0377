"""The investigator's rules over the service's own log as it goes: findings become log lines and figures.

It reads the log like any consumer, from a durable position of its own, and works in small portions between which
everything else has its turn: a finding may come late, a request may not.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable

import structlog

from interlock.domain.errors import Unavailable
from interlock.investigation.explain import explain
from interlock.investigation.finding import Finding
from interlock.investigation.live import LiveDetectors
from interlock.ports import World
from interlock.runtime.tasks import ended
from interlock.runtime.worker import OUTAGE_PAUSE_S

CONSUMER = "detectors"
BATCH_MAX = 64
TICK_S = 0.25
PORTION = 64
"""Rows that are looked at without a pause: some milliseconds."""

PORTIONS_MAX = 6
BUSY_S = 0.02
"""A wait that took so much longer than asked for: the loop has other work, which goes first."""

WAITS_MAX = 20
"""How often it gives way before it takes the next rows all the same: some tenths of a second on a busy loop."""

KEPT = 1_000
_log = structlog.get_logger("interlock")


class Detecting:
    """One task follows the log, one looks at what has come to rest. `counts` by (rule, severity, certainty)."""

    def __init__(self, world: World, listeners: list[Callable[[Finding], None]] | None = None) -> None:
        self._world = world
        self._live = LiveDetectors(budget=PORTION)
        self._tasks: list[asyncio.Task[None]] = []
        self.latest: deque[Finding] = deque(maxlen=KEPT)
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.listeners = listeners if listeners is not None else []

    async def __aenter__(self) -> Detecting:
        self._tasks = [
            asyncio.create_task(self._follow(), name="detectors"),
            asyncio.create_task(self._look(), name="detectors:look"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await ended(self._tasks)

    async def _follow(self) -> None:
        while True:
            try:
                batch = await self._world.bus.receive(CONSUMER, BATCH_MAX)
                for row in batch.rows:
                    self._live.feed(row)
                await self._world.bus.acknowledge(batch)
                await self._give_way()
            except Unavailable as away:
                _log.warning("detectors_wait", why=str(away))
                await asyncio.sleep(OUTAGE_PAUSE_S)

    async def _give_way(self) -> None:
        """While the loop is busy the log waits: it keeps the rows, and the position says how far the rules are."""
        loop = asyncio.get_running_loop()
        for _ in range(WAITS_MAX):
            begun = loop.time()
            await asyncio.sleep(BUSY_S / 2)
            if loop.time() - begun < BUSY_S:
                return

    async def _look(self) -> None:
        loop, portions = asyncio.get_running_loop(), PORTIONS_MAX
        while True:
            for _ in range(portions):
                for finding in self._live.due(self._world.clock.now()):
                    self._tell(finding)
                await asyncio.sleep(0)
                if not self._live.behind:
                    break
            begun = loop.time()
            await asyncio.sleep(TICK_S)
            portions = 1 if loop.time() - begun - TICK_S > BUSY_S else PORTIONS_MAX

    def _tell(self, f: Finding) -> None:
        self.counts[f.rule, f.severity, f.certainty] += 1
        if f.severity != "low":
            self.latest.append(f)
            what = {"record": f.record.type, "id": f.record.id, "org": f.record.org, "rev": f.rev, "field": f.field}
            sure = {"rule": f.rule, "severity": f.severity, "certainty": f.certainty}
            _log.warning("finding", **sure, **what, text=explain(f))
        for listener in self.listeners:
            listener(f)
