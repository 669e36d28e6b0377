"""What follows when a work item's coupled state changes: offer, queue pass, timers, owner and load, in one commit.

A state changes in two ways, by an intent made here or by a merge with the conversation's, and everything that follows
is the same; so it is worked out in one place, from the state before and the state after.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from interlock.domain import agent, reservation, timers
from interlock.domain import assignment as unit
from interlock.domain.agent import Held, WorkSession
from interlock.domain.assignment import Coupled
from interlock.domain.decision import Moment, Write, birth, step
from interlock.domain.queue import Queue
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation, ReservationState
from interlock.domain.schedule import Calendar, Hours
from interlock.domain.work_item import Abandoned, LeftBecause, QueuePass, WorkItem, status_of


class Case(msgspec.Struct, frozen=True):
    """A work item and every record that one command on it may touch, as they were read.

    `offer` is the pending reservation if there is one. `sessions` holds the live sessions, by user, of those who own
    the item, are offered it, or may come to; `queues` the queues it may enter, by id; `hours` the calendars in force.
    """

    item: WorkItem
    pass_: QueuePass
    offer: Reservation | None = None
    sessions: dict[str, WorkSession] = {}
    queues: dict[str, Queue] = {}
    hours: Hours = Hours()


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How the new state came about, where the state alone does not tell.

    left        why the queue pass ended          answer   how the pending offer ended, if it did
    rule        the queue rule that chose         reason   words and code kept with the ended offer
    seen        the conversation rev taken in
    """

    left: LeftBecause = "dequeued"
    answer: ReservationState | None = None
    reason: str = ""
    reason_code: int | None = None
    rule: str | None = None
    accepted_by: str | None = None
    seen: int | None = None


class _Draft:
    """The records of one case while their next versions are worked out. Pure: it lives inside one call of `settle`."""

    def __init__(self, case: Case, moment: Moment) -> None:
        self.case = case
        self.now = moment.now
        self.moment = moment
        self.item: dict[str, Any] = {}
        self.passes: dict[str, QueuePass] = {case.pass_.id: case.pass_}
        self.pass_ = case.pass_
        self.offer = case.offer
        self.sessions = dict(case.sessions)

    @property
    def calendar(self) -> Calendar:
        """The calendar of the queue that the item is in, or came from."""
        return self.case.hours.of(self.case.item.queue)

    def keep_pass(self, after: QueuePass) -> None:
        """The current pass, changed or replaced."""
        self.passes[after.id] = self.pass_ = after

    def writes(self, by_hand: bool) -> tuple[Write, ...]:
        """Every record that differs from what was read, the item first."""
        case, now = self.case, self.now
        pairs: list[tuple[Record | None, Record]] = [(case.item, case.item.with_(**self.item))]
        pairs += [(case.pass_ if p.id == case.pass_.id else None, p) for p in self.passes.values()]
        if case.offer is not None and self.offer is not None:
            pairs.append((case.offer, self.offer))
        pairs += [(case.sessions[user], s) for user, s in self.sessions.items()]
        out: list[Write] = []
        for before, after in pairs:
            if before is None:
                out.append(birth(after))
            elif before is after or before == after:
                continue
            elif isinstance(before, WorkSession) and isinstance(after, WorkSession):
                out.append(agent.turn(before, after, now, case.hours.org))
            else:
                out.append(step(before, after, now, by_hand=by_hand and after.TYPE == WorkItem.TYPE))
        return tuple(out)


def settle(case: Case, coupled: Coupled, moment: Moment, manner: Manner) -> tuple[Write, ...]:
    """The writes that bring a case to this coupled state, with everything that follows. None if nothing differs."""
    d = _Draft(case, moment)
    item = case.item
    old, new = unit.shape(item.coupled.outcome.value), unit.shape(coupled.outcome.value)
    paused = coupled.is_paused and new[0] != "done"
    if coupled != item.coupled:
        d.item |= {"coupled": coupled, "unit_rev": item.rev + 1}
    moves = old[0] != new[0] or old[2:] != new[2:]
    _end_offer(d, manner, gone=new[0] != "queued" or moves or paused)
    if old[0] == "queued" and (new[0] != "queued" or moves):
        _leave_queue(d, manner)
    if new[0] == "queued" and moves:
        _enter_queue(d, new[2] or "", new[3], manner)
    pending = d.offer is not None and d.offer.state == "pending"
    owner = new[1][0] if new[0] == "assigned" else None
    _phase(d, coupled, status_of(coupled, pending), handover=owner != item.assigned_to)
    _pausing(d, paused)
    if new[0] == "done":
        _hand_in(d, new[1][0] if new[1] else None)
    else:
        _carry(d, owner, new, paused, manner)
    by_hand = moment.by.actor.cls == "person"
    if d.item and manner.seen is not None and manner.seen > item.resource_rev:
        d.item["resource_rev"] = manner.seen
    if by_hand and moment.by.actor.type == "user" and d.item:
        d.item["modified_by"] = moment.by.actor.id
    return d.writes(by_hand)


def _end_offer(d: _Draft, manner: Manner, *, gone: bool) -> None:
    offer = d.offer
    if offer is None or offer.state != "pending":
        return
    state = manner.answer or ("rescinded" if gone else None)
    if state is None:
        return
    d.offer = reservation.close(offer, state, d.now, manner.reason, manner.reason_code)
    d.item |= {"reservation": None, "routed_to": None, "routed_to_session": None}
    if state in ("rejected", "timed-out") and offer.user not in d.pass_.declined_by:
        d.keep_pass(d.pass_.with_(declined_by=(*d.pass_.declined_by, offer.user), declined_at=d.now))
    session = d.sessions.get(offer.user)
    if session is not None:
        freed = agent.release(session, offer.work_item)
        d.sessions[offer.user] = (
            freed.with_(pending_reservation=None) if freed.pending_reservation == offer.id else freed
        )


def _leave_queue(d: _Draft, manner: Manner) -> None:
    p = d.pass_
    passed = max(0, d.now - (p.entered_queue_at if p.entered_queue_at is not None else d.now))
    accepted = d.now if manner.left == "accepted" else None
    closed = p.with_(
        left_at=d.now,
        left_because=manner.left,
        queue_time=passed,
        queue_business_time=d.calendar.business_ms(d.now - passed, d.now),
        accepted_at=accepted,
    )
    d.keep_pass(closed)
    d.item["last_revision"] = closed.head


def _enter_queue(d: _Draft, queue: str, external: bool, manner: Manner) -> None:
    item, now = d.case.item, d.now
    entered: dict[str, Any] = {
        "entered_queue_at": now,
        "queue": None if external else queue,
        "rule": manner.rule,
        "external_queue": queue if external else None,
        "paused_at": now if item.paused else None,
    }
    if d.pass_.entered_queue_at is None:
        opened = d.pass_.with_(**entered)
    else:
        opened = QueuePass(
            id=d.moment.fresh(),
            org=item.org,
            number=d.pass_.number + 1,
            work_item=item.id,
            created_at=now,
            updated_at=now,
            modified_at=now,
            **entered,
        )
    d.keep_pass(opened)
    target = d.case.queues.get(queue)
    d.item |= {
        "queue": None if external else queue,
        "external_queue": queue if external else None,
        "rule": manner.rule,
        "queued_count": item.queued_count + 1,
        "returned": item.assigned_to is not None,
        "pass_": opened.id,
        "last_revision": opened.head,
    }
    if target is not None:
        d.item |= {"priority": target.priority, "item_size": target.item_size}
    if item.first_enter_queue_at is None:
        d.item["first_enter_queue_at"] = now
    if item.resource_first_queue_time is None:
        d.item["resource_first_queue_time"] = max(0, now - item.resource_created_at)


_TIMER_OF = {"ivr": "ivr", "assigned": "handle", "wrap-up": "wrap_up"}


def _phase(d: _Draft, coupled: Coupled, status: str, *, handover: bool) -> None:
    item, now = d.case.item, d.now
    if status != item.status:
        d.item["status"] = status
        for phase, timer in _TIMER_OF.items():
            value = getattr(item, timer)
            after = timers.start(value, now) if phase == status else timers.stop(value, now, d.calendar)
            if after != value:
                d.item[timer] = after
        if status == "completed":
            d.item["completed_at"] = now
    elif status == "assigned" and handover:
        # Another one's time begins: the sum goes on, and `entered_at` is when the present owner got it.
        d.item["handle"] = timers.start(timers.stop(item.handle, now, d.calendar), now)
    if (
        coupled.is_ended
        and not item.coupled.is_ended
        and item.status in ("ivr", "queued", "routed")
        and status != "completed"
    ):
        _abandon(d)


def _abandon(d: _Draft) -> None:
    item, now = d.case.item, d.now
    phase: Literal["ivr", "queue", "offer"] = "offer"
    if item.status in ("ivr", "queued"):
        phase = "ivr" if item.status == "ivr" else "queue"
    since = item.ivr.entered_at if item.status == "ivr" and item.ivr else d.pass_.entered_queue_at or item.created_at
    passed = max(0, now - since)
    d.item["abandoned"] = Abandoned(now, phase, passed, d.calendar.business_ms(now - passed, now))


def _pausing(d: _Draft, paused: bool) -> None:
    item = d.case.item
    if paused == item.paused:
        return
    d.item["paused"] = paused
    if d.pass_.entered_queue_at is not None and d.pass_.left_at is None:
        d.keep_pass(d.pass_.with_(**{"paused_at" if paused else "woken_at": d.now}))
    if paused:
        d.item["paused_since_at"] = d.now
    else:
        since = item.paused_since_at if item.paused_since_at is not None else d.now
        d.item |= {"paused_since_at": None, "paused_time": item.paused_time + max(0, d.now - since)}


def _hand_in(d: _Draft, last: str | None) -> None:
    """Completed: nobody carries it any more. Who is named as the last to have had it has handled it."""
    item = d.case.item
    if item.assigned_to in d.sessions:
        d.sessions[item.assigned_to] = agent.release(d.sessions[item.assigned_to], item.id)
    if last in d.sessions:
        session = d.sessions[last]
        d.sessions[last] = session.with_(
            handled_item_count=session.handled_item_count + 1,
            handled_conversation_count=session.handled_conversation_count + (session.id not in item.handled_in),
        )
    if item.over_capacity:
        d.item["over_capacity"] = False
    if last != item.assigned_to:
        d.item |= {"assigned_to": last, "accepted_by": None, "work_session": None, "team": None}
    if last in d.sessions and d.sessions[last].id != item.work_session:
        d.item |= {"work_session": d.sessions[last].id, "team": d.sessions[last].team}


def _carry(
    d: _Draft, owner: str | None, new: tuple[str, tuple[str, ...], str | None, bool], paused: bool, manner: Manner
) -> None:
    item, now = d.case.item, d.now
    changed = owner != item.assigned_to
    came_from = (None, new[2]) if new[3] else (new[2], None)
    if new[0] == "assigned" and came_from != (item.queue, item.external_queue):
        d.item |= {"queue": came_from[0], "external_queue": came_from[1]}
    if changed:
        d.item |= {"assigned_to": owner, "accepted_by": manner.accepted_by, "over_capacity": False}
        if item.assigned_to and item.assigned_to in d.sessions:
            d.sessions[item.assigned_to] = agent.release(d.sessions[item.assigned_to], item.id)
    if owner is None:
        if changed:
            d.item |= {"work_session": None, "team": None}
        return
    if not changed and paused == item.paused:
        return
    session = d.sessions.get(owner)
    weight, priority = d.item.get("item_size", item.item_size), d.item.get("priority", item.priority)
    over = (
        not paused and session is not None and bool(agent.room(session, weight, item.channel, priority, item=item.id))
    )
    d.item["over_capacity"] = over
    if changed and item.resource_first_assign_time is None:
        d.item["resource_first_assign_time"] = max(0, now - item.resource_created_at)
    if session is not None:
        held = agent.hold(session, Held(item.id, weight, item.channel, priority, paused=paused, over=over))
        d.sessions[owner] = held.with_(last_assigned_item_at=now) if changed else held
        d.item |= {"work_session": session.id, "team": session.team}
    elif changed:
        d.item |= {"work_session": None, "team": None}


def held_of(item: WorkItem) -> Held:
    """What a session carries for an item that is already its user's."""
    return Held(item.id, item.item_size, item.channel, item.priority, paused=item.paused)
