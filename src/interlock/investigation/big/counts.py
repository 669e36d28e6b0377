"""Findings of low severity, counted from the columns: of each conversation how many, by rule.

They hold for conversations that no other look is taken at. What a column cannot tell is not counted: R15 and R18 need
the times of event and publication, which rows do not have.
"""

from __future__ import annotations

import numpy as np

from interlock.investigation.big.chains import REV_BITS, Chains, Rows, Which, among
from interlock.investigation.compact import (
    AT,
    AUDIT,
    BEFORE,
    CONVERSATION,
    EMPTY,
    FLAGS,
    ITEM,
    ITEMISED,
    LISTED,
    MARK,
    NOBODY,
    NOT_SHOWN,
    REV,
    SIDE,
    STATUS_AT,
    TRACE,
    USERS_AT,
)
from interlock.investigation.screen import FINAL, WAITING

COUNTED = ("R4", "R6", "R10", "R14", "R20", "R21")
"""Rules that are counted; R4 where redeliveries are told apart."""

NOT_COUNTED = ("R15", "R18")
"""Rules whose findings of low severity are not counted."""


def counts(chains: Chains) -> dict[str, Rows]:
    """By rule, and `holes`: records whose first revs the log does not show."""
    c, groups = chains.c, len(chains.suspect)

    def by_group(rows: Which) -> Rows:
        return np.bincount(chains.number[rows], minlength=groups)

    late = chains.starts[(chains.sides != AUDIT) & (c[REV, chains.starts] > 1) & ~chains.create[chains.starts]]
    empty = ~chains.told & ~chains.create & (c[FLAGS] & LISTED > 0) & (c[FLAGS] & EMPTY > 0)
    return {
        "holes": by_group(late),
        "R6": by_group(_unseen(chains)),
        "R10": by_group(empty),
        "R14": by_group(_in_flight(chains)),
        "R20": by_group(_poor(chains)),
        "R21": by_group(_untraced(chains)),
    }


def _poor(chains: Chains) -> Which:
    """R20: audits that name nothing that was read, or that come after the effect."""
    c = chains.c
    blind: Which = chains.told & (c[MARK] < 0)
    poor = blind & (c[FLAGS] & ITEMISED > 0)
    written = np.flatnonzero(chains.audit >= 0)
    audits = chains.audit[written]
    needs = blind[audits] & (chains.peer[chains.chain[written]] >= 0)
    poor[audits] |= needs | (c[AT, audits] > c[AT, written])
    return poor


def _unseen(chains: Chains) -> Rows:
    """R6: a row for each run of revs that the log does not show and something in it names. A run is known by the row
    behind it, or, if it is beyond the last rev, by the last row and a sign."""
    c = chains.c
    own = ~chains.told & (c[BEFORE] > 0)
    audited = np.flatnonzero((chains.audit >= 0) & (chains.named > 0))
    marks = np.flatnonzero(~chains.told & (c[MARK] > 0))
    rows = np.concatenate((np.flatnonzero(own), marks, audited))
    rev = np.concatenate((c[BEFORE, own], c[MARK, marks], c[MARK, chains.audit[audited]]))
    chain = chains.chain[rows]
    other = np.arange(len(rows)) >= int(own.sum())
    chain = np.where(other, chains.peer[chain], chain)
    known = (chain >= 0) & (rev > 0)
    chain, rev = chain[known], np.minimum(rev[known], (1 << REV_BITS) - 1)
    wanted = chain << REV_BITS | rev
    at = np.searchsorted(chains.keys, wanted)
    there = np.zeros(len(at), bool)
    inside = at < len(chains.keys)
    there[inside] = chains.keys[at[inside]] == wanted[inside]
    chain, at = chain[~there], at[~there]
    first = at == chains.starts[chain]
    beyond = at == chains.ends[chain]
    behind = np.minimum(at, c.shape[1] - 1)
    gap = np.zeros(c.shape[1], bool)
    gap[chains.gap] = True
    run = (first & ~chains.create[behind]) | (~first & ~beyond & gap[behind])
    return np.concatenate((np.unique(at[run]), np.unique(at[beyond]) - 1))


def _in_flight(chains: Chains) -> Rows:
    """R14: a row for each time that the conversation had users while the item waited, until the side that began it
    ended it; however long."""
    c = chains.c
    paired: Which = (chains.pair >= 0).all(axis=0)
    rows = np.flatnonzero(paired[chains.number] & ((c[SIDE] == CONVERSATION) | (c[SIDE] == ITEM)) & (c[AT] >= 0))
    if not len(rows):
        return rows
    rows = rows[_in_time(chains.number[rows], c[AT, rows], c[SIDE, rows])]
    number, item = chains.number[rows], c[SIDE, rows] == ITEM
    begins = np.ones(len(rows), bool)
    begins[1:] = number[1:] != number[:-1]
    users, status = c[USERS_AT, rows], c[STATUS_AT, rows]
    # What is done has no users, until users are shown again.
    closed = ~item & among(status, FINAL)
    has = _carried(begins, ~item & ((users != NOT_SHOWN) | closed), (users != NOBODY) & ~closed)
    waits = _carried(begins, item & (status != NOT_SHOWN), among(status, WAITING))
    both = has & waits
    before = np.zeros(len(rows), bool)
    before[1:] = both[:-1]
    before[begins] = False
    began = np.flatnonzero(both & ~before)
    stops = np.flatnonzero((~both & before) | begins)
    after = np.searchsorted(stops, began, side="right")
    ended = stops[np.minimum(after, len(stops) - 1)]
    # Where the next stop is another conversation's beginning, the log ended first.
    open_ = (after >= len(stops)) | begins[ended]
    return rows[began[open_ | (item[ended] == item[began])]]


def _in_time(number: Rows, at: Rows, side: Rows) -> Rows:
    """The order of some rows by conversation, time, side and place."""
    since = at - at.min()
    if int(since.max()) >= 1 << _TIME_BITS or int(number[-1]) >= 1 << 62 - _TIME_BITS:
        return np.lexsort((side, at, number))
    # One number is sorted faster than three.
    return np.argsort((number << _TIME_BITS | since) << 1 | side, kind="stable")


_TIME_BITS = 40
"""Of a time beside a conversation's number: 34 years in milliseconds."""


def _carried(begins: Which, told: Which, value: Which) -> Which:
    """A value at each row as it was last told, false from a beginning on until it is."""
    value = value & told
    told = told | begins
    last = np.maximum.accumulate(np.where(told, np.arange(len(told)), 0))
    return value[last]


def _untraced(chains: Chains) -> Rows:
    """R21: what syncs wrote of which neither trace nor a rev that they name leads to an event of the peer."""
    c = chains.c
    d = np.flatnonzero(chains.derived & (chains.named < 0) & (chains.peer[chains.chain] >= 0) & ~chains.told)
    if not len(d):
        return d
    wanted = _traced(chains.number[d], c[TRACE, d], 1 - c[SIDE, d])
    ordered = np.sort(wanted)
    paired = np.flatnonzero((c[SIDE] <= ITEM) & (c[TRACE] != 0))
    there = _traced(chains.number[paired], c[TRACE, paired], c[SIDE, paired])
    # Few are looked for among many: so these are not sorted.
    at = np.minimum(np.searchsorted(ordered, there), len(ordered) - 1)
    found = np.zeros(len(ordered), bool)
    found[at[ordered[at] == there]] = True
    return d[(c[TRACE, d] == 0) | ~found[np.searchsorted(ordered, wanted)]]


def _traced(number: Rows, trace: Rows, side: Rows) -> Rows:
    """A trace on one side of a conversation, as one number; two are as unlikely alike as hashes are."""
    return trace ^ (2 * number + side) * _MIX


_MIX = np.int64(0x1E3779B97F4A7C15)
