"""A believable day, pure and seeded: who writes when and about what, who works when, what becomes of an offer.

Nothing here looks at a clock or at a server. All times are simulated seconds since the day began at 08:30; whoever
plays the day divides them by its speed. One seed, one day.
"""

from __future__ import annotations

import csv
import math
import random  # noqa: TID251 - seeded, so that one seed is one day; the services themselves draw nothing
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

import msgspec

Channel = Literal["chat", "voice", "email"]
CHANNELS: tuple[Channel, ...] = ("chat", "voice", "email")
DAY_BEGINS_S = 8.5 * 3600

PER_MINUTE = (
    0.2,
    0.1,
    0.1,
    0.1,
    0.1,
    0.2,
    0.5,
    1.2,
    2.4,
    3.6,
    4.2,
    4.0,
    2.6,
    3.0,
    3.8,
    3.6,
    3.2,
    2.6,
    1.8,
    1.2,
    0.9,
    0.7,
    0.5,
    0.3,
)
"""Conversations a minute by the hour of the day: two hills with lunch between them."""
BURST_EVERY_S, BURST_LASTS_S, BURST_FACTOR = 1500.0, 240.0, 2.0
SHARES: dict[Channel, float] = {"chat": 0.5, "voice": 0.25, "email": 0.25}
HANDLE_S: dict[Channel, float] = {"chat": 300.0, "voice": 240.0, "email": 420.0}
"""Median time that an agent works on one; the spread is log-normal."""
FRENCH, SPECIAL, RETURNS = 0.12, 0.15, 0.10
"""Shares of the customers who write French, who have a person of their own, who come back after it was done."""
DECLINES, SILENT = 0.06, 0.04
"""Shares of offers that an agent declines, and that nobody answers."""

SUBJECTS: dict[str, tuple[str, ...]] = {
    "en": (
        "Where is my parcel?",
        "I was charged twice",
        "Can I change the address?",
        "The code does not work",
        "Cancel my plan",
        "My invoice is missing",
        "It arrived broken",
        "How do I return this?",
        "Do you ship to Malta?",
        "I cannot sign in",
    ),
    "fr": ("Où est mon colis ?", "Je voudrais être remboursé", "Ma facture, s'il vous plaît", "Le code ne marche pas"),
}


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One customer: when they come, how, in which language, and whether they come back once it is done."""

    at_s: float
    channel: Channel
    subject: str
    language: str = "en"
    special: bool = False
    returns_after_s: float | None = None


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent and their shift: from when on, and their breaks as (begin, end, whether they sign out)."""

    name: str
    team: str
    begins_s: float
    breaks: tuple[tuple[float, float, bool], ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What an agent does with an offer, after a while; and how long the work takes if they accept."""

    says: Literal["accept", "decline", "nothing"]
    after_s: float
    work_s: float


TEAMS: dict[str, tuple[str, ...]] = {
    "Desk": ("messages",),
    "Phone": ("calls", "messages"),
    "Paris": ("francais", "messages"),
}
"""Each team and the queues that it serves, by their keys."""
STAFF: tuple[tuple[str, str], ...] = (
    ("Ana", "Desk"),
    ("Ben", "Desk"),
    ("Chidi", "Desk"),
    ("Dana", "Desk"),
    ("Emre", "Desk"),
    ("Farah", "Phone"),
    ("Goran", "Phone"),
    ("Hana", "Phone"),
    ("Ivo", "Phone"),
    ("Joëlle", "Paris"),
    ("Karim", "Paris"),
    ("Léa", "Paris"),
)


class Day:
    """One day by its seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _chance(self, of: str) -> random.Random:
        """A source of its own for each purpose, so that one more draw here changes nothing there."""
        return random.Random(f"{self.seed}/{of}")

    def arrivals(self) -> Iterator[Arrival]:
        """Customers in the order in which they come, without end: the day repeats."""
        chance = self._chance("arrivals")
        highest = max(PER_MINUTE) * BURST_FACTOR / 60
        at = 0.0
        while True:
            at += chance.expovariate(highest)
            if chance.random() * highest <= self.rate(at):
                channel = chance.choices(CHANNELS, [SHARES[c] for c in CHANNELS])[0]
                yield self._arrival(at, channel, chance)

    def rate(self, at_s: float) -> float:
        """Customers a second at a time of the day: the hours' hills, and a burst now and then."""
        hour = (at_s + DAY_BEGINS_S) / 3600 % 24
        low, part = int(hour), hour % 1
        per_minute = PER_MINUTE[low] * (1 - part) + PER_MINUTE[(low + 1) % 24] * part
        burst = self._chance(f"burst {int(at_s // BURST_EVERY_S)}").uniform(0, BURST_EVERY_S - BURST_LASTS_S)
        inside = burst <= at_s % BURST_EVERY_S < burst + BURST_LASTS_S
        return per_minute / 60 * (BURST_FACTOR if inside else 1.0)

    def from_file(self, lines: Sequence[str]) -> Iterator[Arrival]:
        """Customers of a recorded day: `time,channel` a line. The rest is drawn. Raises `ValueError`."""
        chance = self._chance("recorded")
        first: float | None = None
        for number, row in enumerate(csv.reader(lines), 1):
            if not row or (number == 1 and row[0].strip().lower() == "time"):
                continue
            if len(row) < 2 or row[1].strip() not in CHANNELS:
                raise ValueError(f"line {number}: expected time,channel with a channel of {', '.join(CHANNELS)}")
            at = _seconds(row[0].strip(), number)
            first = at if first is None else first
            yield self._arrival(max(0.0, at - first), row[1].strip(), chance)

    def _arrival(self, at_s: float, channel: Channel | str, chance: random.Random) -> Arrival:
        language = "fr" if chance.random() < FRENCH else "en"
        returns = chance.uniform(120, 600) if chance.random() < RETURNS else None
        return Arrival(
            at_s=at_s,
            channel=channel,  # type: ignore[arg-type]
            language=language,
            subject=chance.choice(SUBJECTS[language]),
            special=chance.random() < SPECIAL,
            returns_after_s=returns,
        )

    def agents(self) -> tuple[Agent, ...]:
        """The staff with their shifts: most are there when the day begins, French comes a little later."""
        out: list[Agent] = []
        for name, team in STAFF:
            chance = self._chance(f"shift {name}")
            begins = chance.uniform(300, 600) if team == "Paris" else chance.uniform(0, 90)
            breaks: list[tuple[float, float, bool]] = []
            at = begins + chance.uniform(600, 3000)
            while at < 9 * 3600:
                lasts = chance.uniform(180, 900)
                breaks.append((at, at + lasts, chance.random() < 0.3))
                at += lasts + chance.uniform(1800, 5400)
            out.append(Agent(name=name, team=team, begins_s=begins, breaks=tuple(breaks)))
        return tuple(out)

    def answer(self, agent: str, nth: int, channel: str) -> Answer:
        """What an agent does with their nth offer."""
        chance = self._chance(f"answer {agent} {nth}")
        draw = chance.random()
        says = "decline" if draw < DECLINES else "nothing" if draw < DECLINES + SILENT else "accept"
        median = HANDLE_S.get(channel, 300.0)  # type: ignore[call-overload]
        work = math.exp(chance.gauss(math.log(median), 0.4))
        return Answer(says, chance.uniform(4, 25), work)


def _seconds(text: str, number: int) -> float:
    """A time as seconds: a number, HH:MM, HH:MM:SS, or ISO 8601."""
    try:
        return float(text)
    except ValueError:
        pass
    parts = text.split(":")
    if len(parts) in (2, 3) and all(p.isdigit() for p in parts):
        hours, minutes, *rest = (int(p) for p in parts)
        return hours * 3600.0 + minutes * 60 + (rest[0] if rest else 0)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise ValueError(f"line {number}: {text!r} is no time; write HH:MM:SS, ISO 8601 or seconds") from None
