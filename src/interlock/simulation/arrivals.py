"""A day without a log: arrivals from a CSV file, to be placed by rules and handled by agents who are there all day.

Columns by name: `time` (RFC 3339, or HH:MM[:SS]) and `channel`; if given also `language`, `priority`, `name`,
`handle_seconds`, and custom attributes by their names (`tierStr`).
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from interlock.domain.conversation import Channel, Conversation
from interlock.domain.facts import SUFFIXES
from interlock.domain.ids import compose
from interlock.domain.record import Record
from interlock.service import orgs
from interlock.simulation.world import START_MS, Clock, Counted, Memory, at_once, world_of_memory
from interlock.simulation.yesterday import CONFIGURATION, Entry, Yesterday

ASSUMED = 1_000
"""Handle times that are drawn where the file names none."""
AFTER_MS = 4 * 3_600_000
"""How long after the last arrival the day ends."""


def day_of(lines: Iterable[str], *, seed: int, handle_s: float) -> Yesterday:
    """The day that a file describes. Raises `ValueError` with the line. `handle_s`: the mean handle time assumed where
    the file has none; it is drawn from an exponential distribution.
    """
    day = _empty()
    reader = csv.DictReader(lines)
    if not {"time", "channel"} <= set(reader.fieldnames or ()):
        raise ValueError("line 1: the columns time and channel are needed, by name")
    for n, row in enumerate(reader, 2):
        try:
            at, c = _arrival(day.org, n, row)
            if row.get("handle_seconds"):
                day.holds.setdefault(c.channel, []).append(round(float(row["handle_seconds"]) * 1000))
        except ValueError as wrong:
            raise ValueError(f"line {n}: {wrong}") from None
        day.entries.append(Entry(c.id, at, "", True, c))
    if not day.entries:
        raise ValueError("line 1: there are no arrivals")
    day.entries.sort(key=lambda e: (e.at, e.item))
    day.begin, day.end = day.entries[0].at, day.entries[-1].at + AFTER_MS
    if not day.holds:
        chance = random.Random(seed)
        day.holds = {"": [round(chance.expovariate(1 / handle_s) * 1000) for _ in range(ASSUMED)]}
    return day


def _empty() -> Yesterday:
    """An org as it is when it is founded."""
    clock = Clock(START_MS)
    store = Memory(clock)
    world = world_of_memory(store, clock, Counted(clock, 3))
    org = at_once(orgs.found(world, "Arrivals", key="")).row.org
    kept: dict[tuple[str, str], Record] = {(r.TYPE, r.id): r for kind in CONFIGURATION for r in store.all(kind.TYPE)}
    return Yesterday(org=org, limits=False, config=kept)


def _arrival(org: str, n: int, row: dict[str, Any]) -> tuple[int, Conversation]:
    at, channel = _time(str(row["time"]).strip()), str(row["channel"]).strip()
    if channel not in get_args(Channel):
        raise ValueError(f"{channel!r} is no channel; there are {', '.join(get_args(Channel))}")
    priority = int(row.get("priority") or 3)
    if not 1 <= priority <= 5:
        raise ValueError("priority is 1 to 5")
    custom = {
        k: float(v) if k.endswith("Num") else v for k, v in row.items() if v and k and k.endswith(tuple(SUFFIXES))
    }
    c = Conversation(
        id=compose(at, n), org=org, channels=(channel,), direction="in", default_lang=row.get("language") or None,
        priority=priority, name=row.get("name") or None, custom=custom, created_at=at, updated_at=at,
    )  # fmt: skip
    return at, c


def _time(text: str) -> int:
    if len(text) <= 8 and ":" in text:
        parts = [int(p) for p in text.split(":")]
        seconds = sum(p * 60**i for i, p in zip((2, 1, 0), parts, strict=False))
        return START_MS - START_MS % 86_400_000 + seconds * 1000
    found = datetime.fromisoformat(text)
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
