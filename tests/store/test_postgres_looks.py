"""PostgreSQL: what is looked up at the same moment is one question, and nobody is left without an answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.builders import A, Hands, conversation, ids, marks_only, put, user

from interlock.ports import Mark, Query
from interlock.store.postgres import Options, PostgresStore
from interlock.store.postgres_batch import texts


async def test_a_look_up_asked_for_in_the_moment_in_which_a_reader_ends_is_read(postgres_url: str) -> None:
    store = PostgresStore.open(postgres_url, Hands(), Options(looks_at_once=1))
    try:
        await put(store, conversation("c1"))
        async with asyncio.timeout(20):
            for _ in range(3):  # each asks as soon as it has its answer, while its reader's task is just ending
                [record] = await store.load([conversation("c1").address])
                assert record is not None
    finally:
        await store.close()


def questions(store: PostgresStore) -> list[str]:
    """The statements that the store reads with from now on."""
    asked: list[str] = []
    fetch = store._reads.fetch

    async def counted(sql: str, *arguments: Any) -> list[Any]:
        asked.append(sql)
        return await fetch(sql, *arguments)

    store._reads.fetch = counted
    return asked


async def test_a_look_up_that_fails_by_a_fault_of_ours_leaves_no_other_unread(postgres_url: str) -> None:
    """Those who asked hear of it; who asked meanwhile is read all the same."""
    store = PostgresStore.open(postgres_url, Hands(), Options(looks_at_once=1))
    try:
        await put(store, conversation("c1"))
        fetch, under_way, go = store._reads.fetch, asyncio.Event(), asyncio.Event()

        async def fails(sql: str, *_: Any) -> list[Any]:
            store._reads.fetch = fetch
            under_way.set()
            await go.wait()
            raise ZeroDivisionError

        store._reads.fetch = fails
        async with asyncio.timeout(20):
            first = asyncio.ensure_future(store.load([conversation("c2").address]))
            await under_way.wait()
            second = asyncio.ensure_future(store.load([conversation("c1").address]))
            await asyncio.sleep(0)
            go.set()
            with pytest.raises(ZeroDivisionError):
                await first
            assert await second == [conversation("c1")]
    finally:
        await store.close()


async def test_look_ups_of_all_kinds_asked_for_together_are_one_question(store: PostgresStore) -> None:
    await put(store, user("u1", email="ana@example.com"))
    await put(store, conversation("c1"))
    await store.commit(marks_only(Mark(space="s", org="o", key="k", value=b"v")))
    asked = questions(store)
    [claim] = user("u1", email="ana@example.com").claims()
    named = Query(name="claimed", org=A, type="user", claim=claim, limit=1)
    for _ in range(2):  # the second time from versions that are known, whose bodies are not sent
        [[c, nobody], [holder], mark, no_mark] = await asyncio.gather(
            store.load([conversation("c1").address, conversation("c2").address]),
            store.find(named), store.mark("s", "o", "k"), store.mark("s", "o", "other"),
        )  # fmt: skip
        assert (c, nobody, holder) == (conversation("c1"), None, user("u1", email="ana@example.com"))
        assert mark == Mark(space="s", org="o", key="k", value=b"v")
        assert no_mark is None
    assert len(asked) == 2


async def test_who_asks_the_same_at_the_same_moment_shares_an_answer_that_is_read_after_they_asked(
    store: PostgresStore,
) -> None:
    await put(store, user("u1"))
    asked = questions(store)
    users = Query(name="listing", org=A, type="user", states=("enabled",))
    first = [asyncio.ensure_future(store.find(users)) for _ in range(3)]
    while not asked:  # noqa: ASYNC110 - a turn of the loop each, until the question is put
        await asyncio.sleep(0)
    await put(store, user("u2"))  # whoever asks from here on has to see it
    later = await asyncio.gather(*(store.find(users) for _ in range(3)))
    assert [ids(found) for found in later] == [["u1", "u2"]] * 3
    assert len({tuple(ids(found)) for found in await asyncio.gather(*first)}) == 1
    assert len(asked) == 2


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
def test_arrays_of_texts_are_written_as_postgresql_reads_them(values: list[str]) -> None:
    """By the rules for array literals: inside quotes only the quote and the backslash mean something, each escaped."""
    written, read = texts(values), list[str]()
    assert written[0] + written[-1] == "{}"
    inside = iter(written[1:-1])
    for letter in inside:
        if letter == '"':
            read.append("")
            while (letter := next(inside)) != '"':
                read[-1] += next(inside) if letter == "\\" else letter
        else:
            assert letter == ","
    assert read == values
