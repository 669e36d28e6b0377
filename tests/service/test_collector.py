"""The collector by itself: where it goes on, what it refuses, and what a routing database holds after it."""

from __future__ import annotations

import msgspec
import pytest
from tests.conformance.builders import A, Hands, commit_of, conversation, item, next_of

from interlock.domain.conversation import Conversation
from interlock.domain.decision import Basis, birth
from interlock.domain.errors import RevMoved, Unavailable
from interlock.domain.record import Address
from interlock.domain.side import collected_up_to
from interlock.service.collector import _commit, join, reached, run_once
from interlock.store.apart import ApartStore, OnCopies
from interlock.store.copying import copy
from interlock.store.memory import MemoryStore


def two() -> tuple[MemoryStore, MemoryStore]:
    """The databases of the two services."""
    clock = Hands()
    return MemoryStore(clock, checked=True), MemoryStore(clock, checked=True)


async def test_each_row_once_in_order_with_the_copies_of_what_it_wrote() -> None:
    records, routing = two()
    c = conversation("c1")
    await records.commit(commit_of(birth(c)))
    await records.commit(commit_of(next_of(c, name="second")))
    assert await run_once(records, routing, limit=1) == 1
    assert await routing.load([c.address]) == [c], "a copy is as old as the row that brought it"
    assert await run_once(records, routing) == 1
    assert await run_once(records, routing) == 0
    assert [r.id for r in await routing.changes(0, 10)] == [r.id for r in await records.changes(0, 10)]
    assert await routing.load([c.address]) == await records.load([c.address])
    assert (await reached(routing)).position == 2


async def test_many_rows_are_one_commit_whatever_they_are_about() -> None:
    """Each moves the position: a commit for each would be a transaction for each. The log has them in their order."""
    records, routing = two()
    c = conversation("c1")
    await records.commit(commit_of(birth(c)))
    for n in range(20):
        await records.commit(commit_of(write := next_of(c, name=f"name {n}")))
        await records.commit(commit_of(birth(conversation(f"other{n}"))))
        assert isinstance(write.after, Conversation)
        c = write.after
    heard: list[list[str]] = []
    routing.listen(lambda rows: heard.append([r.id for r in rows]))
    assert await run_once(records, routing) == 41
    assert heard == [[r.id for r in await records.changes(0, 100)]]
    assert await routing.load([c.address]) == [c]


async def test_of_two_that_read_the_same_rows_one_writes_them() -> None:
    """The other one's commit is refused whole, also the rows behind those that were taken in meanwhile."""
    records, routing = two()
    await records.commit(commit_of(birth(conversation("c1"))))
    slow = await _commit(routing, None, await records.changes(0, 10))
    await records.commit(commit_of(birth(conversation("c2"))))
    slower = await _commit(routing, None, await records.changes(0, 10))
    await routing.commit(slow)
    with pytest.raises(RevMoved):
        await routing.commit(slower)
    assert await routing.last_position() == 1
    assert await run_once(records, routing) == 1
    assert [r.id for r in await routing.changes(0, 10)] == [r.id for r in await records.changes(0, 10)]


async def test_a_copied_routing_database_goes_on_where_it_was() -> None:
    """The copy has the mark; the record that is compared is no part of the log, and begins anew from the mark."""
    records, routing = two()
    await join(records, routing, "pair")
    await records.commit(commit_of(birth(conversation("c1"))))
    await run_once(records, routing)
    moved = MemoryStore(Hands(), checked=True)
    assert (await copy(routing, moved, "routing")).finished
    assert await moved.load([collected_up_to(1).address]) == [None]
    await records.commit(commit_of(birth(conversation("c2"))))
    await join(records, moved, "pair")
    assert await run_once(records, moved) == 1
    assert [r.id for r in await moved.changes(0, 10)] == [r.id for r in await records.changes(0, 10)]


async def test_a_commit_on_both_sides_is_refused() -> None:
    """There is no transaction over two databases: nobody may believe in one."""
    apart = ApartStore(*two())
    with pytest.raises(ValueError, match="on both sides"):
        await apart.commit(commit_of(birth(conversation("c1")), birth(item("w1"))))
    assert await apart.load([Address("conversation", A, "c1"), Address("work_item", A, "w1")]) == [None, None]
    with pytest.raises(ValueError, match="its own records only"):
        await OnCopies(apart).commit(commit_of(birth(conversation("c1"))))


async def test_what_rests_on_a_version_waits_for_its_row() -> None:
    """Until the collector has been: then it is committed, behind that row."""
    apart = ApartStore(*two(), patience_s=0.05)
    c = conversation("c1")
    await apart.commit(commit_of(birth(c)))
    made = commit_of(birth(item("w1", resource="c1")))
    assert made.entry is not None
    entry = msgspec.structs.replace(made.entry, basis=(Basis(c.TYPE, c.id, 1),))
    rests = msgspec.structs.replace(made, entry=entry)
    with pytest.raises(Unavailable, match="does not have rev 1 of conversation c1 yet"):
        await apart.commit(rests)
    await run_once(apart.records, apart.routing)
    row = await apart.commit(rests)
    assert row is not None
    assert row.position == 2
