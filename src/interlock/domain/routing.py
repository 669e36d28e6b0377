"""Who gets the next item, and why nobody else did: eligibility in a fixed order, then a strategy, ties by id.

Time per item is linear in the agents looked at. Which agents those are (the live sessions of the org) is the caller's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from interlock.domain import agent
from interlock.domain.agent import Held, OrgSettings, WorkSession
from interlock.domain.decision import Candidate
from interlock.domain.queue import Queue
from interlock.domain.work_item import QueuePass, WorkItem

CANDIDATES_KEPT = 50


class Choice(msgspec.Struct, frozen=True):
    """The outcome of looking for an agent: the session chosen, or why nobody was, with what was thought of each."""

    session: WorkSession | None
    because: str
    candidates: tuple[Candidate, ...]
    counts: dict[str, int]
    strategy: str


def ineligible(item: WorkItem, p: QueuePass, s: WorkSession) -> str:
    """The first test that this session fails for this item, as a reason code; empty if it may be offered it."""
    if s.signed_out_at:
        return "NOT_SIGNED_IN"
    if s.routing_settings is None:
        return "TEAM_DISABLED"
    if item.queue not in s.queues:
        return "QUEUE_NOT_SERVED"
    if not s.routable:
        return "STATUS_NOT_AVAILABLE"
    if s.pending_reservation:
        return "OFFER_PENDING"
    full = agent.room(s, item.item_size, item.channel, item.priority)
    if full:
        return full
    return "DECLINED_BEFORE" if s.user in p.declined_by else ""


def choose(item: WorkItem, p: QueuePass, sessions: Iterable[WorkSession], settings: OrgSettings) -> Choice:
    """One session for one waiting item, by the org's strategy."""
    able: list[WorkSession] = []
    failed: list[tuple[WorkSession, str]] = []
    for s in sessions:
        reason = ineligible(item, p, s)
        if reason:
            failed.append((s, reason))
        else:
            able.append(s)
    able.sort(key=lambda s: _order(settings.strategy, s))
    chosen = able[0] if able else None
    listed = [
        Candidate(s.user, s.id, s.rev, True, "" if s is chosen else "RANKED_LOWER", i + 1) for i, s in enumerate(able)
    ]
    listed += [Candidate(s.user, s.id, s.rev, False, reason) for s, reason in failed]
    counts = Counter(c.reason or "CHOSEN" for c in listed)
    because = "" if chosen else waiting_because(item, counts)
    return Choice(chosen, because, tuple(listed[:CANDIDATES_KEPT]), dict(counts), settings.strategy)


def taken(s: WorkSession, item: WorkItem, settings: OrgSettings) -> WorkSession:
    """The session as it will be once this item has gone to it: what the next choice of the same round has to reckon
    with.
    """
    held = agent.hold(s, Held(item.id, item.item_size, item.channel, item.priority, offered=settings.accept_required))
    return held.with_(pending_reservation=item.id) if settings.accept_required else held


def _order(strategy: str, s: WorkSession) -> tuple[int, int, str]:
    idle_since = s.last_assigned_item_at if s.last_assigned_item_at is not None else s.signed_in_at
    match strategy:
        case "most-free-capacity":
            return -s.capacity_remaining, idle_since, s.user
        case "round-robin":
            return s.last_offered_at or 0, idle_since, s.user
        case _:
            return idle_since, 0, s.user


_FIRST_THAT_EXPLAINS: Sequence[tuple[frozenset[str], str]] = (
    (frozenset({"OFFER_PENDING", "AT_CAPACITY", "AT_CHANNEL_LIMIT", "AT_PRIORITY_LIMIT"}), "ALL_AT_CAPACITY"),
    (frozenset({"DECLINED_BEFORE"}), "ALL_DECLINED"),
    (frozenset({"TOO_HEAVY"}), "TOO_HEAVY"),
    (frozenset({"STATUS_NOT_AVAILABLE"}), "NONE_AVAILABLE"),
    (frozenset({"QUEUE_NOT_SERVED", "TEAM_DISABLED"}), "NO_TEAM_SERVES_QUEUE"),
)


def waiting_because(item: WorkItem, counts: Counter[str]) -> str:
    """Why an item waits, as one code, from how often each test failed. The nearest miss explains best."""
    if item.paused:
        return "ITEM_PAUSED"
    if item.external_queue:
        return "EXTERNAL_QUEUE"
    if item.status == "routed":
        return "OFFERED"
    if not counts:
        return "NO_AGENT_SIGNED_IN"
    if counts.get("CHOSEN") or counts.get("RANKED_LOWER"):
        return "BEHIND_OTHERS"
    return next((code for reasons, code in _FIRST_THAT_EXPLAINS if any(counts.get(r) for r in reasons)), "UNKNOWN")


def may_wait(queue: Queue) -> bool:
    """Whether items of this queue are offered at all just now."""
    return not queue.paused and not queue.archived
