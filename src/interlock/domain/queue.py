"""Queues: where items wait, in which order, and at what weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from interlock.domain.errors import SystemRecord
from interlock.domain.record import Index, Record

DEFAULT_KEY = "DEFAULT_QUEUE"


class Overrides(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where a queue differs from the org's settings; `None`: as the org has it."""

    accept_required: bool | None = None
    accept_timeout_seconds: int | None = None
    auto_unassign: bool | None = None
    requeue_when_offline: bool | None = None


class Ageing(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What has waited `after_seconds` in its queue pass counts as of this `priority`, if that is the better one."""

    after_seconds: int
    priority: int = 1


class Sticky(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Whose agent is asked first: the one who had the customer's last item of this conversation, or the customer's
    own. If that agent is there and has no room, the item is kept for them for so many `seconds` of its queue pass.
    """

    by: Literal["none", "last-agent", "customer-owner"] = "none"
    seconds: int = 60


class Applied(msgspec.Struct, frozen=True, rename="camel"):
    """A priority that holds for everything that entered the queue until `applied_at` (ms)."""

    applied_at: int
    priority: int


Strategy = Literal["longest-idle", "most-free-capacity", "round-robin"]


class Queue(Record, frozen=True, kw_only=True):
    """A line of waiting items. Priority 1 is served first (a conversation's priority runs the other way, 5 first)."""

    TYPE: ClassVar[str] = "queue"
    PATH: ClassVar[str] = "/v1/routing/queues/"
    NOUN: ClassVar[str] = "queue"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org", "schedule": "schedule"}
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"applied"})

    name: str
    key: str = ""
    display_name: str | None = None
    description: str = ""
    item_size: int = 1
    priority: int = 1
    restrict_transfers_by_users: bool = False
    system: bool = False
    archived: bool = False
    paused: dict[str, Any] | None = None
    target_seconds: int | None = None
    schedule: str | None = None
    outside_hours: Literal["hold", "route"] = "hold"
    """What becomes of waiting items while the schedule is closed: they are held, or routed all the same."""
    overrides: Overrides = Overrides()
    ageing: Ageing | None = None
    strategy: Strategy | None = None
    """The order in which able agents are asked; none: the org's."""
    sticky: Sticky = Sticky()
    returned_first: bool = False
    """Whether what comes back from an agent goes before what was with nobody yet, of the same priority."""
    applied: Applied | None = None
    """The priority that was last given also to what was waiting already."""

    def index(self) -> Index:
        """Archived ones apart; by name."""
        return Index(
            state="archived" if self.archived else "system" if self.system else "active", sort=self.name.lower()
        )

    def claims(self) -> tuple[str, ...]:
        """A key names one queue of its org."""
        return (claim_of_key(self.org, self.key),) if self.key else ()


def claim_of_key(org: str, key: str) -> str:
    """The unique name that a queue's key takes in the store."""
    return f"{org}/queue-key/{key}"


def guard_default(queue: Queue, fields: Mapping[str, Any]) -> None:
    """The default queue takes what no rule matched; all that may be said of it is who may transfer into it."""
    fixed = sorted(set(fields) - {"restrict_transfers_by_users"}) if queue.system else ()
    if fixed:
        raise SystemRecord(
            "Of the default queue only restrictTransfersByUsers can be changed, sent alone.",
            pointer=f"/{Queue.outward(fixed[0])}",
        )
