"""Marks: written with a decision or alone, once only if asked, gone when their time has passed."""

from __future__ import annotations

import pytest
from tests.conformance.builders import A, B, Hands, commit_of, conversation, marks_only, next_of, put

from interlock.domain.decision import birth
from interlock.domain.errors import KeyTaken, RevMoved
from interlock.ports import Mark, Store


def mark(key: str = "k", **fields: object) -> Mark:
    """A mark of org A."""
    return Mark(**({"space": "s", "org": A, "key": key} | fields))  # pyright: ignore[reportArgumentType]


async def test_a_mark_is_read_back_byte_for_byte(store: Store) -> None:
    value = bytes(range(256))
    await store.commit(marks_only(mark(value=value, until=5_000)))
    assert await store.mark("s", A, "k") == mark(value=value, until=5_000)
    assert await store.mark("s", A, "other") is None


async def test_space_and_org_are_part_of_the_key(store: Store) -> None:
    await store.commit(marks_only(mark(value=b"1"), mark(org=B, value=b"2"), mark(space="t", value=b"3")))
    found = [await store.mark("s", A, "k"), await store.mark("s", B, "k"), await store.mark("t", A, "k")]
    assert [m.value for m in found if m] == [b"1", b"2", b"3"]
    assert await store.mark("t", B, "k") is None


async def test_a_later_mark_replaces_the_one_before(store: Store) -> None:
    await store.commit(marks_only(mark(value=b"1", until=5_000)))
    await store.commit(marks_only(mark(value=b"2")))
    assert await store.mark("s", A, "k") == mark(value=b"2")


async def test_none_deletes(store: Store) -> None:
    await store.commit(marks_only(mark(value=b"1")))
    await store.commit(marks_only(mark(value=None), mark("never", value=None)))
    assert await store.mark("s", A, "k") is None


async def test_a_mark_is_written_with_its_decision_or_not_at_all(store: Store) -> None:
    c = conversation("c1")
    await store.commit(commit_of(birth(c), marks=(mark("with"),)))
    assert await store.mark("s", A, "with") is not None
    await store.commit(commit_of(next_of(c, name="moved")))
    with pytest.raises(RevMoved):
        await store.commit(commit_of(next_of(c, name="stale"), marks=(mark("without"), mark("with", value=None))))
    assert await store.mark("s", A, "without") is None
    assert await store.mark("s", A, "with") is not None


async def test_once_is_once_and_its_refusal_takes_the_decision_along(store: Store) -> None:
    await put(store, conversation("c1"))
    await store.commit(marks_only(mark(value=b"first", once=True)))
    with pytest.raises(KeyTaken) as caught:
        await store.commit(commit_of(birth(conversation("c2")), marks=(mark("x"), mark(value=b"second", once=True))))
    assert caught.value.claim == f"s/{A}/k"
    assert await store.load([conversation("c2").address]) == [None]
    assert await store.mark("s", A, "x") is None
    found = await store.mark("s", A, "k")
    assert found is not None
    assert found.value == b"first"


async def test_once_without_once_before_it_is_taken_too(store: Store) -> None:
    await store.commit(marks_only(mark(value=b"first")))
    with pytest.raises(KeyTaken):
        await store.commit(marks_only(mark(value=b"second", once=True)))


async def test_a_mark_lives_until_its_time(store: Store, clock: Hands) -> None:
    await store.commit(marks_only(mark(value=b"1", until=2_000, once=True)))
    clock.at = 1_999
    assert await store.mark("s", A, "k") is not None
    with pytest.raises(KeyTaken):
        await store.commit(marks_only(mark(value=b"2", once=True)))
    clock.at = 2_000
    assert await store.mark("s", A, "k") is None
    await store.commit(marks_only(mark(value=b"3", once=True)))
    assert await store.mark("s", A, "k") == mark(value=b"3")


async def test_once_twice_in_one_commit_is_taken(store: Store) -> None:
    with pytest.raises(KeyTaken):
        await store.commit(marks_only(mark(value=b"1", once=True), mark(value=b"2", once=True)))
    assert await store.mark("s", A, "k") is None


async def test_once_after_a_delete_in_the_same_commit_is_free(store: Store) -> None:
    await store.commit(marks_only(mark(value=b"1")))
    await store.commit(marks_only(mark(value=None), mark(value=b"2", once=True)))
    found = await store.mark("s", A, "k")
    assert found is not None
    assert found.value == b"2"
