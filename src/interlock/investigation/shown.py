"""What one version of a record shows, held against the table of projections: I3, I5, and the capacity half of I12."""

# pyright: strict

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from interlock.domain import agent
from interlock.domain import assignment as unit
from interlock.domain.agent import WorkSession
from interlock.domain.assignment import Coupled
from interlock.domain.conversation import Conversation
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import WorkItem, status_of
from interlock.investigation.pair import Breach


def conversation(c: Conversation) -> Iterator[Breach]:
    """Status, queue and users are those of the unit in force."""
    outcome = c.coupled.outcome
    if not unit.valid(outcome.value):
        yield Breach("I3", c.ref, c.rev, "the unit in force is none that may be shown")
    word, users, queue, external = unit.shape(outcome.value)
    paused = c.coupled.is_paused and word != "done"
    status = "done" if word == "done" else "snoozed" if paused else "open"
    wrong = _differs(
        {
            "status": (c.status, status),
            "assignedUsers": (c.assigned_users, users),
            "queue": (c.queue, None if external else queue),
            "externalQueue": (c.external_queue, queue if external else None),
            "ended": (c.ended, c.coupled.is_ended),
        }
    )
    if wrong:
        yield Breach(_number(c.coupled, c.assigned_users, wrong), c.ref, c.rev, f"it shows {wrong}")


def work_item(item: WorkItem, offer: Reservation | None) -> Iterator[Breach]:
    """State, owner, queue and offer are those of the unit in force. `offer`: the reservation that it names."""
    word, users, queue, external = unit.shape(item.coupled.outcome.value)
    pending = offer is not None and offer.state == "pending"
    owner = users[0] if word in ("assigned", "done") and users else None
    wanted: dict[str, tuple[object, object]] = {
        "status": (item.status, status_of(item.coupled, pending)),
        "assignedTo": (item.assigned_to, owner),
        "paused": (item.paused, item.coupled.is_paused and word != "done"),
    }
    if word == "queued":
        wanted["queue"] = (item.queue, None if external else queue)
        wanted["externalQueue"] = (item.external_queue, queue if external else None)
    if pending and offer is not None:
        wanted["routedTo"] = (item.routed_to, offer.user)
    else:
        wanted["reservation"] = (item.reservation, None)
        wanted["routedTo"] = (item.routed_to, None)
    wrong = _differs(wanted)
    if wrong:
        shown_users = (item.assigned_to,) if item.assigned_to else ()
        yield Breach(_number(item.coupled, shown_users, wrong), item.ref, item.rev, f"it shows {wrong}")


def _differs(wanted: Mapping[str, tuple[object, object]]) -> str:
    return ", ".join(f"{name} {is_!r} instead of {should!r}" for name, (is_, should) in wanted.items() if is_ != should)


def _number(coupled: Coupled, users: tuple[str, ...], wrong: str) -> str:
    """I5 if what is shown is a weaker live intent's wish; else the combination is merely wrong."""
    outcome = coupled.outcome
    in_force = unit.shape(outcome.value)[1]
    of_losers = [unit.shape(x.value)[1] for x in outcome.losers]
    hidden = bool(in_force) and users[:1] != in_force[:1] and any(theirs[:1] == users[:1] for theirs in of_losers)
    return "I5" if hidden and ("assigned" in wrong) else "I3"


def session(s: WorkSession, before: WorkSession | None) -> Iterator[Breach]:
    """Figures are sums of what is held, and routing adds nothing for which there is no room."""
    if agent.reckon(s) != s:
        yield Breach("I3", s.ref, s.rev, "its figures are not the sums of what it holds")
    if before is None:
        return
    held = {h.item: h.weight for h in before.holding if not h.paused}
    for h in s.holding:
        grew = not h.paused and h.weight > held.get(h.item, 0)
        if grew and not h.over and (full := agent.room(s, h.weight, h.channel, h.priority, item=h.item)):
            yield Breach("I12", s.ref, s.rev, f"item {h.item} was taken on without room and without a flag: {full}")


def loads(sessions: Iterable[WorkSession], items: Mapping[str, Mapping[str, WorkItem]]) -> Iterator[tuple[str, Breach]]:
    """At rest: a live session holds exactly what its user has. With the org of each breach."""
    owned: dict[tuple[str, str], set[str]] = {}
    for org, by_id in items.items():
        for item in by_id.values():
            user = item.routed_to or item.assigned_to
            if item.is_open and user:
                owned.setdefault((org, user), set()).add(item.id)
    for s in sessions:
        if s.signed_out_at:
            continue
        held, has = {h.item for h in s.holding}, owned.get((s.org, s.user), set())
        for item in sorted(held - has):
            yield (
                s.org,
                Breach("I12", s.ref, s.rev, f"it is charged for item {item}, which user {s.user} does not have"),
            )
        for item in sorted(has - held):
            yield s.org, Breach("I12", s.ref, s.rev, f"it is not charged for item {item} of user {s.user}")
