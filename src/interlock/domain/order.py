"""One PUT of a work item: everything it wants is reached in one atomic decision, or it is refused whole.

The facts of an order are carried out one after the other, each by the command of `life_cycle.py` that a person would
give, on a case that exists only here; then all of it is folded into one decision: one version more of each record, one
intent for each part of the coupled state. What contradicts itself is refused first, naming both fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from interlock.domain import agent, life_cycle
from interlock.domain import assignment as unit
from interlock.domain.agent import OrgSettings, Status, WorkSession
from interlock.domain.assignment import Coupled, Queued, State
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Moment, Reason, Why, Write, birth
from interlock.domain.errors import InvalidCombination, Refused
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.settle import Case, Manner
from interlock.domain.sync import forward
from interlock.domain.work_item import QueuePass, WorkItem

Absent = msgspec.UnsetType
T = TypeVar("T")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Wanted facts. UNSET is no opinion; `None` of `queue` and `assigned_to` clears.

    external     `queue` is the name of a queue outside         status   assigned, wrap-up or completed
    routed_to    offered to this user                           paused   snoozed, or woken
    rejected_by, accepted_by, timedout: how the pending offer ended
    """

    queue: str | Absent | None = msgspec.UNSET
    external: bool = False
    assigned_to: str | Absent | None = msgspec.UNSET
    routed_to: str | None = None
    rejected_by: str | None = None
    timedout: bool = False
    accepted_by: str | None = None
    status: str | None = None
    paused: bool | None = None

    def wants(self) -> dict[str, Any]:
        """What it says, by the names of the body."""
        said = {
            "queue": self.queue, "assignedTo": self.assigned_to, "routed.to": self.routed_to or msgspec.UNSET,
            "routed.rejectedBy": self.rejected_by or msgspec.UNSET, "routed.timedout": self.timedout or msgspec.UNSET,
            "accepted.by": self.accepted_by or msgspec.UNSET, "status": self.status or msgspec.UNSET,
            "paused": msgspec.UNSET if self.paused is None else self.paused,
        }  # fmt: skip
        return {name: value for name, value in said.items() if value is not msgspec.UNSET}

    def names(self) -> set[str]:
        """The outward fields that it may write; they are parts of the unit, and count as one."""
        return {"status", "assignedTo", "queue", "paused"} if self.wants() else set()

    def users(self) -> list[str]:
        """The users it names."""
        named = (self.assigned_to, self.routed_to, self.rejected_by, self.accepted_by)
        return list(dict.fromkeys(u for u in named if isinstance(u, str)))

    def queues(self) -> list[str]:
        """The queues of ours that it names."""
        return [self.queue] if isinstance(self.queue, str) and not self.external else []


def _contradictions(o: Order) -> Iterator[tuple[str, str]]:
    """Pairs of fields that no state of an item has together: the last row of the table of combinations."""
    said = o.wants()
    owner = isinstance(o.assigned_to, str)
    answers = [f for f in ("accepted.by", "routed.rejectedBy", "routed.timedout") if f in said]
    if "queue" in said:
        yield from (("queue", f) for f in answers)
        if o.status in ("wrap-up", "completed") or (o.status == "assigned" and not owner):
            yield "queue", "status"
        if o.queue is None and o.routed_to:
            yield "queue", "routed.to"
    if o.assigned_to is None and o.status in ("assigned", "wrap-up"):
        yield "assignedTo", "status"
    if o.routed_to:
        yield from (("routed.to", f) for f in (*answers, "assignedTo", "status") if f in said)
    yield from ((a, b) for i, a in enumerate(answers) for b in answers[i + 1 :])
    if o.accepted_by:
        if o.status:
            yield "accepted.by", "status"
        if "assignedTo" in said and o.assigned_to != o.accepted_by:
            yield "accepted.by", "assignedTo"
    elif answers and o.status in ("assigned", "wrap-up") and not owner:
        yield answers[0], "status"
    if o.paused:
        yield from (("paused", f) for f in ("routed.to",) if f in said)
        if o.status == "completed":
            yield "paused", "status"


def check(order: Order) -> None:
    """Raises `InvalidCombination`, with both fields in `meta.fields`, if the facts cannot all be true at once."""
    found = next(_contradictions(order), None)
    if found is not None:
        raise InvalidCombination(
            f"{found[0]} and {found[1]} cannot both come true as they are given; leave one of them out.",
            pointer="/" + found[1].replace(".", "/"), fields=list(found),
        )  # fmt: skip


Command = Callable[[Case], Decision]


def carry_out(
    case: Case, order: Order, moment: Moment, *, settings: OrgSettings, seen: int | None, silent: Status | None = None
) -> Decision:
    """The decision that makes all wanted facts true at once. Raises what the commands refuse, and then nothing is done.

    `seen`: the conversation rev that the author had taken in. `silent`: the status of an agent who let an offer pass.
    """
    check(order)
    course = _Course(case, moment)
    for command in _commands(case, order, moment, Manner(seen=seen), settings, silent):
        course.run(command)
    return course.decision()


def _commands(
    case: Case, o: Order, moment: Moment, manner: Manner, settings: OrgSettings, silent: Status | None
) -> Iterator[Command]:
    """The commands in the order in which they are carried out: awake first, then the answer, the unit, the rest."""
    if o.paused is False:
        yield lambda c: life_cycle.pause(c, moment, manner, wake=True)
    if o.rejected_by:
        user = o.rejected_by
        yield lambda c: life_cycle.reject(c, user, moment)
    if o.timedout:
        yield lambda c: life_cycle.expire(c, moment, silent)
    if o.accepted_by:
        by = o.accepted_by
        yield lambda c: life_cycle.accept(c, by, moment, manner)
    else:
        yield from _of_unit(o, moment, manner)
    if o.routed_to:
        to = o.routed_to
        until = moment.now + agent.accept_ms(case.sessions.get(to), settings)
        yield lambda c: life_cycle.offer(c, to, moment, expires_at=until)
    if o.status == "wrap-up" or (o.status == "assigned" and not isinstance(o.assigned_to, str)):
        resume = o.status == "assigned"
        yield lambda c: life_cycle.wrap_up(c, moment, manner, resume=resume)
    if o.status == "completed":
        nobody = o.assigned_to is None
        yield lambda c: life_cycle.complete(c, moment, manner, nobody=nobody)
    if o.paused:
        yield lambda c: life_cycle.pause(c, moment, manner)


def _of_unit(o: Order, moment: Moment, manner: Manner) -> Iterator[Command]:
    """What `queue` and `assignedTo` ask for together. With `completed`, un-assigning is a matter of the completion."""
    if isinstance(o.assigned_to, str):
        yield lambda c: _assign(c, o, str(o.assigned_to), moment, manner)
    elif isinstance(o.queue, str):
        queue = o.queue
        yield lambda c: life_cycle.enter(c, queue, moment, manner, _entry(c, o), external=o.external)
    elif o.queue is None:
        yield lambda c: life_cycle.leave(c, moment, manner)
    elif o.assigned_to is None and o.status != "completed":
        yield lambda c: life_cycle.unassign(c, moment, manner)


def _entry(case: Case, o: Order) -> Reason:
    code = "QUEUE_SET" if case.item.status == "ivr" else "TRANSFERRED"
    return Reason("QUEUE_WORK_ITEM", code, {"queue": o.queue})


def _assign(case: Case, o: Order, user: str, moment: Moment, manner: Manner) -> Decision:
    """To this user in the first place; the former owner leaves, whoever else has it stays."""
    users = unit.shape(case.item.coupled.outcome.value)[1]
    others = users if users[:1] == (user,) else users[1:]
    named = (user, *(u for u in others if u != user))
    context = Queued(o.queue, o.external) if isinstance(o.queue, str) else None
    return life_cycle.assign(case, named, moment, manner, keep_queue=o.queue is not None, context=context)


class _Course:
    """A case taken through several commands, and what became of it as one decision. It lives inside one call.

    `made` are the writes of an item that begins in the same decision.
    """

    def __init__(self, case: Case, moment: Moment, made: Decision | None = None) -> None:
        self.case = case
        self.moment = moment
        self.made = made
        self.decisions: list[Decision] = []
        self.before: dict[tuple[str, str], Record | None] = {}
        self.after: dict[tuple[str, str], Record] = {}
        self._take(made.writes if made else ())
        self.coupled = self.case.item.coupled

    def run(self, command: Command) -> None:
        """One command on the case as the former ones left it."""
        decision = command(self.case)
        self.decisions.append(decision)
        self._take(decision.writes)

    def _take(self, writes: tuple[Write, ...]) -> None:
        for write in writes:
            key = write.after.TYPE, write.after.id
            self.before.setdefault(key, write.before)
            self.after[key] = write.after
        case = self.case
        item, pass_, offer, sessions = case.item, case.pass_, case.offer, dict(case.sessions)
        for record in (w.after for w in writes):
            match record:
                case WorkItem():
                    item = record
                case Reservation():
                    offer = record if record.state == "pending" else None
                case WorkSession():
                    sessions[record.user] = record
                case _:
                    pass
        current = self.after.get((QueuePass.TYPE, item.pass_))
        held = current if isinstance(current, QueuePass) else pass_
        self.case = Case(item, held, offer, sessions, case.queues, case.hours)

    def decision(self) -> Decision:
        """All of it as one: each record one version further, and why, in the order in which it was done."""
        if not self.made and len(self.decisions) == 1:
            return self.decisions[0]
        if not self.made and not self.decisions:
            return life_cycle.noop(self.case, self.moment, "nothing is wanted")
        writes = tuple(self._write(key) for key in self.after)
        item = self.case.item
        rev = self._rev(item)
        whys = [d.why for d in ((self.made,) if self.made else ()) + tuple(self.decisions)]
        spoke = item.coupled != self.coupled
        why = Why(
            direction=life_cycle.direction_of(self.moment), kind="intent" if spoke else "change" if writes else "noop",
            record=item.ref, rev_before=rev - 1, rev_after=rev - (not writes), guard=rev - 1 or None,
            peer=whys[0].peer, policy=unit.POLICY, reasons=tuple(r for w in whys for r in w.reasons),
        )  # fmt: skip
        return Decision(partition=item.resource, why=why, writes=writes)

    def _rev(self, record: Record) -> int:
        """The version that a record becomes."""
        before = self.before.get((record.TYPE, record.id), record)
        return before.rev + 1 if before else 1

    def _write(self, key: tuple[str, str]) -> Write:
        before, after = self.before[key], self.after[key]
        rev = self._rev(after)
        if isinstance(after, WorkItem):
            coupled = self._folded(after, rev)
            since = before.unit_rev if isinstance(before, WorkItem) and before.coupled == coupled else rev
            after = after.with_(coupled=coupled, unit_rev=since)
        return Write(before, after.with_(rev=rev)) if before else birth(after.with_(rev=rev))

    def _folded(self, item: WorkItem, rev: int) -> Coupled:
        """One intent per part, however many commands spoke of it, on what the author had seen at first."""
        origin = unit.Origin("routing", self.moment.epoch, self.moment.by.actor, item.ref, rev, self.moment.now)
        first, last = self.coupled, item.coupled
        return Coupled(
            _intend(first.unit, last.unit, origin), _intend(first.ended, last.ended, origin),
            _intend(first.paused, last.paused, origin),
        )  # fmt: skip


def _intend(first: State[T], last: State[T], origin: unit.Origin) -> State[T]:
    return first if first == last else unit.intend(first, origin, last.slots[0].value, first.ctx)


def create(c: Conversation, last: WorkItem | None, lent: Case, order: Order, moment: Moment) -> Decision:
    """A new item for a conversation without an open one: as the conversation has it, then as the order wants it.

    Raises `Refused` if the conversation needs no agent.
    """
    check(order)
    made = forward(c, None, last, lent, moment)
    if not made.writes:
        raise Refused("A done or deleted conversation needs no agent; reopen it first.", pointer="/resource/id")
    course = _Course(lent, moment, made)
    for command in _of_unit(order, moment, Manner(seen=c.rev)):
        course.run(command)
    return course.decision() if course.decisions else made
