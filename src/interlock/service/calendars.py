"""Schedules compiled to calendars: zones and public holidays are looked up here, once, and kept.

What a calendar is and answers is in `domain/schedule.py`. Compiled calendars are kept by what is in their schedule, so
a change of a schedule is a new one and a stopped timer, which was measured by the old one, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

from interlock.domain.errors import InvalidValue
from interlock.domain.queue import Queue
from interlock.domain.record import Address
from interlock.domain.schedule import ALWAYS, DAY_MS, Calendar, Holiday, Hours, Schedule, Spans
from interlock.service.transact import Reading

EPOCH = date(1970, 1, 1)
TURNS_FROM, TURNS_TO = 1990, 2061
"""The years whose turns of the clock a calendar knows; before and after, the nearest known offset is in force."""
PROBED_DAYS = 7
"""No zone has turned its clock forth and back within so few days since 1990; a test holds this against every zone."""
YEARS_BACK, YEARS_AHEAD = 5, 2
"""How many years of a country's holidays a calendar holds, before and after the present one."""

HourKey = tuple[tuple[str, Spans | None], ...]


def compiled(schedule: Schedule, now: int) -> Calendar:
    """The calendar of a schedule, with its country's holidays of the years around `now` (ms)."""
    hours: HourKey = tuple(sorted(schedule.hours.items()))
    days = tuple(h.date for h in schedule.holidays)
    year = (EPOCH + timedelta(milliseconds=now)).year
    return _compiled(hours, schedule.timezone, days, schedule.holiday_country, schedule.holiday_region, year)


@lru_cache(1024)
def _compiled(
    hours: HourKey, zone: str, days: tuple[str, ...], country: str | None, region: str | None, year: int
) -> Calendar:
    spans = dict(hours)
    week = tuple(tuple(sorted(tuple(s) for s in spans.get(str(day)) or ())) for day in range(7))
    closed = {date.fromisoformat(d) for d in days}
    if country:
        for each in range(year - YEARS_BACK, year + YEARS_AHEAD + 1):
            closed.update(day for day, _ in public_holidays(country, region, each))
    return Calendar(cast("tuple[Spans, ...]", week), turns_of(zone), tuple(sorted((d - EPOCH).days for d in closed)))


@lru_cache(64)
def turns_of(zone: str) -> tuple[tuple[int, int], ...]:
    """When the clock of a zone is turned (ms), and the offset from then on. Raises `KeyError` for an unknown zone."""
    there = ZoneInfo(zone)

    def offset(second: int) -> int:
        return (datetime.fromtimestamp(second, UTC).astimezone(there).utcoffset() or timedelta()) // timedelta(
            milliseconds=1
        )

    day = DAY_MS // 1000
    first = (date(TURNS_FROM, 1, 1) - EPOCH).days * day
    turns = [(first * 1000, offset(first))]
    for second in range(first, (date(TURNS_TO, 1, 1) - EPOCH).days * day, PROBED_DAYS * day):
        before, after = offset(second), offset(second + PROBED_DAYS * day)
        if before != after:
            low, high = second, second + PROBED_DAYS * day
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            turns.append((high * 1000, after))
    return tuple(turns)


@lru_cache(4096)
def public_holidays(country: str, region: str | None, year: int) -> tuple[tuple[date, str], ...]:
    """The public holidays of a country, or of a region of it, in one year. Raises `NotImplementedError` if unknown."""
    found = _library().country_holidays(country, subdiv=region, years=year)
    return tuple(sorted(found.items()))


@lru_cache(1)
def zones() -> frozenset[str]:
    """The names of all zones that this machine knows."""
    return frozenset(available_timezones())


@lru_cache(1)
def regions_of_countries() -> dict[str, list[str]]:
    """Every country that holidays are known of (ISO 3166), with the codes of its regions."""
    return dict(_library().list_supported_countries(include_aliases=True))


def _library() -> Any:
    # A third of a second to load, and most processes never need it.
    import holidays

    return holidays


def holidays_of(schedule: Schedule, years: Iterable[int]) -> list[Holiday]:
    """Every closed day of these years, its own ones and its country's, in order; of two of one day its own."""
    named = {
        day.isoformat(): Holiday(day.isoformat(), name)
        for year in (years if schedule.holiday_country else ())
        for day, name in public_holidays(schedule.holiday_country or "", schedule.holiday_region, year)
    }
    wanted = {str(y) for y in years}
    named |= {h.date: h for h in schedule.holidays if h.date[:4] in wanted}
    return [named[day] for day in sorted(named)]


def check_zone(zone: str, *, pointer: str) -> None:
    """Raises unless this is a zone of the IANA database."""
    if zone not in zones():
        raise InvalidValue(f"There is no zone {zone[:100]}; use a name such as Europe/Berlin.", pointer=pointer)


def check_country(country: str | None, region: str | None) -> None:
    """Raises unless the holidays of this country, and of this region of it, are known."""
    known = regions_of_countries()
    if country is None:
        if region is not None:
            raise InvalidValue("A holidayRegion needs its holidayCountry.", pointer="/holidayRegion")
        return
    if country not in known:
        raise InvalidValue(
            f"The holidays of {country[:100]} are not known; use a code of two letters such as DE, or list the days in "
            "holidays.",
            pointer="/holidayCountry",
        )  # fmt: skip
    if region is not None and region not in known[country]:
        raise InvalidValue(
            f"{country} has no region {region[:100]}.", pointer="/holidayRegion", allowed=sorted(known[country])[:200]
        )


async def hours_of(reading: Reading, queues: Iterable[Queue] = ()) -> Hours:
    """The calendars in force: a queue's own schedule, else the org's, else none. They count into no basis: what they
    measure is written as a figure, and nothing is decided by it.
    """
    own = {q.id: q.schedule for q in queues if q.schedule}
    default = reading.settings.schedule if reading.settings else None
    wanted = list(dict.fromkeys(s for s in (default, *own.values()) if s))
    if not wanted:
        return Hours()
    found = await reading.world.store.load([Address(Schedule.TYPE, reading.org, s) for s in wanted])
    now = reading.moment.now
    known = {s.id: compiled(s, now) for s in found if isinstance(s, Schedule) and not s.deleted}
    org = known.get(default or "", ALWAYS)
    return Hours(org, {queue: known[s] for queue, s in own.items() if s in known})
