"""How long somebody in a queue will wait: from the latest waits of the very queue, with an interval that means it.

The middle is simple: so many are ahead, and an item has been taken every so often while any waited. How wide the
interval has to be is not assumed but learnt: the same sum is done for waits that have ended, at the moment when they
began (for the first in line, at moments spread over the past), with nothing known but what was known then; how far it
was off, among those who stood at about the same place, says how far it may be off now. This is split
conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005).

All times and durations are ms. Fewer than `SAMPLE_MIN` ended waits are too little to go on, and it says so.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

SHARE = 0.8
"""The share of true waits that the interval is meant to hold."""
SERVED_AT_ONCE, IN_LINE = (0.1, 0.9), (0.05, 0.9)
"""Which ranks of the past bound the interval. Waits in line come in spells: a floor that speeds up empties its line
faster than any wait of before, so the lower rank is lower than the share alone asks for. Chosen on four simulated days
(`bench/forecast.py --tuning`), held against three others.
"""
SAMPLE_MIN = 20
PACE_TAKES = 14
"""Takes over whose intervals the pace is averaged."""
NEAREST = 60
"""Past waits from about the same place that say how wide the interval is."""
PLACE_FACTOR = 2.0
"""What counts as about the same place: half as many in line, to twice as many. Further off nothing is claimed."""
AT_ONCE_MS = 2_000
"""An item that is offered so soon met an agent who was free."""
MOMENTS = 240
"""Moments of the past at which those who waited are looked at."""

Because = Literal["", "TOO_FEW", "NOBODY_THERE", "NOT_SERVED_NOW"]


class Past(NamedTuple):
    """One stay in the queue: when it began, when it was first offered, when it ended, and whether an agent took it."""

    entered: int
    offered: int | None
    left: int | None
    taken: bool


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be expected, and from what. Unknown (`because` says why): the three waits are `None`.

    low, middle, high  the wait from now on; four of five true waits lie between low and high
    position           how many are ahead              takes_per_hour  while any waited
    sample             past waits that it rests on     free, eligible  agents with room, agents who serve the queue
    """

    because: Because = ""
    low: int | None = None
    middle: int | None = None
    high: int | None = None
    position: int = 0
    takes_per_hour: float | None = None
    sample: int = 0
    free: int = 0
    eligible: int = 0


class _Sample(NamedTuple):
    """A moment of the past: how many were ahead, how long it took from there, and what the sum said."""

    ahead: int
    remained: int
    said: float


def forecast(
    stays: Sequence[Past], now: int, position: int, *, free: int, eligible: int, waiting: bool = False
) -> Forecast:
    """The wait of an item with `position` others ahead of it: one that enters now, or (`waiting`) one that is there.

    `stays` are those of the queue up to now, in any order, those still waiting included.
    """
    known = _Past(stays, now)
    basis: dict[str, Any] = {"position": position, "free": free, "eligible": eligible, "sample": len(known.takes)}
    pace = known.pace(now)
    if pace is not None and pace > 0:
        basis["takes_per_hour"] = round(3_600_000 / pace, 2)
    if not eligible:
        return Forecast(because="NOBODY_THERE", **basis)
    if pace is None or len(known.takes) < SAMPLE_MIN:
        return Forecast(because="TOO_FEW", **basis)
    meets_somebody = free > position and not waiting
    if meets_somebody:
        spread = sorted(float(s.left - s.entered) for s in known.takes if s.left and _at_once(s))
        if len(spread) >= SAMPLE_MIN:
            return _told(spread, 1.0, SERVED_AT_ONCE, {**basis, "sample": len(spread)})
    samples = known.at_moments() if waiting and not position else known.at_entries()
    near = _near(samples, position)
    if len(near) < SAMPLE_MIN:
        return Forecast(because="TOO_FEW", **{**basis, "sample": len(near)})
    ratios = sorted(s.remained / s.said for s in near)
    return _told(ratios, (position + 1) * pace, IN_LINE, {**basis, "sample": len(near)})


def _near(samples: Sequence[_Sample], position: int) -> list[_Sample]:
    """Those from about the same place, the nearest first."""
    off = [(abs(math.log((s.ahead + 1) / (position + 1))), n) for n, s in enumerate(samples)]
    most = math.log(PLACE_FACTOR) + 1e-9
    return [samples[n] for far, n in sorted(off)[:NEAREST] if far <= most]


def _told(ordered: Sequence[float], scale: float, ranks: tuple[float, float], basis: dict[str, Any]) -> Forecast:
    low, high = ranks
    return Forecast(
        low=round(scale * _quantile(ordered, low)),
        middle=round(scale * _quantile(ordered, 0.5)),
        high=round(scale * _quantile(ordered, high)),
        **basis,
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the next ones are to be expected: ranks among n + 1, as conformal prediction has
    it.
    """
    at = share * (len(ordered) + 1) - 1
    low = min(len(ordered) - 1, max(0, math.floor(at)))
    high = min(len(ordered) - 1, low + 1)
    part = min(1.0, max(0.0, at - low))
    return ordered[low] * (1 - part) + ordered[high] * part


def _at_once(s: Past) -> bool:
    return s.offered is not None and s.offered - s.entered <= AT_ONCE_MS


class _Past:
    """The stays of a queue, ordered so that any moment of the past can be asked what was known then."""

    def __init__(self, stays: Sequence[Past], now: int) -> None:
        self.stays = sorted((s for s in stays if s.entered <= now), key=lambda s: s.entered)
        self.now = now
        self.takes = sorted((s for s in self.stays if s.taken and s.left and s.left <= now), key=lambda s: s.left or 0)
        self._entered = [s.entered for s in self.stays]
        self._left = sorted(s.left for s in self.stays if s.left is not None and s.left <= now)
        self._taken_at = [s.left or 0 for s in self.takes]
        self._sums = self._summed()

    def _summed(self) -> list[float]:
        """Sums of the intervals between takes, counted while somebody waited."""
        sums = [0.0]
        for n, at in enumerate(self._taken_at):
            before = self._taken_at[n - 1] if n else self._entered[0]
            waits = self.waiting(before)
            first = bisect_right(self._entered, before)
            began = before if waits > 0 else self._entered[first] if first < len(self._entered) else before
            sums.append(sums[-1] + max(0, at - max(before, began)))
        return sums

    def waiting(self, at: int) -> int:
        """How many waited just after this moment."""
        return bisect_right(self._entered, at) - bisect_right(self._left, at)

    def pace(self, at: int) -> float | None:
        """The mean interval between the last takes before this moment, while somebody waited; `None`: too few."""
        last = bisect_left(self._taken_at, at)
        first = max(0, last - PACE_TAKES)
        if last - first < PACE_TAKES // 2:
            return None
        return max(1.0, (self._sums[last] - self._sums[first]) / (last - first))

    def at_entries(self) -> list[_Sample]:
        """The moments at which stays began that did not meet a free agent."""
        out: list[_Sample] = []
        for s in self.takes:
            pace = self.pace(s.entered)
            if s.left is None or pace is None or _at_once(s):
                continue
            ahead = bisect_left(self._entered, s.entered) - bisect_right(self._left, s.entered)
            out.append(_Sample(max(0, ahead), s.left - s.entered, (max(0, ahead) + 1) * pace))
        return out

    def at_moments(self) -> list[_Sample]:
        """Moments spread over the past, with whoever was first in line then and was taken since."""
        if not self.takes:
            return []
        begin, out = self.takes[0].entered, list[_Sample]()
        for n in range(MOMENTS):
            at = begin + (self.now - begin) * n // MOMENTS
            pace = self.pace(at)
            if pace is None or not self.waiting(at):
                continue
            first = next(s for s in self.stays if s.entered <= at and (s.left is None or s.left > at))
            if first.taken and first.left is not None and first.left <= self.now:
                out.append(_Sample(0, first.left - at, pace))
        return out
