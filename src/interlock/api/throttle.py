"""How often a topic is told: the first change at once, further ones at most once in a while, and none is forgotten.

What is held back keeps the position that a reader may resume from below it: a reader who is cut off gets it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

HELD_MAX = 1_000
"""So many topics are held back at most; beyond that all are told at once, which costs fetches and loses nothing."""


class Told(NamedTuple):
    """One topic to tell, with the newest position at which it changed."""

    topic: str
    position: int


class _Held(NamedTuple):
    first: int
    newest: int
    due: float


class Throttle:
    """Times are seconds of a clock that only goes forward. `at_once`: topics of these families are never held back."""

    def __init__(self, start: int, seconds: float, at_once: frozenset[str] = frozenset({"agent"})) -> None:
        self._seconds = seconds
        self._at_once = at_once
        self._passed = start
        self._open_from: dict[str, float] = {}
        self._held: dict[str, _Held] = {}

    @property
    def position(self) -> int:
        """The position from which a reader may resume: every change up to it has been told."""
        return min((h.first for h in self._held.values()), default=self._passed + 1) - 1

    @property
    def due(self) -> float | None:
        """When the next topic that is held back is to be told."""
        return min((h.due for h in self._held.values()), default=None)

    def changed(self, topics: Iterable[str], position: int, now: float) -> list[Told]:
        """Topics that changed at a position; those of them that are told now."""
        out: list[Told] = []
        for topic in sorted(topics):
            held = self._held.get(topic)
            if held is not None:
                self._held[topic] = held._replace(newest=position)
            elif topic.partition(":")[0] in self._at_once or now >= self._open_from.get(topic, now):
                out.append(self._tell(topic, position, now))
            else:
                self._held[topic] = _Held(position, position, self._open_from[topic])
        self._passed = position
        return out + (self.release(float("inf"), now) if len(self._held) > HELD_MAX else [])

    def passed(self, position: int) -> None:
        """Everything up to a position was looked at."""
        self._passed = max(self._passed, position)

    def release(self, until: float, now: float) -> list[Told]:
        """Whatever is due by `until`, earliest first."""
        ripe = sorted((h.due, topic) for topic, h in self._held.items() if h.due <= until)
        out = [self._tell(topic, self._held.pop(topic).newest, now) for _, topic in ripe]
        if len(self._open_from) > 2 * HELD_MAX:
            self._open_from = {t: when for t, when in self._open_from.items() if when > now}
        return out

    def _tell(self, topic: str, position: int, now: float) -> Told:
        self._open_from[topic] = now + self._seconds
        return Told(topic, position)
