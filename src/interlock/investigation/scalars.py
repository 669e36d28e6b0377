"""Single values as logs write them: times in ms since 1970 (epochs, ISO 8601, ObjectIds), whole numbers, text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_EPOCH_UNITS = ((1e17, 1, 1_000_000), (1e14, 1, 1_000), (1e11, 1, 1), (0.0, 1_000, 1))
"""(from this size, times, divided by): ns, us, ms, s; right for the years 1973 to 5138."""

_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_FRACTION = re.compile(r"(?<=\d)[.,](\d+)")
_YEAR_2000, _YEAR_2100 = 946_684_800, 4_102_444_800
_ISO_MIN = 16


def ms_of(value: Any) -> int | None:
    """A time in ms, or `None` where the value is no time.

    A time without a zone is taken as UTC; microseconds are cut, not rounded, so that order is kept.
    """
    if type(value) is str:
        return _ms_of_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return epoch(value)
    return None


def epoch(value: float) -> int | None:
    """An epoch of unknown unit, told by its size; `None` below 1973 and for what is not finite."""
    if not 1e8 <= value < 1e20:
        return None
    times, divisor = next((times, divisor) for size, times, divisor in _EPOCH_UNITS if value >= size)
    return int(value * times // divisor)


def _ms_of_text(text: str) -> int | None:
    if len(text) < _ISO_MIN:
        return epoch(int(text)) if text.isdecimal() and text.isascii() else None
    if _PLAIN.fullmatch(text):
        second = _utc_second(text[:19])
        return None if second is None else second * 1000 + int(text[20:23])
    if not (text[0].isdigit() and text[4] == "-"):
        return epoch(int(text)) if text.isdecimal() and text.isascii() and len(text) <= 20 else None
    try:
        named = text.strip().removesuffix("UTC").rstrip() if text.endswith("UTC") else text.strip()
        moment = datetime.fromisoformat(_FRACTION.sub(_six_digits, named, count=1))
    except ValueError:
        return None
    return ms_of_moment(moment)


@lru_cache(8192)
def _utc_second(text: str) -> int | None:
    """Seconds since 1970 of `2022-03-02T19:13:26`, in UTC; the lines of a log share few of them."""
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _six_digits(match: re.Match[str]) -> str:
    return "." + match[1][:6].ljust(6, "0")


def ms_of_moment(moment: datetime) -> int | None:
    """Whole milliseconds of a moment; a naive one is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        whole = aware.astimezone(UTC)
    except OverflowError:
        return None
    return int((whole - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1000 + (whole.microsecond // 1000)


def id_second(id: str) -> int | None:
    """The second (since 1970) that an ObjectId of 24 hex digits holds, `None` for other ids or an unlikely year."""
    if len(id) != 24 or not _OBJECT_ID.fullmatch(id):
        return None
    second = int(id[:8], 16)
    return second if _YEAR_2000 <= second < _YEAR_2100 else None


def whole(value: Any) -> int | None:
    """An int where the value is one, or text of one; a bool is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.removeprefix("-").isdecimal():
        return int(value)
    return None


def text(value: Any) -> str:
    """Text as it is, a whole number as its digits (trace ids come as both), else nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
