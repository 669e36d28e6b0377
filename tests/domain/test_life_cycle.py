"""Every cell of a work item's life on real records: 15 commands in 6 states, as the published table has them.

The table below is written from the specification, by hand; the code's own table is not imported. A cell reads:

    queued        the state afterwards           =            nothing that is shown has changed
    +             a queue pass begins now        -accepted    the open pass ended, and why
    !rescinded    how the pending offer ended    ~queue       abandoned, and in which phase
    422, 409      refused: the rule says no, somebody was first
"""

from __future__ import annotations

import pytest
from tests.domain.courses import COMMANDS, STATES, STAYS, ready, shown
from tests.domain.floor import CREATED, QUEUES, Floor

from interlock.domain.errors import Conflict, InvalidTransition, Problem
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import TRANSITIONS, QueuePass, WorkItem

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
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").splitlines()]
CELLS = [(command, state, cell) for command, *row in ROWS[1:] for state, cell in zip(STATES, row, strict=True)]
assert tuple(ROWS[0][1:]) == STATES
assert {command for command, _, _ in CELLS} == set(COMMANDS)


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


@pytest.mark.parametrize(("command", "state", "cell"), CELLS, ids=[f"{c}-in-{s}" for c, s, _ in CELLS])
def test_the_table_that_the_code_and_the_pictures_go_by_says_the_same(command: str, state: str, cell: str) -> None:
    """The next state is worked out from the coupled unit, so a wrong one in the table would be seen by nobody else."""
    known = TRANSITIONS[command][state]  # type: ignore[index]
    assert known.refused == (int(cell) if cell.isdigit() else 0)
    assert known.next == ("" if cell == "=" or cell.isdigit() else cell.split(maxsplit=1)[0])


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
