"""Point look-ups that are asked for at the same moment go to PostgreSQL as one question: records by their address, who
holds a unique name, marks. A body that is known already is not sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from interlock.domain import kinds
from interlock.domain.errors import Unavailable
from interlock.domain.record import Address, Record
from interlock.ports import Mark
from interlock.store.cache import UNKNOWN, RecordCache, Unknown
from interlock.store.postgres_batch import natural, numbers, plain, short, texts
from interlock.store.postgres_lines import Lines, Statement


class _Slot(NamedTuple):
    """Where a mark is."""

    space: str
    org: str
    key: str
    kind: str = "mark"


_Key = Address | _Slot | str
"""What is looked up: a record, a mark, or (bare) a unique name."""
_RECORD, _NAME, _MARK = range(3)
"""The kinds of answers, as the statement `look` numbers them."""


class Looks:
    """Gathers look-ups while others are under way; each is read after it was asked for, never before.

    `most`: questions under way at a time.
    """

    def __init__(
        self, lines: Lines, statement: Statement, cache: RecordCache, now: Callable[[], int], *, most: int
    ) -> None:
        self._lines = lines
        self._statement = statement
        self._cache = cache
        self._now = now
        self._most = most
        self._asked: list[tuple[Sequence[_Key], asyncio.Future[list[Any]]]] = []
        self._readers: set[asyncio.Task[None]] = set()
        self._reading = 0

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """The current versions, all of one moment, in the order asked."""
        return await self._look(addresses) if addresses else []

    async def holder(self, name: str) -> Record | None:
        """The record that holds a unique name."""
        return (await self._look((name,)))[0]

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """One mark, if it is there and its time has not passed."""
        return (await self._look((_Slot(space, org, key),)))[0]

    async def close(self) -> None:
        """Wait for what is under way."""
        while self._readers:
            await asyncio.wait(self._readers)

    async def _look(self, keys: Sequence[_Key]) -> list[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()
        self._asked.append((keys, answer))
        if self._reading < self._most:
            self._reading += 1
            reader = loop.create_task(self._read())
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
        return await answer

    async def _read(self) -> None:
        try:
            while self._asked:
                await self._answer()
        finally:
            # Here and not when the task is seen to be done: who asks between the two would wait for a reader that
            # reads no more.
            self._reading -= 1

    async def _answer(self) -> None:
        asked, self._asked = self._asked, []
        try:
            found = await self._fetch(list(dict.fromkeys(key for keys, _ in asked for key in keys)))
        except BaseException as failure:
            why = failure if isinstance(failure, Exception) else Unavailable("The store stopped.")
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(why)
            if not isinstance(failure, Exception):
                raise  # whoever asked was told; those who asked meanwhile are read next
        else:
            for keys, answer in asked:
                if not answer.done():
                    answer.set_result([found.get(key) for key in keys])

    async def _fetch(self, keys: Sequence[_Key]) -> dict[_Key, Record | Mark]:
        names = [k for k in keys if isinstance(k, str)]
        slots = [k for k in keys if isinstance(k, _Slot)]
        addresses = [k for k in keys if isinstance(k, Address)]
        known = [self._known(a) for a in addresses]
        held = [self._known(self._cache.holder(n)) for n in names]
        values = {
            "types": texts([plain(a.type) for a in addresses]),
            "orgs": texts([plain(a.org) for a in addresses]),
            "ids": texts([plain(a.id) for a in addresses]),
            "known": numbers([r.rev if r is not None else 0 for r in known]),
            "names": texts([short(n) for n in names]),
            "holders": texts([plain(r.id) if r is not None else "" for r in held]),
            "held": numbers([r.rev if r is not None else 0 for r in held]),
            "spaces": texts([plain(s.space) for s in slots]),
            "homes": texts([plain(s.org) for s in slots]),
            "keys": texts([short(s.key) for s in slots]),
            "now": self._now() if slots else 0,
        }
        out: dict[_Key, Record | Mark] = {}
        body: Any
        for kind, n, type, org, id, rev, body in await self._lines.fetch(
            self._statement.sql, *self._statement.arguments(values)
        ):
            if kind == _MARK:
                slot = slots[n - 1]
                out[slot] = Mark(space=slot.space, org=slot.org, key=slot.key, value=body, until=rev)
            elif kind == _NAME:
                record = self._record(Address(type, natural(org), natural(id)), held[n - 1], body)
                self._cache.hold(names[n - 1], record.address)
                out[names[n - 1]] = record
            else:
                out[addresses[n - 1]] = self._record(addresses[n - 1], known[n - 1], body)
        return out

    def _known(self, address: Address | Unknown | None) -> Record | None:
        kept = self._cache.get(address) if isinstance(address, Address) else UNKNOWN
        return kept if isinstance(kept, Record) else None

    def _record(self, address: Address, known: Record | None, body: bytes | None) -> Record:
        if body is None and known is not None:
            return known
        record = kinds.decode(address.type, body or b"")
        self._cache.keep(address, record, None)
        return record
