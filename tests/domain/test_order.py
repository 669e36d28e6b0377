"""One PUT: every row of the table of combinations, from every state that allows it; all wanted facts, or none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from tests.domain.courses import ANY_ORDER, COMMANDS, STATES, put, reach
from tests.domain.floor import QUEUE_SET, Floor

from interlock.domain import assignment as unit
from interlock.domain import life_cycle, order
from interlock.domain.assignment import Assigned, Done, Dot, Queued
from interlock.domain.conversation import Shared
from interlock.domain.errors import Conflict, InvalidCombination, InvalidTransition, InvalidValue, Problem, Refused
from interlock.domain.order import Order
from interlock.domain.reservation import Reservation
from interlock.domain.settle import Manner
from interlock.domain.work_item import QueuePass, WorkItem

# fmt: off
TOGETHER: list[tuple[Order, tuple[str, ...], str, dict[str, Any]]] = [
    # queue id + assignedTo u · queue null + assignedTo u
    (Order(queue="q2", assigned_to="u2"), STATES[:5], "assigned", {"assigned_to": "u2", "queue": "q2"}),
    (Order(queue="q1", assigned_to="u1"), STATES[:5], "assigned", {"assigned_to": "u1", "queue": "q1"}),
    (Order(queue="vendor", external=True, assigned_to="u2"), STATES[:5], "assigned",
     {"assigned_to": "u2", "queue": None, "external_queue": "vendor"}),
    (Order(queue=None, assigned_to="u2"), STATES[:5], "assigned", {"assigned_to": "u2", "queue": None}),
    (Order(queue="q2", assigned_to="u2", status="assigned"), STATES[:5], "assigned",
     {"assigned_to": "u2", "queue": "q2"}),
    # queue id + assignedTo null · queue null + assignedTo null · queue id + routed.to
    (Order(queue="q2", assigned_to=None), STATES[:5], "queued", {"assigned_to": None, "queue": "q2"}),
    (Order(queue=None, assigned_to=None), STATES[:5], "ivr", {"assigned_to": None}),
    (Order(queue="q2", routed_to="u2"), STATES[:5], "routed", {"routed_to": "u2", "queue": "q2"}),
    # assignedTo u + status · assignedTo null + completed · accepted.by u + assignedTo u
    (Order(assigned_to="u2", status="assigned"), STATES[:5], "assigned", {"assigned_to": "u2"}),
    (Order(assigned_to="u2", status="wrap-up"), STATES[:5], "wrap-up", {"assigned_to": "u2"}),
    (Order(assigned_to="u2", status="completed"), STATES[:5], "completed", {"assigned_to": "u2"}),
    (Order(assigned_to=None, status="completed"), STATES[:5], "completed", {"assigned_to": None}),
    (Order(accepted_by="u1", assigned_to="u1"), ("queued", "routed"), "assigned", {"assigned_to": "u1"}),
    # paused true + queue, assignedTo, accepted, rejectedBy, timedout, assigned, wrap-up
    (Order(paused=True, queue="q2"), STATES[:5], "queued", {"queue": "q2", "paused": True}),
    (Order(paused=True, queue=None), STATES[:5], "ivr", {"paused": True}),
    (Order(paused=True, assigned_to="u2"), STATES[:5], "assigned", {"assigned_to": "u2", "paused": True}),
    (Order(paused=True, assigned_to=None), ("assigned", "wrap-up"), "queued", {"assigned_to": None, "paused": True}),
    (Order(paused=True, accepted_by="u1"), ("queued", "routed", "assigned"), "assigned",
     {"assigned_to": "u1", "paused": True}),
    (Order(paused=True, rejected_by="u1"), ("routed",), "queued", {"paused": True}),
    (Order(paused=True, timedout=True), ("routed",), "queued", {"paused": True}),
    (Order(paused=True, status="assigned"), ("assigned", "wrap-up"), "assigned", {"paused": True}),
    (Order(paused=True, status="wrap-up"), ("assigned", "wrap-up"), "wrap-up", {"paused": True}),
    # paused false + any
    (Order(paused=False, queue="q2"), STATES[:5], "queued", {"queue": "q2", "paused": False}),
    (Order(paused=False, assigned_to="u2"), STATES[:5], "assigned", {"assigned_to": "u2", "paused": False}),
    (Order(paused=False, accepted_by="u1"), ("queued", "routed", "assigned"), "assigned", {"paused": False}),
    (Order(paused=False, rejected_by="u1"), ("routed",), "queued", {"paused": False}),
    (Order(paused=False, timedout=True), ("routed",), "queued", {"paused": False}),
    (Order(paused=False, routed_to="u2"), ("queued",), "routed", {"routed_to": "u2", "paused": False}),
    (Order(paused=False, status="assigned"), ("assigned", "wrap-up"), "assigned", {"paused": False}),
    (Order(paused=False, status="wrap-up"), ("assigned", "wrap-up"), "wrap-up", {"paused": False}),
    (Order(paused=False, status="completed"), STATES[:5], "completed", {"paused": False}),
    (Order(paused=False, queue="q2", routed_to="u2"), STATES[:5], "routed", {"routed_to": "u2", "queue": "q2"}),
    (Order(paused=False, queue="q2", assigned_to="u2", status="assigned"), STATES[:5], "assigned", {"queue": "q2"}),
    # not in the table, and reachable: a declined offer, and where the item goes instead
    (Order(rejected_by="u1", assigned_to="u2"), ("routed",), "assigned", {"assigned_to": "u2"}),
    (Order(rejected_by="u1", status="completed"), ("routed",), "completed", {"assigned_to": None}),
    (Order(timedout=True, assigned_to="u2", status="wrap-up"), ("routed",), "wrap-up", {"assigned_to": "u2"}),
]
# fmt: on


def paused_first(floor: Floor, wanted: Order) -> Floor:
    """For an order that wakes: the item is paused, where that leaves it in its state."""
    if wanted.paused is False and floor.item.status != "routed":
        floor.now += 11
        COMMANDS["pause"](floor)
    return floor


@pytest.mark.parametrize(
    ("wanted", "state", "status", "fields"),
    [(w, state, status, fields) for w, states, status, fields in TOGETHER for state in states],
    ids=[f"{'+'.join(w.wants())}-{s}" for w, states, _, _ in TOGETHER for s in states],
)
def test_facts_that_go_together(wanted: Order, state: str, status: str, fields: dict[str, Any]) -> None:
    floor = paused_first(reach(state), wanted)
    floor.now += 30_000 if wanted.timedout else 700
    before, had = floor.item, dict(floor.records)
    decision = put(floor, wanted)
    item = floor.item
    assert item.status == status
    assert {f: getattr(item, f) for f in fields} == fields
    assert (item.rev, item.updated_at) == (before.rev + 1, floor.now)
    assert decision.why.rev_before == before.rev
    assert decision.why.rev_after == item.rev
    assert decision.why.kind == "intent"
    for part in ("unit", "ended", "paused"):
        was, has = getattr(before.coupled, part), getattr(item.coupled, part)
        counted = [d.n for d in has.ctx if d.site == "routing"]
        assert sum(counted) - sum(d.n for d in was.ctx if d.site == "routing") in (0, 1), "one intent for each part"
        if has != was:
            assert [x.rev for x in has.slots] == [item.rev]
            assert item.unit_rev == item.rev
    passes = [p for p in floor.all(QueuePass) if (QueuePass.TYPE, p.id) not in had]
    entered = isinstance(wanted.queue, str) and not isinstance(wanted.assigned_to, str)
    same = state in ("queued", "routed") and before.queue == wanted.queue
    back = wanted.assigned_to is None and wanted.status != "completed" and wanted.queue is UNSET
    assert len(passes) <= (entered or back), "no pass is opened but on the way into a queue"
    assert item.queued_count == before.queued_count + ((entered and not same) or back)
    check_answer(floor, had, wanted)


def check_answer(floor: Floor, had: dict[tuple[str, str], Any], wanted: Order) -> None:
    """How an offer that was pending has ended, and what its agent is now."""
    offers = [r for (type_, _), r in had.items() if type_ == Reservation.TYPE and r.state == "pending"]
    for offer in offers:
        ended = floor.find(Reservation, offer.id)
        answer = "accepted" if wanted.accepted_by else "rejected" if wanted.rejected_by else "rescinded"
        assert ended.state == ("timed-out" if wanted.timedout else answer)
        assert floor.session("u1").status == ("away" if wanted.timedout else "available")


# fmt: off
APART: list[tuple[Order, set[str]]] = [
    *[(Order(queue=q, status=s), {"queue", "status"})
      for q in ("q1", None) for s in ("wrap-up", "completed", "assigned")],
    *[(Order(queue=q, assigned_to="u1", status=s), {"queue", "status"})
      for q in ("q1", None) for s in ("wrap-up", "completed")],
    *[(Order(queue=q, accepted_by="u1"), {"queue", "accepted.by"}) for q in ("q1", None)],
    *[(Order(queue=q, rejected_by="u1"), {"queue", "routed.rejectedBy"}) for q in ("q1", None)],
    *[(Order(queue=q, timedout=True), {"queue", "routed.timedout"}) for q in ("q1", None)],
    (Order(queue=None, assigned_to=None, status="assigned"), {"queue", "status"}),
    (Order(queue=None, routed_to="u1"), {"queue", "routed.to"}),
    (Order(assigned_to=None, status="assigned"), {"assignedTo", "status"}),
    (Order(assigned_to=None, status="wrap-up"), {"assignedTo", "status"}),
    (Order(routed_to="u1", accepted_by="u1"), {"routed.to", "accepted.by"}),
    (Order(routed_to="u1", rejected_by="u1"), {"routed.to", "routed.rejectedBy"}),
    (Order(routed_to="u1", timedout=True), {"routed.to", "routed.timedout"}),
    (Order(routed_to="u1", assigned_to="u1"), {"routed.to", "assignedTo"}),
    (Order(routed_to="u1", assigned_to=None), {"routed.to", "assignedTo"}),
    *[(Order(routed_to="u1", status=s), {"routed.to", "status"}) for s in ("assigned", "wrap-up", "completed")],
    (Order(accepted_by="u1", rejected_by="u1"), {"accepted.by", "routed.rejectedBy"}),
    (Order(accepted_by="u1", timedout=True), {"accepted.by", "routed.timedout"}),
    *[(Order(accepted_by="u1", status=s), {"accepted.by", "status"}) for s in ("assigned", "wrap-up", "completed")],
    (Order(accepted_by="u1", assigned_to="u2"), {"accepted.by", "assignedTo"}),
    (Order(accepted_by="u1", assigned_to=None), {"accepted.by", "assignedTo"}),
    (Order(rejected_by="u1", timedout=True), {"routed.rejectedBy", "routed.timedout"}),
    (Order(rejected_by="u1", status="assigned"), {"routed.rejectedBy", "status"}),
    (Order(timedout=True, status="wrap-up"), {"routed.timedout", "status"}),
    (Order(paused=True, status="completed"), {"paused", "status"}),
    (Order(paused=True, assigned_to="u1", status="completed"), {"paused", "status"}),
    (Order(paused=True, routed_to="u1"), {"paused", "routed.to"}),
    (Order(paused=True, queue="q1", routed_to="u1"), {"paused", "routed.to"}),
]
# fmt: on


@pytest.mark.parametrize(("wanted", "fields"), APART, ids=["+".join(w.wants()) for w, _ in APART])
@pytest.mark.parametrize("state", STATES)
def test_facts_that_contradict_each_other_are_refused_naming_both(state: str, wanted: Order, fields: set[str]) -> None:
    floor = reach(state)
    with pytest.raises(InvalidCombination) as refusal:
        put(floor, wanted)
    assert set(refusal.value.meta["fields"]) == fields
    assert refusal.value.STATUS == 422


SINGLE: dict[str, Order] = {
    "enter": Order(queue="q2"), "leave": Order(queue=None), "offer": Order(routed_to="u2"),
    "accept": Order(accepted_by="u1"), "reject": Order(rejected_by="u1"), "expire": Order(timedout=True),
    "assign": Order(assigned_to="u2"), "un-assign": Order(assigned_to=None), "wrap-up": Order(status="wrap-up"),
    "resume": Order(status="assigned"), "complete": Order(status="completed"), "pause": Order(paused=True),
    "wake": Order(paused=False),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", SINGLE)
def test_a_single_fact_is_the_command_of_the_life_cycle(name: str, state: str) -> None:
    by_hand, by_put = reach(state), reach(state)
    for floor in (by_hand, by_put):
        floor.now += 30_000 if name == "expire" else 700
    outcomes: list[object] = []
    by_name = COMMANDS[name] if name != "enter" else lambda f: f.enter("q2", "person")
    for floor, do in ((by_hand, by_name), (by_put, lambda f: put(f, SINGLE[name]))):
        if name == "expire" and floor is by_hand:
            floor.now -= 30_000
        try:
            do(floor)
            outcomes.append({k: plain(r) for k, r in floor.records.items()})
        except Problem as problem:
            outcomes.append((type(problem), problem.detail))
    assert outcomes[0] == outcomes[1]


def plain(record: Any) -> Any:
    """A record without what tells a person from routing: an offer is made by hand here, by a round there."""
    forget: dict[str, Any] = {"modified_by": None, "modified_at": 0}
    if isinstance(record, Reservation):
        forget |= {"expires_at": 0, "reason": None, "reason_code": None}
    if isinstance(record, WorkItem):
        forget["coupled"] = record.coupled.outcome.value
    return record.with_(**{k: v for k, v in forget.items() if hasattr(record, k)})


def test_nothing_wanted_is_nothing_done() -> None:
    floor = reach("queued")
    assert put(floor, Order()).why.kind == "noop"
    assert Order().names() == set()


def test_what_one_part_refuses_is_refused_whole() -> None:
    for state, wanted, error in (
        ("queued", Order(queue="shut", assigned_to="u1"), InvalidValue),
        ("queued", Order(queue="guarded", assigned_to="u1"), Refused),
        ("queued", Order(queue="q2", routed_to="nobody"), Refused),
        ("queued", Order(paused=True, rejected_by="u1"), Conflict),
        ("ivr", Order(paused=True, status="wrap-up"), InvalidTransition),
        ("completed", Order(queue="q1", assigned_to="u1"), InvalidTransition),
        ("completed", Order(assigned_to=None, status="completed"), InvalidTransition),
    ):
        floor = reach(state)
        had = dict(floor.records)
        with pytest.raises(error):
            put(floor, wanted)
        assert floor.records == had


def test_the_timers_of_steps_in_one_moment() -> None:
    floor = reach("queued")
    floor.now += 90
    put(floor, Order(assigned_to="u2", status="wrap-up"))
    item, [p] = floor.item, floor.passes()
    assert (p.left_because, p.queue_time) == ("dequeued", 90)
    assert item.handle is not None
    assert item.wrap_up is not None
    assert (item.handle.time, item.wrap_up.entered_at, item.wrap_up.time) == (0, floor.now, None)
    floor.now += 5
    put(floor, Order(assigned_to="u1", status="completed"))
    assert [floor.session(u).handled_item_count for u in ("u1", "u2")] == [1, 0]
    assert floor.item.wrap_up is not None
    assert floor.item.wrap_up.time == 5
    assert floor.item.coupled.outcome.value == Done(("u1",), "q1")


def test_an_offer_that_is_made_in_the_same_step_lasts_as_the_org_says() -> None:
    floor = reach("ivr")
    put(floor, Order(queue="q2", routed_to="u2"))
    offer = floor.case().offer
    assert offer is not None
    assert (offer.rev, offer.pass_, offer.expires_at) == (1, floor.item.pass_, floor.now + 45_000)
    assert (floor.pass_.offers, floor.item.last_revision) == (1, floor.pass_.head)
    assert floor.item.coupled.outcome.value == Queued("q2")


def test_who_else_has_it_stays_when_the_owner_changes() -> None:
    floor = reach("queued")
    floor.assign("u1", "u3")
    put(floor, Order(assigned_to="u2"))
    assert floor.item.coupled.outcome.value == Assigned(("u2", "u3"), "q1")
    put(floor, Order(assigned_to="u3", status="wrap-up"))
    assert floor.item.coupled.outcome.value == Assigned(("u3",), "q1")


def test_the_rev_that_the_author_had_seen_is_kept() -> None:
    floor = reach("queued")
    put(floor, Order(assigned_to="u2", paused=True), seen=9)
    assert floor.item.resource_rev == 9


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(STATES), ANY_ORDER)
def test_whatever_is_not_refused_is_true_afterwards(state: str, wanted: Order) -> None:
    floor = reach(state)
    floor.now += 30_000
    had = dict(floor.records)
    refusal: Problem | None = None
    try:
        put(floor, wanted)
    except Problem as problem:
        refusal = problem
    if refusal is not None:
        assert refusal.STATUS in (409, 422)
        assert floor.records == had
        return
    item = floor.item
    word, users, queue, _ = unit.shape(item.coupled.outcome.value)
    if isinstance(wanted.queue, str):
        assert queue == wanted.queue
        assert word in ("queued", "assigned")
    if wanted.queue is None:
        assert queue is None
    if isinstance(wanted.assigned_to, str):
        assert users[:1] == (wanted.assigned_to,)
    if wanted.assigned_to is None:
        assert users == ()
    if wanted.routed_to:
        assert (item.status, item.routed_to) == ("routed", wanted.routed_to)
    if wanted.accepted_by:
        assert (item.status, item.assigned_to) == ("assigned", wanted.accepted_by)
    if wanted.rejected_by or wanted.timedout:
        assert item.routed_to is None
    if wanted.status:
        assert item.status == wanted.status
    if wanted.paused is not None and item.is_open:
        assert item.paused == wanted.paused


@pytest.mark.parametrize(
    ("said", "wanted", "status", "dots"),
    [
        (Shared(), Order(), "ivr", 0),
        (Shared(), Order(queue="q1"), "queued", 1),
        (Shared(), Order(assigned_to="u1"), "assigned", 1),
        (Shared(), Order(queue="q1", assigned_to="u1"), "assigned", 1),
        (Shared(queue="q2"), Order(), "queued", 0),
        (Shared(queue="q2"), Order(queue="q1"), "queued", 1),
        (Shared(users=("u2",)), Order(assigned_to="u1"), "assigned", 1),
    ],
)
def test_a_new_item_is_made_as_the_conversation_has_it_and_the_order_wants_it(
    said: Shared, wanted: Order, status: str, dots: int
) -> None:
    floor = Floor()
    floor.open(said)
    floor.now += 120
    decision = floor.take(order.create(floor.c, None, floor.lent(), wanted, floor.moment()))
    item = floor.item
    assert (item.status, item.rev, item.unit_rev, item.work_item_number) == (status, 1, 1, 1)
    assert {d.n for d in item.coupled.unit.ctx if d.site == "routing"} == ({dots} if dots else set())
    assert all(w.before is None or w.after.TYPE == "work_session" for w in decision.writes)
    assert (decision.why.rev_before, decision.why.rev_after) == (0, 1)
    assert decision.why.reasons[0].action == "CREATE_WORK_ITEM"
    floor.reverse()
    assert floor.c.coupled == item.coupled
    assert not floor.forward().writes


def test_a_done_conversation_gets_no_item() -> None:
    floor = Floor()
    floor.open(Shared(status="done"))
    with pytest.raises(Refused):
        order.create(floor.c, None, floor.lent(), Order(queue="q1"), floor.moment())


def test_the_next_item_goes_on_counting() -> None:
    floor = reach("completed")
    floor.reverse()
    floor.say(Shared(status="open", users=()))
    floor.take(order.create(floor.c, floor.item, floor.lent(), Order(queue="q2"), floor.moment()))
    assert floor.item.work_item_number == 2
    routing = [d for d in floor.item.coupled.unit.ctx if d.site == "routing"]
    assert routing == [Dot("routing", 1, 4)], "entered, accepted, completed, and now entered anew"


def test_entering_by_put_says_whether_it_came_from_somewhere() -> None:
    first, moved = reach("ivr"), reach("queued")
    assert put(first, Order(queue="q1")).why.reasons[-1].code == QUEUE_SET.code
    assert put(moved, Order(queue="q2")).why.reasons[-1].code == "TRANSFERRED"


def test_a_completion_that_names_nobody_was_handled_by_nobody() -> None:
    floor = reach("assigned")
    floor.do(life_cycle.complete, floor.moment(), Manner(), nobody=True)
    assert (floor.item.assigned_to, floor.session("u1").used, floor.session("u1").handled_item_count) == (None, 0, 0)
