"""Two databases as the suite asks of one: after each commit the collector has its turn, so that the log has it."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from interlock.domain.errors import Unavailable
from interlock.domain.log import Row
from interlock.ports import Commit
from interlock.service.collector import run_once
from interlock.store.apart import ApartStore
from interlock.store.opening import OpenStore


async def collect(records: OpenStore, routing: OpenStore) -> None:
    """Take in everything there is, with as many others at it as there are writers in the test."""
    for _ in range(1_000):
        with contextlib.suppress(Unavailable):
            if not await run_once(records, routing):
                return


class CollectedStore(ApartStore):
    """The store over two databases, with a collector that is never behind. Handles contend; who shares one takes
    turns.
    """

    def __init__(self, records: OpenStore, routing: OpenStore) -> None:
        super().__init__(records, routing)
        self._turn = asyncio.Lock()

    async def commit(self, commit: Commit) -> Row | None:
        """As the store does; the row has its place in the log."""
        row = await super().commit(commit)
        if row is None or row.position:
            return row
        async with self._turn:
            await collect(self.records, self.routing)
        [placed] = [r for r in await self.routing.changes(0, 1_000_000, partition=row.partition) if r.id == row.id]
        return msgspec.structs.replace(row, position=placed.position)
