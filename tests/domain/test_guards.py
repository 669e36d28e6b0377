"""What the table of a work item's life leaves to its columns: guards, timers, passes and load in particular cases."""

from __future__ import annotations

import pytest
from tests.domain.courses import COMMANDS, UNAVAILABLE, reach, ready, shown
from tests.domain.floor import CREATED, Floor, session_of

from interlock.domain import life_cycle
from interlock.domain.conversation import Shared
from interlock.domain.decision import Decision, Why
from interlock.domain.errors import Conflict, InvalidValue, OfferExpired, OfferTaken, Refused, TooHeavy
from interlock.domain.work_item import WorkItem


@pytest.mark.parametrize("state", ["queued", "routed"])
def test_the_queue_it_is_in_again_changes_nothing(state: str) -> None:
    floor = reach(state)
    had = shown(floor.records)
    floor.now += 5
    decision = floor.enter("q1")
    assert shown(floor.records) == had
    assert decision.writes, "the wish is recorded as an intent"


@pytest.mark.parametrize("state", ["assigned", "wrap-up"])
def test_the_owner_again_keeps_the_handle_time_running(state: str) -> None:
    floor = reach(state)
    had = shown(floor.records)
    floor.now += 5
    floor.assign("u1")
    if state == "assigned":
        assert shown(floor.records) == had
    assert (floor.item.status, floor.item.assigned_to, floor.session("u1").used) == ("assigned", "u1", 2)


@pytest.mark.parametrize("state", ["assigned", "wrap-up"])
def test_an_item_that_never_had_a_queue_goes_back_to_ivr(state: str) -> None:
    floor = reach("ivr")
    floor.assign("u1")
    if state == "wrap-up":
        COMMANDS["wrap-up"](floor)
    floor.now += 40
    COMMANDS["un-assign"](floor)
    assert (floor.item.status, floor.item.queued_count, floor.pass_.entered_queue_at) == ("ivr", 0, None)
    assert floor.item.ivr is not None
    assert floor.item.ivr.entered_at == floor.now
    assert floor.session("u1").used == 0


def test_an_assignment_that_clears_the_queue_has_none_to_go_back_to() -> None:
    floor = reach("queued")
    floor.assign("u1", keep_queue=False)
    assert floor.item.queue is None
    COMMANDS["un-assign"](floor)
    assert floor.item.status == "ivr"


def test_each_requeue_is_a_fresh_pass_and_the_first_keeps_its_id() -> None:
    floor = reach("ivr")
    first = floor.item.pass_
    ids: list[str] = []
    for n in range(1, 4):
        if n == 1:
            floor.enter("q1")
        else:
            COMMANDS["un-assign"](floor)
        ids.append(floor.item.pass_)
        assert (floor.item.queued_count, floor.pass_.number, floor.pass_.left_at) == (n, n, None)
        floor.now += 1_000 * n
        floor.accept("u1")
        floor.now += 7
    assert ids[0] == first
    assert len(set(ids)) == 3
    assert [p.queue_time for p in floor.passes()] == [1_000, 2_000, 3_000]
    assert floor.item.first_enter_queue_at == CREATED + 450
    assert floor.item.handle is not None
    assert floor.item.handle.time == 14


def test_to_another_queue_and_back() -> None:
    floor = reach("queued")
    floor.now += 10
    floor.enter("q2")
    floor.now += 20
    floor.enter("q1")
    assert [(p.queue, p.left_because, p.queue_time) for p in floor.passes()] == [
        ("q1", "transferred", 10), ("q2", "transferred", 20), ("q1", None, None),
    ]  # fmt: skip


def test_an_external_queue_is_entered_and_never_offered_or_claimed() -> None:
    floor = reach("queued")
    floor.enter("amazon-connect", external=True)
    item = floor.item
    assert (item.status, item.queue, item.external_queue) == ("queued", None, "amazon-connect")
    assert floor.pass_.head.external_queue == "amazon-connect"
    for command in (lambda: floor.offer("u1"), lambda: floor.accept("u1")):
        with pytest.raises(Refused):
            command()
    floor.assign("u1")
    COMMANDS["un-assign"](floor)
    assert (floor.item.status, floor.item.external_queue) == ("queued", "amazon-connect")


def test_accept_is_told_who_has_it() -> None:
    floor = reach("assigned")
    since = floor.now
    floor.now += 9
    with pytest.raises(OfferTaken) as refusal:
        floor.accept("u2")
    assert refusal.value.meta == {"user": "u1", "at": since}
    with pytest.raises(OfferTaken):
        reach("routed").accept("u2")


def test_an_answer_in_time_counts_and_a_late_one_does_not() -> None:
    floor = reach("routed")
    offer = floor.case().offer
    assert offer is not None
    floor.now = offer.expires_at
    floor.accept("u1")
    late = reach("routed")
    late.now = offer.expires_at + 1
    for answer in ("accept", "reject"):
        with pytest.raises(OfferExpired):
            COMMANDS[answer](late)


def test_an_offer_does_not_expire_before_its_time() -> None:
    floor = reach("routed")
    floor.now += 29_999
    with pytest.raises(Refused):
        floor.do(life_cycle.expire, floor.moment("system"), UNAVAILABLE)


def test_expiry_leaves_a_status_that_somebody_chose_meanwhile() -> None:
    floor = reach("routed")
    floor.put(floor.session("u1").with_(status="lunch", status_type="busy", routable=False))
    COMMANDS["expire"](floor)
    assert (floor.session("u1").status, floor.session("u1").used) == ("lunch", 0)


def test_a_claim_needs_room_and_a_shift() -> None:
    floor = reach("queued")
    floor.put(session_of("u1", total=1))
    with pytest.raises(TooHeavy):
        floor.accept("u1")
    with pytest.raises(Refused):
        floor.accept("nobody")
    assert floor.accept("u2").why.reasons[-1].code == "CLAIMED"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"routing_settings": None}, "TEAM_DISABLED"),
        ({"queues": ("q2",)}, "QUEUE_NOT_SERVED"),
        ({"routable": False}, "STATUS_NOT_AVAILABLE"),
        ({"pending_reservation": "another"}, "OFFER_PENDING"),
    ],
)
def test_an_offer_needs_an_eligible_agent(change: dict[str, object], reason: str) -> None:
    floor = reach("queued")
    floor.put(floor.session("u1").with_(**change))
    with pytest.raises(Refused) as refusal:
        floor.offer("u1")
    assert refusal.value.meta["reason"] == reason


def test_who_declined_is_remembered_for_this_pass_and_may_be_asked_by_hand() -> None:
    floor = reach("routed")
    COMMANDS["reject"](floor)
    assert floor.pass_.declined_by == ("u1",)
    floor.offer("u1")
    assert (floor.item.status, floor.pass_.offers) == ("routed", 2)


def test_guards_of_entering() -> None:
    floor = reach("ivr")
    for queue in ("shut", "missing"):
        with pytest.raises(InvalidValue):
            floor.enter(queue)
    with pytest.raises(Refused):
        floor.enter("guarded", "person")
    floor.enter("guarded", "rule")
    assert floor.item.queue == "guarded"


def test_a_paused_item_keeps_its_place_weighs_nothing_and_is_not_offered() -> None:
    floor = reach("queued")
    entered = floor.pass_.entered_queue_at
    COMMANDS["pause"](floor)
    for command in (lambda: floor.offer("u1"), lambda: floor.accept("u1")):
        with pytest.raises(Refused):
            command()
    floor.now += 60
    COMMANDS["wake"](floor)
    floor.now += 5
    COMMANDS["pause"](floor)
    floor.now += 40
    floor.assign("u1")
    assert (floor.item.status, floor.item.paused, floor.session("u1").used) == ("assigned", True, 0)
    floor.now += 2
    COMMANDS["complete"](floor)
    assert (floor.item.paused, floor.item.paused_time) == (False, 60 + 42)
    assert floor.passes()[0].entered_queue_at == entered


def test_direct_assignment_and_waking_may_go_over_the_limit_and_are_flagged() -> None:
    floor = reach("queued")
    floor.put(session_of("u1", total=1))
    floor.assign("u1")
    assert floor.item.over_capacity
    assert (floor.session("u1").over_capacity, floor.session("u1").capacity_remaining) == (1, 0)
    COMMANDS["pause"](floor)
    assert (floor.item.over_capacity, floor.session("u1").over_capacity) == (False, 0)
    COMMANDS["wake"](floor)
    assert (floor.item.over_capacity, floor.session("u1").over_capacity) == (True, 1)
    floor.assign("u2")
    assert (floor.item.over_capacity, floor.session("u1").used) == (False, 0)


def test_assignment_needs_no_shift() -> None:
    floor = reach("queued")
    floor.assign("nobody")
    assert (floor.item.assigned_to, floor.item.work_session) == ("nobody", None)
    floor.assign("u2")
    assert floor.item.work_session == "s-u2"


@pytest.mark.parametrize(
    ("state", "phase", "waited"), [("ivr", "ivr", 1_150), ("queued", "queue", 700), ("routed", "offer", 750)]
)
def test_abandoned_counts_from_the_beginning_of_its_phase(state: str, phase: str, waited: int) -> None:
    floor = reach(state)
    floor.now += 700
    COMMANDS["end"](floor)
    found = floor.item.abandoned
    assert found is not None
    assert (found.phase, found.time, found.abandoned_at) == (phase, waited, floor.now)


def test_an_abandoned_item_is_called_back_as_an_assigned_one() -> None:
    floor = reach("queued")
    COMMANDS["end"](floor)
    floor.enter("q1")
    COMMANDS["un-assign"](floor)
    assert floor.item.coupled.is_ended, "to wait where it waits does not un-end the call"
    floor.offer("u1")
    floor.accept("u1")
    assert floor.item.status == "assigned"
    assert floor.item.abandoned is not None
    assert not floor.item.coupled.is_ended


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (Shared(users=("u2",)), "assigned"), (Shared(users=("u1",)), "assigned"), (Shared(users=()), "queued"),
        (Shared(queue="q2"), "queued"), (Shared(queue=None), "ivr"),
    ],
)  # fmt: skip
def test_the_conversation_takes_a_case_in_wrap_up_up_again_as_the_item_would(said: Shared, status: str) -> None:
    floor = reach("wrap-up")
    floor.reverse()
    floor.say(said)
    floor.forward()
    assert (floor.item.status, floor.c.ended) == (status, False)


def test_saying_open_of_a_case_in_wrap_up_leaves_it_there() -> None:
    floor = reach("wrap-up")
    floor.reverse()
    floor.say(Shared(status="open"))
    floor.forward()
    assert floor.item.status == "wrap-up"


def test_a_reopened_case_starts_the_next_item_at_work() -> None:
    floor = reach("completed")
    floor.reverse()
    assert (floor.c.status, floor.c.ended, floor.c.assigned_users) == ("done", True, ("u1",))
    floor.now += 50
    floor.say(Shared(status="open"))
    floor.forward()
    assert [(w.work_item_number, w.status) for w in floor.all(WorkItem)] == [(1, "completed"), (2, "assigned")]
    assert floor.item.ivr is not None
    assert (floor.item.ivr.entered_at, floor.item.ivr.time) == (floor.now, 0)


def test_completion_names_who_had_it_and_frees_them_once() -> None:
    floor = reach("completed")
    item = floor.item
    assert (item.assigned_to, item.accepted_by, item.work_session) == ("u1", "u1", "s-u1")
    session = floor.session("u1")
    assert (session.used, session.handled_item_count) == (0, 1)
    COMMANDS["complete"](floor)
    assert floor.session("u1") == session


def test_signing_out_replaces_nobodys_wish() -> None:
    floor = ready("sign-out", "wrap-up")
    assert not COMMANDS["sign-out"](floor).writes
    [alive] = floor.item.coupled.unit.slots
    assert alive.actor.cls == "person"


def test_routing_assigns_by_itself_only_what_it_might_offer() -> None:
    def give(floor: Floor) -> Decision:
        why = Why(direction="routing", kind="intent")
        return floor.do(life_cycle.auto_assign, "u1", floor.moment("rule"), why=why)

    for state in ("ivr", "assigned", "completed"):
        with pytest.raises(Refused):
            give(reach(state))
    with pytest.raises(Conflict):
        give(reach("routed"))
    floor = reach("queued")
    give(floor)
    assert (floor.item.status, floor.passes()[0].left_because) == ("assigned", "accepted")
    paused = reach("queued")
    COMMANDS["pause"](paused)
    with pytest.raises(Refused):
        give(paused)
