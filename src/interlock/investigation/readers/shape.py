"""The one interface behind which the formats stand, and what goes through it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from interlock.investigation.finding import Refused, Repair
from interlock.investigation.observation import Entry, Grade, Place

Json = dict[str, Any]


class Item(msgspec.Struct):
    """One object out of an input: its value, how far to trust it, what was repaired, which fields stay unknown."""

    place: Place
    value: Any
    grade: Grade = "A"
    repairs: tuple[Repair, ...] = ()
    unknown: frozenset[str] = frozenset()


class Shape(Protocol):
    """A format's way to read one object. An instance reads one input, so it may remember earlier objects of it."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of each shape
        """The name that a report shows."""
        ...

    def entries(self, item: Item) -> Iterable[Entry] | None:
        """What the object comes to; `None` if it is not of this shape."""
        ...


Found = Item | Refused
"""What a container yields: objects, and what it could not read."""
