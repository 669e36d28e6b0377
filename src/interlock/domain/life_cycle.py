"""The commands of a work item's life: what each asks of the unit, and its decision. The table is in `work_item.py`.

Every function takes the case as read, checks the table and its own guard, and answers with a decision or raises. An
offer and its expiry ask nothing of the unit: offers are routing's own, so ringing never touches the conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from interlock.domain import agent, reservation, routing, skill
from interlock.domain import assignment as unit
from interlock.domain.agent import Held, Status, WorkSession
from interlock.domain.assignment import NOTHING, Assigned, Coupled, Done, Queued, Unit
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Basis, Decision, Direction, Moment, Reason, Why, Write, birth, step
from interlock.domain.errors import InvalidValue, OfferTaken, Refused, StaleBasis, TooHeavy
from interlock.domain.queue import Applied
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.schedule import Calendar
from interlock.domain.settle import Case, Manner, settle
from interlock.domain.timers import Timer
from interlock.domain.work_item import Command, QueuePass, WorkItem, permit


def begin(
    c: Conversation,
    last: WorkItem | None,
    case_of: dict[str, WorkSession],
    moment: Moment,
    *,
    code: str = "NEEDS_AGENT",
) -> Case:
    """A new item for a conversation, not yet settled: empty, in `ivr`, with an empty first pass.

    It takes its number from the last item, and its knowledge from both, so that no dot of routing's is ever used twice.
    """
    now, item_id, pass_id = moment.now, moment.fresh(), moment.fresh()
    known = c.coupled.merge(last.coupled) if last else c.coupled
    blank = Coupled(unit.State((), known.unit.ctx), unit.State((), known.ended.ctx), unit.State((), known.paused.ctx))
    item = WorkItem(
        id=item_id,
        org=c.org,
        resource=c.id,
        pass_=pass_id,
        resource_rev=c.rev,
        resource_created_at=c.created_at,
        resource_direction=c.direction,
        resource_priority=c.priority,
        channel=c.channel,
        work_item_number=last.work_item_number + 1 if last else 1,
        handled_in=_handled_in(last),
        ivr=Timer(entered_at=c.created_at if last is None else now),
        coupled=blank,
        created_at=now,
        updated_at=now,
        modified_at=now,
    )
    first = QueuePass(id=pass_id, org=c.org, work_item=item_id, created_at=now, updated_at=now, modified_at=now)
    return Case(item, first, None, case_of)


HANDLED_IN_MAX = 20
"""How many shifts an item remembers: a conversation that returns to an older one is counted there once more."""


def _handled_in(last: WorkItem | None) -> tuple[str, ...]:
    if last is None:
        return ()
    return tuple(dict.fromkeys((*last.handled_in, *filter(None, (last.work_session,)))))[-HANDLED_IN_MAX:]


def enter(
    case: Case,
    queue: str,
    moment: Moment,
    manner: Manner,
    reason: Reason,
    *,
    external: bool = False,
    why: Why | None = None,
) -> Decision:
    """Into a queue. The same queue again changes nothing but is recorded as the wish it is."""
    item = case.item
    permit("enter", item.status, pointer="/queue")
    _may_enter(case, Queued(queue, external), moment)
    left = "transferred" if item.status in ("queued", "routed") else "dequeued"
    manner = msgspec.structs.replace(manner, left=left)
    return _wish(case, Queued(queue, external), moment, manner, (reason,), why)


def _may_enter(case: Case, wanted: Queued, moment: Moment) -> None:
    """Raises unless this queue is there and open, and whoever asks may transfer into it."""
    target = None if wanted.external else case.queues.get(wanted.queue)
    if not wanted.external and (target is None or target.archived):
        raise InvalidValue(f"There is no open queue {wanted.queue}.", pointer="/queue")
    by = moment.by.actor
    if target and target.restrict_transfers_by_users and by.cls == "person" and by.type == "user":
        raise Refused(f"Agents may not transfer into {target.name}.", pointer="/queue")


def leave(case: Case, moment: Moment, manner: Manner) -> Decision:
    """Out of every queue, back to `ivr`; the rules will run again."""
    permit("leave", case.item.status, pointer="/queue")
    reason = Reason("DEQUEUE_WORK_ITEM", "QUEUE_CLEARED")
    return _wish(case, NOTHING, moment, msgspec.structs.replace(manner, left="left"), (reason,))


def assign(
    case: Case,
    users: tuple[str, ...],
    moment: Moment,
    manner: Manner,
    *,
    keep_queue: bool = True,
    context: Queued | None = None,
    reasons: tuple[Reason, ...] = (),
) -> Decision:
    """Straight to somebody, signed in or not, over the limit if need be. The queue stays as context unless cleared.

    `context`: another queue to stand there, where the item goes if it is un-assigned; no pass is opened for it now.
    """
    item = case.item
    permit("assign", item.status, pointer="/assignedTo")
    if context is not None:
        _may_enter(case, context, moment)
    _, _, queue, external = unit.shape(item.coupled.outcome.value)
    if context is not None or not keep_queue:
        queue, external = (context.queue, context.external) if context else (None, False)
    value = Assigned(users, queue, external)
    if item.status in ("queued", "routed"):
        meta = {"queue": item.queue, "pass": item.pass_}
        reasons = (*reasons, Reason("DEQUEUE_WORK_ITEM", "ASSIGNED_DIRECTLY", meta))
    return _wish(case, value, moment, manner, reasons)


def unassign(
    case: Case, moment: Moment, manner: Manner, *, code: str = "REQUEUED_UNASSIGNED", command: Command = "un-assign"
) -> Decision:
    """Away from its owner: a fresh pass in the queue it came from, or `ivr` if it has none.

    With `command` `sign-out` nobody wished anything: an offer goes back and keeps its place, and where the table has no
    step nothing is recorded as an intent, which would take the place of the one that somebody did make.
    """
    item = case.item
    cell = permit(command, item.status, pointer="/assignedTo")
    if command == "sign-out" and item.status == "routed":
        return rescind(case, moment, "the agent signed out")
    if not cell.next and command == "sign-out":
        return noop(case, moment, f"signing out changes nothing in {item.status}")
    if not cell.next:
        return _wish(case, item.coupled.outcome.value, moment, manner, ())
    _, _, queue, external = unit.shape(item.coupled.outcome.value)
    value: Unit = Queued(queue, external) if queue else NOTHING
    manner = msgspec.structs.replace(manner, left="requeued")
    reasons = (Reason("QUEUE_WORK_ITEM", code, {"queue": queue}),) if queue else ()
    return _wish(case, value, moment, manner, reasons)


def complete(
    case: Case, moment: Moment, manner: Manner, *, code: str = "ITEM_COMPLETED", nobody: bool = False
) -> Decision:
    """The end. Whoever had it is named in what stays, unless `nobody` is to be."""
    item = case.item
    cell = permit("complete", item.status, pointer="/status")
    _, users, queue, external = unit.shape(item.coupled.outcome.value)
    if nobody and users:
        permit("un-assign", item.status, pointer="/assignedTo")
    if not cell.next:
        return noop(case, moment, "already completed")
    manner = msgspec.structs.replace(manner, left="completed")
    return _wish(
        case, Done(() if nobody else users, queue, external), moment, manner, (Reason("COMPLETE_WORK_ITEM", code),)
    )


def wrap_up(case: Case, moment: Moment, manner: Manner, *, resume: bool = False) -> Decision:
    """The call or chat is over, the case is not; or the reverse."""
    command: Command = "resume" if resume else "wrap-up"
    cell = permit(command, case.item.status, pointer="/status")
    if not cell.next:
        return noop(case, moment, f"{command} changes nothing in {case.item.status}")
    ended = _register(case, case.item.coupled.ended, not resume, moment)
    coupled = msgspec.structs.replace(case.item.coupled, ended=ended)
    return _decide(case, coupled, moment, manner, (Reason("WRAP_UP_WORK_ITEM", "RESUMED" if resume else "ENDED"),))


def pause(case: Case, moment: Moment, manner: Manner, *, wake: bool = False) -> Decision:
    """Snoozed, or woken. It keeps its place; a pending offer is rescinded."""
    permit("wake" if wake else "pause", case.item.status, pointer="/paused")
    paused = _register(case, case.item.coupled.paused, not wake, moment)
    coupled = msgspec.structs.replace(case.item.coupled, paused=paused)
    return _decide(case, coupled, moment, manner, (Reason("PAUSE_WORK_ITEM", "WOKEN" if wake else "SNOOZED"),))


def offer(
    case: Case,
    user: str,
    moment: Moment,
    *,
    expires_at: int,
    strategy: str = "",
    afresh: bool = False,
    why: Why | None = None,
) -> Decision:
    """To one agent, until a time. The weight is reserved; nothing is said to the conversation.

    Refused unless the agent is eligible. To have declined this pass before hinders only a round's own choice, not a
    supervisor who asks again. `afresh`: all have declined, and are asked once more from the first.
    """
    item, now = case.item, moment.now
    permit("offer", item.status, pointer="/routed/to")
    session = _offerable(case, user, now)
    made = Reservation(
        id=moment.fresh(),
        org=item.org,
        offered_at=now,
        expires_at=expires_at,
        weight=item.item_size,
        strategy=strategy,
        work_item=item.id,
        pass_=item.pass_,
        queue=item.queue or "",
        user=user,
        work_session=session.id,
        conversation=item.resource,
        created_at=now,
        updated_at=now,
        modified_at=now,
    )
    routed = case.pass_.with_(offers=case.pass_.offers + 1, routed_at=now)
    if afresh:
        routed = routed.with_(declined_by=(), declined_at=None)
    fields: dict[str, Any] = {
        "status": "routed",
        "routed_to": user,
        "routed_to_session": session.id,
        "reservation": made.id,
        "last_revision": routed.head,
    }
    if item.resource_first_route_time is None:
        fields["resource_first_route_time"] = max(0, now - item.resource_created_at)
    holding = agent.hold(session, Held(item.id, item.item_size, item.channel, item.priority, offered=True))
    ringing = agent.given(holding, item.queue or "", now).with_(pending_reservation=made.id)
    writes = (
        step(item, item.with_(**fields), now),
        step(case.pass_, routed, now),
        agent.turn(session, ringing, now, case.hours.org),
        birth(made),
    )
    reason = Reason("ROUTE_WORK_ITEM", "OFFERED", {"user": user, "reservation": made.id, "expiresAt": expires_at})
    base = why or Why(direction="offer", kind="change")
    return Decision(partition=item.resource, why=_about(base, item, len(writes), (reason,)), writes=writes)


def _offerable(case: Case, user: str, now: int) -> WorkSession:
    """The session of an agent who may be offered this item; raises `Refused` for any other."""
    session = case.sessions.get(user)
    if case.item.paused or case.item.external_queue:
        raise Refused("A paused item, or one in an external queue, is not offered.", pointer="/routed/to")
    if session is None:
        raise Refused(f"User {user} is not signed in.", pointer="/routed/to", reason="NOT_SIGNED_IN")
    unfit = routing.ineligible(wants_of(case, now), session, now)
    if unfit:
        raise Refused(f"User {user} cannot be offered this item: {unfit}.", pointer="/routed/to", reason=unfit)
    return session


def auto_assign(case: Case, user: str, moment: Moment, *, why: Why) -> Decision:
    """Assigned at once, where the org asks for no acceptance: routing's own intent, guarded as an offer is."""
    item = case.item
    permit("offer", item.status)
    if item.paused or item.external_queue:
        raise Refused("A paused item, or one in an external queue, is not given to anybody by routing.")
    _, _, queue, external = unit.shape(item.coupled.outcome.value)
    reason = Reason("ROUTE_WORK_ITEM", "AUTO_ASSIGNED", {"user": user})
    manner = Manner(left="accepted")
    decision = _wish(case, Assigned((user,), queue, external), moment, manner, (reason,), why)
    return _changed_sessions(decision, lambda s: agent.given(s, item.queue or "", moment.now) if s.user == user else s)


def accept(case: Case, user: str, moment: Moment, manner: Manner) -> Decision:
    """The agent takes what was offered; or, where nothing was, claims it if there is room."""
    item, now = case.item, moment.now
    if item.status == "assigned":
        if item.assigned_to == user:
            return noop(case, moment, "already theirs")
        raise OfferTaken(
            f"User {item.assigned_to} has it.",
            user=item.assigned_to,
            at=item.handle.entered_at if item.handle else None,
        )
    permit("accept", item.status, pointer="/accepted/by")
    code = "ACCEPTED"
    if case.offer is not None and case.offer.state == "pending":
        reservation.answerable(case.offer, user, now)
    else:
        code = "CLAIMED"
        _claimable(case, user)
    _, _, queue, external = unit.shape(item.coupled.outcome.value)
    others = unit.shape(item.coupled.outcome.value)[1]
    users = (user, *(u for u in others if u != user))
    manner = msgspec.structs.replace(manner, left="accepted", answer="accepted", accepted_by=user)
    reason = Reason("ROUTE_WORK_ITEM", code, {"user": user, "reservation": case.offer.id if case.offer else None})
    return _wish(case, Assigned(users, queue, external), moment, manner, (reason,))


def _claimable(case: Case, user: str) -> None:
    item, session = case.item, case.sessions.get(user)
    if item.paused or item.external_queue:
        raise Refused("A paused item, or one in an external queue, cannot be claimed.", pointer="/accepted/by")
    if session is None or session.signed_out_at:
        raise Refused(f"User {user} is not signed in.", pointer="/accepted/by")
    full = agent.room(session, item.item_size, item.channel, item.priority, item=item.id)
    if full:
        raise TooHeavy(f"{full}: {session.used} of {session.limits.total} in use.", pointer="/accepted/by", reason=full)


def reject(case: Case, user: str, moment: Moment, *, reason: str = "", reason_code: int | None = None) -> Decision:
    """The agent says no: the item keeps its place, and the agent stays available for others."""
    permit("reject", case.item.status, pointer="/routed/rejectedBy")
    if case.offer is None:
        raise OfferTaken("There is no pending offer.")
    reservation.answerable(case.offer, user, moment.now)
    manner = Manner(answer="rejected", reason=reason, reason_code=reason_code)
    return _end_offer(
        "reject", case, moment, manner, Reason("ROUTE_WORK_ITEM", "REJECTED", {"user": user, "reason": reason})
    )


def expire(case: Case, moment: Moment, silent: Status | None) -> Decision:
    """Nobody answered in time: the item keeps its place, and the silent agent gets the status `silent`."""
    cell = permit("expire", case.item.status, pointer="/routed/timedout")
    offer = case.offer
    if not cell.next or offer is None:
        return noop(case, moment, "no offer is pending")
    if moment.now < offer.expires_at:
        raise Refused("The offer still has time.", pointer="/routed/timedout", expiresAt=offer.expires_at)
    manner = Manner(answer="timed-out", reason="no answer in time")
    decision = _end_offer("expire", case, moment, manner, Reason("ROUTE_WORK_ITEM", "TIMED_OUT", {"user": offer.user}))
    session = case.sessions.get(offer.user)
    if silent is None or session is None or session.status_type != "available":
        return decision
    writes = tuple(_silenced(w, session, silent, moment.now, case.hours.org) for w in decision.writes)
    return msgspec.structs.replace(decision, writes=writes)


def _silenced(write: Write, session: WorkSession, silent: Status, now: int, calendar: Calendar) -> Write:
    after = write.after
    if not isinstance(after, WorkSession) or after.id != session.id:
        return write
    return agent.turn(session, agent.with_status(after, silent, now, calendar), now, calendar)


def _changed_sessions(decision: Decision, change: Callable[[WorkSession], WorkSession]) -> Decision:
    """The decision, with what it makes of the sessions that it writes changed."""
    writes = tuple(Write(w.before, change(w.after)) if isinstance(w.after, WorkSession) else w for w in decision.writes)
    return msgspec.structs.replace(decision, writes=writes)


def wants_of(case: Case, now: int) -> routing.Wants:
    """What an item asks of whoever takes it now, whoever it is kept for."""
    item = case.item
    entered = case.pass_.entered_queue_at
    asked = skill.requirements_at(item.skills, max(0, now - (now if entered is None else entered)) / 1000)
    return routing.Wants(item.queue or "", item.channel, item.item_size, item.priority, asked)


def rescind(case: Case, moment: Moment, reason: str) -> Decision:
    """The offer is taken back, the item keeps its place."""
    permit("reject", case.item.status)
    return _end_offer(
        "reject",
        case,
        moment,
        Manner(answer="rescinded", reason=reason),
        Reason("ROUTE_WORK_ITEM", "RESCINDED", {"reason": reason}),
    )


def extend(case: Case, user: str, moment: Moment, *, expires_at: int) -> Decision:
    """More time for one offer, once."""
    offer = case.offer
    if offer is None:
        raise OfferTaken("There is no pending offer.")
    reservation.answerable(offer, user, moment.now)
    if offer.extended:
        raise Refused("This offer was lengthened once already.")
    longer = step(offer, offer.with_(expires_at=expires_at, extended=True), moment.now)
    why = Why(direction="person", kind="change")
    reason = Reason("ROUTE_WORK_ITEM", "EXTENDED", {"user": user, "expiresAt": expires_at})
    return Decision(partition=case.item.resource, why=_about(why, case.item, 0, (reason,)), writes=(longer,))


def is_applied(item: WorkItem, applied: Applied) -> bool:
    """Whether a priority that was applied to a queue's waiting items concerns this one, and is not its own yet."""
    entered = item.last_revision.entered_queue_at if item.last_revision else None
    waits = item.status in ("queued", "routed") and entered is not None and entered <= applied.applied_at
    return waits and item.priority != applied.priority


def reprioritise(case: Case, queue: str, applied: Applied, moment: Moment) -> Decision:
    """The queue's new priority, for an item that waits there already. An offer that is pending counts as before."""
    item = case.item
    if item.queue != queue or not is_applied(item, applied):
        raise Refused("It does not wait there any more, or has that priority.")
    write = step(item, item.with_(priority=applied.priority), moment.now)
    reason = Reason("QUEUE_WORK_ITEM", "PRIORITY_APPLIED", {"queue": queue, "priority": applied.priority})
    why = Why(direction="rule", kind="change")
    return Decision(partition=item.resource, why=_about(why, item, 1, (reason,)), writes=(write,))


def based_on(c: Conversation | None, seen: int | None) -> None:
    """Raises `StaleBasis` if the conversation's unit changed after the rev that the author says they had seen."""
    if c is not None and seen is not None and seen < c.unit_rev:
        raise StaleBasis(
            "The conversation's assignment, queue or status changed after the rev this write is based on.",
            pointer="/resource/rev",
            currentRev=c.rev,
            givenRev=seen,
            unitRev=c.unit_rev,
        )


def _wish(
    case: Case, value: Unit, moment: Moment, manner: Manner, reasons: tuple[Reason, ...], why: Why | None = None
) -> Decision:
    item = case.item
    origin = _origin(case, moment)
    wished = unit.intend(item.coupled.unit, origin, value, item.coupled.unit.ctx)
    coupled = msgspec.structs.replace(item.coupled, unit=wished)
    if item.coupled.is_ended and unit.takes_up(item.coupled.outcome.value, value):
        coupled = msgspec.structs.replace(coupled, ended=_register(case, coupled.ended, False, moment))
    return _decide(case, coupled, moment, manner, reasons, why)


def _origin(case: Case, moment: Moment) -> unit.Origin:
    return unit.Origin("routing", moment.epoch, moment.by.actor, case.item.ref, case.item.rev + 1, moment.now)


def _register(case: Case, state: unit.State[bool], value: bool, moment: Moment) -> unit.State[bool]:
    return unit.intend(state, _origin(case, moment), value, state.ctx)


def _decide(
    case: Case, coupled: Coupled, moment: Moment, manner: Manner, reasons: tuple[Reason, ...], why: Why | None = None
) -> Decision:
    writes = settle(case, coupled, moment, manner)
    base = why or Why(direction=direction_of(moment), kind="intent")
    return Decision(partition=case.item.resource, why=_about(base, case.item, len(writes), reasons), writes=writes)


def _end_offer(command: Command, case: Case, moment: Moment, manner: Manner, reason: Reason) -> Decision:
    writes = settle(case, case.item.coupled, moment, manner)
    why = Why(direction="offer", kind="change" if writes else "noop", reason=command)
    return Decision(partition=case.item.resource, why=_about(why, case.item, len(writes), (reason,)), writes=writes)


def noop(case: Case, moment: Moment, reason: str) -> Decision:
    """The decision that there is nothing to do: one row in the log."""
    why = Why(direction=direction_of(moment), kind="noop", reason=reason)
    return Decision(partition=case.item.resource, why=_about(why, case.item, 0, ()))


def _about(why: Why, item: Record, written: int, reasons: tuple[Reason, ...]) -> Why:
    return msgspec.structs.replace(
        why,
        record=item.ref,
        rev_before=item.rev,
        rev_after=item.rev + (written > 0),
        guard=item.rev,
        policy=unit.POLICY,
        reasons=(*why.reasons, *reasons),
    )


def direction_of(moment: Moment) -> Direction:
    """The direction of a decision by the class of who makes it."""
    cls = moment.by.actor.cls
    if cls == "rule":
        return "routing"
    return cls


def seen_of(c: Conversation) -> Basis:
    """The conversation version a decision had before it."""
    return Basis(c.TYPE, c.id, c.rev)
