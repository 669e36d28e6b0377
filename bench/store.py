"""How much of the bare disk loop the store keeps. One command: `python bench/store.py`.

Three loops write the same thing: a conversation of about 1.4 kB moves to its next version, and the log gets a row.

    bare     apsw statements with ready-made bindings in one thread: UPDATE … WHERE rev, INSERT INTO log; 64 to a COMMIT
    store    SqliteStore.commit from 64 asyncio clients: savepoints, rev checks, encoding, futures, announcements
    thread   the same store with the whole batch, not just the COMMIT, in a writer's thread (ADR 0003)

The loops take turns; each figure is the median of the rounds. Trust the ratios; absolute figures are the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation, MessageMark, Shared, create
from interlock.domain.decision import Decision, Moment, Provenance, Reason, Why, birth, step
from interlock.domain.log import encode_entry, encode_record, entry_of
from interlock.ports import Commit
from interlock.store import group_commit, statements
from interlock.store.migrations import migrate
from interlock.store.sqlite import SqliteStore

ORG = "5f0a1b2c3d4e5f6a7b8c9d0e"
GROUP = 64
AUTHOR = Actor("person", "user", "5f0a1b2c3d4e5f6a7b8c9d10")
BY = Provenance(ORG, AUTHOR, "api", trace="4bf92f3577b34da6a3ce929d0e0e4736")
NOW = 1_700_000_000_000


class Clock:
    """The machine's."""

    def now(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000


def hex_id(number: int) -> str:
    """An id like those the runtime gives."""
    return f"65a1b2c3{number:016x}"


def conversation(number: int) -> Conversation:
    """A conversation as it looks in the middle of its life: about 1.4 kB encoded."""
    mark = MessageMark(hex_id(number + 1), NOW, NOW + 100, "chat", "initial-in")
    made = Conversation(
        id=hex_id(number), org=ORG, created_at=NOW, updated_at=NOW, last_activity_at=NOW, last_message_at=NOW,
        customer=hex_id(number + 2), name="Where is my order 4711?", channels=("chat",), tags=(hex_id(7), hex_id(8)),
        preview="Hello, I ordered three weeks ago and have heard nothing since. " * 4, message_count=7,
        custom={"orderStr": "4711", "vipTree": "gold.eu", "ageNum": 42}, first_message_in=mark, last_message_in=mark,
        last_message_out=mark, sentiment={"polarity": 1, "confidence": 0.91}, assistant={"fac": [], "assistantId": []},
    )  # fmt: skip
    moment = Moment(now=NOW, by=BY, fresh=lambda: hex_id(number))
    write = create(made, Shared(queue=hex_id(3)), moment).writes[0]
    assert isinstance(write.after, Conversation)
    return write.after


def commit_of(before: Conversation | None, after: Conversation, number: int) -> Commit:
    """The commit that a service would make of one field's move."""
    write = birth(after) if before is None else step(before, after, NOW + number)
    reasons = (Reason("UPDATE_CONVERSATION", "CHANGED", {"field": "messageCount"}),)
    why = Why(direction="person", kind="change", record=after.ref, rev_before=1, rev_after=2, reasons=reasons)
    decision = Decision(partition=after.id, why=why, writes=(write,))
    entry = entry_of(decision, hex_id(number), BY, NOW, ())
    return Commit(entry=entry, writes=(write,))


def bare(path: Path, many: int) -> float:
    """Commits a second of the bare loop: bindings are made beforehand, every statement is the store's own."""
    connection = apsw.Connection(str(path))
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536", "wal_autocheckpoint = 4000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    migrate(connection, 0)
    sql = statements.named("sqlite")
    records = [conversation(n) for n in range(GROUP)]
    execute = connection.cursor().execute
    for r in records:
        i = r.index()
        columns = (1, r.updated_at, i.state, i.parent, i.queue, i.owner, i.sort, i.due_at, i.mark, encode_record(r))
        execute(sql["insert_record"], (*columns, *r.address))
    update, append = sql["update_body"], sql["append_log"]
    entry = commit_of(records[0], records[0].with_(message_count=8), 1).entry
    assert entry is not None
    row, body = encode_entry(entry), encode_record(records[0])
    began = time.perf_counter()
    for group in range(many // GROUP):
        execute("BEGIN IMMEDIATE")
        for n, r in enumerate(records):
            execute(update, (group + 2, r.updated_at, body, *r.address, group + 1))
            execute(append, (group * GROUP + n + 1, ORG, r.id, r.updated_at, row))
        execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return many // GROUP * GROUP / took


async def clients(store: SqliteStore, many: int, *, prepared: bool) -> float:
    """Commits a second of 64 clients, each with a record of its own. `prepared`: the entries are made beforehand."""
    ready: list[list[Commit]] = []
    for n in range(GROUP):
        current = conversation(n)
        await store.commit(commit_of(None, current, n))
        mine: list[Commit] = []
        for _ in range(many // GROUP):
            mine.append(commit_of(current, current.with_(message_count=current.message_count + 1), n))
            after = mine[-1].writes[0].after
            assert isinstance(after, Conversation)
            current = after
        ready.append(mine)

    async def client(mine: list[Commit]) -> None:
        for commit in mine:
            if prepared:
                await store.commit(commit)
                continue
            write = commit.writes[0]
            assert isinstance(write.before, Conversation)
            assert isinstance(write.after, Conversation)
            await store.load([write.before.address])
            await store.commit(commit_of(write.before, write.after.with_(rev=write.before.rev), 1))

    began = time.perf_counter()
    await asyncio.gather(*(client(mine) for mine in ready))
    return many // GROUP * GROUP / (time.perf_counter() - began)


def through_store(path: Path, many: int, *, prepared: bool) -> float:
    """The store as it is."""

    async def run() -> float:
        store = SqliteStore.open(path, Clock())
        rate = await clients(store, many, prepared=prepared)
        await store.close()
        return rate

    return asyncio.run(run())


class ThreadCommit(group_commit.GroupCommit):
    """The alternative: a writer's thread runs the statements too, and takes the interpreter's lock back after each."""

    async def _write(self, batch: list[Any]) -> None:
        def whole() -> None:
            self._execute("BEGIN IMMEDIATE")
            self._watch.begun()
            self._apply(batch)
            self._execute("COMMIT")

        await asyncio.get_running_loop().run_in_executor(self._thread, whole)
        self._watch.ended(committed=True)
        self._announce(batch)
        for waiting in batch:
            group_commit._answer(waiting, None)


def through_thread(path: Path, many: int, *, prepared: bool) -> float:
    """The store with a writer's thread."""
    from interlock.store import sqlite

    kept, sqlite.GroupCommit = sqlite.GroupCommit, ThreadCommit
    try:
        return through_store(path, many, prepared=prepared)
    finally:
        sqlite.GroupCommit = kept


def rounds(count: int, many: int) -> dict[str, float]:
    """The median of each loop over so many rounds."""
    loops: dict[str, Callable[[Path], float]] = {
        "bare": lambda path: bare(path, many),
        "store": lambda path: through_store(path, many, prepared=True),
        "thread": lambda path: through_thread(path, many, prepared=True),
        "store, with load and entry": lambda path: through_store(path, many, prepared=False),
        "thread, with load and entry": lambda path: through_thread(path, many, prepared=False),
    }
    figures: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(count):
        for name, loop in loops.items():
            with tempfile.TemporaryDirectory() as folder:
                figures[name].append(loop(Path(folder) / "bench.db"))
    return {name: statistics.median(rates) for name, rates in figures.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commits", type=int, default=12_800, help="per loop and round")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = rounds(given.rounds, given.commits)
    sizes = {"record": len(encode_record(conversation(1)))}
    entry = commit_of(conversation(1), conversation(1).with_(message_count=8), 1).entry
    assert entry is not None
    sizes["row"] = len(encode_entry(entry))
    result = {
        name: {"commits_per_s": round(rate), "of_bare": round(rate / found["bare"], 3)} for name, rate in found.items()
    }
    if given.json:
        print(json.dumps({"bytes": sizes, "loops": result}))
        return
    print(f"record {sizes['record']} bytes, row {sizes['row']} bytes, groups of {GROUP}, median of {given.rounds}")
    for name, figures in result.items():
        print(f"{name:28} {figures['commits_per_s']:>8} commits/s   {figures['of_bare']:>6} of bare")


if __name__ == "__main__":
    main()
