"""The rows of many conversations as columns, and the chains that they form: one record's rows, by rev."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from interlock.investigation.compact import (
    AT,
    AUDIT,
    CONVERSATION,
    CREATE,
    FLAGS,
    ID,
    ITEM,
    MARK,
    NAMED,
    NOBODY,
    NOT_SHOWN,
    REV,
    SIDE,
    STATUS_BEFORE,
    SYNC,
    UNCHANGED,
    USERS_BEFORE,
)
from interlock.investigation.finding import Limits

REV_BITS = 33
"""Of a rev, in a key beside a chain."""

WALK_MAX = 64
"""A chain with more rows is not walked in step with others."""

Rows = np.ndarray[Any, np.dtype[np.int64]]
Which = Any
"""Which of some rows, chains or conversations."""


def among(column: Rows, codes: frozenset[int]) -> Which:
    """Which values are among some codes."""
    return np.isin(column, np.array(sorted(codes)))


class Chains:
    """One batch, as columns, without what was delivered twice.

    number     of each row: which conversation      suspect   of each conversation, set by the methods
    chain      of each row: which chain             starts, ends   of each chain: its rows
    backwards  of each chain, whether its times go back
    gap        rows that do not follow the row before them     keys      of each row: chain and rev
    """

    def __init__(self, columns: Rows, number: Rows, suspect: Which, positions: Rows, limits: Limits, end: int) -> None:
        self.c = columns
        self.number = number
        self.suspect = suspect
        self.positions = positions
        self.limits = limits
        self.end = end
        c = columns
        first = np.ones(c.shape[1], bool)
        first[1:] = (number[1:] != number[:-1]) | (c[SIDE, 1:] != c[SIDE, :-1]) | (c[ID, 1:] != c[ID, :-1])
        self.first = first
        self.chain = np.cumsum(first) - 1
        self.starts = np.flatnonzero(first)
        self.ends = np.append(self.starts[1:], c.shape[1])
        self.told = c[SIDE] == AUDIT
        self.sides = c[SIDE, self.starts]
        self.of_chain = number[self.starts]
        self.create = c[FLAGS] & CREATE > 0
        self.changed = c[USERS_BEFORE : STATUS_BEFORE + 1] != UNCHANGED
        self.derived = (c[FLAGS] & SYNC > 0) & ~self.told
        self.named = np.where(c[FLAGS] & NAMED > 0, c[MARK], -1)
        self.audit = np.full(c.shape[1], -1)
        self.gap = np.zeros(0, np.int64)
        self.keys = np.where(self.told, self.chain << REV_BITS, self.chain << REV_BITS | np.maximum(c[REV], 0))
        self.backwards = np.zeros(len(self.starts), bool)
        later = np.flatnonzero(~first & ~self.told)
        self.backwards[self.chain[later[c[AT, later] < c[AT, later - 1]]]] = True
        self._sides()

    def _sides(self) -> None:
        """The conversation's and the item's chain of each group (-1: none), and the peer of each chain."""
        groups = len(self.suspect)
        self.pair = np.full((2, groups), -1)
        for side in (CONVERSATION, ITEM):
            chains = np.flatnonzero(self.sides == side)
            self.pair[side, self.of_chain[chains]] = chains
            self.suspect |= np.bincount(self.of_chain[chains], minlength=groups) > 1
        self.peer = np.full(len(self.starts), -1)
        for side in (CONVERSATION, ITEM):
            chains = np.flatnonzero(self.sides == side)
            self.peer[chains] = self.pair[1 - side, self.of_chain[chains]]

    def doubt(self, rows: Rows) -> None:
        """Suspects the conversations of some rows."""
        self.suspect[self.number[rows]] = True

    def last_change(self, word: int) -> Rows:
        """Of each row, the row of its chain before it that changed a word or made the record; -1 if none did."""
        here = np.where(self.changed[word] | self.create, np.arange(self.c.shape[1]), -1)
        before = np.empty_like(here)
        before[0] = -1
        np.maximum.accumulate(here[:-1], out=before[1:])
        return np.where(before >= self.starts[self.chain], before, -1)

    def peers(self, rows: Rows, done: Which | None = None) -> Iterator[tuple[Rows, Rows]]:
        """Walks the peers of some rows: which of `rows` still have a row of the peer at this step, and that row. `done`
        of `rows`: those that need not be walked, or no further; it may change on the way."""
        peer = self.peer[self.chain[rows]]
        at, stop = self.starts[peer], self.ends[peer]
        alive = np.flatnonzero(peer >= 0 if done is None else (peer >= 0) & ~done)
        self.doubt(rows[alive[(stop - at)[alive] > WALK_MAX]])
        at = at[alive]
        stop = np.minimum(stop[alive], at + WALK_MAX)
        while len(alive):
            yield alive, at
            at = at + 1
            goes_on = at < stop if done is None else (at < stop) & ~done[alive]
            if not goes_on.all():
                alive, at, stop = alive[goes_on], at[goes_on], stop[goes_on]

    def lasting(self, state: Which) -> Rows:
        """For how long in all each chain was in a state (ms): at least as long as the longest time without a break."""
        c = self.c
        until = np.empty_like(c[AT])
        until[:-1] = c[AT, 1:]
        until[self.ends - 1] = self.end
        total = np.bincount(self.chain, weights=np.where(state, until - c[AT], 0), minlength=len(self.starts))
        return np.where(self.backwards, self.limits.rest_ms, total)

    def latest(self, chains: Rows, n: int) -> Rows:
        """The last value that is shown; a field that is hidden where it was shown before is empty."""
        c = self.c
        value = c[n, self.ends[chains] - 1]
        ever = np.zeros(len(self.starts), bool)
        ever[self.chain[(c[n] != NOT_SHOWN) | (c[n + 3] != UNCHANGED)]] = True
        return np.where((value == NOT_SHOWN) & ever[chains], NOBODY, value)
