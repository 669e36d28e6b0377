"""The bus: durable positions, at least once, in order, from however far behind; each consumer by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.conformance.builders import A, B, commit_of, conversation, item, next_of, session, user
from tests.conformance.buses import Buses, reached, took
from tests.conformance.conftest import Engine

from interlock.bus.positions import SPACE
from interlock.domain.decision import birth
from interlock.domain.errors import Unavailable
from interlock.domain.share import queue_bucket, shares
from interlock.ports import Batch, Store
from interlock.runtime.tasks import end


async def write(store: Store, first: int, last: int, org: str = A) -> None:
    """Rows with these positions, a commit each, each of a conversation of its own."""
    for n in range(first, last + 1):
        await store.commit(commit_of(birth(conversation(f"c{n}", org)), org=org))


async def begun(work: Any) -> asyncio.Task[Any]:
    """A task that has run until it waits."""
    task = asyncio.ensure_future(work)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_rows_come_in_order_from_the_beginning(store: Store, buses: Buses) -> None:
    await write(store, 1, 3)
    bus = buses.over(store)
    await write(store, 4, 5)
    assert await took(bus, "a", 5) == [1, 2, 3, 4, 5]
    await write(store, 6, 7)
    assert await took(bus, "a", 1, 1) == [6]
    assert await took(bus, "a", 1, 1) == [7]


async def test_the_rows_are_the_rows_of_the_store(store: Store, buses: Buses) -> None:
    bus = buses.over(store)
    await write(store, 1, 4)
    rows: list[Any] = []
    while len(rows) < 4:
        batch = await bus.receive("a", 10)
        rows += batch.rows
        await bus.acknowledge(batch)
        assert batch.consumer == "a"
    assert rows == await store.changes(0, 10)


async def test_what_is_not_acknowledged_comes_again(store: Store, buses: Buses) -> None:
    bus = buses.over(store)
    await write(store, 1, 4)
    first = await bus.receive("a", 2)
    again = await bus.receive("a", len(first.rows))
    assert again == first
    await bus.acknowledge(first)
    left = 4 - len(first.rows)
    assert await took(bus, "a", left, 2) == [1, 2, 3, 4][-left:]


async def test_an_old_acknowledgement_moves_nobody_back(store: Store, buses: Buses) -> None:
    bus = buses.over(store)
    await write(store, 1, 4)
    old = await bus.receive("a", 1)
    await bus.acknowledge(old)
    assert await took(bus, "a", 2, 1) == [2, 3]
    await bus.acknowledge(old)
    await bus.acknowledge(Batch("a", ()))
    assert await took(bus, "a", 1, 5) == [4]


async def test_consumers_are_independent(store: Store, buses: Buses) -> None:
    bus = buses.over(store)
    await write(store, 1, 3)
    assert await took(bus, "a", 3) == [1, 2, 3]
    assert await took(bus, "b", 2, 2) == [1, 2]
    await write(store, 4, 4)
    assert await took(bus, "a", 1) == [4]
    assert await took(bus, "b", 2) == [3, 4]


async def test_a_waiting_consumer_is_woken_by_a_commit(store: Store, buses: Buses) -> None:
    bus = buses.over(store)
    tasks = [await begun(took(bus, name, 1)) for name in ("a", "b")]
    assert not any(t.done() for t in tasks)
    await write(store, 1, 1)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*tasks) == [[1], [1]]


async def test_a_consumer_far_behind_catches_up(store: Store, buses: Buses) -> None:
    bus = buses.over(store)
    await write(store, 1, 40)
    assert await took(bus, "late", 40, 7) == list(range(1, 41))
    task = await begun(took(bus, "late", 1))
    await write(store, 41, 41)
    assert await task == [41]


async def test_a_position_is_durable_once_enough_was_acknowledged(engine: Engine, buses: Buses) -> None:
    store = engine.open()
    bus = buses.over(store, flush_rows=4)
    await write(store, 1, 10)
    assert await took(bus, "a", 6, 2) == [1, 2, 3, 4, 5, 6]
    await buses.crash()
    await engine.close()
    store = engine.open()
    mark = await store.mark(SPACE, "", "a")
    assert mark is not None
    written = int(mark.value or b"0")
    assert written in (4, 5, 6), "at most the rows since the last written position come again"
    found = await took(buses.over(store), "a", 10 - written, 3)
    assert found == list(range(written + 1, 11))


async def test_closing_writes_the_positions(engine: Engine, buses: Buses) -> None:
    store = engine.open()
    bus = buses.over(store)
    await write(store, 1, 5)
    await took(bus, "a", 3, 1)
    await took(bus, "b", 1, 1)
    await bus.close()
    await buses.crash()
    await engine.close()
    again = engine.open()
    assert await took(buses.over(again), "a", 2) == [4, 5]
    assert await took(buses.over(again), "b", 4) == [2, 3, 4, 5]


async def test_after_a_crash_everything_is_delivered_at_least_once(engine: Engine, buses: Buses) -> None:
    """A consumer that dies between its work and the durable position sees the rows again, and none is left out."""
    seen: list[int] = []
    for life in range(4):
        store = engine.open()
        bus = buses.over(store, flush_rows=3)
        await write(store, life * 6 + 1, life * 6 + 6)
        seen += await took(bus, "a", 6, 2)
        await buses.crash()
        await engine.close()
    bus = buses.over(engine.open())
    async with asyncio.timeout(30):
        while 24 not in seen:
            seen += await took(bus, "a", 1)
    assert sorted(set(seen)) == list(range(1, 25))


async def test_an_idle_consumer_gets_its_position_written(store: Store, buses: Buses) -> None:
    bus = buses.over(store, flush_after_s=0.0)
    await write(store, 1, 2)
    await took(bus, "a", 2)
    task = await begun(bus.receive("a", 1))
    await reached(store, "a", 2)
    await end([task], again_s=0.5)


async def test_writes_of_another_process_are_found_and_keep_their_place(engine: Engine, buses: Buses) -> None:
    """The other process announces nothing here: its rows are seen by looking, or with our own next row."""
    ours, theirs = engine.open(), engine.open()
    bus = buses.over(ours, poll_s=0.001, flush_after_s=0.001)
    await write(ours, 1, 2)
    assert await took(bus, "a", 2) == [1, 2]
    task = await begun(took(bus, "a", 2))
    await write(theirs, 3, 4)
    assert await task == [3, 4]
    quiet = buses.over(ours)
    await write(ours, 5, 5)
    assert await took(quiet, "b", 5, 5) == [1, 2, 3, 4, 5]
    assert await took(quiet, "c", 4, 4) == [1, 2, 3, 4]
    task = await begun(took(quiet, "b", 2))
    await write(theirs, 6, 6)
    await write(ours, 7, 7)
    assert await task == [6, 7], "nobody is led past what only the store has"
    assert await took(quiet, "c", 3) == [5, 6, 7]


async def test_a_failing_store_costs_a_repetition_and_no_row(
    store: Store, buses: Buses, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = buses.over(store, flush_rows=1)
    await write(store, 1, 2)

    async def fails(*_: Any) -> Any:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "commit", fails)
        assert await took(bus, "a", 1, 1) == [1]
        with pytest.raises(Unavailable):
            await bus.flush()
    assert await store.mark(SPACE, "", "a") is None
    assert await took(bus, "a", 1, 1) == [2]
    mark = await store.mark(SPACE, "", "a")
    assert mark is not None
    assert mark.value == b"2"


async def test_a_cancelled_consumer_goes_and_others_stay(store: Store, buses: Buses) -> None:
    bus = buses.over(store)
    gone, stays = await begun(took(bus, "a", 1)), await begun(took(bus, "b", 1))
    await end([gone], again_s=0.5)
    assert gone.cancelled()
    await write(store, 1, 1)
    assert await stays == [1]
    assert await took(bus, "a", 1) == [1]


async def test_a_closed_bus_sends_its_consumers_home(store: Store, buses: Buses) -> None:
    bus = buses.over(store)
    task = await begun(took(bus, "a", 1))
    await bus.close()
    with pytest.raises(Unavailable):
        await task
    with pytest.raises(Unavailable):
        await bus.receive("a", 1)


async def test_a_row_that_is_given_up_is_a_dead_letter_and_the_rest_flows_on(store: Store, buses: Buses) -> None:
    bus = buses.over(store)
    await write(store, 1, 3)
    assert await took(bus, "sync", 1, 1) == [1]
    bad = await bus.receive("sync", 1)
    await bus.set_aside(bad, "ValueError: it cannot be read")
    assert await took(bus, "sync", 1, 1) == [3]
    letters = await bus.dead_letters("sync")
    assert [(d.consumer, d.position, d.id, d.org) for d in letters] == [("sync", 2, bad.rows[0].id, A)]
    assert "cannot be read" in letters[0].why
    assert await bus.dead_letters("rules") == []


@pytest.mark.parametrize("role", ["sync", "routing"])
async def test_the_shares_of_a_role_divide_its_rows(store: Store, buses: Buses, role: str) -> None:
    """Each row is in one share; what belongs together (a record, or for routing an org) is in the same one, in order;
    and a share without rows comes to the end of the log all the same."""
    bus = buses.over(store, flush_after_s=0.0)
    for n in range(30):
        await write(store, n + 1, n + 1, A if n % 3 else B)
    rows = await store.changes(0, 100)
    found: dict[str, list[int]] = {}
    for share in shares(role, 4):
        wanted = [row.position for row in rows if share.holds(row)]
        found[share.name] = await took(bus, share.name, len(wanted))
        assert found[share.name] == wanted
    assert sorted(p for positions in found.values() for p in positions) == list(range(1, 31))
    for share in shares(role, 4):
        task = await begun(bus.receive(share.name, 1))
        await reached(store, share.name, 30)
        await end([task], again_s=0.5)


async def test_lanes_divide_an_org_by_queue_and_share_its_agents(store: Store, buses: Buses) -> None:
    """A waiting item goes to the lane of its queue; whoever signs in, and settings, concern every lane."""
    first, second = next((f"q{a}", f"q{b}") for a in range(9) for b in range(9) if _apart(f"q{a}", f"q{b}"))
    bus = buses.over(store)
    born = item("1", queue=first)
    for write_ in (birth(user("u1")), birth(session("s1", "u1")), birth(born), birth(item("2", queue=second))):
        await store.commit(commit_of(write_))
    await store.commit(commit_of(next_of(born, queue=second)))
    lanes = {share.lane: share for share in shares("routing", 1, 2)}
    one, other = lanes[queue_bucket(first) % 2], lanes[queue_bucket(second) % 2]
    assert await took(bus, one.name, 3) == [1, 2, 3]
    assert await took(bus, other.name, 4) == [1, 2, 4, 5]
    rows = await store.changes(0, 10)
    assert [sum(lane.answers(row) for lane in lanes.values() if lane.holds(row)) for row in rows] == [1] * 5


def _apart(one: str, other: str) -> bool:
    return queue_bucket(one) % 2 != queue_bucket(other) % 2
