"""The store for several processes: a PostgreSQL database, durable before it answers.

Decisions go there in batches (`postgres_commit`), and so do point look-ups (`postgres_looks`). PostgreSQL orders the
log: every batch takes one lock for as long as its own statement and commit take, so positions are those of commits,
without gaps, whoever writes (docs/adr/0009).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec

from interlock.domain.log import Row, RuleRun, decode_row, decode_run
from interlock.domain.record import Address, Record
from interlock.ports import Clock, Commit, Mark, Query, Sought
from interlock.store import statements
from interlock.store.cache import RecordCache
from interlock.store.history import runs_of, version_in
from interlock.store.postgres_batch import natural, plain, prepare, short
from interlock.store.postgres_commit import GroupCommit
from interlock.store.postgres_lines import Lines, Place, statements_of
from interlock.store.postgres_looks import Looks
from interlock.store.postgres_migrations import migrate
from interlock.store.postgres_news import News
from interlock.store.postgres_queries import Questions

WRITER_MS = 7 * 24 * 3_600_000
"""How long the last batch of a writer is remembered: far longer than any process hands one in again."""

LAST_ROWS = 4
"""Rows of a partition that are looked at first for an earlier version; eight times as many whenever it is not there."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a PostgreSQL store runs.

    outage_s  how long a batch may wait for a server that is away
    post      apply migrations that older programs do not survive as well
    in_order  rows get their positions in the order in which they were handed in, also where they could overtake
    make      bring the database to this program's schema; else one that is not there yet is `Unavailable`
    """

    batch_max: int = 64
    intake_max: int = 2_000
    waiting_max: int = 10_000
    outage_s: float = 5.0
    records_max: int = 10_000
    readers: int = 4
    looks_at_once: int = 2
    post: bool = True
    make: bool = True
    in_order: bool = False


class Health(msgspec.Struct, frozen=True):
    """What `check` found. `unsafe`: server settings by which an answered commit can be lost, none if it is durable."""

    version: str
    schema: int
    bytes: int
    unsafe: tuple[str, ...]
    read_only: bool
    connections: int
    connections_max: int
    oldest_transaction_s: int


class PostgresStore:
    """The port on a PostgreSQL database. Any number of processes may use it."""

    def __init__(self, url: str, clock: Clock, options: Options) -> None:
        """Use `PostgresStore.open`."""
        self.place = Place(url)
        self.writer = secrets.token_hex(8)
        self._options = options
        self._clock = clock
        self._statements = statements_of(statements.named("postgres"))
        self._listeners: list[Callable[[Sequence[Row]], None]] = []
        self._cache = RecordCache(options.records_max)
        self._reads = Lines(self.place, options.readers)
        self._writes = Lines(self.place, 1)
        self._looks = Looks(self._reads, self._statements["look"], self._cache, clock.now, most=options.looks_at_once)
        self._questions = Questions(self._reads, self._statements)
        self._opening = asyncio.Lock()
        self._on_news: list[Callable[[int], None]] = []
        self._news = News(self.place, self.writer, self._others_wrote)
        self.schema = 0
        """The number of the database's schema, 0 until the first use."""
        self._group = GroupCommit(
            self.writer, self._writes, self._statements, clock, self._committed, batch_max=options.batch_max,
            intake_max=options.intake_max, waiting_max=options.waiting_max, outage_s=options.outage_s,
            in_order=options.in_order,
        )  # fmt: skip

    @classmethod
    def open(cls, url: str, clock: Clock, options: Options | None = None) -> Self:
        """A store on the database at `url`. It is reached, and brought to this program's schema, at the first use.

        Raises `Unavailable` for a URL that cannot be read; `ready` and every other method if it cannot be reached.
        """
        return cls(url, clock, options or Options())

    async def ready(self) -> None:
        """Reach the database, making or migrating the schema. Raises `Unavailable` with what to do."""
        if self.schema:
            return
        async with self._opening:
            if not self.schema:
                self.schema = await migrate(
                    self.place, self._clock.now(), post=self._options.post, make=self._options.make
                )
                await self._ask("forget_writers", {"before": self._clock.now() - WRITER_MS})

    def listen(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Have `listener` called with the rows of each durable batch, in order, before their authors get the answer."""
        self._listeners.append(listener)

    def on_news(self, heard: Callable[[int], None]) -> None:
        """Have `heard` called with the newest position whenever another process has written. A hint, not a promise:
        whoever must not miss a row looks into the log from time to time as well.
        """
        self._on_news.append(heard)
        self._news.start()

    @property
    def waiting(self) -> int:
        """Decisions that wait to be written."""
        return self._group.waiting

    async def load(self, addresses: Sequence[Address]) -> list[Record | None]:
        """The current versions, all of one moment, in the order asked; `None` where there is none."""
        if not self.schema:
            await self.ready()
        return await self._looks.load(addresses)

    async def find(self, query: Query) -> list[Record]:
        """The answers to a named query."""
        if not self.schema:
            await self.ready()
        if query.name == "claimed" and query.limit and not query.offset:
            holder = await self._looks.holder(query.claim)
            asked_for = holder is not None and query.type == holder.TYPE and query.org in ("", holder.org)
            return [holder] if holder is not None and asked_for else []
        record = self._cache.record
        return [record(t, natural(o), natural(i), rev, b) for t, o, i, rev, b in await self._questions.ask(query)]

    async def commit(self, commit: Commit) -> Row | None:
        """All of it or nothing, durable when it answers; see the port."""
        prepared = prepare(commit, self._clock.now())
        if not self.schema:
            await self.ready()
        return await self._group.commit(prepared, urgent=commit.urgent)

    async def lease(self, name: str, holder: str, for_ms: int) -> int | None:
        """Take or keep a lease: its epoch, or `None` while somebody else holds it; see the port."""
        now = self._clock.now()
        values = {"name": short(name), "holder": plain(holder), "now": now, "until": now + max(0, for_ms)}
        return (await self._ask("take_lease", values))[0][0]

    async def changes(
        self, after: int, limit: int, *, org: str = "", partition: str = "", newest: bool = False
    ) -> list[Row]:
        """Rows after a position, in order; the last `limit` of them if `newest`."""
        scope = "_of_partition" if partition else "_of_org" if org else ""
        values = {"after": after, "limit": limit, "org": plain(org), "partition": plain(partition)}
        found = await self._ask(f"changes{scope}{'_newest' if newest else ''}", values)
        rows = [decode_row(position, body) for position, body in found]
        return rows[::-1] if newest else rows

    async def bodies(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Rows after a position, as they are stored."""
        return [(position, body) for position, body in await self._ask("changes", {"after": after, "limit": limit})]

    async def rule_runs(
        self, org: str, *, since: int, before: tuple[int, int], limit: int, whole: bool = False
    ) -> list[RuleRun]:
        """Runs of the queue rules, the latest first; see the port."""
        values = {"org": plain(org), "since": since, "at": before[0], "position": before[1], "limit": limit}
        if whole:
            return runs_of((run, position, body) for run, position, body in await self._ask("rule_runs_whole", values))
        return [decode_run(*row) for row in await self._ask("rule_runs", values)]

    async def versions(self, sought: Sequence[Sought]) -> list[Record | None]:
        """Records as they were; see the port. Most are in one of the last rows before that time."""
        found: dict[int, Record | None] = dict.fromkeys(range(len(sought)))
        left, most = list(found), LAST_ROWS
        while left:
            rows = await self._last_rows([sought[n] for n in left], most)
            for n, bodies in zip(left, rows, strict=True):
                found[n] = version_in(((body,) for body in bodies), sought[n].address, sought[n].rev)
            left = [n for n, bodies in zip(left, rows, strict=True) if found[n] is None and len(bodies) == most]
            most *= 8
        return list(found.values())

    async def _last_rows(self, sought: Sequence[Sought], most: int) -> list[list[bytes]]:
        """For each, the last so many rows of its partition before its position, the latest first."""
        values = {
            "orgs": [plain(s.address.org) for s in sought], "ids": [plain(s.address.id) for s in sought],
            "before": [s.before for s in sought], "most": most,
        }  # fmt: skip
        out: list[list[bytes]] = [[] for _ in sought]
        for n, body in await self._ask("last_rows", values):
            out[n - 1].append(body)
        return out

    async def mark(self, space: str, org: str, key: str) -> Mark | None:
        """One mark, if it is there and its time has not passed."""
        if not self.schema:
            await self.ready()
        return await self._looks.mark(space, org, key)

    async def all_marks(self, after: tuple[str, str, str], limit: int) -> list[Mark]:
        """Marks behind `after`, in the order of (space, org, key), for `db copy`."""
        space, org, key = after
        values = {"space": plain(space), "org": plain(org), "key": short(key), "now": self._clock.now(), "limit": limit}
        return [
            Mark(space=natural(s), org=natural(o), key=natural(k), value=value, until=until)
            for s, o, k, value, until in await self._ask("all_marks", values)
        ]

    async def last_position(self) -> int:
        """The position of the newest row, 0 in an empty store."""
        return (await self._ask("last_position", {}))[0][0]

    async def check(self) -> Health:
        """Ask the server how it is, and whether it is set up to keep what it has answered."""
        [(version, size, settings, read_only, used, most, oldest)] = await self._ask("health", {})
        return Health(
            version=version, schema=self.schema, bytes=size, unsafe=tuple(settings), read_only=read_only,
            connections=used, connections_max=most, oldest_transaction_s=oldest,
        )  # fmt: skip

    async def close(self) -> None:
        """Finish what waits, then let go of the connections."""
        await self._news.close()
        await self._group.close()
        await self._looks.close()
        await self._questions.close()
        await self._reads.close()
        await self._writes.close()

    async def _ask(self, name: str, values: dict[str, Any]) -> list[Any]:
        if not self.schema:
            await self.ready()
        statement = self._statements[name]
        return await self._reads.fetch(statement.sql, *statement.arguments(values))

    def _others_wrote(self, position: int) -> None:
        for heard in self._on_news:
            heard(position)

    def _committed(self, batch: Sequence[Any], rows: Sequence[Row]) -> None:
        for prepared in batch:
            for after in prepared.afters:
                self._cache.keep(after.address, after, None)
        for listener in self._listeners:
            listener(rows)
