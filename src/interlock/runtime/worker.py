"""Roles as tasks: each runs batches until it is told to stop, its cadences between them. An outage is waited out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from interlock.domain.errors import Unavailable
from interlock.ports import World
from interlock.service.reactions import CADENCES, REACTIONS, ROLES, Cadence, Reaction, Role
from interlock.service.relay import run_once

_log = structlog.get_logger("interlock")
OUTAGE_PAUSE_S = 0.5


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


class Workers:
    """The tasks of the roles that run in this process."""

    def __init__(
        self,
        world: World,
        roles: Sequence[Role] = ROLES,
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

    def start(self) -> None:
        """Begin. Must be called in a running event loop."""
        for role in self._roles:
            self._tasks.append(asyncio.create_task(self._consume(role), name=f"role:{role}"))
        for cadence in self._cadences:
            if cadence.role in self._roles:
                self._tasks.append(asyncio.create_task(self._beat(cadence), name=f"cadence:{cadence.name}"))

    async def stop(self) -> None:
        """End at the next await. What was not acknowledged is delivered again at the next start."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()

    async def _consume(self, role: Role) -> None:
        while True:
            await self._survive(role, lambda: run_once(self.world, role, self._reactions))

    async def _beat(self, cadence: Cadence) -> None:
        while True:
            await asyncio.sleep(cadence.seconds)
            await self._survive(cadence.name, lambda: self._look(cadence))

    async def _look(self, cadence: Cadence) -> int:
        found = await cadence.do(self.world)
        if found and self._on_found is not None:
            self._on_found(cadence.name, found)
        return found

    async def _survive(self, name: str, step: Callable[[], Awaitable[int]]) -> None:
        """One step; an outage is waited out, and a fault of ours is logged and tried again rather than ending the
        role.
        """
        try:
            await step()
        except Unavailable as away:
            _log.warning("role_waits", role=name, why=str(away))
            await asyncio.sleep(OUTAGE_PAUSE_S)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001  a fault of ours must not end the role: it is logged, and the cue comes again
            _log.exception("role_failed", role=name)
            await asyncio.sleep(OUTAGE_PAUSE_S)
