"""Agents: users, teams, what they say of themselves (status), and a shift of theirs (work session) with what it
carries.

Load is a set, never a tally: a session holds one entry per item or offer, and every figure is summed from that set in
the commit that changes it, so that repeating a step cannot make the figures drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from interlock.domain.decision import Decision, Moment, Reason, Why, Write, birth, step
from interlock.domain.errors import InvalidValue, NoLiveSession
from interlock.domain.record import Index, Record
from interlock.domain.routing_settings import OfferRate, OrgSettings, RoutingSettings
from interlock.domain.schedule import Calendar
from interlock.domain.work_time import CapacityStatus, Spent, Total, buckets, left

StatusType = Literal["available", "busy", "unavailable", "offline"]
UserType = Literal["user", "machine"]


class User(Record, frozen=True, kw_only=True):
    """A person (or machine) that can be given work."""

    TYPE: ClassVar[str] = "user"
    PATH: ClassVar[str] = "/v1/users/"
    NOUN: ClassVar[str] = "user"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    display_name: str | None = None
    email: str | None = None
    user_type: UserType = "user"
    roles: tuple[str, ...] = ()
    enabled: bool = True
    teams: tuple[str, ...] = ()
    capacity: dict[str, Any] | None = None
    """Own limits, `{total, channels, priorities}`; each is looked up alone: agent, then team, then org."""
    skills: dict[str, int] = {}
    """What they can do: level 1 to 5 by skill id."""
    accept_timeout_factor: float = 1
    """How many times the usual time they have to accept: 1 to 10."""

    def index(self) -> Index:
        """Listed by name; disabled ones apart."""
        return Index(state="enabled" if self.enabled else "disabled", sort=self.name.lower())

    def claims(self) -> tuple[str, ...]:
        """A mail address names one user of its org."""
        return (f"{self.org}/user-email/{self.email.lower()}",) if self.email else ()


class Team(Record, frozen=True, kw_only=True):
    """Users who serve the same queues."""

    TYPE: ClassVar[str] = "team"
    PATH: ClassVar[str] = "/v1/teams/"
    NOUN: ClassVar[str] = "team"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    display_name: str | None = None
    icon: str | None = None
    members: tuple[str, ...] = ()

    def index(self) -> Index:
        """Listed by name."""
        return Index(sort=self.name.lower())


class Status(Record, frozen=True, kw_only=True):
    """What an agent says of themselves. Only `available` takes new work; a status never changes its type."""

    TYPE: ClassVar[str] = "status"
    PATH: ClassVar[str] = "/v1/routing/statuses/"
    NOUN: ClassVar[str] = "status"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    status_type: StatusType
    description: str = ""
    external_id: str | None = None
    selectable: bool = True
    system: bool = False
    enabled: bool = True
    routable: bool = False

    def index(self) -> Index:
        """Listed by name within its type."""
        return Index(state=self.status_type, sort=self.name.lower())

    def claims(self) -> tuple[str, ...]:
        """A status name is unique in its org."""
        return (f"{self.org}/status-name/{self.name.lower()}",)


class Held(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing a session carries: an item it owns, or one that is offered to it."""

    item: str
    weight: int
    channel: str = ""
    priority: int = 1
    offered: bool = False
    paused: bool = False
    over: bool = False


class Capacity(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The limits in force for a session: weight in all, items per channel, weight per queue priority."""

    total: int = 20
    channels: dict[str, int] = {}
    priorities: dict[int, int] = {}


class PriorityRoom(msgspec.Struct, frozen=True, rename="camel"):
    """What fits of one queue priority: its limit, and what is left of it and of the whole capacity."""

    priority: int
    limit: int
    remaining: int


class WorkSession(Record, frozen=True, kw_only=True):
    """One shift of one agent, in one team: from the first routable status to going offline."""

    TYPE: ClassVar[str] = "work_session"
    PATH: ClassVar[str] = "/v1/routing/work-sessions/"
    NOUN: ClassVar[str] = "work-session"
    RELATIONS: ClassVar[Mapping[str, str]] = {
        "org": "org",
        "user": "user",
        "team": "team",
        "routing_settings": "team_routing_settings",
        "status": "status",
        "pending_reservation": "reservation",
    }
    NAMES: ClassVar[Mapping[str, str]] = {"unreachable_since_at": "unreachableSince"}
    HIDDEN: ClassVar[frozenset[str]] = frozenset({
        "holding", "limits", "skills", "priorities", "counted_since_at", "before_call", "requeue_due_at",
        "accept_timeout_factor",
        "offer_rate", "offers_at", "offered_from",
    })  # fmt: skip

    user: str
    team: str | None = None
    routing_settings: str | None = None
    status: str
    status_type: StatusType = "available"
    routable: bool = True
    queues: tuple[str, ...] = ()
    signed_in_at: int = 0
    signed_out_at: int | None = None
    limits: Capacity = Capacity()
    holding: tuple[Held, ...] = ()
    skills: dict[str, int] = {}
    """Those of its user, so that a choice among sessions needs no other record."""
    accept_timeout_factor: float = 1
    priorities: tuple[int, ...] = ()
    """The priorities among its queues, in order."""
    work_item_count: int = 0
    paused_work_item_count: int = 0
    capacity: tuple[PriorityRoom, ...] = ()
    total_capacity: int = 20
    capacity_remaining: int = 20
    over_capacity: int = 0
    capacity_status: CapacityStatus = "idle"
    handled_item_count: int = 0
    handled_conversation_count: int = 0
    last_assigned_item_at: int | None = None
    last_offered_at: int | None = None
    offered_from: dict[str, int] = {}
    """When it was last given something from each queue, by queue id: the order of round-robin."""
    offer_rate: OfferRate | None = None
    """That of its team."""
    offers_at: tuple[int, ...] = ()
    """When it was given something, as far back as its offer rate asks; empty without one."""
    pending_reservation: str | None = None
    unreachable_since_at: int | None = None
    """When its agent's client was last heard of, if that is too long ago; nothing new is offered meanwhile."""
    before_call: str | None = None
    """The status to go back to when the calls that made the agent busy are over."""
    requeue_due_at: int | None = None
    """When what an agent who signed out left behind goes back to its queues; empty once that was seen to."""
    total_time_by_status: dict[str, Spent] = {}
    counted_since_at: int = 0
    """Up to when the totals below are written."""
    total_available: Total = Total()
    total_available_idle_capacity: Total = Total()
    total_available_not_at_capacity: Total = Total()
    total_available_at_capacity: Total = Total()
    total_unavailable: Total = Total()
    total_unavailable_idle_capacity: Total = Total()
    total_unavailable_not_at_capacity: Total = Total()
    total_unavailable_at_capacity: Total = Total()

    def index(self) -> Index:
        """Live ones apart from ended ones; by user; due when what was left behind goes back."""
        state = "ended" if self.signed_out_at else "live"
        return Index(state=state, owner=self.user, sort=f"{self.signed_in_at:015d}", due_at=self.requeue_due_at)

    def claims(self) -> tuple[str, ...]:
        """A user has one live session, and at most one offer at a time."""
        return () if self.signed_out_at else (f"{self.org}/live-session/{self.user}",)

    @property
    def used(self) -> int:
        """Weight of what is carried and offered; what is paused weighs nothing."""
        return sum(h.weight for h in self.holding if not h.paused)


def reckon(s: WorkSession) -> WorkSession:
    """`s` with every figure summed anew from what it holds."""
    open_ones = [h for h in s.holding if not h.offered]
    used, total = s.used, s.limits.total
    return s.with_(
        capacity=tuple(_room_of(s, priority, total - used) for priority in s.priorities),
        work_item_count=len(open_ones),
        paused_work_item_count=sum(h.paused for h in open_ones),
        total_capacity=total,
        capacity_remaining=max(0, total - used),
        over_capacity=max(0, used - total),
        capacity_status="at-capacity" if used >= total else "not-at-capacity" if used else "idle",
    )


def _room_of(s: WorkSession, priority: int, free: int) -> PriorityRoom:
    limit = min(s.limits.priorities.get(priority, s.limits.total), s.limits.total)
    used = sum(h.weight for h in s.holding if h.priority == priority and not h.paused)
    return PriorityRoom(priority, limit, max(0, min(limit - used, free)))


def turn(before: WorkSession, after: WorkSession, now: int, calendar: Calendar, *, by_hand: bool = False) -> Write:
    """The write of a shift's next version. Where its kind of status or how full it is changes, the time in the former
    state is added to the totals.
    """
    fullness = before.capacity_status
    if (before.status_type, fullness) != (after.status_type, after.capacity_status):
        totals = buckets(before.status_type, fullness)
        added = {f: getattr(before, f).plus(before.counted_since_at, now, calendar) for f in totals}
        after = after.with_(counted_since_at=now, **added)
    return step(before, after, now, by_hand=by_hand)


def hold(s: WorkSession, held: Held) -> WorkSession:
    """`s` carrying this too, in place of what it held of the same item."""
    return reckon(s.with_(holding=(*(h for h in s.holding if h.item != held.item), held)))


def release(s: WorkSession, item: str) -> WorkSession:
    """`s` without this item; the same session if it did not hold it."""
    kept = tuple(h for h in s.holding if h.item != item)
    return s if len(kept) == len(s.holding) else reckon(s.with_(holding=kept))


def reweighed(s: WorkSession, owned: Sequence[Held], offered: str | None) -> WorkSession:
    """`s` carrying just what its user owns, and the item that is offered to them; the same session if it does already.

    What stands there for an item that is owned is kept as it was, flags included, unless its weight or pause differs.
    """
    had = {h.item: h for h in s.holding}
    kept: list[Held] = []
    for new in owned:
        old = had.get(new.item)
        same = old is not None and not old.offered and (old.weight, old.paused) == (new.weight, new.paused)
        kept.append(old if same and old is not None else new)
    if offered is not None and offered in had and had[offered].offered:
        kept.append(had[offered])
    if {h.item: h for h in kept} == had:
        return s
    return reckon(s.with_(holding=tuple(kept)))


def room(s: WorkSession, weight: int, channel: str, priority: int, *, item: str = "") -> str:
    """Why this much more does not fit, as a reason code; empty if it fits. What is held of `item` itself does not
    count.
    """
    others = [h for h in s.holding if h.item != item and not h.paused]
    limits = s.limits
    if weight > limits.total:
        return "TOO_HEAVY"
    if sum(h.weight for h in others) + weight > limits.total:
        return "AT_CAPACITY"
    per_channel = limits.channels.get(channel)
    if per_channel is not None and sum(h.channel == channel for h in others) >= per_channel:
        return "AT_CHANNEL_LIMIT"
    per_priority = limits.priorities.get(priority)
    if per_priority is not None and sum(h.weight for h in others if h.priority == priority) + weight > per_priority:
        return "AT_PRIORITY_LIMIT"
    return ""


def given(s: WorkSession, queue: str, now: int) -> WorkSession:
    """`s` after routing offered it something of this queue, or assigned it at once: its turn and its rate say so."""
    times = (*s.offers_at, now)[-s.offer_rate.count :] if s.offer_rate else ()
    return s.with_(last_offered_at=now, offered_from={**s.offered_from, queue: now}, offers_at=times)


def rate_free_at(s: WorkSession, now: int) -> int | None:
    """When (ms) the offer rate lets something through again; `None`: it does now."""
    rate = s.offer_rate
    if rate is None or len(s.offers_at) < rate.count:
        return None
    free_at = s.offers_at[-rate.count] + rate.seconds * 1000
    return free_at if now < free_at else None


def limits(user: User, team: RoutingSettings | None, org: OrgSettings) -> Capacity:
    """The limits in force: each looked up alone, first at the agent, then the team, then the org."""
    own, org_wide = user.capacity or {}, org.capacity
    of_team = dict(team.capacity or {}) if team else {}
    if team and team.work_item_capacity is not None:
        of_team["total"] = team.work_item_capacity
    layers: Sequence[Mapping[str, Any]] = (org_wide, of_team, own)
    total = next((layer["total"] for layer in reversed(layers) if layer.get("total") is not None), 20)
    channels: dict[str, int] = {}
    priorities: dict[int, int] = {}
    for layer in layers:
        channels |= layer.get("channels") or {}
        priorities |= {int(p["priority"]): int(p["limit"]) for p in layer.get("priorities") or ()}
    return Capacity(int(total), channels, priorities)


def sign_in(
    user: User,
    status: Status,
    settings: RoutingSettings | None,
    org: OrgSettings,
    carried: Sequence[Held],
    moment: Moment,
    *,
    priorities: tuple[int, ...] = (),
) -> Decision:
    """A shift begins. `carried` are the items the user owns already: they weigh from now on, over the limit if need
    be.
    """
    if status.status_type == "offline":
        raise NoLiveSession("An offline status ends a session; this user has none.")
    _usable(user, status)
    now = moment.now
    session = WorkSession(
        id=moment.fresh(),
        org=user.org,
        user=user.id,
        team=settings.team if settings else None,
        routing_settings=settings.id if settings else None,
        status=status.id,
        status_type=status.status_type,
        routable=status.routable,
        queues=settings.queues if settings else (),
        signed_in_at=now,
        limits=limits(user, settings, org),
        holding=tuple(carried),
        skills=user.skills,
        accept_timeout_factor=user.accept_timeout_factor,
        priorities=priorities,
        offer_rate=settings.offer_rate if settings else None,
        total_time_by_status={status.id: Spent(status_at=now)},
        counted_since_at=now,
        created_at=now,
        updated_at=now,
        modified_at=now,
    )
    made = reckon(session)
    why = Why(
        direction="person",
        kind="change",
        record=made.ref,
        rev_after=1,
        reasons=(Reason("UPDATE_SESSION", "SIGNED_IN", {"status": status.id}),),
    )
    return Decision(partition=made.id, why=why, writes=(birth(made),))


def _usable(user: User, status: Status) -> None:
    if not user.enabled:
        raise InvalidValue("This user is disabled; enable the user first.")
    if not status.enabled:
        raise InvalidValue(f"The status {status.name} is disabled; choose another.", pointer="/status")


def change_status(
    s: WorkSession,
    user: User,
    status: Status,
    moment: Moment,
    calendar: Calendar,
    *,
    code: str = "STATUS_CHANGED",
    requeue_due_at: int | None = None,
    before_call: str | None = None,
) -> Decision:
    """The agent says something else of themselves; an offline status ends the shift.

    `requeue_due_at`: when what they have goes back, if it does. `before_call`: the status to come back to, where a call
    makes them busy.
    """
    _usable(user, status)
    after = with_status(s, status, moment.now, calendar).with_(before_call=before_call)
    if after.signed_out_at:
        after = after.with_(requeue_due_at=requeue_due_at)
    reason = Reason("UPDATE_SESSION", "SIGNED_OUT" if after.signed_out_at else code, {"status": status.id})
    why = Why(
        direction="person" if moment.by.actor.cls == "person" else "system",
        kind="change",
        record=s.ref,
        rev_before=s.rev,
        rev_after=s.rev + 1,
        guard=s.rev,
        reasons=(reason,),
    )
    by_hand = moment.by.actor.cls == "person"
    return Decision(partition=s.id, why=why, writes=(turn(s, after, moment.now, calendar, by_hand=by_hand),))


def with_status(s: WorkSession, status: Status, now: int, calendar: Calendar) -> WorkSession:
    """`s` in this status from `now` on, the time in the former one added up."""
    spent = dict(s.total_time_by_status)
    spent[s.status] = left(spent.get(s.status, Spent()), now, calendar)
    before = spent.get(status.id, Spent())
    ends = status.status_type == "offline"
    spent[status.id] = Spent(None if ends else now, before.time, before.business_time)
    return s.with_(
        status=status.id,
        status_type=status.status_type,
        routable=status.routable and not ends,
        signed_out_at=now if ends else None,
        before_call=None,
        unreachable_since_at=None,
        total_time_by_status=spent,
    )


def accept_ms(s: WorkSession | None, settings: OrgSettings) -> int:
    """How long an offer to this agent lasts (ms): the usual time, longer for who needs longer."""
    factor = s.accept_timeout_factor if s else 1
    return round(settings.accept_timeout_seconds * 1000 * factor)


BUILT_IN: tuple[tuple[str, StatusType], ...] = (
    ("Available", "available"),
    ("Busy", "busy"),
    ("Unavailable", "unavailable"),
    ("Offline", "offline"),
)
"""The statuses every org has from the start."""
