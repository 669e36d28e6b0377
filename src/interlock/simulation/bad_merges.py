"""Known-bad ways for two copies to meet: what other products do in place of `domain.assignment.merge`."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.domain import assignment as unit
from interlock.domain import sync
from interlock.domain import work_item as work_items
from interlock.domain.assignment import Assigned, Coupled, Intent, Queued, State
from interlock.domain.conversation import Conversation, show
from interlock.domain.decision import Decision, Moment, Why, step
from interlock.domain.settle import Case
from interlock.domain.work_item import WorkItem

OUR_FORWARD, OUR_REVERSE, OUR_TAKEN = sync.forward, sync.reverse, sync._taken
"""Production's own, taken before anything is put in their place."""


def _newest(state: State[Any]) -> Any:
    return max((x.at, x.dot) for x in state.slots)[0] if state.slots else -1


def by_clock(mine: State[Any], theirs: State[Any]) -> State[Any]:
    """Last writer wins: the copy with the later stamp takes all."""
    kept = theirs if _newest(theirs) > _newest(mine) else mine
    return State(kept.slots, unit.join(mine.ctx, theirs.ctx))


def by_lamport(mine: State[Any], theirs: State[Any]) -> State[Any]:
    """Last writer wins by number: the copy that counts more intents takes all."""
    height = [max((d.n for d in s.ctx), default=0) for s in (mine, theirs)]
    return State((theirs if height[1] > height[0] else mine).slots, unit.join(mine.ctx, theirs.ctx))


def by_priority(mine: State[Any], theirs: State[Any]) -> State[Any]:
    """The strongest intent of either copy is kept, also if the other copy had seen and replaced it."""
    strongest = sorted({*mine.slots, *theirs.slots}, key=unit.strength)[-1:]
    return State(tuple(strongest), unit.join(mine.ctx, theirs.ctx))


def by_field(mine: State[Any], theirs: State[Any]) -> State[Any]:
    """Three-way merge: where the copies differ, the users of one and the queue of the other are put together."""
    merged = OUR_MERGE(mine, theirs)
    if len(merged.slots) < 2:
        return merged
    first, last = merged.slots[0], merged.slots[-1]
    users = next((unit.shape(x.value)[1] for x in (first, last) if unit.shape(x.value)[1]), ())
    queue = next((q for x in (last, first) if (q := unit.shape(x.value)[2])), None)
    value: Any = Assigned(users, queue) if users else Queued(queue or "")
    return State((msgspec.structs.replace(last, value=value),), merged.ctx)


OUR_MERGE = unit.merge


def status_by_field(coupled: Coupled, pending: bool) -> Any:
    """Per field: the state follows whoever named a queue, while the owner follows whoever named a user."""
    if any(isinstance(x.value, Queued) for x in coupled.unit.slots):
        return "routed" if pending else "queued"
    return work_items.status_of(coupled, pending)


def sealing_reverse(c: Conversation, item: WorkItem, moment: Moment) -> Decision:
    """The winner of a conflict is written back as a new intent, so that only one is left."""
    decision = OUR_REVERSE(c, item, moment)
    taken = decision.after(Conversation.TYPE)
    if not isinstance(taken, Conversation) or not taken.coupled.outcome.losers:
        return decision
    return _written(c, taken.coupled, decision.why, moment)


def emptying_reverse(c: Conversation, item: WorkItem, moment: Moment) -> Decision:
    """The event of a work item carries no `assignedUsers`, and absent is taken for empty."""
    decision = OUR_REVERSE(c, item, moment)
    taken = decision.after(Conversation.TYPE)
    if not isinstance(taken, Conversation) or item.assigned_to or not item.queue:
        return decision
    return _written(c, taken.coupled, decision.why, moment, Queued(item.queue))


def _written(c: Conversation, coupled: Coupled, why: Why, moment: Moment, value: Any = None) -> Decision:
    """The decision that also makes an intent of what was carried."""
    origin = unit.Origin("conversation", moment.epoch, moment.by.actor, c.ref, c.rev + 1, moment.now)
    wish = coupled.outcome.value if value is None else value
    sealed = msgspec.structs.replace(coupled, unit=unit.intend(coupled.unit, origin, wish, coupled.unit.ctx))
    after = show(c.with_(coupled=sealed), c.rev + 1, moment.now)
    return Decision(partition=c.id, why=why, writes=(step(c, after, moment.now),))


def hasty_forward(
    c: Conversation, case: Case | None, last: WorkItem | None, sessions: Case | None, moment: Moment
) -> Decision:
    """What is shown is the same, so it returns early: that it has seen the other side's context is not written down."""
    if case is not None and case.item.coupled.outcome.value == c.coupled.outcome.value:
        why = Why(direction="forward", kind="noop", reason="nothing new", record=case.item.ref, is_sync=True)
        return Decision(partition=c.id, why=why)
    return OUR_FORWARD(c, case, last, sessions, moment)


def silent_taken(*given: Any) -> Decision:
    """The audit of a conflict is dropped: the row says "merged" and names nobody."""
    decision = OUR_TAKEN(*given)
    why = msgspec.structs.replace(decision.why, kind="merge", winner=None, losers=())
    return msgspec.structs.replace(decision, why=why)


def blind_intend(state: State[Any], origin: unit.Origin, value: Any, seen: unit.Context) -> State[Any]:
    """An intent counts itself only: it forgets what its record had taken in from the other side."""
    made = OUR_INTEND(state, origin, value, seen)
    slot: Intent[Any] = made.slots[0]
    return State((slot,), (slot.dot,))


OUR_INTEND = unit.intend
