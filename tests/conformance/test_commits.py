"""Commits: rev checks, all or nothing, unique names, neighbours that do not touch each other."""

from __future__ import annotations

import asyncio

import pytest
from tests.conformance.builders import A, B, commit_of, conversation, marks_only, next_of, put, user
from tests.conformance.conftest import Engine

from interlock.domain.decision import Write, birth
from interlock.domain.errors import KeyTaken, RevMoved
from interlock.domain.log import snapshot_of
from interlock.domain.record import Address
from interlock.ports import Commit, Mark, Query, Store


async def nothing_else_than(store: Store, rows: int) -> None:
    """The log has this many rows and no more."""
    assert await store.last_position() == rows
    assert len(await store.changes(0, 100)) == rows


async def test_what_was_committed_is_read_back(engine: Engine) -> None:
    store = engine.open()
    c = conversation("c1", name="Grüße 🙂", custom={"a": [1, None, {"b": True}]}, tags=("x", "y"))
    await put(store, c)
    assert await store.load([c.address]) == [c]
    await engine.close()
    again = engine.open()
    assert await again.load([c.address]) == [c]
    assert [snapshot_of(row.changes[0]) for row in await again.changes(0, 10)] == [c]


async def test_load_keeps_the_order_asked_and_says_none_for_what_is_not_there(store: Store) -> None:
    one, two = conversation("c1"), conversation("c2")
    await put(store, one, two)
    unknown = Address("conversation", A, "nobody")
    assert await store.load([two.address, unknown, one.address, two.address]) == [two, None, one, two]
    assert await store.load([unknown]) == [None]
    assert await store.load([]) == []


async def test_an_address_has_its_type_and_org(store: Store) -> None:
    await put(store, conversation("x1"), user("x1"))
    assert await store.load([Address("conversation", B, "x1"), Address("work_item", A, "x1")]) == [None, None]
    assert (await store.load([Address("user", A, "x1")])) == [user("x1")]


async def test_one_id_in_two_orgs_is_two_records(store: Store) -> None:
    ours, theirs = conversation("c1", A, name="ours"), conversation("c1", B, name="theirs")
    await put(store, ours, theirs)
    write = next_of(theirs, name="changed")
    await store.commit(commit_of(write, org=B))
    assert await store.load([ours.address, theirs.address]) == [ours, write.after]


async def test_a_write_based_on_the_current_version_goes_through(store: Store) -> None:
    c = conversation("c1")
    await put(store, c)
    write = next_of(c, name="first")
    row = await store.commit(commit_of(write))
    assert row is not None
    assert (row.position, row.changes[0].before_rev, row.changes[0].rev) == (2, 1, 2)
    assert await store.load([c.address]) == [write.after]
    await store.commit(commit_of(next_of(write.after, name="second")))
    assert [r.rev for r in await store.load([c.address]) if r] == [3]


async def test_the_row_is_the_entry_with_a_position_and_its_snapshot_is_the_record(store: Store) -> None:
    c = conversation("c1", name="n")
    commit = commit_of(birth(c))
    row = await store.commit(commit)
    assert commit.entry is not None
    assert row is not None
    assert row == commit.entry.at_position(1)
    [read] = await store.changes(0, 1)
    assert snapshot_of(read.changes[0]) == c
    assert (read.by, read.why, read.at, read.partition) == (row.by, row.why, row.at, row.partition)


async def test_a_stale_write_is_refused_and_leaves_nothing(store: Store) -> None:
    c = conversation("c1")
    await put(store, c)
    first = next_of(c, name="first")
    await store.commit(commit_of(first))
    stale = next_of(c, name="second", external_id="ext")
    with pytest.raises(RevMoved):
        await store.commit(commit_of(stale, marks=(Mark(space="s", org=A, key="k"),)))
    assert await store.load([c.address]) == [first.after]
    assert await store.mark("s", A, "k") is None
    assert await store.find(Query(name="claimed", org=A, type="conversation", claim=stale.after.claims()[0])) == []
    await nothing_else_than(store, 2)


async def test_a_record_is_created_once(store: Store) -> None:
    c = conversation("c1")
    await put(store, c)
    with pytest.raises(RevMoved):
        await store.commit(commit_of(birth(conversation("c1", name="again"))))
    assert await store.load([c.address]) == [c]
    await nothing_else_than(store, 1)


async def test_what_is_not_there_cannot_be_updated(store: Store) -> None:
    with pytest.raises(RevMoved):
        await store.commit(commit_of(next_of(conversation("c1"), name="x")))
    await nothing_else_than(store, 0)


@pytest.mark.parametrize("stale_at", [0, 1, 2])
async def test_all_records_or_none(store: Store, stale_at: int) -> None:
    first = [conversation(f"c{n}") for n in range(3)]
    await put(store, *first)
    await store.commit(commit_of(next_of(first[stale_at], name="moved")))
    before = await store.load([c.address for c in first])
    with pytest.raises(RevMoved):
        await store.commit(commit_of(*(next_of(c, name="together") for c in first)))
    assert await store.load([c.address for c in first]) == before
    await nothing_else_than(store, 4)


async def test_several_records_are_one_row(store: Store) -> None:
    c, u = conversation("c1"), user("u1")
    row = await store.commit(commit_of(birth(c), birth(u)))
    assert row is not None
    assert [(s.type, s.id, s.rev) for s in row.changes] == [("conversation", "c1", 1), ("user", "u1", 1)]
    assert await store.load([c.address, u.address]) == [c, u]
    await nothing_else_than(store, 1)


async def test_a_record_may_move_twice_in_one_commit(store: Store) -> None:
    c = conversation("c1")
    second = next_of(c, name="2")
    third = next_of(second.after, name="3", external_id="e")
    row = await store.commit(commit_of(birth(c), second, third))
    assert row is not None
    assert [s.rev for s in row.changes] == [1, 2, 3]
    assert await store.load([c.address]) == [third.after]
    held = await store.find(Query(name="claimed", org=A, type="conversation", claim=f"{A}/conversation-external-id/e"))
    assert held == [third.after]


async def test_a_decision_not_to_write_is_a_row_and_moves_nothing(store: Store) -> None:
    c = conversation("c1")
    await put(store, c)
    row = await store.commit(commit_of(partition="c1"))
    assert row is not None
    assert (row.position, row.changes) == (2, ())
    assert await store.load([c.address]) == [c]


async def test_writes_need_a_row(store: Store) -> None:
    with pytest.raises(ValueError, match="entry"):
        await store.commit(Commit(writes=(birth(conversation("c1")),)))
    assert await store.load([conversation("c1").address]) == [None]


async def test_one_refusal_does_not_touch_its_neighbours(store: Store) -> None:
    """Handed in together, so that a store with groups puts them into one."""
    first = [conversation(f"c{n}") for n in range(6)]
    await put(store, *first)
    await store.commit(commit_of(next_of(first[2], name="moved")))
    taken = user("u0", email="x@example.org")
    await put(store, taken)
    commits = [
        commit_of(next_of(c, name="new"), *([birth(user("u9", email="x@example.org"))] if n == 4 else []))
        for n, c in enumerate(first)
    ]
    answers = await asyncio.gather(*(store.commit(c) for c in commits), return_exceptions=True)
    kinds = [type(a).__name__ for a in answers]
    assert kinds == ["Row", "Row", "RevMoved", "Row", "KeyTaken", "Row"]
    found = await store.load([c.address for c in first])
    assert [(r.rev, getattr(r, "name", "")) for r in found if r] == [
        (2, "new"), (2, "new"), (2, "moved"), (2, "new"), (1, None), (2, "new"),
    ]  # fmt: skip
    assert await store.load([Address("user", A, "u9")]) == [None]
    rows = await store.changes(8, 100)
    assert [r.position for r in rows] == [9, 10, 11, 12]
    assert [r.changes[0].id for r in rows] == ["c0", "c1", "c3", "c5"]


@pytest.mark.parametrize("why", ["rev", "birth", "name", "once"])
async def test_a_refused_decision_leaves_nothing_among_its_neighbours(store: Store, why: str) -> None:
    """Everything else that it would have done comes before what it is refused for; its neighbours go through."""
    kept, moved, around = user("u1", email="x"), conversation("c1"), [conversation(f"n{n}") for n in range(3)]
    await put(store, kept, moved, user("u2", email="taken"))
    await store.commit(commit_of(next_of(moved, name="moved"), marks=(Mark(space="s", org=A, key="once"),)))
    refused_for = {
        "rev": next_of(moved, name="stale"), "birth": birth(user("u2")), "name": birth(user("u3", email="taken")),
        "once": birth(user("u3")),
    }[why]  # fmt: skip
    marks = (Mark(space="s", org=A, key="new"), Mark(space="s", org=A, key="once", once=why == "once"))
    refused = commit_of(birth(conversation("c2")), next_of(kept, email="y"), refused_for, marks=marks)
    tries = [commit_of(birth(around[0])), refused, *(commit_of(birth(c)) for c in around[1:])]
    answers = await asyncio.gather(*(store.commit(c) for c in tries), return_exceptions=True)
    refusal = RevMoved if why in ("rev", "birth") else KeyTaken
    assert [isinstance(a, refusal) for a in answers] == [False, True, False, False]
    addresses = [conversation("c2").address, user("u3").address, kept.address, *(c.address for c in around)]
    assert await store.load(addresses) == [None, None, kept, *around]
    assert (await holder(store, mail("x")), await holder(store, mail("y"))) == (["u1"], [])
    assert await store.mark("s", A, "new") is None
    await nothing_else_than(store, 7)


@pytest.mark.parametrize("why", ["second record", "name of one record", "once of one record"])
async def test_the_least_that_can_be_half_done_is_not(store: Store, why: str) -> None:
    """Decisions with just one thing before that for which they are refused, among neighbours that go through."""
    moved, around = conversation("c1"), [conversation(f"n{n}") for n in range(2)]
    await put(store, moved, user("u1", email="taken"))
    await store.commit(commit_of(next_of(moved, name="moved"), marks=(Mark(space="s", org=A, key="once"),)))
    once = Mark(space="s", org=A, key="once", once=True)
    refused = {
        "second record": commit_of(birth(conversation("c2")), next_of(moved, name="stale")),
        "name of one record": commit_of(birth(user("c2", email="taken"))),
        "once of one record": commit_of(birth(conversation("c2")), marks=(once,)),
    }[why]
    tries = [commit_of(birth(around[0])), refused, commit_of(birth(around[1]))]
    answers = await asyncio.gather(*(store.commit(c) for c in tries), return_exceptions=True)
    assert [isinstance(a, Exception) for a in answers] == [False, True, False]
    assert await store.load([conversation("c2").address, user("c2").address]) == [None, None]
    assert await store.load([c.address for c in around]) == around
    assert await store.find(Query(name="listing", org=A, type="user", by_id=True)) == [user("u1", email="taken")]
    await nothing_else_than(store, 5)


async def test_of_many_that_read_the_same_version_one_wins(store: Store) -> None:
    c = conversation("c1")
    await put(store, c)
    writes = [next_of(c, name=f"w{n}") for n in range(20)]
    answers = await asyncio.gather(*(store.commit(commit_of(w)) for w in writes), return_exceptions=True)
    won = [w.after for w, a in zip(writes, answers, strict=True) if not isinstance(a, Exception)]
    assert len(won) == 1
    assert all(isinstance(a, RevMoved) for a in answers if isinstance(a, Exception))
    assert await store.load([c.address]) == won
    await nothing_else_than(store, 2)


def mail(name: str, org: str = A) -> str:
    """The unique name that a user's mail address takes."""
    return f"{org}/user-email/{name}"


async def holder(store: Store, name: str) -> list[str]:
    """Ids of whoever holds a unique name; asked without an org."""
    return [r.id for r in await store.find(Query(name="claimed", org="", type="user", claim=name))]


async def test_a_unique_name_is_held_once(store: Store) -> None:
    await put(store, user("u1", email="x"))
    with pytest.raises(KeyTaken) as caught:
        await store.commit(commit_of(birth(conversation("c1")), birth(user("u2", email="x"))))
    assert caught.value.claim == mail("x")
    assert await store.load([conversation("c1").address, user("u2").address]) == [None, None]
    assert await holder(store, mail("x")) == ["u1"]
    await nothing_else_than(store, 1)


async def test_a_unique_name_is_taken_by_an_update_too(store: Store) -> None:
    one, two = user("u1", email="x"), user("u2")
    await put(store, one, two)
    with pytest.raises(KeyTaken):
        await store.commit(commit_of(next_of(two, email="x")))
    assert await store.load([two.address]) == [two]
    await store.commit(commit_of(next_of(two, email="y")))
    assert await holder(store, mail("y")) == ["u2"]


async def test_a_name_is_kept_by_an_update_that_does_not_move_it(store: Store) -> None:
    one = user("u1", email="x")
    await put(store, one)
    await store.commit(commit_of(next_of(one, display_name="One")))
    with pytest.raises(KeyTaken):
        await put(store, user("u2", email="x"))


async def test_a_released_name_is_free(store: Store) -> None:
    one = user("u1", email="x")
    await put(store, one)
    await store.commit(commit_of(next_of(one, email=None)))
    assert await holder(store, mail("x")) == []
    await put(store, user("u2", email="x"))
    assert await holder(store, mail("x")) == ["u2"]


async def test_a_refused_release_releases_nothing(store: Store) -> None:
    one, two = user("u1", email="x"), user("u2")
    await put(store, one, two)
    await store.commit(commit_of(next_of(two, name="moved")))
    with pytest.raises(RevMoved):
        await store.commit(commit_of(next_of(one, email=None), next_of(two, name="stale")))
    assert await holder(store, mail("x")) == ["u1"]


@pytest.mark.parametrize("taker_first", [True, False])
async def test_a_name_passes_on_within_one_commit(store: Store, taker_first: bool) -> None:
    one, two = user("u1", email="x"), user("u2")
    await put(store, one, two)
    writes: list[Write] = [next_of(one, email=None), next_of(two, email="x")]
    if taker_first:
        writes.reverse()
    await store.commit(commit_of(*writes))
    assert await holder(store, mail("x")) == ["u2"]


async def test_two_records_exchange_their_names(store: Store) -> None:
    one, two = user("u1", email="x"), user("u2", email="y")
    await put(store, one, two)
    await store.commit(commit_of(next_of(one, email="y"), next_of(two, email="x")))
    assert (await holder(store, mail("x")), await holder(store, mail("y"))) == (["u2"], ["u1"])


async def test_two_writes_of_one_commit_cannot_take_one_name(store: Store) -> None:
    with pytest.raises(KeyTaken):
        await store.commit(commit_of(birth(user("u1", email="x")), birth(user("u2", email="x"))))
    assert await store.load([user("u1").address, user("u2").address]) == [None, None]
    await nothing_else_than(store, 0)


async def test_a_name_taken_and_given_back_in_one_commit_is_free(store: Store) -> None:
    one = user("u1", email="x")
    gone = next_of(one, email=None)
    await store.commit(commit_of(birth(one), gone))
    assert await holder(store, mail("x")) == []
    back = next_of(gone.after, email="x")
    gone = next_of(back.after, email=None)
    await store.commit(commit_of(back, gone, next_of(gone.after, email="x")))
    assert await holder(store, mail("x")) == ["u1"]


async def test_a_name_given_back_and_retaken_by_its_holder_stays_its_own(store: Store) -> None:
    one = user("u1", email="x")
    await put(store, one)
    gone = next_of(one, email=None)
    await store.commit(commit_of(gone, next_of(gone.after, email="x")))
    assert await holder(store, mail("x")) == ["u1"]
    with pytest.raises(KeyTaken):
        await put(store, user("u2", email="x"))


async def test_marks_alone_write_no_row(store: Store) -> None:
    assert await store.commit(marks_only(Mark(space="s", org=A, key="k", value=b"1"))) is None
    await nothing_else_than(store, 0)
