"""Forward and reverse sync: each side takes the other's coupled state by `merge`, and says what came of it, also if
nothing did.

Neither direction decides anything new: no dot is minted here. A message only says where to look; the state that is
merged is the one just read, and when the own record moved meanwhile the caller reads and merges again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.domain import assignment as unit
from interlock.domain.assignment import Coupled, Intent, Unit
from interlock.domain.conversation import Conversation, show
from interlock.domain.decision import Basis, Decision, Direction, Kind, Moment, Party, Reason, Why, Write, birth, step
from interlock.domain.life_cycle import begin
from interlock.domain.settle import Case, Manner, settle
from interlock.domain.work_item import LeftBecause, QueuePass, WorkItem


def forward(
    c: Conversation, case: Case | None, last: WorkItem | None, sessions: Case | None, moment: Moment
) -> Decision:
    """The work item takes the conversation's state. Without an open item one is begun, if the conversation needs an
    agent.

    `case` is the open item's, `last` the newest item of the conversation (open or not); `sessions` lends a new item the
    sessions and queues it may need.
    """
    peer = Basis(c.TYPE, c.id, c.rev, moment.now)
    if case is None:
        return _begin(c, last, sessions, peer, moment)
    item = case.item
    merged = item.coupled.merge(c.coupled)
    own = {"resource_priority": c.priority} if c.priority != item.resource_priority else {}
    if merged == item.coupled and not own:
        return _silent("forward", item.resource, item, peer, moment)
    before, after = unit.shape(item.coupled.outcome.value), unit.shape(merged.outcome.value)
    manner = Manner(left=_left(after[0]), seen=c.rev)
    touched = msgspec.structs.replace(case, item=item.with_(**own)) if own else case
    writes = tuple(
        Write(item, w.after) if w.before is touched.item else w for w in settle(touched, merged, moment, manner)
    )
    if own and not any(w.after.id == item.id for w in writes):
        writes = (step(item, touched.item, moment.now), *writes)
    reasons = _consequences(case, before[0], after[0])
    return _taken("forward", item.resource, item, merged, c.coupled, peer, writes, reasons)


def _begin(c: Conversation, last: WorkItem | None, lent: Case | None, peer: Basis, moment: Moment) -> Decision:
    known = c.coupled.merge(last.coupled) if last else c.coupled
    value = known.outcome.value
    if c.deleted or isinstance(value, unit.Done):
        return _silent("forward", c.id, last, peer, moment, reason="no agent is needed")
    case = begin(c, last, {}, moment)
    if lent is not None:
        held = {"rules_due_at": lent.item.rules_due_at, "waits_for_workflows": lent.item.waits_for_workflows}
        item = case.item.with_(skills=lent.item.skills, **(held if isinstance(value, unit.Nothing) else {}))
        case = msgspec.structs.replace(case, item=item, sessions=lent.sessions, queues=lent.queues, hours=lent.hours)
    writes = settle(case, known, moment, Manner(left=_left(unit.shape(value)[0])))
    made = tuple(_first(w, case, known) for w in writes) or (birth(case.item),)
    if not any(isinstance(w.after, WorkItem) for w in made):
        made = (birth(case.item), *made)
    if not any(isinstance(w.after, QueuePass) for w in made):
        made = (*made, birth(case.pass_))
    code = "REOPENED" if last else "NEEDS_AGENT"
    reason = Reason("CREATE_WORK_ITEM", code, {"conversationRev": c.rev})
    item = next(w.after for w in made if isinstance(w.after, WorkItem))
    why = Why(
        direction="forward",
        kind="merge",
        record=item.ref,
        rev_after=1,
        peer=peer,
        policy=unit.POLICY,
        is_sync=True,
        in_step=known == c.coupled,
        reasons=(reason,),
    )
    return Decision(partition=c.id, why=why, writes=made)


def _first(write: Write, case: Case, known: Coupled) -> Write:
    """A settled record of an item that does not exist yet, as its first version."""
    after = write.after
    if isinstance(after, WorkItem):
        return birth(after.with_(rev=1, unit_rev=1, coupled=known))
    if isinstance(after, QueuePass) and after.id == case.pass_.id:
        return birth(after.with_(rev=1))
    return write


def reverse(c: Conversation, item: WorkItem, moment: Moment) -> Decision:
    """The conversation takes the work item's state, and never less than it knows itself."""
    peer = Basis(item.TYPE, item.id, item.rev, moment.now)
    merged = c.coupled.merge(item.coupled)
    if merged == c.coupled:
        return _silent("reverse", c.id, c, peer, moment)
    after = show(c.with_(coupled=merged), c.rev + 1, moment.now)
    return _taken("reverse", c.id, c, merged, item.coupled, peer, (step(c, after, moment.now),), ())


def _left(word: str) -> LeftBecause:
    match word:
        case "queued":
            return "transferred"
        case "done":
            return "completed"
        case "none":
            return "left"
        case _:
            return "dequeued"


def _consequences(case: Case, before: str, after: str) -> tuple[Reason, ...]:
    item = case.item
    if after == "assigned" and before == "queued":
        return (Reason("DEQUEUE_WORK_ITEM", "ASSIGNED_DIRECTLY", {"queue": item.queue, "pass": item.pass_}),)
    if after == "done":
        return (Reason("COMPLETE_WORK_ITEM", "CONVERSATION_DONE"),)
    if after == "queued" and before != "queued":
        return (Reason("QUEUE_WORK_ITEM", "QUEUE_SET"),)
    return ()


def _taken(
    direction: Direction,
    partition: str,
    mine: Conversation | WorkItem,
    merged: Coupled,
    theirs: Coupled,
    peer: Basis,
    writes: tuple[Write, ...],
    reasons: tuple[Reason, ...],
) -> Decision:
    """What a merge that brought news comes to: who is in force, who lost, and what was seen."""
    had = mine.coupled
    outcome = merged.outcome
    news = merged.unit != had.unit
    conflict = news and bool(outcome.losers)
    kind: Kind = "conflict" if conflict else "merge"
    winner = party(outcome.winner) if conflict and outcome.winner else None
    losers = tuple(party(x) for x in outcome.losers) if conflict else ()
    meta: dict[str, Any] = (
        {"winner": _short(winner), "losers": [_short(x) for x in losers], "policy": unit.POLICY} if winner else {}
    )
    head = Reason(f"{direction.upper()}_SYNC", kind.upper() if conflict else "MERGED", meta)
    word, users, queue, _ = unit.shape(outcome.value)
    why = Why(
        direction=direction,
        kind=kind,
        record=mine.ref,
        rev_before=mine.rev,
        rev_after=mine.rev + (len(writes) > 0),
        guard=mine.rev,
        peer=peer,
        winner=winner,
        losers=losers,
        policy=unit.POLICY,
        is_sync=True,
        in_step=merged == theirs,
        meant=_shown(had),
        written={"status": word, "assignedUsers": list(users), "queue": queue},
        reasons=(head, *reasons),
    )
    return Decision(partition=partition, why=why, writes=writes)


def _shown(coupled: Coupled) -> dict[str, Any]:
    word, users, queue, _ = unit.shape(coupled.outcome.value)
    return {"status": word, "assignedUsers": list(users), "queue": queue}


def _silent(
    direction: Direction,
    partition: str,
    mine: Conversation | WorkItem | None,
    peer: Basis,
    moment: Moment,
    *,
    reason: str = "nothing new",
) -> Decision:
    """The decision not to write: one row in the log, no rev, no event."""
    rev = mine.rev if mine else 0
    why = Why(
        direction=direction,
        kind="noop",
        reason=reason,
        record=mine.ref if mine else None,
        rev_before=rev,
        rev_after=rev,
        peer=peer,
        policy=unit.POLICY,
        is_sync=True,
    )
    return Decision(partition=partition, why=why)


def party(intent: Intent[Unit]) -> Party:
    """One intent, as a decision record tells of it."""
    return Party(
        value=msgspec.json.decode(msgspec.json.encode(intent.value)),
        actor=intent.actor,
        record=intent.record,
        rev=intent.rev,
        dot=unit.tuple_of(intent.dot),
        seen=tuple(unit.tuple_of(d) for d in intent.seen),
    )


def _short(who: Party | None) -> dict[str, Any]:
    if who is None:
        return {}
    rev = "conversationRev" if who.record.type == "conversation" else "workItemRev"
    return {"class": who.actor.cls, "actor": who.actor.id, rev: who.rev, "seen": [list(d) for d in who.seen]}
