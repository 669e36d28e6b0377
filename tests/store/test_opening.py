"""From a URL to a store, and from an older or newer file to one that this program can use."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.conformance.builders import Hands, conversation, put

from interlock.domain.errors import Unavailable
from interlock.store.memory import MemoryStore
from interlock.store.migrations import Migration, known, migrate
from interlock.store.opening import open_store
from interlock.store.sqlite import SqliteStore

ONE = Migration(1, "pre", "one", "CREATE TABLE one (a INTEGER) STRICT; INSERT INTO one VALUES (1)")
TWO = Migration(2, "pre", "two", "CREATE TABLE two (a INTEGER) STRICT")
THREE = Migration(3, "post", "three", "DROP TABLE one")
BROKEN = Migration(3, "pre", "broken", "CREATE TABLE three (a INTEGER); CREATE TABLE one (a INTEGER)")


async def test_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, file in ((f"sqlite://{tmp_path}/a%20b.db", "a b.db"), ("sqlite:c.db", "c.db")):
        store = open_store(url, Hands())
        assert isinstance(store, SqliteStore)
        await put(store, conversation("c1"))
        await store.close()
        assert (tmp_path / file).exists()
    assert isinstance(open_store("memory:", Hands()), MemoryStore)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("interlock.db", "no URL"), ("mysql://x/y", "no store for mysql"), ("sqlite://host/x.db", "names a host"),
        ("sqlite:", "names no file"), ("sqlite:///", "names no file"), ("memory:x", "no store for memory"),
    ],
)  # fmt: skip
def test_a_url_that_is_not_understood_says_what_would_be(url: str, says: str) -> None:
    with pytest.raises(Unavailable, match=says) as caught:
        open_store(url, Hands())
    assert "sqlite:" in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        SqliteStore.open(tmp_path / "nowhere" / "s.db", Hands())


def tables(connection: apsw.Connection) -> set[str]:
    """The tables in the file."""
    return {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


@pytest.fixture
def connection(tmp_path: Path) -> apsw.Connection:
    """A file without tables."""
    return apsw.Connection(str(tmp_path / "m.db"))


def test_each_migration_is_applied_once_and_in_order(connection: apsw.Connection) -> None:
    assert migrate(connection, 5, migrations=[ONE]) == 1
    assert migrate(connection, 6, migrations=[ONE, TWO]) == 2
    assert migrate(connection, 7, migrations=[ONE, TWO]) == 2
    assert connection.execute("SELECT count(*) FROM one").fetchall() == [(1,)]
    applied = connection.execute("SELECT number, applied_at FROM schema_version ORDER BY number").fetchall()
    assert applied == [(1, 5), (2, 6)]
    assert tables(connection) == {"one", "two", "schema_version"}


def test_what_takes_away_waits(connection: apsw.Connection) -> None:
    assert migrate(connection, 1, migrations=[ONE, TWO, THREE], post=False) == 2
    assert "one" in tables(connection)
    assert migrate(connection, 1, migrations=[ONE, TWO, THREE]) == 3
    assert "one" not in tables(connection)


def test_a_migration_that_fails_leaves_everything_as_it_was(connection: apsw.Connection) -> None:
    migrate(connection, 1, migrations=[ONE])
    with pytest.raises(apsw.SQLError):
        migrate(connection, 1, migrations=[ONE, TWO, BROKEN])
    assert tables(connection) == {"one", "schema_version"}
    assert migrate(connection, 1, migrations=[ONE, TWO]) == 2


def test_a_newer_file_is_refused(connection: apsw.Connection) -> None:
    migrate(connection, 1, migrations=[ONE, TWO])
    with pytest.raises(Unavailable, match="has schema 2, this program knows schemas up to 1"):
        migrate(connection, 1, migrations=[ONE])


def test_an_edited_migration_is_refused(connection: apsw.Connection) -> None:
    migrate(connection, 1, migrations=[ONE])
    edited = Migration(1, "pre", "one", ONE.sql + " ")
    with pytest.raises(Unavailable, match="another text"):
        migrate(connection, 1, migrations=[edited, TWO])
    assert "two" not in tables(connection)


def test_another_programs_file_is_refused(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(Unavailable, match="another program"):
        migrate(connection, 1)
    assert tables(connection) == {"theirs"}


async def test_a_store_refuses_a_newer_file(tmp_path: Path) -> None:
    await SqliteStore.open(tmp_path / "s.db", Hands()).close()
    connection = apsw.Connection(str(tmp_path / "s.db"))
    connection.execute("INSERT INTO schema_version VALUES (9000, 'pre', 'x', 'y', 1)")
    connection.close()
    with pytest.raises(Unavailable, match="schema 9000"):
        SqliteStore.open(tmp_path / "s.db", Hands())


def test_a_lock_that_is_held_is_not_waited_for_for_ever(tmp_path: Path, connection: apsw.Connection) -> None:
    other = apsw.Connection(str(tmp_path / "m.db"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(apsw.BusyError):
        migrate(connection, 1)
    other.execute("ROLLBACK")
    assert migrate(connection, 1) == known()[-1].number


def test_the_numbers_of_our_migrations_have_no_gap() -> None:
    assert [m.number for m in known()] == list(range(1, len(known()) + 1))
