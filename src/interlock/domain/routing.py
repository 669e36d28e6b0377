"""What routing goes by: what an item asks for, what an agent has to give, in which order each stands, and why not.

Items that ask for the same (`Wants`) are a class, agents that can give the same (`Fit`) a group, and one test holds for
all of a class and all of a group. So the time of a decision does not grow with the floor; `floor.py` keeps the two.
All of it is ours, except that priority 1 and the longest wait go first, which the reference documents.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Set
from typing import Literal, NamedTuple

import msgspec

from interlock.domain import agent, skill
from interlock.domain.agent import OrgSettings, WorkSession
from interlock.domain.decision import Candidate
from interlock.domain.queue import Queue
from interlock.domain.schedule import Calendar, held_outside
from interlock.domain.skill import Requirement
from interlock.domain.work_item import QueuePass, WorkItem

CANDIDATES_KEPT = 50
"""How many candidates a decision names; of the rest it keeps counts by reason."""

NOBODY: frozenset[str] = frozenset()

TESTS: tuple[tuple[str, str], ...] = (
    ("NOT_SIGNED_IN", "not signed in"),
    ("TEAM_DISABLED", "their team takes no part in routing"),
    ("QUEUE_NOT_SERVED", "their team does not serve this queue"),
    ("STATUS_NOT_AVAILABLE", "not available"),
    ("UNREACHABLE", "signed in, but not reachable"),
    ("OFFER_PENDING", "has another offer to answer"),
    ("TOO_HEAVY", "the item weighs more than they may carry at all"),
    ("AT_CAPACITY", "no room: the item weighs more than what is left of their capacity"),
    ("AT_CHANNEL_LIMIT", "carries as many items of this channel as they may"),
    ("AT_PRIORITY_LIMIT", "carries as much of this queue priority as they may"),
    ("OFFER_RATE", "was offered as many items as their team's rate allows"),
    ("SKILL_MISSING", "does not have a skill that is required"),
    ("SKILL_LEVEL", "has the skill that is required, at too low a level"),
    ("DECLINED_BEFORE", "declined this item a moment ago"),
)
"""The tests of eligibility, in order, each with what it means. The first one that fails is stored."""

NOT_CHOSEN: tuple[tuple[str, str], ...] = (
    ("RANKED_LOWER", "could take it, but came later in the order"),
    ("SKILL_PREFERRED_ELSEWHERE", "could take it, but another one has what is preferred"),
    ("STICKY_ELSEWHERE", "could take it, but the customer's own agent goes first"),
)
"""Why an eligible agent was not chosen."""

WAITING: tuple[tuple[str, str], ...] = (
    ("NO_TEAM_SERVES_QUEUE", "No team that takes part in routing has this queue."),
    ("NO_AGENT_SIGNED_IN", "Teams serve the queue, and none of their agents is signed in."),
    ("NONE_AVAILABLE", "Agents who serve the queue are signed in, and none of them is available."),
    ("ALL_AT_CAPACITY", "Every available agent who could take it is full, ringing, or at a limit."),
    ("NONE_WITH_SKILL", "No available agent has a skill that is required."),
    ("TOO_HEAVY", "It weighs more than any available agent may carry at all."),
    ("KEPT_FOR_AGENT", "It is kept for the customer's own agent, who is there and has no room yet."),
    ("OFFERED", "It is offered to somebody who has not answered yet."),
    ("ALL_DECLINED", "Everybody who could take it has declined; they are asked again after a while."),
    ("BEHIND_OTHERS", "Somebody could take it, and items before it are served first."),
    ("QUEUE_PAUSED", "Its queue is paused or archived."),
    ("ITEM_PAUSED", "Its conversation is snoozed."),
    ("OUTSIDE_HOURS", "Its queue is closed, and holds its items until it opens."),
    ("EXTERNAL_QUEUE", "It waits in a queue outside, and is never offered from here."),
    ("NOT_YET_ROUTED", "The next round of routing decides about it."),
    ("UNKNOWN", "No reason was found. It is reported as an incident."),
)
"""Why an item waits: exactly one code for each that does."""

REASONS: Mapping[str, str] = dict((*TESTS, *NOT_CHOSEN))
FULL = frozenset({"OFFER_PENDING", "AT_CAPACITY", "AT_CHANNEL_LIMIT", "AT_PRIORITY_LIMIT", "OFFER_RATE"})
"""What passes by itself: the agent is there and able, and has no room just now."""
_AWAY = frozenset({"STATUS_NOT_AVAILABLE", "UNREACHABLE"})


class Wants(msgspec.Struct, frozen=True):
    """What an item asks of whoever takes it, at one moment. Items that ask for the same are a class.

    skills    what is required and preferred now, without the steps still to come
    kept_for  the agent it is kept for, while it is; empty: for anybody
    """

    queue: str
    channel: str
    weight: int
    priority: int
    skills: tuple[Requirement, ...] = ()
    kept_for: str = ""


class Fit(msgspec.Struct, frozen=True):
    """What an agent has to give, at one moment. Agents who can give the same are a group.

    free      weight that still fits                    channels    items that still fit, of each limited channel
    rated     the offer rate of their team is used up   priorities  weight that still fits, of each limited priority
    """

    team: bool = True
    routable: bool = True
    reachable: bool = True
    ringing: bool = False
    rated: bool = False
    total: int = 20
    free: int = 20
    channels: tuple[tuple[str, int], ...] = ()
    priorities: tuple[tuple[int, int], ...] = ()
    skills: tuple[tuple[str, int], ...] = ()


def unfit(wants: Wants, fit: Fit) -> str:
    """The first test that agents of this group fail for items of this class, as a reason code; empty if none.

    That they are signed in and serve the queue is known of whoever asks; declining is a matter of one agent.
    """
    if not fit.team:
        return "TEAM_DISABLED"
    if not fit.routable:
        return "STATUS_NOT_AVAILABLE"
    if not fit.reachable:
        return "UNREACHABLE"
    if fit.ringing:
        return "OFFER_PENDING"
    return _no_room(wants, fit) or (skill.unfit(dict(fit.skills), wants.skills) if wants.skills else "")


def _no_room(wants: Wants, fit: Fit) -> str:
    if wants.weight > fit.total:
        return "TOO_HEAVY"
    if wants.weight > fit.free:
        return "AT_CAPACITY"
    for channel, left in fit.channels:
        if channel == wants.channel and left <= 0:
            return "AT_CHANNEL_LIMIT"
    for priority, left in fit.priorities:
        if priority == wants.priority and left < wants.weight:
            return "AT_PRIORITY_LIMIT"
    return "OFFER_RATE" if fit.rated else ""


def could_one_day(wants: Wants, fit: Fit) -> bool:
    """Whether an agent of this group is there and has the skills, whatever they carry just now."""
    there = fit.team and fit.routable and fit.reachable and wants.weight <= fit.total
    return there and not skill.unfit(dict(fit.skills), wants.skills)


def fit_of(s: WorkSession, now: int) -> Fit:
    """What the agent of a session has to give."""
    held = [h for h in s.holding if not h.paused]
    limits = s.limits
    return Fit(
        team=s.routing_settings is not None,
        routable=s.routable and not s.signed_out_at,
        reachable=s.unreachable_since_at is None,
        ringing=bool(s.pending_reservation),
        rated=agent.rate_free_at(s, now) is not None,
        total=limits.total,
        free=limits.total - sum(h.weight for h in held),
        channels=tuple((c, n - sum(h.channel == c for h in held)) for c, n in sorted(limits.channels.items())),
        priorities=tuple(
            (p, n - sum(h.weight for h in held if h.priority == p)) for p, n in sorted(limits.priorities.items())
        ),
        skills=tuple(sorted(s.skills.items())),
    )


def of_note(skills: Mapping[str, int], asked: Mapping[str, Set[int]]) -> tuple[tuple[str, int], ...]:
    """An agent's skills, as much of them as makes a difference to what is asked for: each at the highest level that is
    asked for and reached, else at the lowest. So agents differ no more than what is asked of them does.
    """
    found: list[tuple[str, int]] = []
    for id in sorted(asked):
        level = skills.get(id, 0)
        if level:
            steps = sorted(asked[id])
            n = bisect_right(steps, level)
            found.append((id, steps[n - 1] if n else 1))
    return tuple(found)


def ineligible(wants: Wants, s: WorkSession, now: int, declined: frozenset[str] = NOBODY) -> str:
    """The first test that this session fails for an item that asks for this, as a reason code; empty if it may be
    offered it.
    """
    if s.signed_out_at:
        return "NOT_SIGNED_IN"
    if s.routing_settings is None:
        return "TEAM_DISABLED"
    if wants.queue not in s.queues:
        return "QUEUE_NOT_SERVED"
    return unfit(wants, fit_of(s, now)) or ("DECLINED_BEFORE" if s.user in declined else "")


def rank(strategy: str, s: WorkSession, queue: str) -> tuple[int, int, str, str]:
    """Where a session stands in a strategy's order, smallest first: ties by the agent's id, and its own id last."""
    idle_since = s.last_assigned_item_at if s.last_assigned_item_at is not None else s.signed_in_at
    match strategy:
        case "most-free-capacity":
            return -s.capacity_remaining, idle_since, s.user, s.id
        case "round-robin":
            return s.offered_from.get(queue, 0), idle_since, s.user, s.id
        case _:
            return idle_since, 0, s.user, s.id


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A waiting item, as much of it as routing goes by. Times in ms.

    returned   it came back from an agent          declined, declined_at   by whom in this pass, and when last
    sticky     the customer's own agent, if there is one
    """

    id: str
    rev: int
    state: Literal["queued", "routed", "paused"]
    queue: str
    channel: str
    weight: int
    priority: int
    urgency: int
    entered_at: int
    changed_at: int
    returned: bool = False
    skills: tuple[Requirement, ...] = ()
    declined: frozenset[str] = NOBODY
    declined_at: int = 0
    sticky: str = ""


def waiting_of(item: WorkItem, pass_: QueuePass | None = None, sticky: str = "") -> Waiting | None:
    """An item as one that waits in a queue of ours; `None` if it does not."""
    if item.status not in ("queued", "routed") or not item.queue or item.external_queue:
        return None
    entered = item.last_revision.entered_queue_at if item.last_revision else None
    return Waiting(
        id=item.id,
        rev=item.rev,
        state="paused" if item.paused else "queued" if item.status == "queued" else "routed",
        queue=item.queue,
        channel=item.channel,
        weight=item.item_size,
        priority=item.priority,
        urgency=9 - item.resource_priority,
        entered_at=entered or 0,
        changed_at=item.updated_at,
        returned=item.returned,
        skills=item.skills,
        declined=frozenset(pass_.declined_by) if pass_ and pass_.declined_by else NOBODY,
        declined_at=pass_.declined_at or 0 if pass_ else 0,
        sticky=sticky,
    )


Key = tuple[int, int, int, int, str]
"""Effective queue priority, urgency, returned ones first (if the queue wants that), entry (ms), id."""


class Place(NamedTuple):
    """Where a waiting item stands at one moment: its class, its place in the order, who is not asked just now.

    afresh  everybody has declined, long enough ago: they are asked again    due  when it will stand elsewhere (ms)
    """

    wants: Wants
    key: Key
    declined: frozenset[str]
    afresh: bool
    due: int | None


def place(w: Waiting, queue: Queue, now: int, reoffer_s: int) -> Place:
    """Where an item stands at `now`. Ageing, the steps of its skills, what it is kept for and declines are matters of
    time: `due` says when to ask again.
    """
    dues: list[int] = []
    priority = w.priority
    if queue.ageing is not None:
        at = w.entered_at + queue.ageing.after_seconds * 1000
        if now >= at:
            priority = min(priority, queue.ageing.priority)
        else:
            dues.append(at)
    skills: tuple[Requirement, ...] = ()
    if w.skills:
        waited_s = max(0, now - w.entered_at) / 1000
        asked = skill.requirements_at(w.skills, waited_s)
        skills = tuple(msgspec.structs.replace(r, relax=()) if r.relax else r for r in asked)
        step = skill.next_step(w.skills, waited_s)
        if step is not None:
            dues.append(w.entered_at + step * 1000)
    kept_for = ""
    if w.sticky and queue.sticky.by != "none" and w.sticky not in w.declined:
        until = w.entered_at + queue.sticky.seconds * 1000
        if now < until:
            kept_for = w.sticky
            dues.append(until)
    again_at = w.declined_at + reoffer_s * 1000
    afresh = bool(w.declined) and now >= again_at
    if w.declined and not afresh:
        dues.append(again_at)
    first = 0 if queue.returned_first and w.returned else 1
    return Place(
        Wants(w.queue, w.channel, w.weight, w.priority, skills, kept_for),
        (priority, w.urgency, first, w.entered_at, w.id),
        NOBODY if afresh else w.declined,
        afresh,
        min(dues, default=None),
    )


class Choice(msgspec.Struct, frozen=True):
    """The outcome of looking for an agent: who was chosen (or nobody), and what was thought of the others.

    `user` and `session` are empty if nobody was. `counts`: of all live sessions, by reason; `CHOSEN` for the one.
    """

    user: str
    session: str
    candidates: tuple[Candidate, ...]
    counts: dict[str, int]
    strategy: str
    afresh: bool = False


def held(queue: Queue | None, calendar: Calendar, now: int) -> str:
    """Why nothing of a queue is offered just now, as a code of `WAITING`; empty if it is."""
    if queue is None or not may_wait(queue):
        return "QUEUE_PAUSED"
    return "OUTSIDE_HOURS" if held_outside(queue.outside_hours, calendar, now) else ""


def because(counts: Mapping[str, int], *, served: bool, skilled: bool, kept: bool = False, ahead: int = 0) -> str:
    """Why an item waits that is neither held nor offered, from how many agents who serve its queue fail which test.

    served   a team that takes part in routing has the queue     kept   it is kept for an agent who is there
    skilled  somebody available has the skills and the strength  ahead  items before it
    """
    serving = sum(n for reason, n in counts.items() if reason not in ("QUEUE_NOT_SERVED", "TEAM_DISABLED"))
    there = serving - sum(counts.get(r, 0) for r in _AWAY)
    if not serving:
        return "NO_AGENT_SIGNED_IN" if served else "NO_TEAM_SERVES_QUEUE"
    if not there:
        return "NONE_AVAILABLE"
    if kept:
        return "KEPT_FOR_AGENT"
    if any(counts.get(r) for r in ("CHOSEN", *(code for code, _ in NOT_CHOSEN))):
        return "BEHIND_OTHERS" if ahead else "NOT_YET_ROUTED"
    if counts.get("TOO_HEAVY", 0) == there:
        return "TOO_HEAVY"
    if not skilled:
        return "NONE_WITH_SKILL"
    if any(counts.get(r) for r in FULL):
        return "ALL_AT_CAPACITY"
    return "ALL_DECLINED" if counts.get("DECLINED_BEFORE") else "UNKNOWN"


def may_wait(queue: Queue) -> bool:
    """Whether items of this queue are offered at all just now, its hours apart."""
    return queue.paused is None and not queue.archived


def in_force(settings: OrgSettings, queue: Queue | None) -> OrgSettings:
    """The org's settings as they hold for one queue."""
    if queue is None:
        return settings
    own = {f: v for f in queue.overrides.__struct_fields__ if (v := getattr(queue.overrides, f)) is not None}
    return settings.with_(**own, strategy=queue.strategy or settings.strategy)
