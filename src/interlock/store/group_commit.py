"""Decisions that wait together are committed together: one transaction, one sync of the disk, a savepoint each.

The statements run on the event loop's own thread: each takes some microseconds and touches the page cache only. Just
the COMMIT, which waits for the disk, runs in a thread, and while it does the next batch gathers. The connection is
never used by two threads at a time. docs/adr/0003 has the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apsw

from interlock.domain.errors import Conflict, Unavailable
from interlock.domain.log import Row
from interlock.ports import Clock
from interlock.store.sqlite_apply import UNFIT, Applier, Prepared
from interlock.store.waiting import WaitingRoom
from interlock.store.watch import Watch

EXPIRE_EVERY = 1000
"""Decisions between two clearings of marks whose time has passed, and how many such marks one clearing takes."""

Committed = Callable[[Sequence[Prepared], Sequence[Row]], None]


class _Waiting:
    """A decision in line: what its author awaits, and what it came to once its batch ran."""

    __slots__ = ("answer", "outcome", "prepared")

    def __init__(self, prepared: Prepared, answer: asyncio.Future[Any]) -> None:
        self.prepared = prepared
        self.answer = answer
        self.outcome: Row | int | Exception | None = None


class GroupCommit:
    """The only writer of a connection. `committed` hears of every durable batch before its authors do."""

    def __init__(
        self,
        connection: apsw.Connection,
        sql: dict[str, str],
        clock: Clock,
        watch: Watch,
        committed: Committed,
        *,
        batch_max: int,
        intake_max: int,
        waiting_max: int,
        busy_timeout_s: float,
        checkpoint_pages: int,
    ) -> None:
        self._connection = connection
        self._execute: Callable[..., Any] = connection.cursor().execute
        self._applier = Applier(connection, sql)
        self._expire = sql["expire_marks"]
        self._clock = clock
        self._watch = watch
        self._committed = committed
        self._batch_max = batch_max
        self._busy_timeout_ms = round(busy_timeout_s * 1000)
        self._room: WaitingRoom[_Waiting] = WaitingRoom(intake_max, waiting_max)
        self._thread = ThreadPoolExecutor(1, "interlock-commit")
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self._since_expiry = 0
        self._checkpoint_pages = self._checkpoint_at = checkpoint_pages
        self._wal_pages = 0
        connection.set_wal_hook(self._grown)
        self.written = 0
        """Decisions made durable since the start."""

    @property
    def waiting(self) -> int:
        """Decisions in line."""
        return len(self._room)

    async def commit(self, prepared: Prepared, *, urgent: bool) -> Any:
        """Stand in line; the answer (a row, an epoch) comes after the COMMIT that holds it. Whoever is cancelled in
        line writes nothing.

        Raises what the decision comes to, `Busy` if the line is full, `Unavailable` if the disk or another process
        does not let us write.
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
        """Take no more, finish what waits, and end the thread."""
        self._closed = True
        while self._worker is not None:
            await asyncio.wait([self._worker])
        self._thread.shutdown(wait=True)

    async def _work(self) -> None:
        try:
            while self._room:
                batch = [w for w in self._room.take(self._batch_max) if not w.answer.done()]
                if batch:
                    await self._write(batch)
                    if self._wal_pages >= self._checkpoint_at:
                        await asyncio.get_running_loop().run_in_executor(self._thread, self._checkpoint)
                    # Let those who were just answered hand in their next decision: fuller batches, fewer syncs.
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._closed = True  # the loop ends, and the thread may still be at its COMMIT
            raise
        finally:
            self._worker = None
            if self._room and not self._closed:
                self._worker = asyncio.get_running_loop().create_task(self._work())
            for waiting in self._room.take(len(self._room)) if self._closed else ():
                _answer(waiting, Unavailable("The store stopped; nothing was written."))

    async def _write(self, batch: list[_Waiting]) -> None:
        failure: Unavailable | None = Unavailable("The store stopped; whether this was written is not known.")
        try:
            await self._begin()
            self._watch.begun()
            if self._apply(batch):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._execute, "COMMIT")
                self._watch.ended(committed=True)
            else:
                self._execute("ROLLBACK")
                self._watch.ended(committed=False)
            failure = None
            self._announce(batch)
        except apsw.Error as error:
            self._abandon()
            self._watch.ended(committed=False)
            failure = _unavailable(error)
        finally:
            for waiting in batch:
                _answer(waiting, failure)

    def _grown(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        """SQLite says after each commit how long its write-ahead log is."""
        if pages < self._wal_pages:
            self._checkpoint_at = self._checkpoint_pages
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Copy the write-ahead log into the file, so that it starts anew: after the answers, and while nobody writes.

        It may fail, or be held up by another process's reading: nothing is lost, it is tried again when the log has
        grown by as much once more.
        """
        self._checkpoint_at = self._wal_pages + self._checkpoint_pages
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error:
            return

    async def _begin(self) -> None:
        """Take the writer's lock: at once if no other process has it, else in the thread, within the busy timeout."""
        try:
            self._execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._begin_patiently)

    def _begin_patiently(self) -> None:
        self._connection.set_busy_timeout(self._busy_timeout_ms)
        try:
            self._execute("BEGIN IMMEDIATE")
        finally:
            self._connection.set_busy_timeout(0)

    def _apply(self, batch: list[_Waiting]) -> bool:
        """Run every decision of the batch; whether there is anything to commit."""
        position = self._applier.last_position()
        now = self._clock.now()
        wrote = False
        for waiting in batch:
            try:
                row = self._applier.apply(waiting.prepared, position + 1, now)
            except (Conflict, *UNFIT) as refusal:
                waiting.outcome = refusal
                continue
            waiting.outcome = row
            wrote = True
            if isinstance(row, Row):
                position = row.position
        self._since_expiry += len(batch)
        if wrote and self._since_expiry >= EXPIRE_EVERY:
            self._since_expiry = 0
            self._execute(self._expire, (now, EXPIRE_EVERY))
        return wrote

    def _abandon(self) -> None:
        """Leave no transaction open after an error; SQLite may have ended it by itself."""
        try:
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
        except apsw.Error:
            return

    def _announce(self, batch: list[_Waiting]) -> None:
        done = [w for w in batch if not isinstance(w.outcome, Exception)]
        self.written += len(done)
        if done:
            rows = [r for w in done if isinstance(w.outcome, Row) for r in w.prepared.rows_to(w.outcome)]
            self._committed([w.prepared for w in done], rows)


def _answer(waiting: _Waiting, failure: Unavailable | None) -> None:
    if waiting.answer.done():
        return
    outcome = failure or waiting.outcome
    if isinstance(outcome, Exception):
        waiting.answer.set_exception(outcome)
    else:
        waiting.answer.set_result(outcome)


def _unavailable(error: apsw.Error) -> Unavailable:
    if isinstance(error, apsw.FullError):
        return Unavailable("The disk that holds the store is full; nothing was written. Free some space.")
    if isinstance(error, apsw.BusyError):
        return Unavailable("Another process holds the store; nothing was written. Try again.")
    return Unavailable(f"The store could not write; nothing was written ({error}).")
