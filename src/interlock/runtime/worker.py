"""Roles as tasks: each runs batches until it is told to stop, its cadences between them. An outage is waited out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, cast

import structlog

from interlock.domain.decision import Why
from interlock.domain.errors import Fenced, Unavailable
from interlock.ports import Batch, Bus, World
from interlock.runtime.tasks import ended
from interlock.service.cues import ROLES, Reaction, Role
from interlock.service.reactions import CADENCES, REACTIONS, Cadence
from interlock.service.relay import BATCH_MAX, run_once
from interlock.service.transact import note, provenance

_log = structlog.get_logger("interlock")
OUTAGE_PAUSE_S = 0.5
FAULT_PAUSE_S = 0.1
ATTEMPTS = 5
"""How often a row that fails by a fault of ours is tried before it is set aside."""


class Fault(Exception):
    """A step failed by a fault of ours; its cause says which."""


async def together(work: Sequence[Awaitable[object]]) -> None:
    """Run several partitions at once and wait for all of them, the failed ones included; then raise the first
    failure.
    """
    if len(work) == 1:
        await work[0]
        return
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


class Careful(Bus, Protocol):
    """A bus that keeps what a consumer gave up."""

    async def set_aside(self, batch: Batch, why: str) -> None:
        """These rows are dead letters from now on, and done with."""
        ...


class Workers:
    """The tasks of the roles that run in this process, or of one share of one role (`world.share`)."""

    def __init__(
        self,
        world: World,
        roles: Sequence[str] = ROLES,
        *,
        reactions: Sequence[Reaction] = REACTIONS,
        cadences: Sequence[Cadence] = CADENCES,
        on_found: Callable[[str, int], None] | None = None,
    ) -> None:
        self.world = world
        self._roles = roles
        self._reactions = reactions
        self._cadences = cadences
        self._on_found = on_found
        self._tasks: list[asyncio.Task[None]] = []
        self._patience_s = float("inf")

    def start(self) -> None:
        """Begin. Must be called in a running event loop."""
        for role in ROLES:
            if role in self._roles:
                self._tasks.append(asyncio.create_task(self._consume(role), name=f"role:{role}"))
        for cadence in self._cadences:
            if cadence.role in self._roles:
                self._tasks.append(asyncio.create_task(self._beat(cadence), name=f"cadence:{cadence.name}"))

    async def stop(self) -> None:
        """End at the next await. What was not acknowledged is delivered again at the next start."""
        await ended(self._tasks, Fenced)
        self._tasks.clear()

    async def run(self, patience_s: float) -> None:
        """Work until cancelled. Raises `Fenced` once another process has taken over, `Unavailable` if an outage lasts
        longer than `patience_s`: another process may reach what this one cannot.
        """
        self._patience_s = patience_s
        self.start()
        try:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            await self.stop()

    async def _consume(self, role: Role) -> None:
        """Batches, one after the other. One that fails by a fault of ours comes again a row at a time; a row that goes
        on failing is set aside, with a row in the log, so that the rest flows on.
        """
        limit, failures = BATCH_MAX, 0
        loop = asyncio.get_running_loop()
        well_at = loop.time()
        while True:
            try:
                if await self._survive(role, lambda n=limit: run_once(self.world, role, self._reactions, limit=n)):
                    limit, failures, well_at = min(BATCH_MAX, limit * 2), 0, loop.time()
                elif loop.time() - well_at > self._patience_s:
                    raise Unavailable(f"{role} cannot go on here.")
            except Fault as fault:
                failures = failures + 1 if limit == 1 else 0
                limit = 1
                if failures >= ATTEMPTS:
                    why = f"{type(fault.__cause__).__name__}: {fault.__cause__}"
                    if await self._gives_up(role, why):
                        failures = 0
                    elif loop.time() - well_at > self._patience_s:
                        raise Unavailable(f"{role} cannot go on here: {why}") from fault
                await asyncio.sleep(FAULT_PAUSE_S)

    async def _gives_up(self, role: Role, why: str) -> bool:
        """Set the failing row aside; whether that was done. A row that this program cannot even read (one of a newer
        version) stays where it is: it is for somebody who can.
        """
        try:
            return await self._survive(role, lambda: self._give_up(role, why))
        except Fault:
            await asyncio.sleep(OUTAGE_PAUSE_S)
            return False

    async def _give_up(self, role: Role, why: str) -> int:
        """The row that fails: noted in the log, and a dead letter of the bus."""
        bus, share = self.world.bus, self.world.share
        batch = await bus.receive(share.name if share is not None else role, 1)
        row = batch.rows[0]
        by = provenance(row.org, role, trace=row.by.trace, cause=row.id)
        await note(self.world, by, row.partition, Why(direction="system", kind="parked", reason=why[:500]))
        if hasattr(bus, "set_aside"):
            await cast("Careful", bus).set_aside(batch, why)
        else:
            await bus.acknowledge(batch)
        _log.error("row_set_aside", role=role, position=row.position, org=row.org, why=why)
        return 1

    async def _beat(self, cadence: Cadence) -> None:
        loop, took_s = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(cadence.pause_s(took_s))
            began = loop.time()
            with contextlib.suppress(Fault):
                await self._survive(cadence.name, lambda: self._look(cadence))
            took_s = loop.time() - began

    async def _look(self, cadence: Cadence) -> int:
        found = await cadence.do(self.world)
        if found and self._on_found is not None:
            self._on_found(cadence.name, found)
        return found

    async def _survive(self, name: str, step: Callable[[], Awaitable[int]]) -> bool:
        """One step, and whether it was done; an outage is waited out, a fault of ours is logged and raised as such."""
        try:
            await step()
            return True
        except Unavailable as away:
            _log.warning("role_waits", role=name, why=str(away))
            await asyncio.sleep(OUTAGE_PAUSE_S)
            return False
        except Fenced:
            raise
        except Exception as fault:  # a fault of ours must not end the role: the cue comes again
            _log.exception("role_failed", role=name)
            raise Fault from fault
