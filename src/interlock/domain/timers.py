"""Timers of a work item: stays add up, nothing is negative, and the figure is written when the timer stops."""

from __future__ import annotations

import msgspec

from interlock.domain.schedule import Calendar


class Timer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Milliseconds spent in one phase. `entered_at`: the latest entry; `completed_at`: when it last stopped.

    `time` and `business_time` are `None` until the first stop. `business_time` is the part of `time` inside the
    schedule in force; without a schedule the two are equal.
    """

    entered_at: int
    time: int | None = None
    business_time: int | None = None
    completed_at: int | None = None

    @property
    def running(self) -> bool:
        """Whether the clock is on."""
        return self.completed_at is None


def start(timer: Timer | None, now: int) -> Timer:
    """The timer, running from `now`; what it had is kept."""
    if timer is None:
        return Timer(entered_at=now)
    return timer if timer.running else Timer(now, timer.time, timer.business_time)


def stop(timer: Timer | None, now: int, calendar: Calendar) -> Timer | None:
    """The timer, stopped at `now`; one that does not run is left alone.

    The stay is measured by the schedule in force when it ends, and never again.
    """
    if timer is None or not timer.running:
        return timer
    passed = max(0, now - timer.entered_at)
    open_ms = calendar.business_ms(timer.entered_at, now)
    return Timer(timer.entered_at, (timer.time or 0) + passed, (timer.business_time or 0) + open_ms, now)
