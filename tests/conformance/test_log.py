"""The log: positions in the order of commits, without gaps, and a reader who is never led past a row."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.conformance.builders import A, B, commit_of, conversation, item, next_of, put, user
from tests.conformance.conftest import Engine

from interlock.domain.decision import birth
from interlock.domain.errors import KeyTaken, RevMoved
from interlock.domain.log import decode_heading, decode_row
from interlock.domain.share import ANY_QUEUE, queue_bucket, queue_bucket_of
from interlock.ports import Commit, Mark, Store


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


async def test_several_rows_of_one_commit_follow_one_another(engine: Engine) -> None:
    """All of them or none: whoever takes in another log takes in its rows together, also several about one record."""
    heard: list[str] = []
    store = engine.open()
    routing = getattr(store, "routing", store)
    routing.listen(lambda rows: heard.extend(r.id for r in rows))
    c, free = conversation("c1"), user("u1", email="a@x.test")
    one, two = commit_of(birth(c)), commit_of(next_of(c, name="second"))
    three = commit_of(birth(user("u2", email="b@x.test")))
    writes = (*one.writes, *two.writes, *three.writes)
    whole = replace(three, earlier=(one.entry, two.entry), writes=writes, marks=(Mark(space="s", org="", key="k"),))
    row = await routing.commit(whole)
    assert row is not None
    assert (row.id, row.position) == (three.entry.id, 3)  # type: ignore[union-attr]
    assert heard == [e.id for e in whole.entries]
    assert await routing.changes(0, 10) == [e.at_position(n) for n, e in enumerate(whole.entries, 1)]
    assert await routing.load([c.address]) == [two.writes[0].after]
    assert await routing.mark("s", "", "k") is not None
    again = commit_of(birth(free)), commit_of(birth(user("u3", email="b@x.test")))
    with pytest.raises(KeyTaken):
        await routing.commit(replace(again[1], earlier=(again[0].entry,), writes=again[0].writes + again[1].writes))
    with pytest.raises(RevMoved):
        await routing.commit(replace(again[0], earlier=(one.entry,), writes=again[0].writes + one.writes))
    assert await routing.load([free.address]) == [None]
    assert await routing.last_position() == 3
    with pytest.raises(ValueError, match="needs an entry"):
        await routing.commit(Commit(earlier=(again[0].entry,)))  # type: ignore[arg-type]
    after = await routing.commit(commit_of(birth(conversation("c2"))))
    assert after is not None
    assert after.position == 4


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


async def test_stored_rows_are_the_rows_and_their_headings_say_where_they_go(store: Store) -> None:
    made = conversation("c1")
    await store.commit(commit_of(birth(made)))
    await store.commit(commit_of(birth(item("w1", queue="q7"))))
    await store.commit(commit_of(next_of(made, name="x")))
    rows, bodies = await store.changes(0, 10), await store.bodies(0, 10)
    assert [decode_row(position, body) for position, body in bodies] == rows
    assert await store.bodies(1, 1) == bodies[1:2]
    assert await store.bodies(3, 10) == []
    for row, (_, body) in zip(rows, bodies, strict=True):
        heading = decode_heading(body)
        assert (heading.id, heading.org, heading.partition) == (row.id, row.org, row.partition)
        assert queue_bucket_of(heading) == queue_bucket_of(row)
    assert [queue_bucket_of(row) for row in rows] == [ANY_QUEUE, queue_bucket("q7"), ANY_QUEUE]


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
