"""Decisions that wait together go to PostgreSQL together: one statement, one transaction, one sync of its disk.

While a batch is under way the next one gathers. A connection that breaks in the middle leaves open whether the batch
was committed; it is handed in again under its number, and PostgreSQL answers what came of it, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import asyncpg

from interlock.domain.errors import Conflict, Unavailable
from interlock.domain.log import Row
from interlock.ports import Clock
from interlock.store.postgres_batch import Batch, Prepared
from interlock.store.postgres_lines import BROKEN, Lines, Statement
from interlock.store.waiting import WaitingRoom

EXPIRE_EVERY = 1000
"""Decisions between two clearings of marks whose time has passed, and how many such marks one clearing takes."""
RETRY_S = 0.05
"""Pause between two tries to hand in a batch again."""

Committed = Callable[[Sequence[Prepared], Sequence[Row]], None]
Outcome = Row | Exception | None


class _Waiting:
    """A decision in line, and what its author awaits."""

    __slots__ = ("answer", "prepared")

    def __init__(self, prepared: Prepared, answer: asyncio.Future[Row | None]) -> None:
        self.prepared = prepared
        self.answer = answer


class GroupCommit:
    """The only writer of a handle. `committed` hears of every durable batch before its authors do."""

    def __init__(
        self,
        writer: str,
        lines: Lines,
        statements: dict[str, Statement],
        clock: Clock,
        committed: Committed,
        *,
        batch_max: int,
        intake_max: int,
        waiting_max: int,
        outage_s: float,
        in_order: bool = False,
    ) -> None:
        self._writer = writer
        self._lines = lines
        self._commit = statements["commit_batch"].sql
        self._expire = statements["expire_marks"]
        self._clock = clock
        self._committed = committed
        self._batch_max = batch_max
        self._outage_s = outage_s
        self._in_order = in_order
        self._room: WaitingRoom[_Waiting] = WaitingRoom(intake_max, waiting_max)
        self._held: list[_Waiting] = []
        self._number = 0
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self._since_expiry = 0
        self.written = 0
        """Decisions made durable since the start."""

    @property
    def waiting(self) -> int:
        """Decisions in line."""
        return len(self._room) + len(self._held)

    async def commit(self, prepared: Prepared, *, urgent: bool) -> Row | None:
        """Stand in line; the answer comes when PostgreSQL has made it durable. Who is cancelled in line writes nothing.

        Raises what the decision comes to, `Busy` if the line is full, `Unavailable` if the server does not answer.
        """
        if self._closed:
            raise Unavailable("The store is closed.")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(prepared, loop.create_future())
        self._room.enter(waiting, urgent=urgent)
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        return await waiting.answer

    async def close(self) -> None:
        """Take no more and finish what waits."""
        self._closed = True
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        try:
            while self._held or self._room:
                batch = self._next()
                if batch:
                    await self._write(batch)
                    # Let those who were just answered hand in their next decision: fuller batches, fewer syncs.
                    await asyncio.sleep(0)
        finally:
            self._worker = None
            left = [*self._held, *self._room.take(len(self._room))]
            self._held = []
            for waiting in left:
                _answer(waiting, Unavailable("The store stopped; nothing was written."))

    def _next(self) -> list[_Waiting]:
        """Those at the front of the line, but no two that touch the same thing: the later one waits for the next batch,
        and so does whoever touches what it touches.
        """
        line = self._held + self._room.take(self._batch_max - len(self._held))
        self._held = []
        touched: set[object] = set()
        batch: list[_Waiting] = []
        for waiting in line:
            if waiting.answer.done():
                continue
            held_up = self._in_order and self._held
            if touched.isdisjoint(waiting.prepared.touches) and not held_up:
                batch.append(waiting)
            else:
                self._held.append(waiting)
            touched |= waiting.prepared.touches
        return batch

    async def _write(self, waiting: list[_Waiting]) -> None:
        failure: Exception = Unavailable("The store stopped; whether this was written is not known.")
        outcomes: Sequence[Outcome] = [failure] * len(waiting)
        try:
            outcomes = await self._outcomes([w.prepared for w in waiting])
        except Unavailable as away:
            outcomes = [away] * len(waiting)
        finally:
            for w, outcome in zip(waiting, outcomes, strict=True):
                _answer(w, outcome)
        await self._clear_marks(len(waiting))

    async def _outcomes(self, decisions: Sequence[Prepared]) -> Sequence[Outcome]:
        """Hand a batch in and announce it. One that holds what PostgreSQL cannot take is handed in one by one."""
        batch = Batch(decisions)
        try:
            outcomes = await self._hand_in(batch)
        except (asyncpg.PostgresError, ValueError, TypeError, OverflowError) as unfit:
            if not _about_data(unfit):
                raise Unavailable(f"PostgreSQL could not write; nothing was written ({unfit}).") from unfit
            if len(decisions) == 1:
                return [ValueError(f"PostgreSQL cannot hold this: {unfit}")]
            return [o for decision in decisions for o in await self._outcomes([decision])]
        done = [d for d, o in zip(decisions, outcomes, strict=True) if not isinstance(o, Exception)]
        self.written += len(done)
        if done:
            made = zip(decisions, outcomes, strict=True)
            self._committed(done, [row for d, o in made if isinstance(o, Row) for row in d.rows_to(o)])
        return outcomes

    async def _hand_in(self, batch: Batch) -> list[Row | Conflict | None]:
        self._number += 1
        arguments = [self._writer, self._number, self._clock.now(), *batch.arguments()]
        loop = asyncio.get_running_loop()
        give_up_at: float | None = None
        while True:
            try:
                [(base, refused)] = await self._lines.try_to_fetch(self._commit, *arguments)
            except BROKEN as broken:
                if isinstance(broken, ValueError):
                    raise  # the driver's word for an argument that does not fit
                now = loop.time()
                give_up_at = give_up_at or now + self._outage_s
                if now >= give_up_at:
                    away = self._lines.away(broken)
                    raise Unavailable(f"{away.detail} Whether this was written is not known yet.") from broken
                await asyncio.sleep(RETRY_S)
            else:
                return batch.outcomes(base, refused)

    async def _clear_marks(self, decisions: int) -> None:
        self._since_expiry += decisions
        if self._since_expiry < EXPIRE_EVERY:
            return
        self._since_expiry = 0
        values = {"now": self._clock.now(), "limit": EXPIRE_EVERY}
        try:
            await self._lines.fetch(self._expire.sql, *self._expire.arguments(values))
        except Unavailable:
            return  # they are not seen any more; the next clearing takes them


def _about_data(error: Exception) -> bool:
    """Whether a decision of the batch is at fault, not the server: a value out of range, a name too long."""
    if isinstance(error, asyncpg.PostgresError):
        return str(getattr(error, "sqlstate", ""))[:2] in ("22", "54")
    return True


def _answer(waiting: _Waiting, outcome: Outcome) -> None:
    if waiting.answer.done():
        return
    if isinstance(outcome, Exception):
        waiting.answer.set_exception(outcome)
    else:
        waiting.answer.set_result(outcome)
