"""Where the time of a shift went: by status, and by whether its agent was staffed and how full they were.

Times are ms. They are written when a state is left, as those of work items are; `business_time` is the part of `time`
inside the org's schedule.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from interlock.domain.schedule import Calendar

CapacityStatus = Literal["idle", "not-at-capacity", "at-capacity"]


class Spent(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Time in one status: since when it is the present one (ms; none: it is not), and what it added up to before."""

    status_at: int | None = None
    time: int = 0
    business_time: int = 0


class Total(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Time that added up."""

    time: int = 0
    business_time: int = 0

    def plus(self, since: int, now: int, calendar: Calendar) -> Total:
        """With [since, now) added."""
        return Total(self.time + max(0, now - since), self.business_time + calendar.business_ms(since, now))


def left(spent: Spent, now: int, calendar: Calendar) -> Spent:
    """The status is left at `now`: the stay is added; one that is not the present status is left alone."""
    if spent.status_at is None:
        return spent
    passed = max(0, now - spent.status_at)
    return Spent(None, spent.time + passed, spent.business_time + calendar.business_ms(spent.status_at, now))


def buckets(status_type: str, fullness: CapacityStatus) -> tuple[str, str]:
    """The two totals (fields of a session) that time in this state counts to.

    Busy counts as available: the agent is staffed, though nothing new reaches them.
    """
    kind = "total_available" if status_type in ("available", "busy") else "total_unavailable"
    part = {"idle": "idle_capacity", "not-at-capacity": "not_at_capacity", "at-capacity": "at_capacity"}[fullness]
    return kind, f"{kind}_{part}"
