"""How routing behaves: in a whole org, and which queues a team serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from interlock.domain.record import Record


class OfferRate(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """At most `count` offers (or assignments by routing) to one agent within `seconds`."""

    count: int
    seconds: int = 300


RATE_COUNT_MAX = 1_000
"""The highest count of an offer rate: a session remembers as many times."""


class RoutingSettings(Record, frozen=True, kw_only=True):
    """Which queues a team serves and how much its agents carry. Its id is the team's id; the first PUT makes it."""

    TYPE: ClassVar[str] = "team_routing_settings"
    PATH: ClassVar[str] = "/v1/routing/settings/"
    NOUN: ClassVar[str] = "routing-settings"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org", "team": "team"}
    QUEUES_MAX: ClassVar[int] = 10

    team: str
    enabled: bool = False
    work_item_capacity: int | None = None
    capacity: dict[str, Any] | None = None
    queues: tuple[str, ...] = ()
    external_queues: tuple[str, ...] = ()
    offer_rate: OfferRate | None = None


class IvrHold(msgspec.Struct, frozen=True, rename="camel"):
    """Items of these channels stay in `ivr` for so long before the queue rules place them."""

    channels: tuple[str, ...]
    seconds: int


class OrgSettings(Record, frozen=True, kw_only=True):
    """How routing behaves in one org. Its id is the org's id."""

    TYPE: ClassVar[str] = "org_settings"
    PATH: ClassVar[str] = "/v1/routing/org-settings"
    NOUN: ClassVar[str] = "org-settings"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org", "timeout_status": "status", "schedule": "schedule"}

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"skill_rules", "has_workflows"})

    accept_required: bool = True
    accept_timeout_seconds: int = 30
    timeout_status: str | None = None
    auto_unassign: bool = False
    requeue_when_offline: bool = False
    requeue_grace_seconds: int = 0
    strategy: Literal["longest-idle", "most-free-capacity", "round-robin"] = "longest-idle"
    reoffer_seconds: int = 30
    sweep_seconds: int = 5
    rules_wait_ms: int = 2000
    capacity: dict[str, Any] = msgspec.field(default_factory=lambda: {"total": 20, "channels": {"voice": 1}})
    lag_objective_seconds: int = 5
    has_workflows: bool = False
    """Whether a workflow was ever made: an org without one never looks for them."""
    skill_rules: int = 0
    """How many skill rules were ever made, written with each: an org that has none never looks for them."""
    voice_after_work: Literal["off", "manual", "restore"] = "manual"
    """Whether a call makes its agent busy, and what they are when its item is done: busy still, or what they were."""
    unreachable_seconds: int | None = None
    """After how long without a sign of life an agent counts as unreachable; `None`: nobody does."""
    ivr_hold: IvrHold | None = None
    schedule: str | None = None
    """The default schedule: in force wherever a queue names none of its own; none: always open."""
