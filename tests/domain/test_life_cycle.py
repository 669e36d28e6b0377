"""Every cell of a work item's life on real records: 15 commands in 6 states, as the published table has them.

The table below is written from the specification, by hand; the code's own table is not imported. A cell reads:

    queued        the state afterwards           =            nothing that is shown has changed
    +             a queue pass begins now        -accepted    the open pass ended, and why
    !rescinded    how the pending offer ended    ~queue       abandoned, and in which phase
    422, 409      refused: the rule says no, somebody was first
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.domain.floor import CREATED, ORG, QUEUES, Floor, session_of

from interlock.domain import life_cycle
from interlock.domain.agent import Status, with_status
from interlock.domain.conversation import Shared
from interlock.domain.decision import Decision, Why
from interlock.domain.errors import (
    Conflict,
    InvalidTransition,
    InvalidValue,
    OfferExpired,
    OfferTaken,
    Problem,
    Refused,
    TooHeavy,
)
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.settle import Manner
from interlock.domain.work_item import QueuePass, WorkItem

STATES = ("ivr", "queued", "routed", "assigned", "wrap-up", "completed")
OFFLINE = Status(id="off", org=ORG, name="Offline", status_type="offline")
UNAVAILABLE = Status(id="away", org=ORG, name="Unavailable", status_type="unavailable")

TABLE = """
          | ivr       | queued                | routed                           | assigned  | wrap-up   | completed
enter     | queued +  | queued -transferred + | queued -transferred + !rescinded | queued +  | queued +  | 422
leave     | =         | ivr -left             | ivr -left !rescinded             | ivr       | ivr       | 422
offer     | 422       | routed                | 409                              | 422       | 422       | 422
accept    | 422       | assigned -accepted    | assigned -accepted !accepted     | =         | 409       | 422
reject    | 422       | 409                   | queued !rejected                 | 409       | 409       | 422
expire    | 422       | =                     | queued !timed-out                | =         | =         | =
assign    | assigned  | assigned -dequeued    | assigned -dequeued !rescinded    | assigned  | assigned  | 422
un-assign | =         | =                     | =                                | queued +  | queued +  | 422
end       | ivr ~ivr  | queued ~queue         | routed ~offer                    | wrap-up   | =         | =
wrap-up   | 422       | 422                   | 422                              | wrap-up   | =         | 422
resume    | 422       | 422                   | 422                              | =         | assigned  | 422
complete  | completed | completed -completed  | completed -completed !rescinded  | completed | completed | =
pause     | ivr       | queued                | queued !rescinded                | assigned  | wrap-up   | 422
wake      | ivr       | queued                | =                                | assigned  | wrap-up   | 422
sign-out  | =         | =                     | queued !rescinded                | queued +  | =         | =
"""


def end(floor: Floor) -> Decision:
    """The call is over: said of the conversation, taken by the item."""
    floor.reverse()
    floor.say(Shared(ended=True))
    return floor.forward()


def sign_out(floor: Floor) -> Decision:
    """u1 is offline, in an org that takes back what they have: the item goes back."""
    return floor.do(life_cycle.unassign, floor.moment("system"), Manner(), code="REQUEUED_OFFLINE", command="sign-out")


def overdue(floor: Floor) -> Decision:
    """The offer's time is up."""
    floor.now += 30_000
    return floor.do(life_cycle.expire, floor.moment("system"), UNAVAILABLE)


COMMANDS: dict[str, Callable[[Floor], Decision]] = {
    "enter": lambda f: f.enter("q2"),
    "leave": lambda f: f.do(life_cycle.leave, f.moment(), Manner()),
    "offer": lambda f: f.offer("u2"),
    "accept": lambda f: f.accept("u1"),
    "reject": lambda f: f.do(life_cycle.reject, "u1", f.moment(), reason="busy", reason_code=2),
    "expire": overdue,
    "assign": lambda f: f.assign("u2"),
    "un-assign": lambda f: f.do(life_cycle.unassign, f.moment(), Manner()),
    "end": end,
    "wrap-up": lambda f: f.do(life_cycle.wrap_up, f.moment(), Manner()),
    "resume": lambda f: f.do(life_cycle.wrap_up, f.moment(), Manner(), resume=True),
    "complete": lambda f: f.do(life_cycle.complete, f.moment(), Manner()),
    "pause": lambda f: f.do(life_cycle.pause, f.moment(), Manner()),
    "wake": lambda f: f.do(life_cycle.pause, f.moment(), Manner(), wake=True),
    "sign-out": sign_out,
}

STAYS = {"ivr": 450, "queued": 50, "routed": 30, "assigned": 200, "wrap-up": 70}
"""Milliseconds that the way to each later state spends in each; the first 120 of `ivr` are before the item exists."""


def reach(state: str) -> Floor:
    """An item in this state, by the usual way: through q1, offered to and accepted by u1."""
    floor = Floor()
    floor.open()
    floor.now += 120
    floor.forward()
    floor.now += 330
    steps: tuple[Callable[[], object], ...] = (
        lambda: floor.enter("q1"),
        lambda: floor.offer("u1"),
        lambda: floor.accept("u1"),
        lambda: COMMANDS["wrap-up"](floor),
        lambda: COMMANDS["complete"](floor),
    )
    for before, after, step in zip(STATES, STATES[1:], steps, strict=False):
        if floor.item.status == state:
            break
        if before != "ivr":
            floor.now += STAYS[before]
        step()
        assert floor.item.status == after
    assert floor.item.status == state
    return floor


ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").splitlines()]
CELLS = [(command, state, cell) for command, *row in ROWS[1:] for state, cell in zip(STATES, row, strict=True)]
assert tuple(ROWS[0][1:]) == STATES
assert {command for command, _, _ in CELLS} == set(COMMANDS)


def ready(command: str, state: str) -> Floor:
    """The item in this state; for `wake` it is paused, where it can be; for `sign-out` u1 is offline."""
    floor = reach(state)
    if command == "wake" and state not in ("routed", "completed"):
        floor.now += 300
        COMMANDS["pause"](floor)
    if command == "sign-out":
        floor.put(with_status(floor.session("u1"), OFFLINE, floor.now))
    return floor


@pytest.mark.parametrize(("command", "state", "cell"), CELLS, ids=[f"{c}-in-{s}" for c, s, _ in CELLS])
def test_cell(command: str, state: str, cell: str) -> None:
    floor = ready(command, state)
    had = dict(floor.records)
    floor.now += 700
    if cell in ("422", "409"):
        with pytest.raises(Problem) as refusal:
            COMMANDS[command](floor)
        assert isinstance(refusal.value, InvalidTransition if cell == "422" else Conflict)
        assert floor.records == had
        return
    before, passes = floor.item, floor.passes()
    offer = floor.find(Reservation, before.reservation) if before.reservation else None
    COMMANDS[command](floor)
    if cell == "=":
        assert shown(floor.records) == shown(had)
        return
    after, *marks = cell.split()
    said = {m[0]: m[1:] for m in marks}
    assert floor.item.status == after
    check_pass(floor, before, passes, began="+" in said, left=said.get("-"))
    check_offer(floor, offer, said.get("!"))
    check_timers(floor, state, after, handover=command == "assign")
    check_load(floor, command, before)
    assert (floor.item.abandoned.phase if floor.item.abandoned else None) == said.get("~")
    assert floor.item.paused == (command == "pause")
    assert floor.item.completed_at == (floor.now if after == "completed" else None)


BOOKKEEPING = ("rev", "updated_at", "modified_at", "modified_by", "coupled", "unit_rev", "resource_rev")


def shown(records: dict[tuple[str, str], Record]) -> dict[tuple[str, str], object]:
    """Everything that routing shows, without the marks that any recorded wish leaves."""
    return {
        key: {f: getattr(r, f) for f in r.__struct_fields__ if f not in BOOKKEEPING}
        for key, r in records.items()
        if key[0] != "conversation"
    }


def check_pass(floor: Floor, before: WorkItem, passes: list[QueuePass], *, began: bool, left: str | None) -> None:
    """The column "queue pass": the open one closed and why, a new one begun or the old one going on."""
    item, now = floor.item, floor.now
    first_used = before.queued_count == 0
    assert item.queued_count == before.queued_count + began
    assert len(floor.passes()) == len(passes) + (began and not first_used)
    if left is not None:
        closed = floor.find(QueuePass, before.pass_)
        assert (closed.left_at, closed.left_because) == (now, left)
        assert closed.queue_time == closed.queue_business_time == now - (closed.entered_queue_at or 0)
        assert closed.accepted_at == (now if left == "accepted" else None)
    if not began:
        assert item.pass_ == before.pass_
        assert item.last_revision == (floor.pass_.head if before.queued_count else None)
        return
    p = floor.pass_
    assert (item.pass_ == before.pass_) == first_used, "the first pass is made with the item and keeps its id"
    assert (p.number, p.entered_queue_at, p.left_at) == (item.queued_count, now, None)
    queue = QUEUES[item.queue or ""]
    assert p.queue == queue.id
    assert (item.priority, item.item_size) == (queue.priority, queue.item_size)
    assert item.last_revision == p.head
    assert item.first_enter_queue_at == (now if first_used else before.first_enter_queue_at)
    assert item.resource_first_queue_time == (now - CREATED if first_used else before.resource_first_queue_time)


def check_offer(floor: Floor, offer: Reservation | None, ended: str | None) -> None:
    """The pending offer: gone in the way the cell says, or still there."""
    if offer is None:
        return
    now = floor.find(Reservation, offer.id)
    if ended is None:
        assert now == offer
        return
    assert (now.state, now.ended_at) == (ended, floor.now)
    declined = ended in ("rejected", "timed-out")
    assert (offer.user in floor.find(QueuePass, offer.pass_).declined_by) == declined
    if ended == "rejected":
        assert (now.reason, now.reason_code) == ("busy", 2)
    assert floor.session(offer.user).status == ("away" if ended == "timed-out" else floor.session(offer.user).status)


def check_timers(floor: Floor, state: str, after: str, *, handover: bool) -> None:
    """Stays add up to the millisecond; a timer shows its sum once it has stopped."""
    way = STATES[: STATES.index(state)]
    since_state = floor.now - CREATED - sum(STAYS[s] for s in way)
    stopped: dict[str, list[int]] = {"ivr": [], "assigned": [], "wrap-up": []}
    for s in way:
        if s in stopped:
            stopped[s].append(STAYS[s])
    if state in stopped and (after != state or (handover and state == "assigned")):
        stopped[state].append(since_state)
    item = floor.item
    for name, timer in (("ivr", item.ivr), ("assigned", item.handle), ("wrap-up", item.wrap_up)):
        want = sum(stopped[name]) if stopped[name] else None
        assert (timer.time if timer else None) == want, name
        if timer:
            assert timer.business_time == timer.time
            assert timer.completed_at == (floor.now if name == state != after else timer.completed_at)
    if after == "assigned" and (state != "assigned" or handover):
        assert item.handle is not None
        assert item.handle.entered_at == floor.now


def check_load(floor: Floor, command: str, before: WorkItem) -> None:
    """The column "capacity": who carries how much now. That figures are sums is checked at every commit."""
    item = floor.item
    owner = {"accept": "u1", "assign": "u2"}.get(command, before.assigned_to)
    offered = {"offer": "u2"}.get(command, before.routed_to)
    carries = owner if item.status in ("assigned", "wrap-up") else offered if item.status == "routed" else None
    for user, s in floor.sessions().items():
        weight = item.item_size if user == carries and not item.paused else 0
        assert s.used == weight, user
        assert s.capacity_remaining == 20 - weight
        assert s.handled_item_count == (command == "complete" and user == before.assigned_to)
    live = item.status in ("assigned", "wrap-up")
    assert (item.work_session, item.team) == (
        (f"s-{owner}", "t1") if live else (None, None)
    ) or item.status == "completed"
    if command in ("accept", "assign"):
        assert floor.session(owner or "").last_assigned_item_at == floor.now
        assert item.accepted_by == ("u1" if command == "accept" else None)


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
