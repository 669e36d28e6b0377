"""The work item: routing's own record of one conversation that needs an agent, and its life cycle as one table.

What may live in this file: the records, the table, and the projections of a state. What a command *does* is in
`life_cycle.py`; what follows from a changed state (timers, passes, load) is in `settle.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import msgspec

from interlock.domain import assignment as unit
from interlock.domain.assignment import Coupled
from interlock.domain.errors import Conflict, InvalidTransition
from interlock.domain.record import Index, Record
from interlock.domain.skill import Requirement
from interlock.domain.timers import Timer

State = Literal["ivr", "queued", "routed", "assigned", "wrap-up", "completed"]
STATES: tuple[State, ...] = ("ivr", "queued", "routed", "assigned", "wrap-up", "completed")
Command = Literal[
    "enter",
    "leave",
    "offer",
    "accept",
    "reject",
    "expire",
    "assign",
    "un-assign",
    "end",
    "wrap-up",
    "resume",
    "complete",
    "pause",
    "wake",
    "sign-out",
]
LeftBecause = Literal["accepted", "dequeued", "transferred", "left", "requeued", "completed"]


class Cell(NamedTuple):
    """One cell of the table: the next state (empty: it stays as it is), or the status of the refusal.

    `otherwise` is the next state when the first cannot be: an item that never had a queue has none to go back to.
    """

    next: str = ""
    refused: int = 0
    otherwise: str = ""


_SAME, _RULE, _LATE = Cell(), Cell(refused=422), Cell(refused=409)
_QUEUED, _IVR, _ASSIGNED, _WRAP_UP, _COMPLETED = (
    Cell("queued"),
    Cell("ivr"),
    Cell("assigned"),
    Cell("wrap-up"),
    Cell("completed"),
)
_BACK = Cell("queued", otherwise="ivr")


def _row(*cells: Cell) -> dict[State, Cell]:
    return dict(zip(STATES, cells, strict=True))


TRANSITIONS: dict[Command, dict[State, Cell]] = {
    #                 ivr        queued         routed          assigned   wrap-up    completed
    "enter":     _row(_QUEUED,   _QUEUED,       _QUEUED,        _QUEUED,   _QUEUED,   _RULE),
    "leave":     _row(_SAME,     _IVR,          _IVR,           _IVR,      _IVR,      _RULE),
    "offer":     _row(_RULE,     Cell("routed"), _LATE,         _RULE,     _RULE,     _RULE),
    "accept":    _row(_RULE,     _ASSIGNED,     _ASSIGNED,      _SAME,     _LATE,     _RULE),
    "reject":    _row(_RULE,     _LATE,         _QUEUED,        _LATE,     _LATE,     _RULE),
    "expire":    _row(_RULE,     _SAME,         _QUEUED,        _SAME,     _SAME,     _SAME),
    "assign":    _row(_ASSIGNED, _ASSIGNED,     _ASSIGNED,      _ASSIGNED, _ASSIGNED, _RULE),
    "un-assign": _row(_SAME,     _SAME,         _SAME,          _BACK,     _BACK,     _RULE),
    "end":       _row(_IVR,      _QUEUED,       Cell("routed"), _WRAP_UP,  _SAME,     _SAME),
    "wrap-up":   _row(_RULE,     _RULE,         _RULE,          _WRAP_UP,  _SAME,     _RULE),
    "resume":    _row(_RULE,     _RULE,         _RULE,          _SAME,     _ASSIGNED, _RULE),
    "complete":  _row(_COMPLETED, _COMPLETED,   _COMPLETED,     _COMPLETED, _COMPLETED, _SAME),
    "pause":     _row(_IVR,      _QUEUED,       _QUEUED,        _ASSIGNED, _WRAP_UP,  _RULE),
    "wake":      _row(_IVR,      _QUEUED,       _SAME,          _ASSIGNED, _WRAP_UP,  _RULE),
    "sign-out":  _row(_SAME,     _SAME,         _QUEUED,        _BACK,     _SAME,     _SAME),
}  # fmt: skip
"""What each command does in each state. Ours, except where the reference documents a step; there it agrees."""


def permit(command: Command, state: State, *, pointer: str = "") -> Cell:
    """The cell for this command in this state; raises what the table refuses."""
    cell = TRANSITIONS[command][state]
    if cell.refused == 409:
        raise Conflict(f"The item is {state}; {command} came too late.", pointer=pointer, state=state, command=command)
    if cell.refused:
        raise InvalidTransition(
            f"The item is {state}: {command} is not possible there.", pointer=pointer, state=state, command=command
        )
    return cell


class PassHead(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The head of the current queue pass, as a work item shows it. Times in ms since 1970, durations in ms."""

    entered_queue_at: int | None = None
    queue_time: int | None = None
    queue_business_time: int | None = None
    routed_at: int | None = None
    accepted_at: int | None = None
    external_queue: str | None = None


class Abandoned(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The customer ended it before an agent had it: when, in which phase, after how long (ms)."""

    abandoned_at: int
    phase: Literal["ivr", "queue", "offer"]
    time: int
    business_time: int


class FirstResponse(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The owner's first message out: how long after it was given to them (ms)."""

    message_id: str
    sent_at: int
    time: int
    business_time: int


class QueuePass(Record, frozen=True, kw_only=True):
    """One stay of an item in a queue (API: `work_item_revision`). The first is made with the item, empty."""

    TYPE: ClassVar[str] = "work_item_revision"
    PATH: ClassVar[str] = "/v1/routing/work-item-revisions/"
    RELATIONS: ClassVar[Mapping[str, str]] = {
        "org": "org",
        "work_item": "work_item",
        "queue": "queue",
        "rule": "queue-rule",
    }

    number: int = 1
    entered_queue_at: int | None = None
    left_at: int | None = None
    left_because: LeftBecause | None = None
    queue_time: int | None = None
    queue_business_time: int | None = None
    offers: int = 0
    routed_at: int | None = None
    accepted_at: int | None = None
    external_queue: str | None = None
    paused_at: int | None = None
    """When it was last snoozed while in this queue."""
    woken_at: int | None = None
    """When it last woke while in this queue."""
    declined_by: tuple[str, ...] = ()
    declined_at: int | None = None
    """When somebody last declined; after the org's `reofferSeconds` those who did are asked again."""
    work_item: str
    queue: str | None = None
    rule: str | None = None

    def index(self) -> Index:
        """Below its item, in order; below its queue, by the time at which it was left."""
        state = "left" if self.left_at else "waiting" if self.entered_queue_at else "empty"
        at = self.left_at or self.entered_queue_at or 0
        return Index(state=state, parent=self.work_item, queue=self.queue or "", sort=f"{at:015d}{self.number:06d}")

    @property
    def head(self) -> PassHead:
        """What the item shows of it."""
        return PassHead(
            self.entered_queue_at,
            self.queue_time,
            self.queue_business_time,
            self.routed_at,
            self.accepted_at,
            self.external_queue,
        )


class WorkItem(Record, frozen=True, kw_only=True):
    """Routing's record of one conversation. `resource_rev`: the conversation rev its last author had taken in."""

    TYPE: ClassVar[str] = "work_item"
    PATH: ClassVar[str] = "/v1/routing/work-items/"
    NOUN: ClassVar[str] = "work-item"
    RELATIONS: ClassVar[Mapping[str, str]] = {
        "org": "org",
        "resource": "conversation",
        "pass_": "work_item_revision",
        "queue": "queue",
        "rule": "queue-rule",
        "team": "team",
        "work_session": "work_session",
        "routed_to": "user",
        "routed_to_session": "work_session",
        "assigned_to": "user",
        "accepted_by": "user",
        "modified_by": "user",
        "reservation": "reservation",
    }
    NAMES: ClassVar[Mapping[str, str]] = {"pass_": "lastRevision"}
    HIDDEN: ClassVar[frozenset[str]] = frozenset(
        {"coupled", "unit_rev", "resource_priority", "handled_in", "rules_due_at", "waits_for_workflows", "returned"}
    )

    resource_type: str = "conversation"
    status: State = "ivr"
    paused: bool = False
    channel: str = ""
    priority: int = 1
    item_size: int = 1
    queued_count: int = 0
    first_enter_queue_at: int | None = None
    work_item_number: int = 1
    last_revision: PassHead | None = None
    ivr: Timer | None = None
    handle: Timer | None = None
    wrap_up: Timer | None = None
    resource_rev: int = 0
    resource_created_at: int = 0
    resource_direction: str | None = None
    resource_priority: int = 3
    resource_first_queue_time: int | None = None
    resource_first_route_time: int | None = None
    resource_first_assign_time: int | None = None
    first_routed_response: FirstResponse | None = None
    abandoned: Abandoned | None = None
    completed_at: int | None = None
    over_capacity: bool = False
    skills: tuple[Requirement, ...] = ()
    """What it asks of an agent, before any step of relaxation; what holds now: `skill.requirements_at`."""
    handled_in: tuple[str, ...] = ()
    """The shifts in which former items of this conversation were completed: each counts the conversation once."""
    rules_due_at: int | None = None
    """Until when the queue rules leave it in `ivr`."""
    waits_for_workflows: bool = False
    """It is held only until the workflows of its conversation have run."""
    paused_since_at: int | None = None
    paused_time: int = 0
    external_queue: str | None = None
    returned: bool = False
    """Whether it came into its queue from an agent who had it."""
    resource: str
    pass_: str
    queue: str | None = None
    rule: str | None = None
    team: str | None = None
    work_session: str | None = None
    routed_to: str | None = None
    routed_to_session: str | None = None
    assigned_to: str | None = None
    accepted_by: str | None = None
    modified_by: str | None = None
    reservation: str | None = None
    coupled: Coupled = Coupled()
    unit_rev: int = 1

    def index(self) -> Index:
        """By status, conversation, owner; those in a queue in routing order."""
        waits = self.status in ("queued", "routed")
        return Index(
            state=self.status,
            parent=self.resource,
            queue=(self.queue or "") if waits else "",
            owner=self.assigned_to or "",
            sort=waiting_order(self) if waits else "",
            mark=self.coupled.digest(),
            due_at=self.rules_due_at if self.status == "ivr" else None,
        )

    def claims(self) -> tuple[str, ...]:
        """A conversation has at most one item that is not completed, and one item of each number."""
        numbered = f"{self.org}/item-number/{self.resource}/{self.work_item_number}"
        return (numbered,) if self.status == "completed" else (numbered, open_item_claim(self.org, self.resource))

    @property
    def is_open(self) -> bool:
        """Whether it is not completed."""
        return self.status != "completed"


def open_item_claim(org: str, conversation: str) -> str:
    """The unique name that the open item of a conversation holds."""
    return f"{org}/open-item/{conversation}"


def waiting_order(item: WorkItem) -> str:
    """Sorts waiting items: queue priority (1 first), conversation priority (5 first), longest wait; then id."""
    entered = item.last_revision.entered_queue_at if item.last_revision else None
    return f"{item.priority:03d}{9 - item.resource_priority}{entered or 0:015d}"


def status_of(coupled: Coupled, pending: bool) -> State:
    """The state that this unit shows: a projection, never stored by hand (decisions.md 2)."""
    word = unit.shape(coupled.outcome.value)[0]
    if word == "queued":
        return "routed" if pending else "queued"
    if word == "assigned":
        return "wrap-up" if coupled.is_ended else "assigned"
    return "completed" if word == "done" else "ivr"
