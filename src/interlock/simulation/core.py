"""The core without the services: every state of two copies of the unit, k intents a side, each message at any time.

Breadth first over production's `merge`, `intend`, `resolve` and the projections. A message is the state of a site
after an intent; it may arrive late, twice, after later ones, or never. With `restore` the conversation's side may be
put back once to any state it had been in, and goes on in a new epoch. Every state that can be reached is visited once.

    I1  a live intent disappears only under one that had seen it      I2  equal contexts, equal slots
    I3  what is shown is a valid combination, and both sides show it  I4  nothing superseded is in force
    I5  no stronger live intent hides under a weaker one
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from interlock.domain import assignment as unit
from interlock.domain.assignment import (
    NOTHING,
    Actor,
    ActorClass,
    Assigned,
    Coupled,
    Done,
    Intent,
    Origin,
    Queued,
    State,
    Unit,
)  # fmt: skip
from interlock.domain.conversation import Conversation, show
from interlock.domain.record import Ref
from interlock.domain.work_item import status_of

WISHES: tuple[tuple[ActorClass, Unit], ...] = (
    ("rule", Queued("q")),
    ("workflow", Assigned(("u",))),
    ("person", Done()),
)
"""What may be intended: a queue by a rule, a user by a workflow, the end by a person."""
_REF = Ref("conversation", "c")
_SHOWS = {"none": "ivr", "queued": "queued", "assigned": "assigned", "done": "completed"}


class Node(NamedTuple):
    """A state of the world: both copies, what may still arrive on each side, intents left, intents made, the backup."""

    a: int
    b: int
    to_a: frozenset[int]
    to_b: frozenset[int]
    left_a: int
    left_b: int
    made: frozenset[int]
    backup: int
    epoch: int


class Space(msgspec.Struct):
    """What a search came to. `broken`: how many transitions broke which invariant."""

    intents: int
    states: int = 0
    transitions: int = 0
    seconds: float = 0.0
    complete: bool = True
    broken: dict[str, int] = {}


class _Copies:
    """Copies of the unit by number, so that a state of the world is a few small integers; each is judged once."""

    def __init__(self) -> None:
        self.states: list[State[Unit]] = []
        self.intents: list[Intent[Unit]] = []
        self._number: dict[State[Unit], int] = {}
        self._intent: dict[Intent[Unit], int] = {}
        self._merged: dict[tuple[int, int], int] = {}
        self._wished: dict[tuple[int, str, int, int], tuple[int, int]] = {}

    def number(self, state: State[Unit]) -> int:
        """The number of a copy."""
        found = self._number.get(state)
        if found is None:
            found = self._number[state] = len(self.states)
            self.states.append(state)
        return found

    def merge(self, mine: int, theirs: int) -> int:
        """Two copies meet."""
        found = self._merged.get((mine, theirs))
        if found is None:
            met = unit.merge(self.states[mine], self.states[theirs])
            found = self._merged[mine, theirs] = self.number(met)
        return found

    def wish(self, copy: int, site: unit.Site, epoch: int, wish: int) -> tuple[int, int]:
        """An intent on a copy: the new copy, and the intent's number."""
        key = (copy, site, epoch, wish)
        found = self._wished.get(key)
        if found is None:
            cls, value = WISHES[wish]
            state = self.states[copy]
            made = unit.intend(state, Origin(site, epoch, Actor(cls, "x", cls), _REF, 0, 0), value, state.ctx)
            slot = made.slots[0]
            if slot not in self._intent:
                self._intent[slot] = len(self.intents)
                self.intents.append(slot)
            found = self._wished[key] = (self.number(made), self._intent[slot])
        return found


def search(
    intents: int = 2, *, restore: bool = False, wishes: int = len(WISHES), seconds: float | None = None
) -> Space:
    """Every state with so many intents a side, each of the first `wishes` kinds."""
    return _Search(intents, restore, wishes).run(seconds)


class _Search:
    def __init__(self, intents: int, restore: bool, wishes: int) -> None:
        self.copies = _Copies()
        self.wishes = range(wishes)
        self.restore = restore
        self.space = Space(intents)
        start = self.copies.number(State())
        self.first = Node(start, start, frozenset(), frozenset(), intents, intents, frozenset(), -1, 1)
        self._judged: dict[tuple[int, frozenset[int]], list[str]] = {}

    def run(self, seconds: float | None) -> Space:
        """Breadth first."""
        began = time.perf_counter()
        space, seen, todo = self.space, {self.first}, deque([self.first])
        while todo:
            node = todo.popleft()
            for after, was, came, now in self._next(node):
                space.transitions += 1
                for name in self._broken(after, was, came, now):
                    space.broken[name] = space.broken.get(name, 0) + 1
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
            if seconds is not None and time.perf_counter() - began > seconds:
                space.complete = False
                break
        space.states, space.seconds = len(seen), time.perf_counter() - began
        return space

    def _next(self, n: Node) -> Iterator[tuple[Node, int, int, int]]:
        """Every next state, with the copy that moved as it was, what came to it (-1: an intent), and as it is now."""
        copies = self.copies
        for wish in self.wishes:
            if n.left_a:
                now, made = copies.wish(n.a, "conversation", n.epoch, wish)
                after = n._replace(a=now, to_b=n.to_b | {now}, left_a=n.left_a - 1, made=n.made | {made})
                yield after, n.a, -1, now
            if n.left_b:
                now, made = copies.wish(n.b, "routing", 1, wish)
                after = n._replace(b=now, to_a=n.to_a | {now}, left_b=n.left_b - 1, made=n.made | {made})
                yield after, n.b, -1, now
        for message in n.to_b:
            if (now := copies.merge(n.b, message)) != n.b:
                yield n._replace(b=now), n.b, message, now
        for message in n.to_a:
            if (now := copies.merge(n.a, message)) != n.a:
                yield n._replace(a=now), n.a, message, now
        if self.restore and n.epoch == 1:
            if n.backup < 0:
                yield n._replace(backup=n.a), n.a, n.a, n.a
            elif n.backup != n.a:
                yield n._replace(a=n.backup, epoch=2), n.backup, n.backup, n.backup

    def _broken(self, n: Node, was: int, came: int, now: int) -> list[str]:
        states = self.copies.states
        out: list[str] = []
        if states[n.a].ctx == states[n.b].ctx and n.a != n.b:
            out.append("I2")
        key = (now, n.made)
        judged = self._judged.get(key)
        if judged is None:
            judged = self._judged[key] = list(self._standing(states[now], n.made))
        out += judged
        if came >= 0:
            out += self._dropped(states[was], states[came], states[now], n.made)
        return out

    def _standing(self, state: State[Unit], made: frozenset[int]) -> Iterator[str]:
        """I3, I4 and I5 of one copy, given every intent there has been."""
        outcome = unit.resolve(state, NOTHING)
        word, users, queue, _ = unit.shape(outcome.value)
        shown = show(Conversation(id="c", org="o", coupled=Coupled(state)), 1, 0)
        agree = (shown.assigned_users, shown.queue) == (users, queue) and status_of(shown.coupled, False) == _SHOWS[
            word
        ]
        if not unit.valid(outcome.value) or not agree or (shown.status == "done") != isinstance(outcome.value, Done):
            yield "I3"
        if outcome.winner is None:
            return
        if any(unit.strength(x) > unit.strength(outcome.winner) for x in outcome.losers):
            yield "I5"
        for n in made:
            other = self.copies.intents[n]
            retires = other.dot != outcome.winner.dot and unit.covers(other.seen, outcome.winner.dot)
            if retires and unit.covers(state.ctx, other.dot):
                yield "I4"
                return

    def _dropped(self, was: State[Unit], came: State[Unit], now: State[Unit], made: frozenset[int]) -> Iterator[str]:
        """I1: whatever was alive on either side is alive, or retired by an intent that this copy knows of."""
        for x in {*was.slots, *came.slots}:
            if x in now.slots:
                continue
            known = [self.copies.intents[n] for n in made]
            if not any(unit.covers(y.seen, x.dot) and unit.covers(now.ctx, y.dot) for y in known):
                yield "I1"
