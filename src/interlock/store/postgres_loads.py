"""Loads that are asked for at the same moment go to PostgreSQL as one question, and a known body is not sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from interlock.domain import kinds
from interlock.domain.errors import Unavailable
from interlock.domain.record import Address, Record
from interlock.store.cache import RecordCache
from interlock.store.postgres_batch import plain
from interlock.store.postgres_lines import Lines, Statement


class Loads:
    """Gathers loads while others are under way; each is read after it was asked for, never before.

    `most`: questions under way at a time.
    """

    def __init__(self, lines: Lines, statement: Statement, cache: RecordCache, *, most: int) -> None:
        self._lines = lines
        self._statement = statement
        self._cache = cache
        self._most = most
        self._asked: list[tuple[Sequence[Address], asyncio.Future[list[Record | None]]]] = []
        self._readers: set[asyncio.Task[None]] = set()

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """The current versions, all of one moment, in the order asked."""
        if not addresses:
            return []
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Record | None]] = loop.create_future()
        self._asked.append((addresses, answer))
        if len(self._readers) < self._most:
            reader = loop.create_task(self._read())
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
        return await answer

    async def close(self) -> None:
        """Wait for what is under way."""
        while self._readers:
            await asyncio.wait(self._readers)

    async def _read(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                found = await self._fetch(list(dict.fromkeys(a for addresses, _ in asked for a in addresses)))
            except BaseException as failure:
                why = failure if isinstance(failure, Exception) else Unavailable("The store stopped.")
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(why)
                if not isinstance(failure, Unavailable):
                    raise
            else:
                for addresses, answer in asked:
                    if not answer.done():
                        answer.set_result([found.get(a) for a in addresses])

    async def _fetch(self, addresses: Sequence[Address]) -> dict[Address, Record]:
        known = [self._cache.get(a) for a in addresses]
        values = {
            "types": [plain(a.type) for a in addresses],
            "orgs": [plain(a.org) for a in addresses],
            "ids": [plain(a.id) for a in addresses],
            "known": [k.rev if isinstance(k, Record) else 0 for k in known],
        }
        rows = await self._lines.fetch(self._statement.sql, *self._statement.arguments(values))
        out: dict[Address, Record] = {}
        body: Any
        for n, _, body in rows:
            address, kept = addresses[n - 1], known[n - 1]
            if isinstance(kept, Record) and body is None:
                out[address] = kept
            else:
                out[address] = record = kinds.decode(address.type, body)
                self._cache.keep(address, record, None)
        return out
