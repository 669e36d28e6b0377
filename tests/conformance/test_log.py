"""The log: positions in the order of commits, without gaps, and a reader who is never led past a row."""

from __future__ import annotations

import asyncio

import pytest
from tests.conformance.builders import A, B, commit_of, conversation, next_of, put
from tests.conformance.conftest import Engine

from interlock.domain.decision import birth
from interlock.domain.errors import RevMoved
from interlock.ports import Store


async def positions(store: Store, after: int, limit: int, **scope: object) -> list[int]:
    """The positions that `changes` answers with."""
    return [r.position for r in await store.changes(after, limit, **scope)]  # pyright: ignore[reportArgumentType]


async def test_an_empty_store_is_at_zero(store: Store) -> None:
    assert await store.last_position() == 0
    assert await store.changes(0, 10) == []


async def test_positions_follow_one_another_and_refusals_take_none(store: Store) -> None:
    c = conversation("c1")
    await put(store, c)
    for _ in range(3):
        with pytest.raises(RevMoved):
            await store.commit(commit_of(birth(c)))
    row = await store.commit(commit_of(next_of(c, name="x")))
    assert row is not None
    assert row.position == 2 == await store.last_position()


@pytest.mark.parametrize("many", [5, 700])
async def test_changes_by_org_partition_and_from_the_end(store: Store, many: int) -> None:
    """`many` asks for more rows than there are: an engine may read large and small answers in different ways."""
    for n in range(8):
        org = B if n % 4 == 3 else A
        await store.commit(commit_of(birth(conversation(f"c{n}", org)), org=org, partition=f"p{n % 2}"))
    assert await positions(store, 0, many + 3) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert await positions(store, 0, 3) == [1, 2, 3]
    assert await positions(store, 6, many) == [7, 8]
    assert await positions(store, 8, many) == []
    assert await positions(store, 0, many, org=B) == [4, 8]
    assert await positions(store, 4, many, org=B) == [8]
    assert await positions(store, 0, 2, org=A) == [1, 2]
    assert await positions(store, 0, many, partition="p1") == [2, 4, 6, 8]
    assert await positions(store, 2, 2, partition="p1") == [4, 6]
    assert await positions(store, 0, many, partition="p1", org=B) == [4, 8]
    assert await positions(store, 0, many, partition="p1", org=A) == [2, 6]
    assert await positions(store, 0, many, partition="p0", org=B) == []
    assert await positions(store, 0, 3, newest=True) == [6, 7, 8]
    assert await positions(store, 7, many, newest=True) == [8]
    assert await positions(store, 0, 1, newest=True, org=A) == [7]
    assert await positions(store, 0, 2, newest=True, partition="p0") == [5, 7]
    assert await positions(store, 5, many, newest=True, partition="p0") == [7]
    assert await positions(store, 0, 0, newest=True) == []


async def test_a_reader_is_never_led_past_a_row_that_commits_late(engine: Engine) -> None:
    """Two writers at once, and a reader who always asks for what follows the last row it saw."""
    one, two, reader = engine.open(), engine.open(), engine.open()
    seen: list[str] = []
    places: list[int] = []

    async def write(store: Store, name: str) -> None:
        for n in range(20):
            await asyncio.gather(*(store.commit(commit_of(birth(conversation(f"{name}{n}.{k}")))) for k in range(3)))

    async def read() -> None:
        while len(seen) < 120:
            for row in await reader.changes(places[-1] if places else 0, 7):
                places.append(row.position)
                seen.append(row.partition)
            await asyncio.sleep(0)

    async with asyncio.timeout(60):
        await asyncio.gather(write(one, "a"), write(two, "b"), read())
    assert places == list(range(1, 121))
    assert sorted(seen) == sorted(f"{name}{n}.{k}" for name in "ab" for n in range(20) for k in range(3))
    assert await reader.last_position() == 120
    assert [r.partition for r in await one.changes(0, 200)] == seen


async def test_rows_are_announced_in_order_before_their_author_knows(engine: Engine) -> None:
    store = engine.open()
    heard: list[int] = []
    store.listen(lambda rows: heard.extend(r.position for r in rows))

    async def write(n: int) -> None:
        row = await store.commit(commit_of(birth(conversation(f"c{n}"))))
        assert row.position in heard

    await asyncio.gather(*(write(n) for n in range(200)))
    assert heard == list(range(1, 201))
    with pytest.raises(RevMoved):
        await store.commit(commit_of(birth(conversation("c1"))))
    assert len(heard) == 200
