"""Loads without SQLite: only while nobody else has committed, and never longer."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from struct import pack_into
from typing import Any

import pytest
from tests.conformance.builders import A, Hands, commit_of, next_of, put, user

from interlock.domain.record import Address
from interlock.ports import Query
from interlock.store import watch as watching
from interlock.store.sqlite import SqliteStore
from interlock.store.watch import HEADER_BYTES, Watch

NAME = f"{A}/user-email/x"


class Header:
    """The 48 bytes, in our hands."""

    def __init__(self) -> None:
        self.memory = (ctypes.c_char * HEADER_BYTES)()
        self.commits = 0

    def commit(self) -> None:
        """As SQLite does: one more change, and other checksums."""
        self.commits += 1
        pack_into("=I", self.memory, 8, self.commits)
        pack_into("=I", self.memory, 40, self.commits * 7919)


@pytest.fixture
def header(monkeypatch: pytest.MonkeyPatch) -> Header:
    """What a new Watch will look at."""
    header = Header()
    monkeypatch.setattr(watching, "_mapped", lambda _path: header.memory)
    return header


@pytest.fixture
def forgotten() -> list[int]:
    """Grows by one with each forgetting."""
    return []


@pytest.fixture
def watch(header: Header, forgotten: list[int]) -> Iterator[Watch]:
    """A watch that has begun."""
    watch = Watch("/x", lambda: forgotten.append(1))
    assert not watch.alone()
    assert watch.alone()
    forgotten.clear()
    yield watch
    watch.close()
    assert not watch.alone()


def test_our_own_commit_leaves_us_alone(watch: Watch, header: Header, forgotten: list[int]) -> None:
    for _ in range(3):
        watch.begun()
        assert watch.alone()
        header.commit()
        assert watch.alone(), "it is ours, and nobody has been told yet: memory is the state before"
        watch.ended(committed=True)
        assert watch.alone()
    assert forgotten == []


def test_a_commit_of_others_right_after_our_own_ends_it(watch: Watch, header: Header, forgotten: list[int]) -> None:
    watch.begun()
    header.commit()
    header.commit()
    assert not watch.alone()
    watch.ended(committed=True)
    assert not watch.alone()
    assert forgotten


def test_a_commit_of_others_ends_it_once(watch: Watch, header: Header, forgotten: list[int]) -> None:
    header.commit()
    assert not watch.alone()
    assert forgotten == [1]
    assert watch.alone()
    assert forgotten == [1]


def test_a_commit_of_others_before_ours_is_noticed_by_the_writer(
    watch: Watch, header: Header, forgotten: list[int]
) -> None:
    header.commit()
    watch.begun()
    assert forgotten == [1]
    header.commit()
    watch.ended(committed=True)
    assert watch.alone()


def test_a_commit_of_others_right_behind_ours_is_noticed(watch: Watch, header: Header, forgotten: list[int]) -> None:
    watch.begun()
    header.commit()
    header.commit()
    watch.ended(committed=True)
    assert forgotten == [1]
    assert not watch.alone()
    assert watch.alone()


def test_nothing_is_believed_behind_a_failed_commit(watch: Watch, header: Header, forgotten: list[int]) -> None:
    watch.begun()
    header.commit()
    watch.ended(committed=False)
    assert forgotten == [1]
    assert not watch.alone()


def test_a_transaction_that_changed_nothing_changes_nothing(watch: Watch, forgotten: list[int]) -> None:
    for committed in (True, False):
        watch.begun()
        watch.ended(committed=committed)
        assert watch.alone()
    assert forgotten == []


def test_without_the_mapping_nobody_is_alone(tmp_path: Path) -> None:
    watch = Watch(str(tmp_path / "nothing"), lambda: None)
    watch.begun()
    watch.ended(committed=True)
    assert not watch.alone()


def deaf(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this store's reading connection must not be used."""

    def never(*_: Any) -> Any:
        raise AssertionError("SQLite was asked")

    monkeypatch.setattr(store, "_read_execute", never)
    monkeypatch.setattr(store._questions, "_execute", never)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere SQLite is asked each time")
async def test_a_store_alone_answers_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore.open(tmp_path / "s.db", Hands())
    one, nobody = user("u1", email="x"), Address("user", A, "nobody")
    await put(store, one)
    await store.load([one.address, nobody])
    await store.load([one.address, nobody])
    deaf(store, monkeypatch)
    assert await store.load([one.address, nobody]) == [one, None]
    assert await store.find(Query(name="claimed", org=A, type="user", claim=NAME)) == [one]
    write = next_of(one, email=None)
    await store.commit(commit_of(write))
    assert await store.load([one.address]) == [write.after]
    assert await store.find(Query(name="claimed", org=A, type="user", claim=NAME)) == []
    created = user("nobody", email="x")
    await put(store, created)
    assert await store.load([nobody]) == [created]
    assert await store.find(Query(name="claimed", org=A, type="user", claim=NAME)) == [created]
    await store.close()


@pytest.mark.parametrize("watched", [True, False])
async def test_what_another_process_commits_is_seen_by_the_next_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    if not watched:
        monkeypatch.setattr(watching, "_mapped", lambda _path: None)
    ours, theirs = SqliteStore.open(tmp_path / "s.db", Hands()), SqliteStore.open(tmp_path / "s.db", Hands())
    one, two = user("u1", email="x"), user("u2")
    holder = Query(name="claimed", org=A, type="user", claim=NAME)
    await put(ours, one)
    for _ in range(3):
        assert await ours.load([one.address, two.address]) == [one, None]
        assert await ours.find(holder) == [one]
    gone = next_of(one, email=None)
    await theirs.commit(commit_of(gone))
    assert await ours.find(holder) == []
    assert await ours.load([one.address, two.address]) == [gone.after, None]
    await put(theirs, two)
    assert await ours.load([one.address, two.address]) == [gone.after, two]
    taken = next_of(two, email="x")
    await theirs.commit(commit_of(taken))
    assert await ours.find(holder) == [taken.after]
    await ours.close()
    await theirs.close()


@pytest.mark.parametrize("watched", [True, False])
async def test_rows_in_memory_are_no_answer_once_another_process_has_added_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    if not watched:
        monkeypatch.setattr(watching, "_mapped", lambda _path: None)
    ours, theirs = SqliteStore.open(tmp_path / "s.db", Hands()), SqliteStore.open(tmp_path / "s.db", Hands())
    for first in (1, 4):
        await put(ours, user(f"u{first}"), user(f"u{first + 1}"))
        await put(theirs, user(f"u{first + 2}"))
        for scope in ("", A):
            for _ in range(2):
                assert [r.position for r in await ours.changes(first - 1, 10, org=scope)] == [
                    first,
                    first + 1,
                    first + 2,
                ]
    await ours.close()
    await theirs.close()
