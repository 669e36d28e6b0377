"""The SQLite store: a full line, a failing disk, another process, and how it is opened, checked, copied and closed."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.conformance.builders import A, Hands, commit_of, conversation, marks_only, next_of, put, user
from tests.store.disk import Disk, Hold, disk
from tests.store.survey import Ack, faults

from interlock.domain.decision import birth
from interlock.domain.errors import Busy, RevMoved, Unavailable
from interlock.domain.log import encode_record
from interlock.domain.record import Address
from interlock.ports import Mark, Query
from interlock.store.sqlite import Options, SqliteStore

__all__ = ["disk"]


def opened(path: Path, disk: Disk | None = None, **options: Any) -> SqliteStore:
    """A store at this path."""
    return SqliteStore.open(path / "s.db", Hands(), Options(vfs=disk.name if disk else None, **options))


async def held(disk: Disk, store: SqliteStore) -> Hold:
    """The writer is at its COMMIT and stays there; the returned hold lets it go on."""
    loop, reached = asyncio.get_running_loop(), asyncio.Event()
    hold = Hold(disk, lambda: loop.call_soon_threadsafe(reached.set))
    task = asyncio.ensure_future(store.commit(commit_of(birth(conversation("first")))))
    async with asyncio.timeout(30):
        await reached.wait()
    assert not task.done()
    return hold


async def lined_up(store: SqliteStore, *names: str, urgent: bool) -> list[asyncio.Task[Any]]:
    """Commits that wait in line."""
    commits = [commit_of(birth(conversation(n)), urgent=urgent) for n in names]
    tasks = [asyncio.create_task(store.commit(c)) for c in commits]
    await asyncio.sleep(0)
    return tasks


async def test_begun_work_goes_before_intake(tmp_path: Path, disk: Disk) -> None:
    store = opened(tmp_path, disk, batch_max=3)
    hold = await held(disk, store)
    tasks = await lined_up(store, "i1", "i2", "i3", "i4", urgent=False)
    tasks += await lined_up(store, "u1", "u2", "u3", "u4", urgent=True)
    hold.release()
    await asyncio.gather(*tasks)
    order = [r.partition for r in await store.changes(1, 100)]
    assert order == ["u1", "u2", "u3", "u4", "i1", "i2", "i3", "i4"]
    await store.close()


async def test_a_full_line_refuses_at_once(tmp_path: Path, disk: Disk) -> None:
    store = opened(tmp_path, disk, intake_max=2, waiting_max=4)
    hold = await held(disk, store)
    tasks = await lined_up(store, "i1", "i2", urgent=False)
    with pytest.raises(Busy):
        await asyncio.wait_for(store.commit(commit_of(birth(conversation("i3")), urgent=False)), 30)
    tasks += await lined_up(store, "u1", "u2", urgent=True)
    assert store.waiting == 4
    for urgent in (True, False):
        with pytest.raises(Busy):
            await asyncio.wait_for(store.commit(commit_of(birth(conversation("u3")), urgent=urgent)), 30)
    hold.release()
    await asyncio.gather(*tasks)
    assert await store.last_position() == 5
    await put(store, conversation("u3"))
    await store.close()


async def test_whoever_gives_up_in_line_writes_nothing(tmp_path: Path, disk: Disk) -> None:
    store = opened(tmp_path, disk)
    hold = await held(disk, store)
    gone, stays = await lined_up(store, "gone", "stays", urgent=True)
    gone.cancel()
    hold.release()
    await stays
    found = await store.load([Address("conversation", A, "gone"), Address("conversation", A, "stays")])
    assert [r is not None for r in found] == [False, True]
    assert await store.last_position() == 2
    await store.close()


async def test_what_waits_together_is_synced_together(tmp_path: Path, disk: Disk) -> None:
    store = opened(tmp_path, disk)
    await put(store, conversation("c"))
    before = sum(op[0] == "sync" for op in disk.trace)
    await asyncio.gather(*(put(store, conversation(f"c{n}")) for n in range(60)))
    assert sum(op[0] == "sync" for op in disk.trace) - before <= 2
    await store.close()


FAILURES = {"full": apsw.FullError("full"), "broken": apsw.IOError("broken")}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("at", ["write", "sync"])
async def test_a_failing_disk_fails_the_whole_batch_and_no_later_one(
    tmp_path: Path, disk: Disk, failure: str, at: str
) -> None:
    store = opened(tmp_path, disk)
    c = conversation("c0")
    await put(store, c)
    heard: list[int] = []
    store.listen(lambda rows: heard.extend(r.position for r in rows))
    disk.failing = lambda what, file: FAILURES[failure] if what == at and file.endswith("-wal") else None
    commits = [commit_of(birth(conversation(f"n{n}"))) for n in range(3)]
    stale = commit_of(birth(c))
    answers = await asyncio.gather(*(store.commit(k) for k in [*commits, stale]), return_exceptions=True)
    assert [type(a) for a in answers] == [Unavailable] * 4, "a refusal that rests on lost neighbours is none"
    assert ("full" in str(answers[0])) == (failure == "full")
    assert await store.last_position() == 1
    assert heard == []
    disk.failing = lambda _what, _file: None
    with pytest.raises(RevMoved):
        await store.commit(stale)
    row = await store.commit(commits[0])
    assert row is not None
    assert row.position == 2
    assert heard == [2]
    await store.close()
    assert await faults(tmp_path / "s.db", [Ack("c0", 1, 1), Ack("n0", 1, 2)], A) == []


async def test_an_error_amid_a_batch_leaves_no_transaction_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path)
    c, u = conversation("c1"), user("u1")
    with monkeypatch.context() as patch:
        patch.setattr(store._group._applier, "_append", "INSERT INTO nowhere VALUES (?, ?, ?, ?, ?)")
        answers = await asyncio.gather(put(store, c), put(store, u), return_exceptions=True)
    assert [type(a) for a in answers] == [Unavailable, Unavailable]
    await put(store, u)
    assert await store.load([c.address, u.address]) == [None, u]
    await store.close()


async def test_a_checkpoint_that_fails_fails_nobody(tmp_path: Path, disk: Disk) -> None:
    """The write-ahead log is durable; copying it into the file can be tried again."""
    store = opened(tmp_path, disk, checkpoint_pages=10)
    tried: list[str] = []

    def failing(what: str, file: str) -> Exception | None:
        if file.endswith("-wal"):
            return None
        tried.append(what)
        return apsw.IOError("broken")

    disk.failing = failing
    await put(store, *(conversation(f"c{n}") for n in range(30)))
    assert tried
    disk.failing = lambda _what, _file: None
    await put(store, conversation("last"))
    assert await store.last_position() == 31
    await store.close()
    assert await faults(tmp_path / "s.db", [Ack("c29", 1, 30)], A) == []


async def test_a_value_that_cannot_be_stored_is_refused_alone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    bad = commit_of(birth(conversation("bad")), marks=(Mark(space="s", org=A, key="k", until=2**70),))
    good = [commit_of(birth(conversation(f"c{n}"))) for n in range(2)]
    answers = await asyncio.gather(
        store.commit(good[0]), store.commit(bad), store.commit(good[1]), return_exceptions=True
    )
    assert [type(a).__name__ for a in answers] == ["Row", "OverflowError", "Row"]
    assert await store.load([Address("conversation", A, "bad")]) == [None]
    assert await store.last_position() == 2
    await store.close()


class Intruder:
    """Another process with the writer's lock: it has written a row and not committed yet."""

    def __init__(self, path: Path, position: int) -> None:
        self.connection = apsw.Connection(str(path / "s.db"))
        self.connection.execute("BEGIN IMMEDIATE")
        body = b"{}"
        self.connection.execute(
            "INSERT INTO log (position, org, partition, at, body) VALUES (?, 'o', 'theirs', 1, ?)", (position, body)
        )

    def commit(self) -> None:
        """Let go."""
        self.connection.execute("COMMIT")
        self.connection.close()


async def test_another_writer_is_waited_for_and_comes_first(tmp_path: Path) -> None:
    """Committed in the other order than begun: positions follow the lock, so nothing is passed over."""
    store = opened(tmp_path)
    await put(store, conversation("c0"))
    intruder = Intruder(tmp_path, 2)
    task = asyncio.create_task(store.commit(commit_of(birth(conversation("c1")))))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    assert await store.last_position() == 1, "the loop is free and reads what is committed"
    intruder.commit()
    async with asyncio.timeout(30):
        row = await task
    assert row is not None
    assert row.position == 3
    await store.close()


async def test_another_writer_that_never_ends_makes_us_unavailable(tmp_path: Path) -> None:
    store = opened(tmp_path, busy_timeout_s=0.01)
    intruder = Intruder(tmp_path, 1)
    with pytest.raises(Unavailable, match="Another process"):
        await put(store, conversation("c1"))
    intruder.commit()
    await put(store, conversation("c1"))
    assert await store.last_position() == 2
    await store.close()


async def test_two_processes_cannot_both_win(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    c = conversation("c1")
    await put(one, c)
    assert await two.load([c.address]) == [c]
    tries = [s.commit(commit_of(next_of(c, name=f"{n}"))) for n in range(5) for s in (one, two)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(a, Exception) for a in answers) == 1
    assert all(isinstance(a, RevMoved) for a in answers if isinstance(a, Exception))
    assert await one.load([c.address]) == await two.load([c.address])
    await one.close()
    await two.close()


@pytest.mark.parametrize("watched", [True, False])
async def test_the_cache_never_hides_what_another_process_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    if not watched:
        monkeypatch.setattr("interlock.store.watch._mapped", lambda _path: None)
    one, two = opened(tmp_path), opened(tmp_path)
    c = conversation("c1", name="0")
    await put(one, c)
    for n in range(1, 6):
        [seen] = await two.load([c.address])
        assert seen == c
        write = next_of(c, name=str(n))
        c = write.after
        await (one if n % 2 else two).commit(commit_of(write))
    assert await one.load([c.address]) == await two.load([c.address]) == [c]
    await one.close()
    await two.close()


async def test_an_unchanged_record_is_not_decoded_twice(tmp_path: Path) -> None:
    store = opened(tmp_path)
    await put(store, conversation("c1"))
    await store.close()
    again = opened(tmp_path)
    address = Address("conversation", A, "c1")
    [first], [second] = await again.load([address]), await again.load([address])
    assert first is second
    assert (await again.find(Query(name="listing", org=A, type="conversation")))[0] is first
    await again.close()


async def test_the_cache_is_bounded(tmp_path: Path) -> None:
    store = opened(tmp_path, records_max=3)
    await put(store, *(conversation(f"c{n}") for n in range(10)))
    await store.load([Address("conversation", A, f"c{n}") for n in range(10)])
    assert len(store._cache._kept) == 3
    await store.close()


async def test_expired_marks_are_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.store.group_commit.EXPIRE_EVERY", 10)
    clock = Hands()
    store = SqliteStore.open(tmp_path / "s.db", clock)
    await store.commit(marks_only(*(Mark(space="s", org=A, key=f"{n}", until=2_000 if n else None) for n in range(5))))
    clock.at = 2_000
    await put(store, *(conversation(f"c{n}") for n in range(20)))
    found = apsw.Connection(str(tmp_path / "s.db")).execute("SELECT key FROM mark").fetchall()
    assert found == [("0",)]
    await store.close()


async def test_close_finishes_what_waits(tmp_path: Path, disk: Disk) -> None:
    store = opened(tmp_path, disk)
    hold = await held(disk, store)
    tasks = await lined_up(store, "c1", "c2", urgent=True)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="closed"):
        await store.commit(commit_of(birth(conversation("late"))))
    hold.release()
    await closing
    assert [t.result().position for t in tasks] == [2, 3]


async def test_a_stopped_loop_answers_nobody_with_a_success(tmp_path: Path, disk: Disk) -> None:
    """The writer is cancelled at its COMMIT, as when a loop is torn down: nobody may be told that all is well."""
    store = opened(tmp_path, disk)
    loop, reached = asyncio.get_running_loop(), asyncio.Event()
    hold = Hold(disk, lambda: loop.call_soon_threadsafe(reached.set))
    author = asyncio.create_task(store.commit(commit_of(birth(conversation("c1")))))
    await reached.wait()
    [behind] = await lined_up(store, "behind", urgent=True)
    worker = store._group._worker
    assert worker is not None
    worker.cancel()
    for told in (author, behind):
        with pytest.raises(Unavailable):
            await told
    with pytest.raises(Unavailable, match="closed"):
        await store.commit(commit_of(birth(conversation("c2"))))
    hold.release()
    await store.close()


async def test_health_and_backup(tmp_path: Path) -> None:
    store = opened(tmp_path)
    c = conversation("c1")
    await put(store, c)
    health = await store.check()
    assert health.damage == ()
    assert (health.schema, health.wal_bytes > 0, health.free_bytes > 0) == (store.schema, True, True)
    await store.backup(tmp_path / "copy.db")
    with pytest.raises(Unavailable, match="already"):
        await store.backup(tmp_path / "copy.db")
    await put(store, conversation("later"))
    await store.close()
    copy = SqliteStore.open(tmp_path / "copy.db", Hands())
    assert await copy.load([c.address, Address("conversation", A, "later")]) == [c, None]
    assert await copy.last_position() == 1
    await copy.close()


async def test_check_finds_damage(tmp_path: Path) -> None:
    store = opened(tmp_path)
    await put(store, *(conversation(f"c{n}") for n in range(50)))
    await store.close()
    raw = bytearray((tmp_path / "s.db").read_bytes())
    connection = apsw.Connection(str(tmp_path / "s.db"))
    [(root,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'record_listing'").fetchall()
    connection.close()
    assert isinstance(root, int)
    raw[(root - 1) * 4096 + 12 : root * 4096] = bytes(4096 - 12)
    (tmp_path / "s.db").write_bytes(raw)
    damaged = opened(tmp_path)
    assert (await damaged.check()).damage
    await damaged.close()


async def test_an_idle_store_checkpoints(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.store.sqlite.CHECKPOINT_AFTER", 3)
    monkeypatch.setattr("interlock.store.sqlite.IDLE_S", 0.001)
    store = opened(tmp_path, disk)
    copied = threading.Event()
    disk.failing = lambda what, file: copied.set() if (what, file) == ("write", "s.db") else None
    await put(store, *(conversation(f"c{n}") for n in range(4)))
    assert await asyncio.get_running_loop().run_in_executor(None, copied.wait, 30)
    await store.close()


async def test_every_query_is_answered_from_an_index(tmp_path: Path) -> None:
    """No statement reads a whole table, and none that is bounded sorts more than it must."""
    store = opened(tmp_path)
    for name, sql in store._sql.items():
        if not sql.startswith(("SELECT", "WITH")) or name in ("last_position", "changes", "changes_newest"):
            continue
        plan = [row[3] for row in store._read.execute(f"EXPLAIN QUERY PLAN {sql}", _any_bindings(sql))]
        scans = [step for step in plan if str(step).startswith("SCAN") and "record" in str(step)]
        assert scans == [], f"{name}: {plan}"
    await store.close()


def _any_bindings(sql: str) -> Any:
    named = re.findall(r":([a-z_]+)", sql)
    return dict.fromkeys(named, "") if named else ("",) * sql.count("?")


async def test_the_body_in_the_file_is_the_record(tmp_path: Path) -> None:
    """The snapshot of the change set is stored, not encoded a second time; both must be the same bytes."""
    store = opened(tmp_path)
    u = user("u1", display_name="Ü")
    write = next_of(u, name="n")
    await put(store, u)
    await store.commit(commit_of(write))
    [(body,)] = store._read.execute("SELECT body FROM record").fetchall()
    assert body == encode_record(write.after)
    await store.close()
