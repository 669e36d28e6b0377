"""Calendars: what is open when, against a clock on the wall, and the laws of business time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.errors import InvalidValue
from interlock.domain.schedule import (
    ALWAYS,
    DAY_MINUTES,
    MINUTE_MS,
    Calendar,
    Holiday,
    Schedule,
    check_hours,
    held_outside,
)
from interlock.service.calendars import compiled

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca",
    "America/Sao_Paulo", "Pacific/Apia",
)  # fmt: skip
HOUR_MS = 60 * MINUTE_MS
DAYS = [str(day) for day in range(7)]
OFFICE: dict[str, tuple[tuple[int, int], ...] | None] = dict.fromkeys(DAYS[1:6], ((540, 1020),))


def ms(text: str) -> int:
    """An instant, from how it is written."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def calendar(hours: dict[str, tuple[tuple[int, int], ...] | None], zone: str, *closed: str) -> Calendar:
    """A compiled schedule with explicit holidays."""
    holidays = tuple(Holiday(day) for day in closed)
    made = Schedule(id="s", org="o", name="s", hours=hours, timezone=zone, holidays=holidays)
    return compiled(made, ms("2026-01-01T00:00+00:00"))


@st.composite
def spans(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Spans of one day, apart from each other; two may touch."""
    cuts = sorted(draw(st.lists(st.integers(0, DAY_MINUTES), max_size=6, unique=True)))
    return tuple(zip(cuts[::2], cuts[1::2], strict=False))


instants = st.integers(ms("2019-12-20T00:00+00:00"), ms("2027-01-10T00:00+00:00"))
holidays = st.lists(st.dates(date(2019, 12, 1), date(2027, 1, 31)), max_size=5)
schedules = st.tuples(st.fixed_dictionaries({d: spans() for d in DAYS}), st.sampled_from(ZONES), holidays)


def on_the_wall(at: int, hours: dict[str, tuple[tuple[int, int], ...]], zone: str, closed: list[object]) -> bool:
    """The definition: open when the clock on the wall reads within a span of its day, and that is no holiday."""
    local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    return local.date() not in closed and any(a <= minute < b for a, b in hours[str(local.isoweekday() % 7)])


@given(schedules, instants)
def test_open_is_what_the_clock_on_the_wall_says(drawn: tuple, at: int) -> None:
    hours, zone, closed = drawn
    made = calendar(hours, zone, *(d.isoformat() for d in closed))
    assert made.is_open(at) == on_the_wall(at, hours, zone, closed)


@given(schedules, instants, st.integers(0, 5_000))
def test_business_time_is_the_open_minutes_counted_one_by_one(drawn: tuple, start: int, minutes: int) -> None:
    hours, zone, closed = drawn
    made = calendar(hours, zone, *(d.isoformat() for d in closed))
    start -= start % MINUTE_MS
    every = range(start, start + min(minutes, 1_600) * MINUTE_MS, MINUTE_MS)
    counted = sum(on_the_wall(at, hours, zone, closed) for at in every)
    assert made.business_ms(start, start + len(every) * MINUTE_MS) == counted * MINUTE_MS


@given(schedules, st.lists(instants, min_size=3, max_size=3))
def test_business_time_adds_up_and_lies_between_nothing_and_all(drawn: tuple, at: list[int]) -> None:
    hours, zone, closed = drawn
    made = calendar(hours, zone, *(d.isoformat() for d in closed))
    a, b, c = sorted(at)
    assert made.business_ms(a, b) + made.business_ms(b, c) == made.business_ms(a, c)
    assert 0 <= made.business_ms(a, b) <= b - a
    assert made.business_ms(c, a) == 0
    assert ALWAYS.business_ms(a, b) == b - a


@given(schedules, instants)
def test_the_next_opening_is_open_and_nothing_before_it_is(drawn: tuple, at: int) -> None:
    hours, zone, closed = drawn
    made = calendar(hours, zone, *(d.isoformat() for d in closed))
    found = made.next_open(at)
    assert (found is None) == (not any(hours.values()))
    if found is not None:
        assert found >= at
        assert made.is_open(found)
        assert made.business_ms(at, found) == 0


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-10-26", 24),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
    ],
)
def test_a_day_on_which_the_clock_is_turned_is_as_long_as_it_is(zone: str, day: str, hours: float) -> None:
    made = calendar(dict.fromkeys(DAYS, ((0, DAY_MINUTES),)), zone)
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    end = start.replace(day=start.day + 1)
    elapsed = int((end.timestamp() - start.timestamp()) * 1000)
    assert made.business_ms(int(start.timestamp() * 1000), int(end.timestamp() * 1000)) == elapsed == hours * HOUR_MS


def test_an_hour_that_is_read_twice_is_open_twice_and_one_never_read_is_never_open() -> None:
    made = calendar(dict.fromkeys(DAYS, ((120, 180),)), "Europe/Berlin")
    assert made.business_ms(ms("2026-10-24T22:00+00:00"), ms("2026-10-25T22:00+00:00")) == 2 * HOUR_MS
    assert made.business_ms(ms("2026-03-28T23:00+00:00"), ms("2026-03-29T22:00+00:00")) == 0
    assert made.next_open(ms("2026-03-29T00:30+00:00")) == ms("2026-03-30T00:00+00:00")


def test_office_hours_skip_nights_weekends_and_holidays() -> None:
    made = calendar(OFFICE, "Europe/Berlin", "2026-12-24", "2026-12-25")
    wednesday = ms("2026-12-23T16:59+01:00")
    assert made.is_open(wednesday)
    assert not made.is_open(ms("2026-12-23T17:00+01:00"))
    assert made.next_open(ms("2026-12-23T17:00+01:00")) == ms("2026-12-28T09:00+01:00")
    assert made.business_ms(wednesday, ms("2026-12-28T09:01+01:00")) == 2 * MINUTE_MS


def test_the_holidays_of_a_country_are_closed_and_those_of_another_region_are_not() -> None:
    made = Schedule(id="s", org="o", name="s", hours=OFFICE, timezone="Europe/Berlin", holiday_country="DE")
    epiphany, labour_day = ms("2026-01-06T12:00+01:00"), ms("2026-05-01T12:00+02:00")
    whole = compiled(made, epiphany)
    bavaria = compiled(made.with_(holiday_region="BY"), epiphany)
    assert [whole.is_open(epiphany), whole.is_open(labour_day)] == [True, False]
    assert [bavaria.is_open(epiphany), bavaria.is_open(labour_day)] == [False, False]


def test_a_queue_holds_only_where_it_says_so_and_only_outside_its_hours() -> None:
    made = calendar(OFFICE, "UTC")
    night, noon = ms("2026-01-07T02:00+00:00"), ms("2026-01-07T12:00+00:00")
    assert held_outside("hold", made, night)
    assert not held_outside("hold", made, noon)
    assert not held_outside("route", made, night)
    assert not held_outside("hold", ALWAYS, night)


@pytest.mark.parametrize(
    ("hours", "pointer"),
    [
        ({}, "/hours"),
        ({"1": None, "2": []}, "/hours"),
        ({"1": [(540, 540)]}, "/hours/1/0"),
        ({"1": [(60, 120), (1320, 120)]}, "/hours/1/1"),
        ({"3": [(700, 1020), (540, 720)]}, "/hours/3/0"),
        ({"3": [(540, 720), (540, 600)]}, "/hours/3/0"),
    ],
)
def test_hours_that_are_none_are_refused_where_they_are_not(hours: dict, pointer: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        check_hours(hours)
    assert refused.value.pointer == pointer


def test_spans_may_touch_and_stand_in_any_order() -> None:
    check_hours({"1": [(720, 1020), (540, 720)], "0": None})


def test_every_zone_turns_where_it_turns() -> None:
    """Seven days between two looks are few enough: no zone turns its clock forth and back in between."""
    from interlock.service.calendars import turns_of, zones

    wanted = [z for z in sorted(zones()) if "/" in z][::12]
    for zone in wanted:
        turns, there = turns_of(zone), ZoneInfo(zone)
        for day in range(ms("2015-01-01T00:00+00:00"), ms("2032-01-01T00:00+00:00"), 86_400_000 * 2):
            known = next(o for at, o in reversed(turns) if at <= day)
            real = datetime.fromtimestamp(day / 1000, UTC).astimezone(there).utcoffset()
            assert real is not None
            assert known == real.total_seconds() * 1000, f"{zone} at {day}"
