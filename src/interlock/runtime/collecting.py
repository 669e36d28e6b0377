"""The collector as a task: it takes the records service's log into the one log as it grows, and waits out outages."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

import structlog

from interlock.domain.errors import Fenced, Unavailable
from interlock.ports import Fence, Store
from interlock.runtime.tasks import ended
from interlock.runtime.worker import OUTAGE_PAUSE_S, Fault
from interlock.service.collector import join, run_once
from interlock.store.apart import ApartStore
from interlock.store.fenced import FencedStore

COLLECTOR = "collector"
COLLECTED_BY = "sync"
"""The role whose processes run it: sync, which is what stands between the two services."""
LOOK_EVERY_S = 0.05
"""How often it looks for rows of other processes."""
_log = structlog.get_logger("interlock")


class Collecting:
    """The task. `fence`: a lease, where several processes could run it; each row is taken in once without it too."""

    def __init__(self, store: ApartStore, fresh: str, fence: Fence | None = None) -> None:
        self._store = store
        self._routing = cast("Store", FencedStore(store.routing, fence)) if fence is not None else store.routing
        self._fresh = fresh
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        store.records.listen(lambda _: self._news.set())
        store.records.on_news(lambda _: self._news.set())

    async def __aenter__(self) -> Collecting:
        self._task = asyncio.create_task(self._collect(), name=COLLECTOR)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await ended([self._task])

    async def ended(self) -> None:
        """Wait for its end. Raises `Fenced` once another process has taken over."""
        assert self._task is not None
        await self._task

    async def _collect(self) -> None:
        joined = False
        while True:
            try:
                await self._turn(joined)
                joined = True
            except (Unavailable, Fault) as away:
                _log.warning("collector_waits", why=str(away))
                joined = False  # whatever was away may have come back as another one
                await asyncio.sleep(OUTAGE_PAUSE_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._news.wait()

    async def _turn(self, joined: bool) -> None:
        """Take in everything there is just now. A fault of ours is logged and raised as such: it must not end the task,
        which begins again from what is there.
        """
        try:
            if not joined:
                await join(self._store.records, self._routing, self._fresh)
            self._news.clear()
            while await run_once(self._store.records, self._routing):
                pass
        except (Unavailable, Fenced):
            raise
        except Exception as fault:
            _log.exception("collector_failed")
            raise Fault("the collector failed") from fault
