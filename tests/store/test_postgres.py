"""What is PostgreSQL's own: the order of its log, connections that break, schemas, what its texts cannot hold."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.conformance.builders import A, Hands, commit_of, conversation, item, marks_only, next_of, put, user
from tests.postgres import Databases

from interlock.domain.decision import birth
from interlock.domain.errors import KeyTaken, RevMoved, Unavailable
from interlock.ports import Mark, Query
from interlock.store.migrations import Migration, known
from interlock.store.opening import open_store
from interlock.store.postgres import WRITER_MS, Options, PostgresStore
from interlock.store.postgres_batch import Batch, plain, prepare, short
from interlock.store.postgres_lines import Place
from interlock.store.postgres_migrations import migrate

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_LOCK = "PERFORM pg_advisory_xact_lock(1229736753, 'log'::regclass::oid::int);"


@pytest.fixture
async def by_hand(postgres_url: str) -> Any:
    """A bare connection to the same database."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def hand_in(connection: Any, store: PostgresStore, id: str) -> Any:
    """A batch with one new conversation, inside whatever transaction the connection is in."""
    prepared = prepare(commit_of(birth(conversation(id))), 1_000)
    arguments = Batch([prepared]).arguments()
    return await connection.fetchrow(store._statements["commit_batch"].sql, id, 1, 1_000, *arguments)


async def waits_for_a_lock(connection: Any) -> bool:
    """Whether some backend of this database does."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    return await connection.fetchval(waiting) > 0


async def late_commit(url: str, store: PostgresStore, by_hand: Any) -> tuple[list[int], bool]:
    """Two transactions are open; the one with the smaller position commits last. What a reader that always asks for
    what follows its last row gets to see, and whether the second had to wait for the first.
    """
    await store.ready()
    second = await asyncpg.connect(url)
    seen: list[int] = []
    first = by_hand.transaction()
    await first.start()
    await hand_in(by_hand, store, "c1")  # has its position now, and is not committed
    later = asyncio.ensure_future(hand_in(second, store, "c2"))
    watcher = await asyncpg.connect(url)
    waited = False
    for _ in range(500):
        waited = await waits_for_a_lock(watcher)
        if waited or later.done():
            break
    seen += [r.position for r in await store.changes(seen[-1] if seen else 0, 10)]
    await first.commit()
    await asyncio.wait([later])
    seen += [r.position for r in await store.changes(seen[-1] if seen else 0, 10)]
    later.exception()
    await second.close()
    await watcher.close()
    return seen, waited


async def test_a_late_commit_cannot_have_the_smaller_position(
    postgres_url: str, store: PostgresStore, by_hand: Any
) -> None:
    assert await late_commit(postgres_url, store, by_hand) == ([1, 2], True)


async def test_without_the_lock_a_reader_is_led_past_a_row(
    postgres_url: str, store: PostgresStore, by_hand: Any
) -> None:
    """The test above would notice: here positions come from a sequence, as one would do it without thinking."""
    await store.ready()
    text = await by_hand.fetchval("SELECT pg_get_functiondef('commit_batch_2'::regproc)")
    drawn = "SELECT coalesce(max(position), 0) INTO base FROM log;"
    assert WITHOUT_LOCK in text
    assert drawn in text
    await by_hand.execute("CREATE SEQUENCE place")
    await by_hand.execute(text.replace(WITHOUT_LOCK, "").replace(drawn, "base := nextval('place') - 1;"))
    assert await late_commit(postgres_url, store, by_hand) == ([2], False)


async def test_a_batch_that_is_handed_in_again_is_committed_once(store: PostgresStore, by_hand: Any) -> None:
    """The connection broke after the commit and before its answer: the same number gets the same answer."""
    await store.ready()
    taken, c = user("u1", email="x"), conversation("c1")
    await put(store, taken)
    prepared = [prepare(commit_of(birth(r)), 1_000) for r in (c, user("u2", email="x"), conversation("c2"))]
    batch = Batch(prepared)
    arguments = batch.arguments()
    sql = store._statements["commit_batch"].sql
    answers = [batch.outcomes(*await by_hand.fetchrow(sql, "w", 1, 1_000, *arguments)) for _ in range(2)]
    for first, cause, second in answers:
        assert isinstance(cause, KeyTaken)
        assert first is not None
        assert second is not None
        assert (getattr(first, "position", 0), getattr(second, "position", 0)) == (2, 3)
    assert await store.last_position() == 3
    with pytest.raises(asyncpg.RaiseError, match="comes after batch"):
        await by_hand.fetchrow(sql, "w", 0, 1_000, *arguments)


async def test_a_commit_survives_its_connection(store: PostgresStore, by_hand: Any) -> None:
    """The server ends every connection while commits are under way; each is answered, once."""
    await put(store, *(conversation(f"c{n}") for n in range(20)))
    writes = [next_of(conversation(f"c{n}"), name="x") for n in range(20)]
    tasks = [asyncio.ensure_future(store.commit(commit_of(w))) for w in writes]
    ended = 0
    while ended < 5 and not all(t.done() for t in tasks):  # more would be an outage, which is another test
        ended += await by_hand.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid != pg_backend_pid()"
        )
        await asyncio.sleep(0)
    rows = [await t for t in tasks]
    assert sorted(r.position for r in rows if r) == list(range(21, 41))
    assert ended
    assert await store.last_position() == 40
    assert [r.rev for r in await store.load([w.after.address for w in writes]) if r] == [2] * 20


async def test_reads_survive_their_connections(store: PostgresStore, by_hand: Any) -> None:
    """After a failover every connection that was open is dead; nobody hears of it."""
    c = conversation("c1")
    await put(store, c)
    queries = [Query(name="listing", org=A, type="conversation", by_id=True, limit=n) for n in range(1, 9)]
    for _ in range(3):
        await asyncio.gather(*(store.find(query) for query in queries))
        ended = await by_hand.fetchval(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid != pg_backend_pid()"
        )
        assert ended > 2
        found = await asyncio.gather(store.load([c.address]), *(store.find(query) for query in queries))
        assert found == [[c]] * 9


async def test_a_record_is_looked_up_by_its_key_before_there_are_statistics(store: PostgresStore, by_hand: Any) -> None:
    """The plans of a young database last: by any other index a look-up would read through its whole type for ever."""
    born = [conversation(f"c{n}") for n in range(200)]
    await put(store, *born)
    moved = [next_of(c, name="x") for c in born]
    await asyncio.gather(*(store.commit(commit_of(write)) for write in moved))
    assert await store.load([c.address for c in born]) == [write.after for write in moved]
    await store.close()
    query = "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE relname = 'record'"
    used: dict[str, int] = {}
    for _ in range(2_000):  # backends tell it as they end
        used = dict(await by_hand.fetch(query))
        if sum(used.values()) >= 600:
            break
    assert used["record_address"] >= 600, used
    assert not any(count for name, count in used.items() if name != "record_address"), used


async def test_pairs_out_of_step_are_found_in_one_pass_before_there_are_statistics(
    store: PostgresStore, by_hand: Any
) -> None:
    """No plan of a young database goes through one side for each row of the other."""
    pairs = 200
    born = [conversation(f"c{n:03}") for n in range(pairs)]
    items = [item(f"w{n:03}", resource=f"c{n:03}") for n in range(pairs // 2)]
    await asyncio.gather(*(store.commit(commit_of(birth(r))) for r in (*born, *items)))
    assert await store.find(Query(name="out_of_step", org=A, before=10, limit=pairs)) == born[pairs // 2 :]
    await store.close()
    query = "SELECT sum(idx_tup_read)::int FROM pg_stat_user_indexes WHERE relname = 'record'"
    read = 0
    for _ in range(2_000):  # backends tell it as they end
        read = await by_hand.fetchval(query)
        if read >= pairs:
            break
    assert pairs <= read <= 5 * pairs


async def test_what_is_asked_often_is_planned_once(store: PostgresStore) -> None:
    """A plan that PostgreSQL makes anew for each call costs more than its answer."""
    await put(store, *(conversation(f"c{n}") for n in range(50)))
    often = [
        Query(name="overdue", org="", type="work_session", before=1_000),
        Query(name="open_of_owner", org=A, owner="u1"),
        Query(name="listing", org=A, type="conversation", states=("open",), limit=10),
        Query(name="children", org=A, type="work_item", parent="c1"),
        Query(name="live_sessions", org=A, owner="u1"),
    ]
    for n in range(20):
        for query in often:
            await store.find(msgspec.structs.replace(query, limit=n + 1))
    plans = "SELECT statement FROM pg_prepared_statements WHERE custom_plans > 5 AND statement LIKE '%record%'"
    assert await store._reads.fetch(plans) == []


async def test_writers_of_long_ago_are_forgotten(postgres_url: str, by_hand: Any) -> None:
    clock = Hands()
    for at, writers in ((1_000, 1), (WRITER_MS, 2), (WRITER_MS + 2_000, 2)):
        clock.at = at
        store = PostgresStore.open(postgres_url, clock)
        await put(store, conversation(f"c{at}"))
        await store.close()
        assert await by_hand.fetchval("SELECT count(*) FROM writer") == writers


async def test_a_server_that_is_away_is_unavailable_and_says_where(unused_tcp_port: int) -> None:
    url = f"postgresql://u:secret@127.0.0.1:{unused_tcp_port}/x"
    store = PostgresStore.open(url, Hands(), Options(outage_s=0.2))
    for ask in (store.last_position(), store.load([conversation("c").address]), store.commit(commit_of())):
        with pytest.raises(Unavailable, match=f"127.0.0.1:{unused_tcp_port}") as caught:
            await ask
        assert "secret" not in str(caught.value)
    await store.close()


async def test_texts_that_postgresql_cannot_hold_come_back_as_they_were(store: PostgresStore) -> None:
    """NUL cannot stand in its texts, and an index holds no long ones."""
    odd = user("u1", name="a\0b\x01c", email="nul\0@x")
    long = user("u2", name="n" * 5_000, email="e" * 5_000)
    await put(store, odd, long)
    assert await store.load([odd.address, long.address]) == [odd, long]
    for name, holder in ((f"{A}/user-email/nul\0@x", odd), (f"{A}/user-email/{'e' * 5_000}", long)):
        assert await store.find(Query(name="claimed", org=A, type="user", claim=name)) == [holder]
        with pytest.raises(KeyTaken) as caught:
            await store.commit(commit_of(birth(user("u3", email=name.rpartition("/")[2]))))
        assert caught.value.claim[:30] == name[:30]
    assert [u.id for u in await store.find(Query(name="listing", org=A, type="user"))] == ["u1", "u2"]
    await store.commit(marks_only(Mark(space="s\0", org=A, key="k\0" * 400, value=b"v")))
    found = await store.mark("s\0", A, "k\0" * 400)
    assert found is not None
    assert found.value == b"v"


def test_the_stored_form_keeps_names_apart_and_in_order() -> None:
    names = ["", "\0", "\0\0", "\0\x01", "\x01", "\x01\0", "\x01\x01", "\x02", "a", "a\0", "a\x01", "b"]
    assert sorted(names) == names
    assert [plain(n) for n in names] == sorted(plain(n) for n in names)
    assert len({plain(n) for n in names}) == len(names)
    assert short("x" * 900) != short("x" * 901) != short("x" * 125)


async def test_a_number_that_no_column_holds_is_refused_alone(store: PostgresStore) -> None:
    tries = [commit_of(birth(conversation("c1"))), commit_of(at=1 << 63), commit_of(birth(conversation("c2")))]
    answers = await asyncio.gather(*(store.commit(c) for c in tries), return_exceptions=True)
    assert [type(a).__name__ for a in answers] == ["Row", "OverflowError", "Row"]


async def test_what_the_server_cannot_take_harms_no_neighbour(store: PostgresStore, by_hand: Any) -> None:
    """The server refuses the whole statement for one of its rows: then each decision goes alone."""
    await store.ready()
    await by_hand.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.id = 'bad' THEN RAISE SQLSTATE '22003'; END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON record FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    tries = [commit_of(birth(conversation(id))) for id in ("c1", "bad", "c2")]
    answers = await asyncio.gather(*(store.commit(c) for c in tries), return_exceptions=True)
    assert [type(a).__name__ for a in answers] == ["Row", "ValueError", "Row"]
    assert await store.last_position() == 2


async def test_two_that_touch_the_same_go_one_after_the_other(store: PostgresStore) -> None:
    """All are handed in at once; no batch may hold two of one record, and nobody is forgotten."""
    first = [conversation(f"c{n}") for n in range(3)]
    await put(store, *first)
    tries = [commit_of(next_of(c, name=f"try {n}")) for n in range(4) for c in first]
    answers = await asyncio.gather(*(store.commit(c) for c in tries), return_exceptions=True)
    assert [type(a).__name__ for a in answers] == ["Row"] * 3 + [RevMoved.__name__] * 9
    assert [getattr(c, "name", "") for c in await store.load([c.address for c in first])] == ["try 0"] * 3


async def test_without_prepared_statements(postgres_url: str) -> None:
    """As behind a PgBouncer that knows none: the URL switches them off, and nothing else is left on a connection."""
    store = open_store(f"{postgres_url}?statement_cache_size=0&listen=0", Hands())
    await put(store, *(conversation(f"c{n}") for n in range(5)))
    assert len(await store.find(Query(name="listing", org=A, type="conversation", by_id=True))) == 5
    assert await store.lease("role", "one", 10) == 1
    await store.close()


async def test_others_news_is_heard(postgres_url: str, store: PostgresStore) -> None:
    heard: asyncio.Queue[int] = asyncio.Queue()
    store.on_news(heard.put_nowait)
    other = PostgresStore.open(postgres_url, Hands())
    async with asyncio.timeout(20):
        n = 0
        while heard.empty():  # until the listening connection is there
            n += 1
            await put(other, conversation(f"c{n}"))
        assert 1 <= await heard.get() <= n
        while not heard.empty():
            heard.get_nowait()
        await put(store, conversation("mine"))
        await put(other, conversation("theirs"))
        assert await heard.get() == n + 2
    await other.close()


async def test_check_names_what_is_switched_off(store: PostgresStore) -> None:
    """The server of these tests keeps nothing through a power loss, and `doctor` would say so."""
    health = await store.check()
    assert set(health.unsafe) == {"fsync = off", "full_page_writes = off", "synchronous_commit = off"}
    assert health.schema == max(m.number for m in known("postgres"))
    assert not health.read_only
    assert 0 < health.connections < health.connections_max


# Schemas


async def test_many_that_start_at_once_make_the_schema_once(databases: Databases) -> None:
    url = databases.new("template0")
    stores = [PostgresStore.open(url, Hands()) for _ in range(6)]
    assert await asyncio.gather(*(s.last_position() for s in stores)) == [0] * 6
    await asyncio.gather(*(s.close() for s in stores))


async def test_a_database_without_a_store_is_not_made_into_one_by_looking(databases: Databases) -> None:
    url = databases.new("template0")
    store = open_store(url, Hands(), make=False)
    with pytest.raises(Unavailable, match="There is no store"):
        await store.last_position()
    with pytest.raises(Unavailable, match="There is no store"):
        await migrate(Place(url), 0, make=False)
    await store.close()


async def test_a_schema_of_another_text_or_a_newer_one_is_refused(databases: Databases, by_hand: Any) -> None:
    place = Place(databases.new())
    changed = [*known("postgres")]
    changed[0] = Migration(1, "pre", "initial", "SELECT 1")
    with pytest.raises(Unavailable, match="another text"):
        await migrate(place, 0, migrations=changed)
    last = max(m.number for m in known("postgres"))
    ahead = [*known("postgres"), Migration(last + 1, "post", "taken", "SELECT 1")]
    assert await migrate(place, 0, migrations=ahead) == last + 1
    with pytest.raises(Unavailable, match=f"knows schemas up to {last}"):
        await migrate(place, 0)


async def test_a_rolling_upgrade_step_by_step(databases: Databases) -> None:
    """Old and new start beside each other on what was added; what takes away waits to be asked for, and nobody may go
    past it unasked.
    """
    place, old = Place(databases.new()), known("postgres")
    last = max(m.number for m in old)
    new = [
        *old,
        Migration(last + 1, "pre", "two", "CREATE TABLE two (a int)"),
        Migration(last + 2, "post", "three", "DROP TABLE two"),
    ]
    after_next = [*new, Migration(last + 3, "pre", "four", "CREATE TABLE four (a int)")]
    assert await migrate(place, 0, migrations=old, post=False) == last
    assert await migrate(place, 0, migrations=new, post=False) == last + 1
    assert await migrate(place, 0, migrations=old, post=False) == last + 1, "the old version starts again"
    with pytest.raises(Unavailable, match="interlock db migrate"):
        await migrate(place, 0, migrations=after_next, post=False)
    assert await migrate(place, 0, migrations=new) == last + 2
    with pytest.raises(Unavailable, match="Start the version that wrote it"):
        await migrate(place, 0, migrations=old, post=False)
    assert await migrate(place, 0, migrations=after_next, post=False) == last + 3
    empty = Place(databases.new("template0"))
    assert await migrate(empty, 0, migrations=after_next, post=False) == last + 3, "nobody uses it yet: it gets all"


async def test_a_migration_that_fails_leaves_nothing(databases: Databases, postgres_url: str, by_hand: Any) -> None:
    last = max(m.number for m in known("postgres"))
    broken = Migration(last + 1, "pre", "broken", "CREATE TABLE three (a int); CREATE TABLE record (a int)")
    with pytest.raises(Unavailable, match="nothing was done"):
        await migrate(Place(postgres_url), 0, migrations=[*known("postgres"), broken])
    assert await by_hand.fetchval("SELECT to_regclass('three')") is None
    assert await by_hand.fetchval("SELECT max(number) FROM schema_version") == last


async def test_a_schema_grows_under_the_load_of_the_program_before(postgres_url: str, store: PostgresStore) -> None:
    """The one before goes on reading and writing while the next one's `pre` migration is applied; `post` waits."""
    last = max(m.number for m in known("postgres"))
    grown = [
        *known("postgres"),
        Migration(last + 1, "pre", "colour", "ALTER TABLE record ADD COLUMN colour text NOT NULL DEFAULT ''"),
        Migration(last + 2, "pre", "by_colour", "CREATE INDEX record_colour ON record (type, org, colour)"),
        Migration(last + 3, "post", "no_mark", "ALTER TABLE record DROP COLUMN colour"),
    ]
    running = True
    written: list[int] = []
    steps: asyncio.Queue[int] = asyncio.Queue()

    async def load(name: str) -> None:
        write = birth(conversation(name))
        while running:
            row = await store.commit(commit_of(write))
            assert row is not None
            written.append(row.position)
            steps.put_nowait(row.position)
            assert await store.load([write.after.address]) == [write.after]
            write = next_of(write.after, name=f"{write.after.rev}")

    clients = [asyncio.ensure_future(load(f"c{n}")) for n in range(8)]
    try:
        for _ in range(40):
            await steps.get()
        assert await migrate(Place(postgres_url), 0, migrations=grown, post=False) == last + 2
        for _ in range(steps.qsize() + 40):
            await steps.get()
    finally:
        running = False
        await asyncio.gather(*clients)
    assert sorted(written) == list(range(1, len(written) + 1))
    assert await migrate(Place(postgres_url), 0, migrations=grown) == last + 3


# Processes


def started(url: str, names: str) -> subprocess.Popen[str]:
    """A writer in a process of its own, which says each answer that it got."""
    command = [sys.executable, "-m", "tests.store.writer", url, names]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


async def test_two_processes_on_one_database_lose_nothing(postgres_url: str, store: PostgresStore) -> None:
    """One is killed in the middle; the other goes on; both were told the truth."""
    said: list[str] = []
    with started(postgres_url, "a") as one, started(postgres_url, "b") as two:
        assert one.stdout is not None
        assert two.stdout is not None
        try:
            said += [one.stdout.readline() for _ in range(150)]
            one.kill()
            said += [two.stdout.readline() for _ in range(300)]
        finally:
            one.kill()
            two.kill()
    rows = await store.changes(0, 100_000)
    assert [r.position for r in rows] == list(range(1, len(rows) + 1))
    for id, rev, position in (line.split() for line in said if line.endswith("\n")):
        assert (rows[int(position) - 1].changes[0].id, rows[int(position) - 1].changes[0].rev) == (id, int(rev))
    assert {line[0] for line in said} == {"a", "b"}
