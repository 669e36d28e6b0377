"""The named queries: what they find, in which order, page by page, and never from another org."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.conformance.builders import (
    A,
    B,
    by,
    commit_of,
    conversation,
    ids,
    item,
    next_of,
    put,
    queue_pass,
    session,
    user,
)

from interlock.domain.access import Org
from interlock.domain.assignment import Actor, Coupled
from interlock.domain.conversation import Conversation, Shared, Snooze, create, show
from interlock.domain.decision import Moment
from interlock.domain.message import Message
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.ports import Query, Store


def ask(name: Any, **more: Any) -> Query:
    """A query in org A."""
    return Query(**({"name": name, "org": A} | more))


async def pages(store: Store, query: Query, size: int) -> list[str]:
    """The ids of all pages of this size, one after the other."""
    found: list[str] = []
    while page := await store.find(msgspec.structs.replace(query, offset=len(found), limit=size)):
        assert len(page) <= size
        found += ids(page)
    return found


async def check_order(store: Store, query: Query, expected: list[str]) -> None:
    """All at once and in pages of 1, 2 and 3."""
    assert ids(await store.find(query)) == expected
    for size in (1, 2, 3):
        assert await pages(store, query, size) == expected


USERS = (("u1", "Cy", True), ("u2", "al", True), ("u3", "Bo", False), ("u4", "Al", True), ("u5", "Ed", False))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["u2", "u4", "u3", "u1", "u5"]),
        ({"descending": True}, ["u5", "u1", "u3", "u4", "u2"]),
        ({"by_id": True}, ["u1", "u2", "u3", "u4", "u5"]),
        ({"by_id": True, "descending": True}, ["u5", "u4", "u3", "u2", "u1"]),
        ({"states": ("enabled",)}, ["u2", "u4", "u1"]),
        ({"states": ("enabled",), "descending": True}, ["u1", "u4", "u2"]),
        ({"states": ("enabled",), "by_id": True}, ["u1", "u2", "u4"]),
        ({"states": ("enabled",), "by_id": True, "descending": True}, ["u4", "u2", "u1"]),
        ({"states": ("enabled", "disabled")}, ["u2", "u4", "u3", "u1", "u5"]),
        ({"states": ("disabled", "enabled", "disabled")}, ["u2", "u4", "u3", "u1", "u5"]),
        ({"states": ("disabled", "enabled"), "descending": True}, ["u5", "u1", "u3", "u4", "u2"]),
        ({"states": ("disabled", "enabled"), "by_id": True}, ["u1", "u2", "u3", "u4", "u5"]),
        ({"states": ("disabled", "enabled"), "by_id": True, "descending": True}, ["u5", "u4", "u3", "u2", "u1"]),
        ({"states": ("unheard-of",)}, []),
    ],
)
async def test_listing(store: Store, query: dict[str, Any], expected: list[str]) -> None:
    await put(store, *(user(id, name=name, enabled=enabled) for id, name, enabled in USERS))
    await put(store, user("u0", B, name="Al"), conversation("c1"))
    await check_order(store, ask("listing", type="user", **query), expected)


async def test_listing_follows_a_change_of_state_and_of_order(store: Store) -> None:
    one, two = user("u1", name="a"), user("u2", name="b")
    await put(store, one, two)
    await store.commit(commit_of(next_of(one, name="c")))
    await store.commit(commit_of(next_of(two, enabled=False)))
    assert ids(await store.find(ask("listing", type="user"))) == ["u2", "u1"]
    assert ids(await store.find(ask("listing", type="user", states=("enabled",)))) == ["u1"]


async def test_listing_of_what_has_no_order_of_its_own_is_by_id(store: Store) -> None:
    await put(store, *(conversation(f"c{n}", status=s) for n, s in enumerate(["open", "done", "open", "snoozed"])))
    for by_id in (False, True):
        assert ids(await store.find(ask("listing", type="conversation", by_id=by_id))) == ["c0", "c1", "c2", "c3"]
        query = ask("listing", type="conversation", by_id=by_id, states=("open", "snoozed"), descending=True)
        assert ids(await store.find(query)) == ["c3", "c2", "c0"]


async def test_listing_of_nothing(store: Store) -> None:
    assert await store.find(ask("listing", type="user")) == []
    await put(store, user("u1"))
    assert await store.find(ask("listing", type="user", limit=0)) == []
    assert await store.find(ask("listing", type="user", offset=7)) == []


def message(id: str, conversation: str, sent_at: int, org: str = A) -> Record:
    """A message."""
    return Message(id=id, org=org, conversation=conversation, channel="chat", sent_at=sent_at)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["m3", "m1", "m2"]),
        ({"descending": True}, ["m2", "m1", "m3"]),
        ({"by_id": True}, ["m1", "m2", "m3"]),
        ({"by_id": True, "descending": True}, ["m3", "m2", "m1"]),
    ],
)
async def test_children(store: Store, query: dict[str, Any], expected: list[str]) -> None:
    await put(store, message("m1", "c1", 20), message("m2", "c1", 20), message("m3", "c1", 10))
    await put(store, message("m4", "c2", 5), message("m5", "c1", 5, B), item("w1", resource="c1"))
    await check_order(store, ask("children", type="message", parent="c1", **query), expected)


async def test_children_in_some_states_only(store: Store) -> None:
    statuses = {"c1": "open", "c2": "done", "c3": "snoozed", "c4": "open"}
    await put(store, *(conversation(id, customer="k1", status=s) for id, s in statuses.items()))
    query = ask("children", type="conversation", parent="k1", states=("open", "snoozed"))
    await check_order(store, query, ["c1", "c3", "c4"])
    await check_order(store, msgspec.structs.replace(query, by_id=True, descending=True), ["c4", "c3", "c1"])


async def test_waiting_from_the_end(store: Store) -> None:
    await put(store, *(item(str(n), status="queued", queue="q1", entered=n) for n in (3, 1, 2)))
    await check_order(store, ask("waiting", queue="q1", descending=True), ["3", "2", "1"])


async def test_left_passes_are_those_of_the_queue_by_the_time_of_leaving(store: Store) -> None:
    left = {"p1": 30, "p2": 10, "p3": 20}
    await put(store, *(queue_pass(id, "q1", entered_queue_at=5, left_at=at) for id, at in left.items()))
    await put(store, queue_pass("p4", "q1", entered_queue_at=15), queue_pass("p5", "q2", left_at=15))
    await put(store, queue_pass("p6", "q1", B, left_at=15), item("w1", status="queued", queue="q1"))
    await check_order(store, ask("left_passes", queue="q1"), ["p2", "p3", "p1"])
    await check_order(store, ask("left_passes", queue="q1", descending=True, since=20), ["p1", "p3"])
    assert await store.find(ask("left_passes", queue="q1", since=31)) == []
    assert await store.find(ask("left_passes", queue="")) == []


async def test_a_pass_is_found_once_it_is_left_and_stays_in_the_order_of_its_item(store: Store) -> None:
    first = queue_pass("p9", "q1", work_item="w1", number=1, entered_queue_at=10)
    await put(store, first, queue_pass("p1", "q2", work_item="w1", number=2, entered_queue_at=20))
    assert await store.find(ask("left_passes", queue="q1")) == []
    await store.commit(commit_of(next_of(first, left_at=20)))
    assert ids(await store.find(ask("left_passes", queue="q1"))) == ["p9"]
    assert ids(await store.find(ask("children", type="work_item_revision", parent="w1"))) == ["p9", "p1"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["c2", "c3", "c4", "c1"]),
        ({"descending": True}, ["c1", "c4", "c3", "c2"]),
        ({"since": 20}, ["c3", "c4", "c1"]),
        ({"since": 20, "before": 30}, ["c3", "c4"]),
        ({"since": 31}, []),
        ({"type": "user"}, []),
    ],
)
async def test_updated_is_by_the_last_change(store: Store, query: dict[str, Any], expected: list[str]) -> None:
    one = conversation("c1", updated_at=5)
    await put(store, one, *(conversation(id, updated_at=at) for id, at in (("c2", 10), ("c3", 20), ("c4", 15))))
    await put(store, conversation("c5", B, updated_at=20), user("u1", updated_at=20))
    await store.commit(commit_of(next_of(one, 30, name="x")))
    await store.commit(commit_of(next_of(conversation("c4", updated_at=15), 20, name="x")))
    await check_order(store, ask("updated", **({"type": "conversation"} | query)), expected)


async def test_of_owner_is_what_belongs_to_one_agent(store: Store) -> None:
    await put(store, session("s1", "u1", signed_in_at=20), session("s2", "u1", signed_in_at=10, signed_out_at=15))
    await put(store, session("s3", "u2"), session("s4", "u1", B), item("w1", status="assigned", assigned_to="u1"))
    await check_order(store, ask("of_owner", type="work_session", owner="u1"), ["s2", "s1"])
    await check_order(store, ask("of_owner", type="work_session", owner="u1", descending=True), ["s1", "s2"])
    assert ids(await store.find(ask("of_owner", type="work_session", owner="u1", states=("ended",)))) == ["s2"]
    assert await store.find(ask("of_owner", type="work_item", owner="u1")) == []
    assert await store.find(ask("of_owner", type="work_session", owner="")) == []


async def test_messages_belong_to_their_customer(store: Store) -> None:
    sent = {"m1": 20, "m2": 10, "m3": 30}
    for n, (id, at) in enumerate(sent.items()):
        await put(store, Message(id=id, org=A, conversation=f"c{n}", customer="k1", channel="chat", sent_at=at))
    await put(store, message("m4", "c1", 15), Message(id="m5", org=B, customer="k1", channel="chat"))
    await check_order(store, ask("of_owner", type="message", owner="k1"), ["m2", "m1", "m3"])
    await check_order(store, ask("of_owner", type="message", owner="k1", descending=True), ["m3", "m1", "m2"])


async def test_children_of_nobody_are_none(store: Store) -> None:
    """A record without a parent is no child of the empty name."""
    await put(store, conversation("c1"), conversation("c2", customer="k1"))
    assert ids(await store.find(ask("children", type="conversation", parent="k1"))) == ["c2"]
    assert await store.find(ask("children", type="conversation", parent="")) == []


async def test_waiting_is_in_routing_order(store: Store) -> None:
    def waits(id: str, entered: int, org: str = A, **more: Any) -> Record:
        return item(id, org, entered=entered, **({"status": "queued", "queue": "q1"} | more))

    await put(
        store,
        waits("w1", 500), waits("w2", 400), waits("w3", 900, priority=2), waits("w4", 900, resource_priority=5),
        waits("w5", 400, status="routed"), waits("w6", 100, queue="q2"), waits("w7", 100, status="assigned"),
        waits("w8", 100, status="completed"), waits("w9", 100, B),
    )  # fmt: skip
    await check_order(store, ask("waiting", queue="q1"), ["w4", "w2", "w5", "w1", "w3"])
    await check_order(store, ask("waiting", queue="q1", states=("queued",)), ["w4", "w2", "w1", "w3"])
    await check_order(store, ask("waiting", queue="q1", states=("routed",)), ["w5"])
    assert await store.find(ask("waiting", queue="q1", states=("assigned",))) == []
    assert await store.find(ask("waiting", queue="")) == []


async def test_an_item_stops_waiting(store: Store) -> None:
    w = item("w1", entered=1, status="queued", queue="q1")
    await put(store, w)
    await store.commit(commit_of(next_of(w, status="assigned", assigned_to="u1")))
    assert await store.find(ask("waiting", queue="q1")) == []
    assert ids(await store.find(ask("open_of_owner", owner="u1"))) == ["w1"]


async def test_open_of_owner(store: Store) -> None:
    await put(
        store, item("w2", status="assigned", assigned_to="u1"), item("w1", status="wrap-up", assigned_to="u1"),
        item("w3", status="completed", assigned_to="u1"), item("w4", status="assigned", assigned_to="u2"),
        item("w5", status="queued", queue="q1"), item("w6", B, status="assigned", assigned_to="u1"),
    )  # fmt: skip
    await check_order(store, ask("open_of_owner", owner="u1"), ["w1", "w2"])
    assert await store.find(ask("open_of_owner", owner="")) == []


async def test_live_sessions(store: Store) -> None:
    first = session("s1", "u1", signed_in_at=30)
    await put(
        store, first, session("s2", "u2", signed_in_at=10), session("s3", "u3", signed_in_at=20, signed_out_at=25),
        session("s4", "u4", B, signed_in_at=5),
    )  # fmt: skip
    await check_order(store, ask("live_sessions"), ["s2", "s1"])
    await check_order(store, ask("live_sessions", owner="u1"), ["s1"])
    assert await store.find(ask("live_sessions", owner="u3")) == []
    await store.commit(commit_of(next_of(first, signed_out_at=40)))
    await put(store, session("s5", "u1", signed_in_at=50))
    assert ids(await store.find(ask("live_sessions", owner="u1"))) == ["s5"]


def offer(id: str, expires_at: int, org: str = A, **more: Any) -> Reservation:
    """An offer of its own item to its own agent."""
    return Reservation(
        id=id, org=org, work_item=f"w{id}", pass_="p", user=f"u{id}", work_session="s", expires_at=expires_at, **more
    )


async def test_overdue_is_of_every_org_earliest_first(store: Store) -> None:
    first = offer("r1", 300)
    await put(
        store, first, offer("r2", 100, B), offer("r3", 200), offer("r4", 301), offer("r5", 50, state="accepted"),
        offer("r6", 200, B), conversation("c1", status="snoozed", snooze=Snooze(wake_at=10)),
    )  # fmt: skip
    query = Query(name="overdue", org="", type="reservation", before=300)
    await check_order(store, query, ["r2", "r3", "r6", "r1"])
    await check_order(store, msgspec.structs.replace(query, org=A), ["r3", "r1"])
    await store.commit(commit_of(next_of(first, state="timed-out")))
    assert ids(await store.find(query)) == ["r2", "r3", "r6"]
    assert ids(await store.find(Query(name="overdue", org="", type="conversation", before=300))) == ["c1"]


async def test_claimed_says_who_holds_a_name(store: Store) -> None:
    ours, theirs = user("u1", email="X@example.org"), user("u2", B, email="x@example.org")
    await put(store, ours, theirs)
    name = f"{A}/user-email/x@example.org"
    assert await store.find(ask("claimed", type="user", claim=name)) == [ours]
    assert await store.find(ask("claimed", type="user", claim=name, org="")) == [ours]
    assert await store.find(ask("claimed", type="user", claim=name, org=B)) == []
    assert await store.find(ask("claimed", type="work_item", claim=name)) == []
    assert await store.find(ask("claimed", type="user", claim="nobody's")) == []
    after = next_of(ours, name="One")
    await store.commit(commit_of(after))
    assert await store.find(ask("claimed", type="user", claim=name)) == [after.after]


async def test_orgs_are_all_there_are(store: Store) -> None:
    a, b = Org(id=A, org=A, name="Zed"), Org(id=B, org=B, name="Abe")
    await put(store, b, a, user("u1", "c" * 24))
    await check_order(store, Query(name="orgs", org=""), [A, B])
    assert await store.find(Query(name="orgs", org=A)) == [b]
    assert await store.find(Query(name="orgs", org=B)) == []


def coupled(*users: str, done: bool = False) -> Coupled:
    """A coupled state that an intent of a person made."""
    moment = Moment(now=1, by=by(), fresh=lambda: "f")
    said = Shared(users=users, status="done" if done else "open")
    made = create(Conversation(id="x", org=A), said, moment).writes[0].after
    assert isinstance(made, Conversation)
    return made.coupled


def talk(id: str, state: Coupled, at: int = 10, org: str = A, **more: Any) -> Conversation:
    """A conversation that shows this coupled state, last written at `at`."""
    return show(conversation(id, org, coupled=state, updated_at=at), 1, at).with_(**more)


async def out_of_step(store: Store, before: int = 10, org: str = A) -> list[str]:
    """Whom the query names; also checked page by page."""
    query = Query(name="out_of_step", org=org, before=before)
    found = ids(await store.find(query))
    assert await pages(store, query, 1) == found
    return found


async def test_out_of_step_finds_pairs_that_differ_and_the_live_without_an_item(store: Store) -> None:
    ann, ben = coupled("ann"), coupled("ben")
    over = coupled("ann", done=True)
    await put(
        store,
        talk("c1", ann), item("w1", resource="c1", coupled=ann, updated_at=10, status="assigned"),
        talk("c2", ann), item("w2", resource="c2", coupled=ben, updated_at=10, status="assigned"),
        talk("c3", ann),
        talk("c4", over),
        talk("c5", over), item("w5", resource="c5", coupled=ann, updated_at=10, status="assigned"),
        talk("c6", ann), item("w6", resource="c6", coupled=ben, updated_at=10, status="completed"),
        talk("c7", ann, deleted=True),
        talk("c8", ann, deleted=True), item("w8", resource="c8", coupled=ben, updated_at=10, status="assigned"),
        talk("c2", ann, org=B),
        item("w9", resource="gone", coupled=ann, updated_at=10, status="assigned"),
        talk("cb", over), item("wb", resource="cb", coupled=over, updated_at=10, status="assigned"),
        talk("ca", over), item("wa", resource="ca", coupled=ben, updated_at=10, status="completed"),
    )  # fmt: skip
    assert await out_of_step(store) == ["c2", "c3", "c5", "c6", "c8"]
    assert await out_of_step(store, org=B) == ["c2"]


async def test_out_of_step_leaves_alone_what_is_still_moving(store: Store) -> None:
    ann, ben = coupled("ann"), coupled("ben")
    await put(
        store,
        talk("c1", ann, 11), item("w1", resource="c1", coupled=ben, updated_at=10, status="assigned"),
        talk("c2", ann, 10), item("w2", resource="c2", coupled=ben, updated_at=11, status="assigned"),
        talk("c3", ann, 11),
        talk("c4", coupled("ann", done=True)), item("w4", resource="c4", coupled=ben, updated_at=11, status="queued"),
    )  # fmt: skip
    assert await out_of_step(store, before=10) == []
    assert await out_of_step(store, before=11) == ["c1", "c2", "c3", "c4"]


async def test_out_of_step_ends_with_agreement(store: Store) -> None:
    ann, ben = coupled("ann"), coupled("ben")
    w = item("w1", resource="c1", coupled=ben, updated_at=10, status="assigned")
    await put(store, talk("c1", ann), w)
    assert await out_of_step(store) == ["c1"]
    await store.commit(commit_of(next_of(w, 10, coupled=ann)))
    assert await out_of_step(store) == []


def test_the_coupled_states_of_these_tests_differ() -> None:
    assert coupled("ann").digest() == coupled("ann").digest() != coupled("ben").digest()
    assert Actor("person", "user", "u1") == by().actor
