"""Forward and reverse sync: histories of one conversation and its items, by everybody who may write; books are kept.

The machine runs writes of the conversation, commands on the item, and syncs, in any order and number; a sync looks at
the records as they are, so what varies is who looks when. `Floor.take` is the commit and checks I3, I6 and
the load after each; the machine keeps the intents and checks I1, I2, I5, I7 and that every conflict names its losers.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.domain.courses import ANY_ORDER, put
from tests.domain.floor import Floor

from interlock.domain import assignment as unit
from interlock.domain import life_cycle
from interlock.domain.assignment import ActorClass, Assigned, Context, Coupled, Dot, Intent, Queued, State
from interlock.domain.conversation import Conversation, Shared, Snooze
from interlock.domain.decision import Decision
from interlock.domain.errors import Problem
from interlock.domain.order import Order
from interlock.domain.settle import Manner
from interlock.domain.work_item import WorkItem

CLASSES: tuple[ActorClass, ...] = ("system", "rule", "workflow", "person")
COMMANDS = (
    "enter", "leave", "offer", "accept", "reject", "expire", "assign", "unassign", "wrap_up", "resume", "complete",
    "pause", "wake", "sign-out",
)  # fmt: skip
WISHES = (
    Shared(users=("u1",)),
    Shared(users=("u2", "u1")),
    Shared(users=()),
    Shared(queue="q1"),
    Shared(queue="q2", users=("u3",)),
    Shared(queue=None),
    Shared(queue="vendor", external=True),
    Shared(status="done"),
    Shared(status="done", users=()),
    Shared(status="open"),
    Shared(status="snoozed"),
    Shared(status="open", snooze=Snooze(None, "canceled")),
    Shared(snooze=Snooze(5)),
    Shared(ended=True),
    Shared(ended=False),
)


class Book:
    """Every intent that was made, and what each context meant."""

    def __init__(self) -> None:
        self.minted: dict[tuple[str, Dot], Intent[Any]] = {}
        self.meaning: dict[tuple[str, Context], tuple[Intent[Any], ...]] = {}
        self.conflicts = 0

    def take(self, decision: Decision) -> None:
        """A committed decision: what it did to the coupled state of either record."""
        for write in decision.writes:
            if isinstance(write.after, Conversation | WorkItem):
                had = write.before.coupled if isinstance(write.before, Conversation | WorkItem) else Coupled()
                for name in ("unit", "ended", "paused"):
                    self._part(name, getattr(had, name), getattr(write.after.coupled, name), sync=decision.why.is_sync)
                if decision.why.is_sync and write.before is not None:
                    self._names_losers(decision, had, write.after.coupled)

    def _part(self, name: str, had: State[Any], has: State[Any], *, sync: bool) -> None:
        assert self.meaning.setdefault((name, has.ctx), has.slots) == has.slots, "I2: equal context, equal slots"
        assert unit.includes(has.ctx, had.ctx), "nothing is unlearned"
        for x in has.slots:
            if (name, x.dot) not in self.minted:
                assert not sync, "I7: a copy makes no intent"
            assert self.minted.setdefault((name, x.dot), x) == x, "two intents have one name"
        for x in had.slots:
            by = [y for (n, _), y in self.minted.items() if n == name and unit.covers(y.seen, x.dot)]
            assert x in has.slots or any(unit.covers(has.ctx, y.dot) for y in by), (
                "I1: retired by nobody who had seen it"
            )

    def _names_losers(self, decision: Decision, had: Coupled, has: Coupled) -> None:
        if had.unit == has.unit:
            return
        outcome, why = has.outcome, decision.why
        assert why.kind == ("conflict" if outcome.losers else "merge")
        assert {p.dot for p in why.losers} == {unit.tuple_of(x.dot) for x in outcome.losers}
        if outcome.losers:
            self.conflicts += 1
            assert outcome.winner is not None
            assert why.winner is not None
            assert why.winner.dot == unit.tuple_of(outcome.winner.dot)
            assert why.reasons[0].code == "CONFLICT"
            strongest = max(unit.strength(x) for x in has.unit.slots)
            assert unit.strength(outcome.winner) == strongest, "I5"


class Machine(RuleBasedStateMachine):
    """One conversation, in all hands."""

    @initialize(said=st.sampled_from((Shared(), *WISHES[:5], WISHES[7])))
    def begin(self, said: Shared) -> None:
        self.floor, self.book = Floor(), Book()
        self.seen = 0
        self.floor.open(said)
        self.record()

    def record(self) -> None:
        """What was decided since."""
        for decision in self.floor.decisions[self.seen :]:
            self.book.take(decision)
        self.seen = len(self.floor.decisions)

    @rule(said=st.sampled_from(WISHES), cls=st.sampled_from(CLASSES))
    def write(self, said: Shared, cls: ActorClass) -> None:
        self.floor.say(said, cls)
        self.record()

    @rule()
    def forward(self) -> None:
        before = self.floor.all(WorkItem)
        decision = self.floor.forward()
        self.record()
        again = self.floor.forward()
        assert not again.writes, "an echo writes nothing"
        assert again.why.kind == "noop"
        assert len(self.floor.all(WorkItem)) <= len(before) + 1
        if decision.writes and before:
            assert self.floor.item.coupled.includes(self.floor.c.coupled)

    @precondition(lambda self: self.floor.all(WorkItem))
    @rule()
    def reverse(self) -> None:
        self.floor.reverse()
        self.record()
        assert self.floor.c.coupled.includes(self.floor.item.coupled)
        again = self.floor.reverse()
        assert not again.writes
        assert again.why.kind == "noop"

    @precondition(lambda self: self.floor.all(WorkItem))
    @rule(
        name=st.sampled_from(COMMANDS),
        cls=st.sampled_from(CLASSES),
        ms=st.sampled_from((0, 7, 40_000)),
        user=st.sampled_from(("u1", "u2")),
    )
    def command(self, name: str, cls: ActorClass, ms: int, user: str) -> None:
        floor = self.floor
        floor.now += ms
        had = dict(floor.records)
        try:
            run(floor, name, cls, user)
        except Problem:
            assert floor.records == had
        self.record()

    @precondition(lambda self: self.floor.all(WorkItem))
    @rule(wanted=ANY_ORDER, ms=st.sampled_from((0, 40_000)))
    def put(self, wanted: Order, ms: int) -> None:
        self.floor.now += ms
        had = dict(self.floor.records)
        try:
            put(self.floor, wanted)
        except Problem:
            assert self.floor.records == had
        self.record()

    def teardown(self) -> None:
        """Let the syncs run until neither has anything to say: both sides then show the same."""
        floor = getattr(self, "floor", None)
        if floor is None:
            return
        for _ in range(4):
            moved = bool(floor.forward().writes)
            moved |= bool(floor.all(WorkItem)) and bool(floor.reverse().writes)
            if not moved:
                break
        else:
            raise AssertionError("the syncs do not come to rest")
        self.record()
        agree(floor)


def run(floor: Floor, name: str, cls: ActorClass, user: str) -> None:
    """One command on the newest item."""
    moment, manner = floor.moment(cls), Manner()
    match name:
        case "enter":
            floor.enter("q1" if user == "u1" else "q2", cls)
        case "offer":
            floor.offer(user)
        case "accept":
            floor.accept(user)
        case "reject":
            floor.do(life_cycle.reject, user, moment)
        case "expire":
            floor.do(life_cycle.expire, moment, None)
        case "assign":
            floor.assign(user, cls=cls)
        case "resume":
            floor.do(life_cycle.wrap_up, moment, manner, resume=True)
        case "wake":
            floor.do(life_cycle.pause, moment, manner, wake=True)
        case "sign-out":
            floor.do(life_cycle.unassign, moment, manner, command="sign-out")
        case _:
            floor.do(getattr(life_cycle, name), moment, manner)


def agree(floor: Floor) -> None:
    """Both records at rest."""
    c, items = floor.c, floor.all(WorkItem)
    open_items = [w for w in items if w.is_open]
    assert len(open_items) == (c.status != "done")
    assert [w.work_item_number for w in items] == list(range(1, len(items) + 1))
    for w in open_items:
        assert w.coupled == c.coupled
        word = unit.shape(c.coupled.outcome.value)[0]
        assert (w.assigned_to or None) == (c.assigned_users[0] if c.assigned_users else None)
        assert w.paused == (c.status == "snoozed")
        if word == "queued":
            assert (w.queue, w.external_queue) == (c.queue, c.external_queue)
    for w in items:
        assert c.coupled.includes(w.coupled)


TestHistories = Machine.TestCase
TestHistories.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)


def incident() -> Floor:
    """A conversation at rev 4; its item, made from that and queued by a rule; a workflow's assignment at rev 6."""
    floor = Floor()
    floor.open()
    for _ in range(3):
        touch(floor)
    floor.now += 120
    floor.forward()
    assert floor.item.resource_rev == 4
    touch(floor)
    floor.now += 330
    floor.enter("q1", "rule")
    floor.say(Shared(users=("u1",)), "workflow")
    assert (floor.c.rev, floor.c.assigned_users, floor.item.status) == (6, ("u1",), "queued")
    return floor


def touch(floor: Floor) -> None:
    """Something else about the conversation changes."""
    c = floor.c
    floor.put(c.with_(rev=c.rev + 1, preview=f"{c.rev}"))


def test_the_incident_reverse_sync_keeps_the_workflows_user_and_names_the_rule() -> None:
    floor = incident()
    why = floor.reverse().why
    assert (floor.c.rev, floor.c.status, floor.c.assigned_users, floor.c.queue) == (7, "open", ("u1",), "q1")
    assert (why.kind, why.is_sync) == ("conflict", True)
    assert why.winner is not None
    assert (why.winner.actor.cls, why.winner.record.type, why.winner.rev) == ("workflow", "conversation", 6)
    [loser] = why.losers
    assert (loser.actor.cls, loser.record.type, loser.rev, loser.seen) == ("rule", "work_item", 2, ())
    assert loser.value == {"type": "queued", "queue": "q1"}
    assert why.reasons[0].meta["losers"] == [{"class": "rule", "actor": "a-rule", "workItemRev": 2, "seen": []}]


def test_the_incident_forward_sync_assigns_the_item_and_takes_it_out_of_the_queue() -> None:
    floor = incident()
    floor.now += 310
    why = floor.forward().why
    item = floor.item
    assert (item.status, item.assigned_to, item.queue, item.resource_rev) == ("assigned", "u1", "q1", 6)
    assert (floor.passes()[0].left_because, floor.passes()[0].queue_time) == ("dequeued", 310)
    assert [(r.action, r.code) for r in why.reasons] == [
        ("FORWARD_SYNC", "CONFLICT"), ("DEQUEUE_WORK_ITEM", "ASSIGNED_DIRECTLY"),
    ]  # fmt: skip
    assert [p.actor.cls for p in why.losers] == ["rule"]
    assert floor.session("u1").used == item.item_size


@pytest.mark.parametrize("order", [("reverse", "forward"), ("forward", "reverse")])
def test_the_incident_ends_the_same_in_either_order_and_stays_so(order: tuple[str, str]) -> None:
    floor = incident()
    for name in order:
        getattr(floor, name)()
    agree(floor)
    assert floor.c.coupled.outcome.value == Assigned(("u1",), "q1")
    revs = (floor.c.rev, floor.item.rev)
    for name in (*order, *order):
        assert getattr(floor, name)().why.kind == "noop"
    assert (floor.c.rev, floor.item.rev) == revs
    assert len(floor.c.coupled.unit.slots) == 2, "two live intents are kept, not settled"


def test_accept_beside_an_unrelated_touch_is_not_undone() -> None:
    floor = Floor()
    floor.open(Shared(queue="q1"))
    floor.forward()
    floor.offer("u2")
    floor.accept("u2")
    touch(floor)
    assert not floor.forward().writes
    floor.reverse()
    assert floor.c.assigned_users == ("u2",)


def test_who_had_seen_the_accept_may_undo_it_and_who_had_not_may_not() -> None:
    seen, unseen = Floor(), Floor()
    for floor in (seen, unseen):
        floor.open(Shared(queue="q1"))
        floor.forward()
        floor.offer("u2")
        floor.accept("u2")
    seen.reverse()
    for floor in (seen, unseen):
        floor.say(Shared(queue="q2"), "workflow")
        floor.forward()
        floor.reverse()
        agree(floor)
    assert (seen.item.status, seen.item.queue) == ("queued", "q2")
    assert (unseen.item.status, unseen.item.assigned_to, unseen.item.queue) == ("assigned", "u2", "q1")


def test_an_assignment_revives_what_a_workflow_closed_as_the_next_item() -> None:
    floor = Floor()
    floor.open(Shared(queue="q1"))
    floor.forward()
    floor.do(life_cycle.complete, floor.moment("workflow"), Manner())
    floor.say(Shared(users=("u1",)), "person")
    floor.forward()
    floor.reverse()
    agree(floor)
    assert [(w.work_item_number, w.status) for w in floor.all(WorkItem)] == [(1, "completed"), (2, "assigned")]


def test_an_item_goes_on_counting_where_the_last_one_stopped() -> None:
    floor = Floor()
    floor.open(Shared(queue="q1"))
    floor.forward()
    floor.accept("u1")
    floor.do(life_cycle.complete, floor.moment(), Manner())
    floor.reverse()
    floor.say(Shared(status="open", users=()))
    floor.forward()
    floor.enter("q2", "person")
    mine = [d for w in floor.all(WorkItem) for d in unit.live_dots(w.coupled.unit) if d.site == "routing"]
    assert mine == [Dot("routing", 1, 2), Dot("routing", 1, 3)]


def test_after_a_restore_both_lives_are_kept_apart() -> None:
    """Both records are put back to before the accept; the accept comes again by another agent, in a new epoch."""
    floor = Floor()
    floor.open(Shared(queue="q1"))
    floor.forward()
    backup = dict(floor.records)
    floor.accept("u1")
    before_the_fire = floor.item.coupled
    floor.records = backup
    floor.epoch = 2
    floor.accept("u2")
    floor.reverse()
    both = floor.c.coupled.merge(before_the_fire)
    assert {x.value for x in both.unit.slots} == {Assigned(("u1",), "q1"), Assigned(("u2",), "q1")}


def test_absent_is_no_opinion() -> None:
    """A write that does not name the users leaves them, whoever makes it; the incident's `[]` had no author."""
    floor = incident()
    floor.reverse()
    floor.say(Shared(status="open"), "system")
    floor.forward()
    assert (floor.c.assigned_users, floor.item.assigned_to) == (("u1",), "u1")
    floor.say(Shared(users=()), "person")
    floor.forward()
    assert (floor.c.assigned_users, floor.item.status) == ((), "queued")


def test_a_priority_travels_without_touching_the_unit() -> None:
    floor = incident()
    floor.forward()
    rev, unit_rev = floor.item.rev, floor.item.unit_rev
    c = floor.c
    floor.put(c.with_(rev=c.rev + 1, priority=5))
    decision = floor.forward()
    assert (floor.item.resource_priority, floor.item.rev, floor.item.unit_rev) == (5, rev + 1, unit_rev)
    assert [w.after.TYPE for w in decision.writes] == ["work_item"]
    assert floor.item.coupled.outcome.value == Assigned(("u1",), "q1")
    assert Queued("q1") in {x.value for x in floor.item.coupled.unit.slots}
