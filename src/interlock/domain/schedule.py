"""Business schedules, and the calendar that one is compiled to: a plain value that can say what is open when.

A span of hours is minutes of the local day, as a clock on the wall there reads them: an instant is open when that clock
reads within a span. So a day on which the clock is turned has 23 or 25 hours, an hour that is read twice is open twice,
and one that is never read is never open. How zones and public holidays are looked up is not known here; a calendar
holds the turns of its zone's clock and the days that are closed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import ClassVar

import msgspec

from interlock.domain.errors import InvalidValue
from interlock.domain.record import Index, Record

MINUTE_MS = 60_000
DAY_MS = 86_400_000
DAY_MINUTES = 1_440
SEARCHED_DAYS = 800
"""How far ahead `next_open` looks: longer than two years, so that a schedule open once a year is found."""

Spans = tuple[tuple[int, int], ...]
"""Minutes of the local day: [from, to), in order, apart from each other."""


class Holiday(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A local day (`2026-12-24`) that is closed from midnight to midnight."""

    date: str
    name: str = ""


class Schedule(Record, frozen=True, kw_only=True):
    """When a company works. `hours`: per weekday, "0" is Sunday, spans in minutes of the local day; `None`: closed."""

    TYPE: ClassVar[str] = "schedule"
    PATH: ClassVar[str] = "/v1/schedules/"
    NOUN: ClassVar[str] = "schedule"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    hours: dict[str, tuple[tuple[int, int], ...] | None] = {}
    timezone: str = "UTC"
    default: bool = False
    holidays: tuple[Holiday, ...] = ()
    holiday_country: str | None = None
    holiday_region: str | None = None
    deleted: bool = False

    def index(self) -> Index:
        """By name; deleted ones apart."""
        return Index(state="deleted" if self.deleted else "live", sort=self.name.lower())


class Calendar(msgspec.Struct, frozen=True):
    """A compiled schedule. All instants are ms since 1970 (UTC).

    week    the spans of each weekday, Sunday first
    turns   when the zone's clock is turned, each with the offset in ms that is in force from then on; the offset of the
            first one is also in force before it
    closed  local days (since 1970-01-01) that are closed, in order
    """

    week: tuple[Spans, ...]
    turns: tuple[tuple[int, int], ...] = ((0, 0),)
    closed: tuple[int, ...] = ()

    def is_open(self, at: int) -> bool:
        """Whether `at` lies within the hours."""
        day, within = divmod(at + self._offset(at), DAY_MS)
        return any(a * MINUTE_MS <= within < b * MINUTE_MS for a, b in self._spans(day))

    def next_open(self, at: int) -> int | None:
        """The earliest open instant from `at` on; `None` if none comes within `SEARCHED_DAYS`."""
        for start, end, offset in self._stretches(at, at + SEARCHED_DAYS * DAY_MS):
            found = self._first_open(start + offset, end + offset)
            if found is not None:
                return found - offset
        return None

    def business_ms(self, start: int, end: int) -> int:
        """How much of [start, end) is open, in ms; 0 if `end` is not after `start`."""
        if end <= start:
            return 0
        if self is ALWAYS:
            return end - start
        return sum(self._open_until(b + off) - self._open_until(a + off) for a, b, off in self._stretches(start, end))

    def _offset(self, at: int) -> int:
        return self.turns[max(0, bisect_right(self.turns, at, key=_first) - 1)][1]

    def _stretches(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """[start, end) cut where the clock is turned: (from, to, offset)."""
        place = max(0, bisect_right(self.turns, start, key=_first) - 1)
        while start < end:
            until = self.turns[place + 1][0] if place + 1 < len(self.turns) else end
            yield start, min(until, end), self.turns[place][1]
            start, place = min(until, end), place + 1

    def _spans(self, day: int) -> Spans:
        at = bisect_left(self.closed, day)
        return () if at < len(self.closed) and self.closed[at] == day else self.week[weekday(day)]

    def _first_open(self, start: int, end: int) -> int | None:
        """The first open local instant of [start, end)."""
        for day in range(start // DAY_MS, (end - 1) // DAY_MS + 1):
            for a, b in self._spans(day):
                opens, shuts = day * DAY_MS + a * MINUTE_MS, day * DAY_MS + b * MINUTE_MS
                if shuts > start and max(opens, start) < end:
                    return max(opens, start)
        return None

    def _open_until(self, local: int) -> int:
        """Open ms from the week of 1970-01-01 to a local instant, as if the clock were never turned."""
        day, within = divmod(local, DAY_MS)
        weeks, rest = divmod(day + _FIRST_WEEKDAY, 7)
        minutes = weeks * sum(map(_minutes, self.week)) + sum(map(_minutes, self.week[:rest]))
        minutes -= sum(_minutes(self.week[weekday(d)]) for d in self.closed[: bisect_left(self.closed, day)])
        today = sum(max(0, min(within, b * MINUTE_MS) - a * MINUTE_MS) for a, b in self._spans(day))
        return minutes * MINUTE_MS + today


_FIRST_WEEKDAY = 4
"""1970-01-01 was a Thursday."""


def weekday(day: int) -> int:
    """The weekday of a day since 1970-01-01; 0 is Sunday."""
    return (day + _FIRST_WEEKDAY) % 7


def _first(turn: tuple[int, int]) -> int:
    return turn[0]


def _minutes(spans: Spans) -> int:
    return sum(b - a for a, b in spans)


_WHOLE_DAY: Spans = ((0, DAY_MINUTES),)
ALWAYS = Calendar((_WHOLE_DAY,) * 7)
"""Never closed: what is in force where no schedule is, so that business time is all time."""


class Hours(msgspec.Struct, frozen=True):
    """The calendars in force for one decision: the org's, and those of queues that have their own, by queue id."""

    org: Calendar = ALWAYS
    queues: Mapping[str, Calendar] = {}

    def of(self, queue: str | None) -> Calendar:
        """The calendar of a queue, else the org's."""
        return self.queues.get(queue or "", self.org)


def held_outside(outside_hours: str, calendar: Calendar, at: int) -> bool:
    """Whether items of a queue are held back at `at`: it says `hold` and its calendar is closed."""
    return outside_hours == "hold" and not calendar.is_open(at)


def check_hours(hours: Mapping[str, Iterable[tuple[int, int]] | None], pointer: str = "/hours") -> None:
    """Raises unless these are hours: some span somewhere, each of at least a minute, those of a day apart."""
    open_days = {day: list(spans) for day, spans in hours.items() if spans}
    if not open_days:
        raise InvalidValue(
            "A schedule needs hours on at least one day; to be always closed, pause the queue; to be always open, use "
            "no schedule.",
            pointer=pointer,
        )  # fmt: skip
    for day, spans in open_days.items():
        for place, (a, b) in enumerate(spans):
            if b <= a:
                raise InvalidValue(
                    f"{a}-{b} ends before it begins. Split hours that pass midnight: up to {DAY_MINUTES} on one day, "
                    "from 0 on the next.",
                    pointer=f"{pointer}/{day}/{place}",
                )  # fmt: skip
        ordered = sorted((span, place) for place, span in enumerate(spans))
        for ((a, b), _), ((c, d), place) in pairwise(ordered):
            if c < b:
                raise InvalidValue(f"{c}-{d} overlaps {a}-{b}; make one of them.", pointer=f"{pointer}/{day}/{place}")
