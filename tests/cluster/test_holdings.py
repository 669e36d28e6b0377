"""Shares among processes: evenly, taken over when a lease runs out, and nothing counts under an earlier epoch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.conformance.builders import Hands, commit_of, conversation

from interlock.domain.decision import birth
from interlock.domain.errors import Fenced, Unavailable
from interlock.domain.share import Share, share_named, shares
from interlock.ports import Commit, Fence, Mark
from interlock.runtime.holdings import Holdings
from interlock.service.divisions import POSITIONS, divide, division_of, positions_of
from interlock.store.fenced import FencedStore
from interlock.store.memory import MemoryStore

LEASE_S = 10


class Floor:
    """Processes that take part, on one store and one clock."""

    def __init__(self) -> None:
        self.clock = Hands()
        self.store = MemoryStore(self.clock)
        self.at_work: dict[str, dict[str, Fence]] = {}
        self.cut_off = ""
        """The process that cannot work on anything."""

    def process(self, name: str, of: int = 4, role: str = "sync") -> Holdings:
        """A process that has the role; nothing runs by itself."""
        mine = self.at_work.setdefault(name, {})

        async def work(share: Share, fence: Fence) -> None:
            if name == self.cut_off:
                raise Unavailable("The bus is not there.")
            mine[share.name] = fence
            try:
                await asyncio.Event().wait()
            finally:
                del mine[share.name]

        wanted = {role: shares(role, of)}
        return Holdings(self.store, name, wanted, work, lease_s=LEASE_S, now=self.clock.now)

    async def settle(self, *processes: Holdings, rounds: int = 4) -> None:
        """Every process looks so often; their work gets its turn."""
        for _ in range(rounds):
            for each in processes:
                await each.run_once()
            await asyncio.sleep(0)


@pytest.fixture
async def floor() -> AsyncIterator[Floor]:
    """An empty floor."""
    yield Floor()
    tasks = [t for t in asyncio.all_tasks() if t.get_name().startswith("share:")]
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_one_process_holds_everything_and_a_second_takes_half(floor: Floor) -> None:
    a, b = floor.process("a"), floor.process("b")
    await floor.settle(a)
    assert len(a.held) == 4
    await floor.settle(a, b)
    assert (len(a.held), len(b.held)) == (2, 2)
    assert sorted(a.held + b.held) == [s.name for s in shares("sync", 4)]
    assert set(floor.at_work["a"]) == set(a.held)


@pytest.mark.parametrize("of", [1, 2, 4, 5, 8])
@pytest.mark.parametrize("number", [2, 3, 4, 5])
async def test_shares_are_even_whoever_came_first_and_whoever_leaves(floor: Floor, of: int, number: int) -> None:
    every = sorted(s.name for s in shares("sync", of))
    processes = [floor.process(f"p{n}", of) for n in range(number)]
    await floor.settle(processes[0])  # it holds all of them when the others come
    for there in (processes, processes[1:]):
        await floor.settle(*there, rounds=6)
        assert sorted(n for p in there for n in p.held) == every
        counts = [len(p.held) for p in there]
        assert max(counts) - min(counts) <= 1, counts
        if there is processes:
            floor.clock.at += 1
            await processes[0]._leave()


async def test_who_cannot_work_on_a_role_leaves_its_part_to_others_for_a_while(floor: Floor) -> None:
    a, b = floor.process("a"), floor.process("b")
    floor.cut_off = "a"
    await floor.settle(a, rounds=1)
    await floor.settle(a, b)
    assert (len(a.held), len(b.held)) == (0, 4)
    floor.cut_off = ""
    floor.clock.at += 2 * LEASE_S * 1000 - 1
    await floor.settle(b, a)
    assert (len(a.held), len(b.held)) == (0, 4)
    floor.clock.at += 1
    await floor.settle(b, a, b)
    assert (len(a.held), len(b.held)) == (2, 2)


async def test_a_dead_process_is_replaced_when_its_leases_run_out(floor: Floor) -> None:
    a, b = floor.process("a"), floor.process("b")
    await floor.settle(a, b)
    gone = dict(floor.at_work["a"])
    floor.clock.at += LEASE_S * 1000 // 2
    await floor.settle(b)
    assert len(b.held) == 2, "a may still be alive"
    floor.clock.at += LEASE_S * 1000
    await floor.settle(b)
    assert len(b.held) == 4
    for name, fence in gone.items():
        assert floor.at_work["b"][name].epoch > fence.epoch


async def test_what_was_begun_before_the_pause_counts_no_more(floor: Floor) -> None:
    """The lease's epoch is checked where the commit is made, not where the process looks at its clock."""
    a, b = floor.process("a", of=1), floor.process("b", of=1)
    await floor.settle(a)
    (fence,) = floor.at_work["a"].values()
    paused = FencedStore(floor.store, fence)
    await paused.commit(commit_of(birth(conversation("c1"))))
    floor.clock.at += 2 * LEASE_S * 1000
    await floor.settle(b)
    assert len(b.held) == 1
    with pytest.raises(Fenced):
        await paused.commit(commit_of(birth(conversation("c2"))))
    with pytest.raises(Fenced):
        await paused.commit(Commit(marks=(Mark(space=POSITIONS, org="", key="sync", value=b"99"),)))
    assert await floor.store.last_position() == 1
    await floor.settle(a)
    assert a.held == []
    assert floor.at_work["a"] == {}


async def test_leaving_gives_everything_back_at_once(floor: Floor) -> None:
    a, b = floor.process("a"), floor.process("b")
    async with a.running():
        async with asyncio.timeout(10):
            held: list[str] = []
            while len(held) < 4:
                await asyncio.sleep(0)
                held = a.held
    await floor.settle(b)
    assert len(b.held) == 4


async def test_a_role_is_divided_anew_without_leaving_out_a_row(floor: Floor) -> None:
    store = floor.store
    assert [s.name for s in await division_of(store, "sync")] == ["sync"]
    await store.commit(Commit(marks=(Mark(space=POSITIONS, org="", key="sync", value=b"7"),)))
    four = await divide(store, "sync", 4)
    assert set((await positions_of(store, four)).values()) == {7}
    await store.commit(Commit(marks=(Mark(space=POSITIONS, org="", key=four[2].name, value=b"30"),)))
    assert await divide(store, "sync", 4) == four
    assert (await positions_of(store, four))[four[2].name] == 30
    two = await divide(store, "sync", 2)
    assert set((await positions_of(store, two)).values()) == {7}
    assert [s.name for s in await divide(store, "sync")] == ["sync"]


@pytest.mark.parametrize("share", [*shares("sync", 3), *shares("routing", 2, 3), *shares("rules")])
def test_a_name_stands_for_its_share(share: Share) -> None:
    assert share_named(share.name) == share
