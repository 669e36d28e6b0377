"""Many times at once: texts of the one form that machines write, as milliseconds since 1970."""

from __future__ import annotations

from typing import Any

import numpy as np

_WIDTH = 25
"""`2022-03-02T19:13:26.510Z` and what separates it from the next."""

_MARKS = ((4, b"-"), (7, b"-"), (10, b"T"), (13, b":"), (16, b":"), (19, b"."), (23, b"Z"), (24, b"|"))
_DIGITS = np.array([n for n in range(23) if n not in (4, 7, 10, 13, 16, 19)])
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Which = np.ndarray[Any, np.dtype[np.bool_]]


def moments(texts: list[str]) -> tuple[Numbers, Which]:
    """Each text in ms, and which of them are of another form or name no moment: their number means nothing."""
    laid = _laid(texts)
    if laid is None:
        fit = [text if len(text) == _WIDTH - 1 and text.isascii() else "-" * (_WIDTH - 1) for text in texts]
        laid = np.frombuffer(("|".join(fit) + "|").encode("ascii"), np.uint8).reshape(-1, _WIDTH)
    c = np.ascontiguousarray(laid.T)
    bad = np.zeros(len(texts), bool)
    for place, mark in _MARKS:
        bad |= c[place] != mark[0]
    # Below `0` an unsigned difference is large.
    d = c[_DIGITS] - np.uint8(48)
    bad |= d.max(axis=0) > 9
    year = d[0].astype(np.int32) * 1000 + d[1].astype(np.int32) * 100 + (d[2] * 10 + d[3])
    month, day, hour, minute, second = ((d[n] * 10 + d[n + 1]).astype(np.int32) for n in range(4, 14, 2))
    ms = d[14].astype(np.int32) * 100 + (d[15] * 10 + d[16])
    bad |= (month < 1) | (month > 12) | (hour > 23) | (minute > 59) | (second > 59) | (year < 1) | (day < 1)
    leap = (month == 2) & (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    bad |= day > _MONTH_DAYS[np.clip(month, 0, 12)] + leap
    days = _days(year, month, day)
    return ((days * 24 + hour) * 60 + minute) * 60_000 + (second * 1000 + ms), bad


def _laid(texts: list[str]) -> Any:
    """The texts as rows of bytes; `None` if they are not all as long as they should be."""
    joined = "|".join(texts) + "|"
    if len(joined) != _WIDTH * len(texts) or not joined.isascii():
        return None
    laid = np.frombuffer(joined.encode("ascii"), np.uint8).reshape(-1, _WIDTH)
    return laid if bool((laid[:, -1] == ord("|")).all()) else None


def _days(year: Any, month: Any, day: Any) -> Numbers:
    """Days since 1970 in the Gregorian calendar; years begin in March, so that the odd day comes last."""
    y = year - (month <= 2)
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468).astype(np.int64)
