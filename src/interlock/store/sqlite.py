"""The embedded store: one SQLite file, durable before it answers.

One connection writes (`group_commit`), one reads on the event loop's thread: point loads and bounded finds take some
microseconds and see committed rows only. A third, in a thread of its own, serves what may take long.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, cast

import apsw
import msgspec

from interlock.domain.errors import Unavailable
from interlock.domain.log import Row, RuleRun, decode_row, decode_run
from interlock.domain.record import Address, Record
from interlock.ports import Clock, Commit, Mark, Query, Sought
from interlock.store import statements
from interlock.store.cache import UNKNOWN, RecordCache, Unknown
from interlock.store.group_commit import GroupCommit
from interlock.store.history import runs_of, version_in
from interlock.store.migrations import migrate
from interlock.store.recent import Recent
from interlock.store.sqlite_apply import NOTHING, Lease, Prepared, prepare
from interlock.store.sqlite_queries import Questions
from interlock.store.watch import Watch

CHANGES_INLINE_MAX = 500
"""Rows of the log that are read on the event loop's thread; more go to the scanning thread."""
CHECKPOINT_AFTER = 250
"""Decisions since the last checkpoint that make one worth its two syncs once nothing else is going on."""
IDLE_S = 0.5


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a SQLite store runs. The defaults are for production; `synchronous` and `vfs` are for tests of durability."""

    batch_max: int = 64
    intake_max: int = 2_000
    waiting_max: int = 10_000
    busy_timeout_s: float = 5.0
    records_max: int = 10_000
    rows_max: int = 5_000
    checkpoint_pages: int = 4_000
    cache_kib: int = 65_536
    synchronous: str = "FULL"
    vfs: str | None = None


class Health(msgspec.Struct, frozen=True):
    """What `check` found. `damage`: SQLite's own words, none if the file is sound; sizes in bytes."""

    damage: tuple[str, ...]
    schema: int
    file_bytes: int
    wal_bytes: int
    free_bytes: int
    sqlite: str


class SqliteStore:
    """The port on a SQLite file. Two processes may use the same file; more than that should use PostgreSQL."""

    def __init__(self, path: str, clock: Clock, options: Options) -> None:
        """Use `SqliteStore.open`."""
        self.path = path
        self._options = options
        self._sql = statements.named("sqlite")
        self._listeners: list[Callable[[Sequence[Row]], None]] = []
        self._cache = RecordCache(options.records_max)
        self._recent = Recent(options.rows_max)
        self._clock = clock
        with _READS:
            self._write = self._connect()
            _use_wal(self._write)
            self.schema = migrate(self._write, clock.now())
            self._write.set_busy_timeout(0)
            self._read = self._connect()
            self._read.execute("PRAGMA query_only = ON")
        self._read_execute: Callable[..., Any] = self._read.cursor().execute
        self._load = self._sql["load"]
        self._questions = Questions(self._read, self._sql)
        self._scan_thread = ThreadPoolExecutor(1, "interlock-scan")
        self._scan: apsw.Connection | None = None
        self._since_checkpoint = 0
        self._idle: asyncio.TimerHandle | None = None
        self._checkpointing: asyncio.Future[None] | None = None
        self._watch = Watch(path, self._forget)
        self._group = GroupCommit(
            self._write, self._sql, clock, self._watch, self._committed, batch_max=options.batch_max,
            intake_max=options.intake_max, waiting_max=options.waiting_max, busy_timeout_s=options.busy_timeout_s,
            checkpoint_pages=options.checkpoint_pages,
        )  # fmt: skip

    @classmethod
    def open(cls, path: str | os.PathLike[str], clock: Clock, options: Options | None = None) -> Self:
        """Open the file, making or migrating it. Raises `Unavailable` with what to do if that cannot be done."""
        return cls(os.fspath(path), clock, options or Options())

    async def ready(self) -> None:
        """It is: opening did it."""

    def on_news(self, heard: Callable[[int], None]) -> None:
        """A file tells nobody that another process has written; whoever follows the log looks for itself."""

    def listen(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Have `listener` called with the rows of each durable batch, in order, before their authors get the answer."""
        self._listeners.append(listener)

    @property
    def waiting(self) -> int:
        """Decisions that wait to be written."""
        return self._group.waiting

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """The current versions, all of one moment, in the order asked; `None` where there is none."""
        if self._watch.alone():
            get = self._cache.get
            found = [get(address) for address in addresses]
            if UNKNOWN not in found:
                return cast("list[Record | None]", found)
        if len(addresses) == 1:
            return [self._load_one(addresses[0])]
        with _READS:
            self._read_execute("BEGIN")
            try:
                return [self._load_one(address) for address in addresses]
            finally:
                self._read_execute("COMMIT")

    def _load_one(self, address: Address) -> Record | None:
        with _READS:
            found = self._read_execute(self._load, address).fetchall()
        if found:
            return self._cache.record(*address, *found[0])
        self._cache.keep(address, None, None)
        return None

    async def find(self, query: Query) -> list[Record]:
        """The answers to a named query."""
        if query.name == "claimed" and query.limit and not query.offset:
            return self._claimed(query)
        with _READS:
            if query.name == "out_of_step":
                found = await self._in_scan_thread(lambda c: Questions(c, self._sql).ask(query))
            else:
                found = self._questions.ask(query)
        record = self._cache.record
        return [record(*row) for row in found]

    def _claimed(self, query: Query) -> list[Record]:
        """Who holds a unique name: asked at every step of routing, and mostly known."""
        alone = self._watch.alone()
        holder = self._cache.holder(query.claim) if alone else UNKNOWN
        if isinstance(holder, Unknown):
            with _READS:
                found = self._questions.holder(query.claim)
            holder = Address(*found[0][:3]) if found else None
            if found:
                self._cache.record(*found[0])
            self._cache.hold(query.claim, holder)
        if holder is None or holder.type != query.type or query.org not in ("", holder.org):
            return []
        record = self._cache.get(holder)
        if isinstance(record, Unknown):
            record = self._load_one(holder)
        return [record] if record is not None else []

    async def commit(self, commit: Commit) -> Row | None:
        """All of it or nothing, durable when it answers; see the port."""
        return await self._group.commit(prepare(commit, self._cache.index), urgent=commit.urgent)

    async def lease(self, name: str, holder: str, for_ms: int) -> int | None:
        """Take or keep a lease: its epoch, or `None` while somebody else holds it; see the port."""
        now = self._clock.now()
        asked = Lease(name, holder, now, now + for_ms)
        return await self._group.commit(msgspec.structs.replace(NOTHING, lease=asked), urgent=True)

    async def changes(
        self, after: int, limit: int, *, org: str = "", partition: str = "", newest: bool = False
    ) -> list[Row]:
        """Rows after a position, in order; the last `limit` of them if `newest`."""
        if not partition and not newest and self._watch.alone():
            known = self._recent.after(after, limit, org)
            if known:
                return known
        scope = "_of_partition" if partition else "_of_org" if org else ""
        sql = self._sql[f"changes{scope}{'_newest' if newest else ''}"]
        bindings = {"after": after, "limit": limit, "org": org, "partition": partition}
        with _READS:
            if limit > CHANGES_INLINE_MAX:
                rows = await self._in_scan_thread(lambda c: _rows(c.execute(sql, bindings)))
            else:
                rows = _rows(self._read_execute(sql, bindings))
        return rows[::-1] if newest else rows

    async def bodies(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Rows after a position, as they are stored."""
        sql, bindings = self._sql["changes"], {"after": after, "limit": limit}
        with _READS:
            if limit > CHANGES_INLINE_MAX:
                return await self._in_scan_thread(lambda c: c.execute(sql, bindings).fetchall())
            return self._read_execute(sql, bindings).fetchall()

    async def rule_runs(
        self, org: str, *, since: int, before: tuple[int, int], limit: int, whole: bool = False
    ) -> list[RuleRun]:
        """Runs of the queue rules, the latest first; see the port. They are read and decoded in the scanning thread."""
        at, position = before
        bindings = {"org": org, "since": since, "at": at, "position": position, "limit": limit}
        with _READS:
            if whole:
                return await self._in_scan_thread(lambda c: runs_of(c.execute(self._sql["rule_runs_whole"], bindings)))
            return await self._in_scan_thread(
                lambda c: [decode_run(*row) for row in c.execute(self._sql["rule_runs"], bindings)]
            )

    async def versions(self, sought: Sequence[Sought]) -> list[Record | None]:
        """Records as they were; see the port."""
        with _READS:
            return await self._in_scan_thread(lambda c: _versions(c.cursor().execute, self._sql, sought))

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """One mark, if it is there and its time has not passed."""
        with _READS:
            found = self._read_execute(self._sql["mark"], (space, org, key, self._clock.now())).fetchall()
        return Mark(space=space, org=org, key=key, value=found[0][0], until=found[0][1]) if found else None

    async def all_marks(self, after: tuple[str, str, str], limit: int) -> list[Mark]:
        """Marks behind `after`, in the order of (space, org, key), for `db copy`."""
        with _READS:
            found = self._read_execute(self._sql["all_marks"], (*after, self._clock.now(), limit)).fetchall()
        return [Mark(space=s, org=o, key=k, value=value, until=until) for s, o, k, value, until in found]

    async def last_position(self) -> int:
        """The position of the newest row, 0 in an empty store."""
        with _READS:
            return self._read_execute(self._sql["last_position"]).fetchall()[0][0]

    async def check(self) -> Health:
        """Read the whole file for damage, and look at the disk; takes seconds per gigabyte, in a thread."""
        with _READS:
            found = await self._in_scan_thread(lambda c: [line for (line,) in c.execute("PRAGMA quick_check(20)")])
        return Health(
            damage=tuple(line for line in found if line != "ok"),
            schema=self.schema,
            file_bytes=_size(self.path),
            wal_bytes=_size(f"{self.path}-wal"),
            free_bytes=shutil.disk_usage(os.path.dirname(self.path) or ".").free,
            sqlite=apsw.sqlite_lib_version(),
        )

    async def backup(self, path: str | os.PathLike[str]) -> None:
        """Write a copy of this moment to a new file, synced, while work goes on. `Unavailable` if the file is there."""
        target = os.fspath(path)

        def copy(connection: apsw.Connection) -> None:
            if os.path.exists(target):
                raise Unavailable(f"{target} is there already; a backup never overwrites.")
            connection.execute("VACUUM INTO ?", (target,))
            handle = os.open(target, os.O_RDWR)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

        with _READS:
            await self._in_scan_thread(copy)

    async def close(self) -> None:
        """Finish what waits, then let go of the file. Nothing is lost without it; the next start is quicker."""
        await self._group.close()
        if self._idle is not None:
            self._idle.cancel()
        if self._checkpointing is not None:
            await asyncio.wait([self._checkpointing])
        self._scan_thread.shutdown(wait=True)
        self._watch.close()
        for connection in (self._scan, self._read, self._write):
            if connection is not None:
                connection.close()

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(self.path, vfs=self._options.vfs)
        connection.set_busy_timeout(round(self._options.busy_timeout_s * 1000))
        for pragma in (
            f"synchronous = {self._options.synchronous}",
            "wal_autocheckpoint = 0",  # the group commit does it, after the answers
            f"cache_size = {-self._options.cache_kib}",
            "cache_spill = OFF",
            "temp_store = MEMORY",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        # With partial indexes SQLite plans a statement anew for each binding, at 8 times its cost, unless told not to.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        return connection

    async def _in_scan_thread(self, read: Callable[[apsw.Connection], Any]) -> Any:
        def run() -> Any:
            if self._scan is None:
                self._scan = self._connect()
            return read(self._scan)

        return await asyncio.get_running_loop().run_in_executor(self._scan_thread, run)

    def _forget(self) -> None:
        """Others have written: what is in memory may be old, or not all."""
        self._cache.clear()
        self._recent.clear()

    def _committed(self, batch: Sequence[Prepared], rows: Sequence[Row]) -> None:
        cache = self._cache
        for prepared in batch:
            for move in prepared.moves:
                cache.keep(move.address, move.after, move.index)
            for name, _ in prepared.released:
                cache.hold(name, None)
            for name, holder in prepared.taken:
                cache.hold(name, holder)
        self._since_checkpoint += len(batch)
        if self._since_checkpoint >= CHECKPOINT_AFTER and self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._when_idle, self._group.written)
        self._recent.take(rows)
        for listener in self._listeners:
            listener(rows)

    def _when_idle(self, written: int) -> None:
        """Checkpoint if nothing was written meanwhile, on another connection, so that no commit waits for it."""
        loop = asyncio.get_running_loop()
        if self._group.written != written:
            self._idle = loop.call_later(IDLE_S, self._when_idle, self._group.written)
            return
        self._idle = None
        self._since_checkpoint = 0
        self._checkpointing = loop.run_in_executor(self._scan_thread, self._checkpoint)

    def _checkpoint(self) -> None:
        try:
            if self._scan is None:
                self._scan = self._connect()
            self._scan.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error:
            return  # the next COMMIT that fills the log to its limit tries again


def _versions(execute: Callable[..., Any], sql: Mapping[str, str], sought: Sequence[Sought]) -> list[Record | None]:
    """The first version is in the first row of its partition, a later one mostly in one of the last before then."""
    first, last = sql["first_rows"], sql["last_rows"]
    return [
        version_in(execute(first if rev == 1 else last, (address.id, address.org, before)), address, rev)
        for address, rev, before in sought
    ]


class _Reads:
    """Turns what SQLite raises while reading or opening into `Unavailable`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, apsw.Error):
            raise Unavailable(f"The store cannot be read just now ({error}).") from error


_READS = _Reads()


def _use_wal(connection: apsw.Connection) -> None:
    """Turn a new file to write-ahead logging. Two processes that do this at once get BUSY, whatever the time-out."""
    for _ in range(20):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except apsw.BusyError:
            connection.execute("BEGIN IMMEDIATE")  # waits for whoever is at it
            connection.execute("ROLLBACK")
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _rows(cursor: Any) -> list[Row]:
    return [decode_row(position, body) for position, body in cursor]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
