"""The conversation: what everybody sees. Status, queue and users are projections of the unit, never written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from interlock.domain import assignment as unit
from interlock.domain.assignment import Assigned, Coupled, Done, Nothing, Queued, Unit
from interlock.domain.decision import Decision, Moment, Reason, Why, Write, birth, step
from interlock.domain.errors import InvalidCombination, StaleBasis, TooMany
from interlock.domain.record import Index, Record
from interlock.domain.skill import Requirement

Channel = Literal["email", "sms", "chat", "facebook", "twitter-dm", "twitter-tweet", "voice", "instagram", "whatsapp"]
Status = Literal["open", "snoozed", "done"]
USERS_MAX = 10
COUPLED = frozenset({"status", "queue", "externalQueue", "assignedUsers", "ended"})
"""The outward fields that a conversation shares with its work item; a change of any other is an unrelated touch."""

TAGS_MAX = 1_000


class Snooze(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A planned end of snoozing: `wake_at` in ms; without a time only a reply wakes it."""

    wake_at: int | None = None
    status: Literal["scheduled", "canceled", "elapsed"] = "scheduled"


class MessageMark(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The first or last message in one direction, as a conversation remembers it."""

    id: str
    sent_at: int
    created_at: int
    channel: str = ""
    direction_type: str = ""
    created_by: str | None = None


class Answered(msgspec.Struct, frozen=True, rename="camel"):
    """Whose an answer or an end was: kept and returned as other systems have it, without behaviour of its own."""

    created_by_teams: tuple[str, ...] = ()
    assigned_teams: tuple[str, ...] = ()
    assigned_users: tuple[str, ...] = ()


class SatisfactionLevel(msgspec.Struct, frozen=True, rename="camel"):
    """A survey's state, kept and returned."""

    sent_by_teams: tuple[str, ...] = ()
    answers: tuple[dict[str, Any], ...] = ()


class Conversation(Record, frozen=True, kw_only=True):
    """What a customer and a company say to each other about one matter."""

    TYPE: ClassVar[str] = "conversation"
    PATH: ClassVar[str] = "/v1/conversations/"
    NOUN: ClassVar[str] = "conversation"
    RELATIONS: ClassVar[Mapping[str, str]] = {
        "org": "org",
        "customer": "customer",
        "brand": "brand",
        "queue": "queue",
        "created_by": "user",
        "modified_by": "user",
    }
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"coupled", "unit_rev"})

    status: Status = "open"
    sub_status: str | None = None
    priority: int = 3
    direction: Literal["in", "out"] | None = None
    channels: tuple[str, ...] = ()
    reply_channel: str | None = None
    assigned_users: tuple[str, ...] = ()
    assigned_teams: tuple[str, ...] = ()
    queue: str | None = None
    external_queue: str | None = None
    snooze: Snooze | None = None
    ended: bool = False
    ended_at: int | None = None
    ended_reason: str | None = None
    ended_by: str | None = None
    ended_by_type: Literal["user", "customer"] | None = None
    tags: tuple[str, ...] = ()
    custom: dict[str, Any] = {}
    skills: tuple[Requirement, ...] = ()
    """What it asks of an agent by itself, beside what the skill rules say."""
    name: str | None = None
    preview: str = ""
    external_id: str | None = None
    default_lang: str | None = None
    locked: bool = False
    phase: str = "active"
    spam: bool = False
    deleted: bool = False
    satisfaction: int = 0
    satisfaction_level: SatisfactionLevel = SatisfactionLevel()
    sentiment: dict[str, Any] | None = None
    suggested_tags: tuple[Any, ...] = ()
    suggested_shortcuts: tuple[Any, ...] = ()
    predictions: tuple[Any, ...] = ()
    assistant: dict[str, Any] = {}
    role_group_versions: tuple[Any, ...] = ()
    access_override: tuple[Any, ...] = ()
    first_response: Answered = Answered()
    first_response_since_last_done: Answered = Answered()
    last_response: Answered = Answered()
    first_done: Answered = Answered()
    last_done: Answered = Answered()
    message_count: int = 0
    note_count: int = 0
    inbound_message_count: int = 0
    outbound_message_count: int = 0
    done_count: int = 0
    snooze_count: int = 0
    reopen_count: int = 0
    first_message_in: MessageMark | None = None
    first_message_out: MessageMark | None = None
    last_message_in: MessageMark | None = None
    last_message_out: MessageMark | None = None
    last_message_at: int | None = None
    last_message_direction: Literal["in", "out"] | None = None
    last_activity_at: int | None = None
    customer: str | None = None
    brand: str | None = None
    created_by: str | None = None
    modified_by: str | None = None
    coupled: Coupled = Coupled()
    unit_rev: int = 1
    """The rev at which the coupled state last changed: a basis of at least this rev has seen all of it."""

    def index(self) -> Index:
        """By status and customer; due when a snooze ends; the coupled digest finds pairs out of step."""
        state = "deleted" if self.deleted else self.status
        due = self.snooze.wake_at if self.snooze and self.status == "snoozed" else None
        return Index(state=state, parent=self.customer or "", due_at=due, mark=self.coupled.digest())

    def claims(self) -> tuple[str, ...]:
        """An external id names one conversation of its org."""
        return (f"{self.org}/conversation-external-id/{self.external_id}",) if self.external_id else ()

    @property
    def channel(self) -> str:
        """The channel it came by: the first of its channels."""
        return self.channels[0] if self.channels else ""


class Shared(msgspec.Struct, frozen=True, omit_defaults=True):
    """The coupled fields that one write names. Absent (UNSET) is no opinion; `None` and `()` clear."""

    status: Status | msgspec.UnsetType = msgspec.UNSET
    users: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    queue: str | msgspec.UnsetType | None = msgspec.UNSET
    external: bool = False
    ended: bool | msgspec.UnsetType = msgspec.UNSET
    snooze: Snooze | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def silent(self) -> bool:
        """Whether it says nothing about the unit and its registers."""
        return self == Shared()


def show(c: Conversation, rev: int, now: int) -> Conversation:
    """`c` with status, queue, users and `ended` as its coupled state has them (decisions: the table of projections)."""
    word, users, queue, external = unit.shape(c.coupled.outcome.value)
    paused = c.coupled.is_paused and word != "done"
    ended = c.coupled.is_ended
    status: Status = "done" if word == "done" else "snoozed" if paused else "open"
    fields: dict[str, Any] = {
        "status": status,
        "assigned_users": users,
        "queue": None if external else queue,
        "external_queue": queue if external else None,
        "ended": ended,
        "unit_rev": rev,
    }
    if ended and not c.ended:
        fields["ended_at"] = now
    if not ended and c.ended:
        fields |= {"ended_at": None, "ended_reason": None, "ended_by": None, "ended_by_type": None}
    if status != c.status:
        fields |= _counted(c, status)
    if status != "snoozed" and c.snooze and c.snooze.status == "scheduled":
        fields["snooze"] = msgspec.structs.replace(c.snooze, status="canceled")
    return c.with_(**fields)


def _counted(c: Conversation, status: Status) -> dict[str, int]:
    if status == "done":
        return {"done_count": c.done_count + 1}
    if status == "snoozed":
        return {"snooze_count": c.snooze_count + 1}
    return {"reopen_count": c.reopen_count + 1} if c.status == "done" else {}


def wanted(c: Conversation, said: Shared) -> Unit | None:
    """The unit that a write asks for, all its fields together; `None` if it says nothing about the unit.

    Re-affirming the present value is a wish like any other: it is an event, not a difference.
    """
    if said.status is msgspec.UNSET and said.users is msgspec.UNSET and said.queue is msgspec.UNSET:
        return None
    word, users, queue, external = unit.shape(c.coupled.outcome.value)
    if said.users is not msgspec.UNSET:
        users = said.users
    if said.queue is not msgspec.UNSET:
        queue, external = said.queue, said.external
    status = said.status if said.status is not msgspec.UNSET else c.status
    if status == "done":
        return Done(users, queue, external)
    if said.queue and said.users is msgspec.UNSET and word == "assigned":
        return Queued(said.queue, said.external)
    if said.queue is None and said.users is msgspec.UNSET and word == "assigned":
        return Nothing()
    if users:
        return Assigned(users, queue, external)
    return Queued(queue, external) if queue else Nothing()


def check(said: Shared) -> None:
    """Raises if the fields of one write cannot stand together or a list is too long."""
    if said.users is not msgspec.UNSET and len(said.users) > USERS_MAX:
        raise TooMany(f"assignedUsers holds at most {USERS_MAX} ids.", pointer="/assignedUsers")
    plans_wake = isinstance(said.snooze, Snooze) and said.snooze.status == "scheduled"
    if said.status == "done" and plans_wake:
        raise InvalidCombination(
            "A done conversation is not snoozed; send either status done or a scheduled snooze.",
            pointer="/snooze",
            fields=["status", "snooze"],
        )


def create(c: Conversation, said: Shared, moment: Moment) -> Decision:
    """A new conversation; what its creator said of status, queue and users, if anything, is its first intent."""
    check(said)
    coupled = _couple(c, said, moment, rev=1)
    made = show(c.with_(coupled=coupled, snooze=_snooze(said, None)), 1, moment.now).with_(reopen_count=0)
    kind = "intent" if coupled != c.coupled else "change"
    why = Why(direction=_direction(moment), kind=kind, record=made.ref, rev_after=1, policy=unit.POLICY)
    return Decision(partition=made.id, why=why, writes=(birth(made),), intake=True)


def update(
    c: Conversation,
    fields: Mapping[str, Any],
    said: Shared,
    moment: Moment,
    *,
    basis: int | None = None,
    known: Coupled | None = None,
    reasons: tuple[Reason, ...] = (),
) -> Decision:
    """Fields that concern the conversation alone, and an intent if the coupled ones were named.

    `basis` is the conversation rev that the author had seen; `None` is an unconditional write, whose author is taken to
    have seen what the server has. For a person that includes the work item's state, `known`: it is taken in first, so
    that "done", said right after "accept", is not held to be concurrent with it. Raises `StaleBasis` if the coupled
    state moved after `basis`.
    """
    check(said)
    if basis is not None and not said.silent and basis < c.unit_rev:
        raise StaleBasis(
            "The assignment, queue or status changed after the rev this write rests on. Read it again and decide anew.",
            currentRev=c.rev,
            givenRev=basis,
            unitRev=c.unit_rev,
        )
    now, rev = moment.now, c.rev + 1
    seen = show(c.with_(coupled=c.coupled.merge(known)), rev, now) if known and not c.coupled.includes(known) else c
    coupled = _couple(seen, said, moment, rev=rev)
    after = seen.with_(**fields)
    spoke = coupled != seen.coupled
    if spoke:
        after = show(after.with_(coupled=coupled, snooze=_snooze(said, c.snooze)), rev, now)
    by_hand = moment.by.actor.cls == "person"
    writes: tuple[Write, ...] = ()
    if after != c:
        if by_hand and moment.by.actor.type == "user":
            after = after.with_(modified_by=moment.by.actor.id)
        writes = (step(c, after, now, by_hand=by_hand),)
    why = Why(
        direction=_direction(moment),
        kind="intent" if spoke else "change" if writes else "noop",
        record=c.ref,
        rev_before=c.rev,
        rev_after=c.rev + len(writes),
        guard=c.rev,
        unconditional=basis is None,
        policy=unit.POLICY,
        reasons=reasons,
    )
    return Decision(partition=c.id, why=why, writes=writes)


def _direction(moment: Moment) -> Literal["person", "workflow", "system"]:
    cls = moment.by.actor.cls
    return cls if cls in ("person", "workflow") else "system"


def _snooze(said: Shared, present: Snooze | None) -> Snooze | None:
    if said.snooze is not msgspec.UNSET:
        return said.snooze
    return present


def _couple(c: Conversation, said: Shared, moment: Moment, *, rev: int) -> Coupled:
    """The coupled state after this write's wishes, each register by itself."""
    coupled = c.coupled
    origin = unit.Origin("conversation", moment.epoch, moment.by.actor, c.ref, rev, moment.now)
    value = wanted(c, said)
    if value is not None and not (rev == 1 and value == unit.NOTHING):
        coupled = msgspec.structs.replace(coupled, unit=unit.intend(coupled.unit, origin, value, coupled.unit.ctx))
    ended = said.ended
    if ended is msgspec.UNSET and c.coupled.is_ended and value is not None and _takes_up(c, said, value):
        ended = False
    if ended is not msgspec.UNSET:
        coupled = msgspec.structs.replace(coupled, ended=unit.intend(coupled.ended, origin, ended, coupled.ended.ctx))
    pause = _wants_pause(said)
    if pause is not None and pause != coupled.is_paused:
        coupled = msgspec.structs.replace(
            coupled, paused=unit.intend(coupled.paused, origin, pause, coupled.paused.ctx)
        )
    return coupled


def _takes_up(c: Conversation, said: Shared, value: Unit) -> bool:
    """Whether this write puts a case whose call is over back to work: it names users or a queue, or opens a done one.

    To say `open` of an open conversation is not that: its item stays in wrap-up.
    """
    names = said.users is not msgspec.UNSET or said.queue is not msgspec.UNSET or c.status == "done"
    return names and unit.takes_up(c.coupled.outcome.value, value)


def _wants_pause(said: Shared) -> bool | None:
    if isinstance(said.snooze, Snooze):
        return said.snooze.status == "scheduled"
    if said.status is msgspec.UNSET:
        return None
    return said.status == "snoozed"


def wake(c: Conversation, moment: Moment, code: str) -> Decision:
    """The end of a snooze whose time has come."""
    elapsed = Snooze(c.snooze.wake_at if c.snooze else None, "elapsed")
    return update(
        c, {"snooze": elapsed}, Shared(snooze=elapsed), moment, basis=c.rev, reasons=(Reason("PAUSE_WORK_ITEM", code),)
    )


def reopened(c: Conversation) -> Unit:
    """What a done conversation goes back to: its users if it has any, else its queue, else nothing."""
    _, users, queue, external = unit.shape(c.coupled.outcome.value)
    if users:
        return Assigned(users, queue, external)
    return Queued(queue, external) if queue else Nothing()
