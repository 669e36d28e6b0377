"""Leases: one holder at a time, an epoch that grows with each change, and no commit under an epoch that is over."""

from __future__ import annotations

import asyncio

import pytest
from tests.conformance.builders import A, Hands, commit_of, conversation, marks_only, next_of, put
from tests.conformance.conftest import Engine

from interlock.domain.decision import birth
from interlock.domain.errors import Fenced, RevMoved
from interlock.ports import Fence, Mark, Store

HOUR_MS = 3_600_000


async def test_the_first_to_ask_holds_it_and_keeps_it(store: Store) -> None:
    assert await store.lease("role", "one", 100) == 1
    assert await store.lease("role", "two", 100) is None
    assert await store.lease("role", "one", 100) == 1
    assert await store.lease("other", "two", 100) == 1


async def test_it_passes_on_when_its_time_is_over_and_the_epoch_grows(store: Store, clock: Hands) -> None:
    assert await store.lease("role", "one", 100) == 1
    clock.at += 99
    assert await store.lease("role", "two", 100) is None
    assert await store.lease("role", "one", 100) == 1
    clock.at += 100
    assert await store.lease("role", "two", 100) == 2
    assert await store.lease("role", "one", 100) is None
    clock.at += 100
    assert await store.lease("role", "one", 100) == 3


async def test_whoever_let_it_run_out_starts_anew(store: Store, clock: Hands) -> None:
    """It cannot know whether somebody else held it meanwhile, so what it had begun must not count."""
    assert await store.lease("role", "one", 100) == 1
    clock.at += 100
    assert await store.lease("role", "one", 100) == 2


async def test_given_back_it_is_free_at_once(store: Store) -> None:
    assert await store.lease("role", "one", HOUR_MS) == 1
    assert await store.lease("role", "two", 0) is None
    assert await store.lease("role", "two", 100) is None
    assert await store.lease("role", "one", 0) == 1
    assert await store.lease("role", "one", 0) is None
    assert await store.lease("role", "two", 100) == 2
    assert await store.lease("never", "one", 0) is None
    assert await store.lease("never", "one", 100) == 1


async def test_a_paused_worker_that_comes_back_changes_nothing(engine: Engine, clock: Hands) -> None:
    """It read, was paused for longer than its lease, and writes: on a record that nobody else has touched."""
    paused, other = engine.open(), engine.open()
    c = conversation("c1")
    await put(paused, c)
    epoch = await paused.lease("role", "one", 100)
    write = next_of(c, name="from the past")
    mark = Mark(space="s", org=A, key="k")
    clock.at += HOUR_MS
    assert await other.lease("role", "two", 100) == 2
    with pytest.raises(Fenced) as caught:
        await paused.commit(commit_of(write, marks=(mark,), fence=Fence("role", epoch)))
    assert caught.value.meta == {"epoch": 2}
    with pytest.raises(Fenced):
        await paused.commit(commit_of(fence=Fence("role", epoch)))
    late = marks_only(mark)
    with pytest.raises(Fenced):
        await paused.commit(type(late)(marks=late.marks, fence=Fence("role", epoch)))
    for store in (paused, other):
        assert await store.load([c.address]) == [c]
        assert await store.mark("s", A, "k") is None
        assert await store.last_position() == 1
    await other.commit(commit_of(next_of(c, name="now"), fence=Fence("role", 2)))
    assert await other.last_position() == 2


async def test_a_commit_counts_while_nobody_else_took_over(store: Store, clock: Hands) -> None:
    """Time alone refuses nothing: no clock decides between two writers."""
    await store.lease("role", "one", 100)
    clock.at += HOUR_MS
    assert await store.commit(commit_of(birth(conversation("c1")), fence=Fence("role", 1))) is not None


async def test_a_lease_that_never_was_fences_all(store: Store) -> None:
    with pytest.raises(Fenced):
        await store.commit(commit_of(birth(conversation("c1")), fence=Fence("role", 1)))
    assert await store.last_position() == 0


async def test_the_fence_comes_before_everything_else_and_touches_no_neighbour(store: Store) -> None:
    c = conversation("c1")
    await put(store, c)
    await store.lease("role", "one", 100)
    stale = next_of(next_of(c, name="never written").after, name="x")
    answers = await asyncio.gather(
        store.commit(commit_of(birth(conversation("n1")), fence=Fence("role", 1))),
        store.commit(commit_of(stale, fence=Fence("role", 9))),
        store.commit(commit_of(stale, fence=Fence("role", 1))),
        store.commit(commit_of(birth(conversation("n2")))),
        return_exceptions=True,
    )
    assert [type(a).__name__ for a in answers] == ["Row", Fenced.__name__, RevMoved.__name__, "Row"]
    assert [r.position for r in await store.changes(1, 9)] == [2, 3]


async def test_one_of_many_that_ask_at_once_gets_it(engine: Engine) -> None:
    stores = [engine.open() for _ in range(3)]
    given = await asyncio.gather(*(s.lease("role", f"w{n}", HOUR_MS) for n, s in enumerate(stores * 4)))
    assert sorted(given, key=str) == [1, *[None] * 11]


async def test_leases_survive(engine: Engine) -> None:
    assert await engine.open().lease("role", "one", HOUR_MS) == 1
    await engine.close()
    again = engine.open()
    assert await again.lease("role", "two", 100) is None
    with pytest.raises(Fenced):
        await again.commit(commit_of(birth(conversation("c1")), fence=Fence("role", 2)))
