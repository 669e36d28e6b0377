"""Names of changed fields beyond those that a row needs: learnt from the lines that show them first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from interlock.investigation import vocabulary as words
from interlock.investigation.big.shape import ATTRIBUTES, RELATIONSHIPS, line_type
from interlock.investigation.observation import Observation
from interlock.investigation.vocabulary import CANONICAL

LEARNT_MAX = 48
"""So many names of fields beyond the unit are learnt; a line that changes yet another is read the slow way."""


class Names:
    """Names of changed fields beyond those that a row needs, as far as lines have shown them."""

    def __init__(self) -> None:
        self.passed: tuple[list[str], list[str]] = (["updatedAt"], [])
        self.noted: tuple[list[str], list[str]] = ([], [])

    def decoder(self) -> Callable[[memoryview], Any]:
        """The decoder of a line, as far as names are known."""
        kinds = [self.passed[n] + self.noted[n] for n in (0, 1)]
        return msgspec.json.Decoder(line_type(*kinds)).decode

    def learn(self, o: Observation) -> bool:
        """Takes up the fields that an entry changed which did not fit; whether there was any new one."""
        new = False
        for name, moved in o.changes.items():
            bare, place = words.bare(name), int(moved.relationship)
            known = (ATTRIBUTES, RELATIONSHIPS)[place]
            if bare in CANONICAL or bare in known or bare in self.passed[place] or bare in self.noted[place]:
                continue
            if not bare.isidentifier() or sum(map(len, (*self.passed, *self.noted))) >= LEARNT_MAX:
                continue
            (self.noted if words.says_something(bare) else self.passed)[place].append(bare)
            new = True
        return new
