"""R18 clock-skew: times that cannot all be true, with a bound on how wrong they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from interlock.investigation.detectors.build import found
from interlock.investigation.finding import Finding
from interlock.investigation.history import Chronicle, Track, Version

ID_SLACK_MS = 1_999
"""An id holds a whole second and may be drawn a moment before or after the commit."""

ID_NO_TIME_MS = 86_400_000
"""An id that is a day off holds no time at all."""


class _Off(NamedTuple):
    ms: int
    at: Version
    beside: Version | None


def clock_skew(c: Chronicle) -> Iterator[Finding]:
    """An event before its commit, a publication before its event, revs against time, a version that had seen a later
    one, an event id of another second. One finding for each kind and record, with the largest bound.

    Silent if: ids differ by a second, or hold no time. Clocks are never corrected.
    """
    for track in c.tracks:
        worst: dict[str, tuple[_Off, int]] = {}
        for kind, off in _all(c, track):
            had = worst.get(kind)
            if had is None:
                worst[kind] = (off, 1)
            else:
                worst[kind] = (max(off, had[0], key=lambda o: o.ms), had[1] + 1)
        for kind, (off, count) in worst.items():
            facts = {"kind": kind, "count": count}
            yield found("R18", off.at, proofs=(off.beside,), intervals={"at_least": off.ms}, facts=facts)


def _all(c: Chronicle, track: Track) -> Iterator[tuple[str, _Off]]:
    for v in track.versions:
        t = v.first.times
        if t.commit is not None and t.event is not None and t.event < t.commit:
            yield "event before commit", _Off(t.commit - t.event, v, None)
        if t.event is not None and t.publish is not None and t.publish < t.event:
            yield "published before event", _Off(t.event - t.publish, v, None)
        off = _of_id(v)
        if off:
            yield "id of another second", _Off(off, v, None)
        for mark in v.first.marks:
            seen = c.track(mark.record)
            other = seen.revs.get(mark.rev) if seen is not None and seen is not track else None
            if other is not None and other.at is not None and v.at is not None and v.at < other.at:
                yield "effect before cause", _Off(other.at - v.at, v, other)
    for a, b in pairwise(track.versions):
        if a.at is not None and b.at is not None and b.at < a.at:
            yield "revs against time", _Off(a.at - b.at, b, a)


def _of_id(v: Version) -> int:
    """How far the second in an event's id is from the event (ms); 0 within what ids can say."""
    name, at = v.first.event_id, v.first.times.event or v.at
    if len(name) != 24 or at is None:
        return 0
    try:
        drawn = int(name[:8], 16) * 1000
        int(name, 16)
    except ValueError:
        return 0
    off = abs(at - drawn)
    return off if ID_SLACK_MS < off < ID_NO_TIME_MS else 0
