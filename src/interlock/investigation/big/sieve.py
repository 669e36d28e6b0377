"""The screen on columns: tens of thousands of rows at once, each rule as a few operations on all of them.

It says of each conversation what `screen` says, or suspects it where a column cannot tell: several chains where there
should be one, times or places out of order, a chain that is too long to be walked. Only what it suspects is looked at
row by row, and only what is suspect then is read again. Exact in never missing; a test holds it against the full look.

Rows are sorted by conversation, side, record, rev and place. A chain is one record's rows; `peer` of a chain is the
other record of its conversation. Where a rule looks from one row at all rows of the peer, `peers` walks these in step:
first the first row of every peer, then the second, as far as there are any.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from interlock.investigation.big.chains import REV_BITS, Chains, Rows, Which, among
from interlock.investigation.big.counts import counts
from interlock.investigation.compact import (
    AT,
    AUDIT,
    BEFORE,
    CLIENT,
    CONVERSATION,
    FLAGS,
    FURTHER,
    GROUP,
    ID,
    ITEM,
    ITEMISED,
    LISTED,
    MARK,
    NOBODY,
    NOT_SHOWN,
    ODD,
    ORDER,
    ORG,
    OTHER_RECORD,
    PERSON,
    QUEUE_AT,
    REFUSAL,
    REV,
    SIDE,
    STATES_POLICY,
    STATUS_AT,
    SYNC,
    TRACE,
    UNCHANGED,
    USERS_AT,
    USERS_BEFORE,
)
from interlock.investigation.finding import Limits
from interlock.investigation.screen import FINAL, HELD, WAITING

_ID_BITS = 28
_ALIKE = (BEFORE, AT, *range(FLAGS, ORG + 1))
"""What two rows of one rev must share to be one event, delivered twice: all but where they stand."""

Same = Callable[[Rows, Rows], int]
"""Whether two rows' entries, read again, have the same contents: 0 if not, 1 if so and they may be one event, 2 if
they are two events by their ids."""


class Sifted(msgspec.Struct):
    """What came of a batch. `rows`: sorted; `begins`: where each conversation begins in them, and where the last ends.

    suspect   of each conversation, whether it has to be looked at row by row
    gaps      positions of the rows that do not follow the row before them, in conversations that are not suspect
    """

    rows: Rows
    begins: Rows
    suspect: Which
    gaps: list[tuple[int, int]]
    low: dict[str, Rows]


def sift(rows: Rows, limits: Limits, end: int, same: Same) -> Sifted:
    """Looks at a batch that holds whole conversations. `end`: the last moment of the whole log (ms)."""
    rows = _sorted(rows)
    group = rows[:, GROUP]
    new = np.ones(len(rows), bool)
    new[1:] = group[1:] != group[:-1]
    begins = np.append(np.flatnonzero(new), len(rows))
    number = np.cumsum(new) - 1
    suspect = np.zeros(len(begins) - 1, bool)
    again = _again(rows, new)
    twice = np.zeros(len(suspect), np.int64)
    kept = np.ones(len(rows), bool)
    kept[again] = False
    firsts = np.flatnonzero(kept)
    before = firsts[np.searchsorted(firsts, again) - 1]
    alike = (rows[again][:, _ALIKE] == rows[before][:, _ALIKE]).all(axis=1)
    suspect[number[again[~alike]]] = True
    alike &= rows[again, SIDE] != AUDIT
    for n, first in zip(again[alike].tolist(), before[alike].tolist(), strict=True):
        told = same(rows[first], rows[n])
        if not told:
            suspect[number[n]] = True
        twice[number[n]] += told == 2
    sieve = Sieve(np.ascontiguousarray(rows[kept].T), number[kept], suspect, firsts, limits, end)
    sieve.look()
    low = counts(sieve)
    low["R4"] = twice
    # An audit that is told twice is one write's, and its second telling has no write.
    blind = again[(rows[again, SIDE] == AUDIT) & (rows[again, MARK] < 0) & (rows[again, FLAGS] & ITEMISED > 0)]
    low["R20"] = low["R20"] + np.bincount(number[blind], minlength=len(suspect))
    return Sifted(rows, begins, suspect, sieve.gaps(), low)


def _key(rows: Rows) -> Rows:
    """Side, record and rev as one number, in this order. Of the record some bits: a clash makes two records one."""
    rev = np.clip(rows[:, REV] + 1, 0, (1 << REV_BITS) - 1)
    return rows[:, SIDE] << REV_BITS + _ID_BITS | (rows[:, ID] & (1 << _ID_BITS) - 1) << REV_BITS | rev


def _sorted(rows: Rows) -> Rows:
    """By conversation, side, record, rev and place; rows mostly come in the order of their places."""
    key = _key(rows)
    order = np.lexsort((key, rows[:, GROUP]))
    out = rows[order]
    key = key[order]
    tied = (key[1:] == key[:-1]) & (out[1:, GROUP] == out[:-1, GROUP])
    if bool((tied & (out[1:, ORDER] < out[:-1, ORDER])).any()):
        out = out[np.lexsort((out[:, ORDER], key, out[:, GROUP]))]
    return out


def _again(rows: Rows, new: Which) -> Rows:
    """The rows that tell of the rev that the row before them tells of."""
    same = ~new[1:] & (rows[1:, REV] == rows[:-1, REV]) & (rows[1:, ID] == rows[:-1, ID])
    return np.flatnonzero(same & (rows[1:, SIDE] == rows[:-1, SIDE])) + 1


class Sieve(Chains):
    """The rules. Each marks the conversations in which it may fire."""

    def look(self) -> None:
        """Every rule."""
        self._neighbours()
        self._audits()
        self._alone()
        moved = np.flatnonzero((self.first | self.changed.any(axis=0)) & ~self.told & (self.c[SIDE] != OTHER_RECORD))
        self._syncs(moved)
        self._flapping()
        last = [self.last_change(word) for word in range(3)]
        self._copies(moved, last)
        self._reverts(moved, last)
        self._rest()
        self._taken(moved)

    def _neighbours(self) -> None:
        """What each row says by itself, and of the row before it: R3, R4, R7, R8, R27; gaps are kept apart (R5)."""
        c = self.c
        untold = ~self.told
        strange = (c[FLAGS] & (ODD | FURTHER) > 0) | (c[AT] < 0)
        strange |= untold & ((c[REV] < 0) | (c[BEFORE] >= c[REV]) | (c[REV] >= 1 << REV_BITS - 1))
        self.doubt(strange)
        later = np.flatnonzero(~self.first & untold)
        earlier = later - 1
        rev, before = c[REV, earlier], c[BEFORE, later]
        step = c[REV, later] - rev
        hole = (step > 1) & (before != rev)
        strange = c[ORG, later] != c[ORG, earlier]
        strange |= (before >= 0) & (before < rev) | (step == 1) & (before > rev)
        for word in range(3):
            shown, left = c[USERS_AT + word, later], c[USERS_AT + word, earlier]
            said = c[USERS_BEFORE + word, later]
            known = left != NOT_SHOWN
            kept = said == UNCHANGED
            strange |= kept & known & (shown != NOT_SHOWN) & (shown != left) & ~hole
            strange |= ~kept & known & (said != NOT_SHOWN) & (step == 1) & (said != left)
        self.doubt(later[strange])
        self.gap = later[hole]
        disordered = self.number[later[c[ORDER, later] < c[ORDER, earlier]]]
        self.in_order = np.zeros(len(self.suspect), bool)
        self.in_order[self.number[later]] = True
        self.in_order[disordered] = False

    def _audits(self) -> None:
        """R19, R25: each audit to its write; a write that has one is a sync's, and had read what the audit names."""
        c = self.c
        has = np.zeros(len(self.suspect), bool)
        has[self.number[self.told]] = True
        audits = np.flatnonzero(self.told & (c[FLAGS] & REFUSAL == 0))
        group = self.number[audits]
        chain = np.full(len(audits), -1)
        for side in (CONVERSATION, ITEM):
            candidate = self.pair[side, group]
            fits = (candidate >= 0) & (c[ID, self.starts[candidate]] == c[ID, audits])
            chain = np.where(fits, candidate, chain)
        others = np.zeros(len(self.suspect), bool)
        others[self.of_chain[self.sides == OTHER_RECORD]] = True
        self.doubt(audits[(chain < 0) & others[group]])
        audits, chain = audits[chain >= 0], chain[chain >= 0]
        row = self._row_of(chain, c[REV, audits])
        audits, row = audits[row >= 0], row[row >= 0]
        self.audit[row] = audits
        self.derived[row] = True
        says = c[MARK, audits] >= 0
        self.named[row[says]] = c[MARK, audits[says]]
        self.doubt(row[self._unlike(audits, row)])
        self.doubt(np.flatnonzero((c[FLAGS] & LISTED > 0) & (self.audit < 0) & has[self.number] & ~self.told))

    def _row_of(self, chain: Rows, rev: Rows) -> Rows:
        """The row of each chain's rev, -1 where there is none."""
        wanted = chain << REV_BITS | np.maximum(rev, 0)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, at, -1)

    def _unlike(self, audits: Rows, row: Rows) -> Which:
        """Whether an audit and the row under the rev that it must have made do not tell of one write."""
        c = self.c
        traced = (c[TRACE, audits] != 0) & (c[TRACE, row] != 0)
        unlike = traced & (c[TRACE, audits] != c[TRACE, row])
        silent = (c[USERS_AT : STATUS_AT + 1][:, audits] == NOT_SHOWN).all(axis=0)
        unlike |= ~traced & (c[FLAGS, row] & SYNC == 0) & silent
        for n in (USERS_AT, QUEUE_AT):
            both = (c[n, audits] != NOT_SHOWN) & (c[n, row] != NOT_SHOWN)
            unlike |= both & (c[n, audits] != c[n, row])
        return unlike | (c[ORG, audits] != 0) & (c[ORG, audits] != c[ORG, row])

    def _alone(self) -> None:
        """R14: an item that waits and has a user, or is held by nobody."""
        c = self.c
        items = np.flatnonzero(c[SIDE] == ITEM)
        users, status = c[USERS_AT, items], c[STATUS_AT, items]
        self.waits = np.zeros(c.shape[1], bool)
        self.waits[items] = among(status, WAITING)
        self.doubt(items[self.waits[items] & (users != NOBODY) & (users != NOT_SHOWN)])
        speaks = np.zeros(len(self.starts), bool)
        speaks[self.chain[items[(users != NOT_SHOWN) | self.changed[0, items]]]] = True
        held = among(status, HELD) & ((users == NOBODY) | (users == NOT_SHOWN))
        self.doubt(items[held & speaks[self.chain[items]]])

    def _syncs(self, moved: Rows) -> None:
        """R9: syncs that wrote one record three times. R16, R17: a version read that is no newer than the last one."""
        syncs = moved[self.derived[moved] & ~self.create[moved]]
        chain = self.chain[syncs]
        often = np.bincount(chain, minlength=len(self.starts)) >= 3
        self.suspect[self.of_chain[often]] = True
        naming = syncs[self.named[syncs] >= 0]
        a, b = naming[:-1], naming[1:]
        stale = (self.chain[a] == self.chain[b]) & (self.named[b] <= self.named[a]) & (self.named[a] > 0)
        self.doubt(b[stale])

    def _flapping(self) -> None:
        """R11: three changes of the users within the window, two of them by machines at least."""
        c = self.c
        changes = np.flatnonzero(self.changed[0] & ~self.told & (c[SIDE] != OTHER_RECORD))
        if len(changes) < 3:
            return
        chain = self.chain[changes]
        machines = np.bincount(chain[c[FLAGS, changes] & PERSON == 0], minlength=len(self.starts)) >= 2
        a, b = changes[:-2], changes[2:]
        within = (c[AT, b] - c[AT, a] <= self.limits.flapping_ms) | self.backwards[self.chain[b]]
        self.doubt(b[(self.chain[a] == self.chain[b]) & within & machines[self.chain[b]]])

    def _copies(self, moved: Rows, last: list[Rows]) -> None:
        """R1, R2 and R23, for what syncs wrote."""
        c = self.c
        d = moved[self.derived[moved] & ~self.create[moved] & (self.peer[self.chain[moved]] >= 0)]
        named, at, order = self.named[d], c[AT, d], c[ORDER, d]
        mark = np.full(len(d), -1)
        marks = np.zeros(len(d), bool)
        overtaken = np.full(len(d), -1)
        known = [np.zeros(len(d), bool) for _ in (0, 1)]
        for n, x in self.peers(d):
            seen = c[MARK, x]
            marks[n] |= seen >= 0
            said = named[n] >= 0
            later = said & (c[REV, x] > named[n])
            fresh = later & (overtaken[n] < 0)
            overtaken[n[fresh]] = c[AT, x[fresh]]
            read = np.where(said, ~later, (c[ORDER, x] < order[n]) & (c[AT, x] <= at[n]))
            mark[n] = np.where(read, np.maximum(mark[n], seen), mark[n])
            for word in (0, 1):
                value = c[USERS_AT + word, d[n]]
                shown, was = c[USERS_AT + word, x], c[USERS_BEFORE + word, x]
                speaks = (shown != NOT_SHOWN) | (was != UNCHANGED)
                known[word][n] |= np.where(value == NOBODY, speaks, (shown == value) | (was == value))
        self.doubt(d[(overtaken >= 0) & (at - overtaken > self.limits.lease_ms)])
        for word in range(3):
            i = last[word][d]
            intent = self.changed[word, d] & (i >= 0) & ~self.derived[i]
            self.doubt(d[intent & marks & (mark < c[REV, i])])
            if word < 2:
                self.doubt(d[self.changed[word, d] & ~known[word]])

    def _reverts(self, moved: Rows, last: list[Rows]) -> None:
        """R12: another client takes back what was set a moment ago, and nobody asked for that."""
        c = self.c
        for word in (0, 1):
            i = last[word][moved]
            back = self.changed[word, moved] & ~self.create[moved] & (i >= 0) & ~self.create[i]
            d, i = moved[back], i[back]
            apart = c[AT, d] - c[AT, i]
            back = (c[CLIENT, d] != c[CLIENT, i]) & (c[FLAGS, d] & PERSON == 0)
            back &= (c[USERS_AT + word, d] == c[USERS_BEFORE + word, i]) & (apart >= 0)
            back &= apart <= self.limits.revert_ms
            d, i = d[back], i[back]
            self.doubt(d[~self.derived[d]])
            self.doubt(d[self.derived[d] & ~self._asked_for(d, i, word)])

    def _asked_for(self, d: Rows, i: Rows, word: int) -> Which:
        """Whether the peer had an intent of the value that `d` wrote, which had seen `i`, before `d`."""
        c = self.c
        asked = np.zeros(len(d), bool)
        mark = np.full(len(d), -1)
        in_order = self.in_order[self.number[d]]
        for n, x in self.peers(d):
            mark[n] = np.maximum(mark[n], c[MARK, x])
            fits = (c[USERS_AT + word, x] == c[USERS_AT + word, d[n]]) & self.changed[word, x]
            fits &= (mark[n] >= c[REV, i[n]]) & ~self.derived[x]
            earlier = np.where(in_order[n], c[ORDER, x] < c[ORDER, d[n]], c[AT, x] <= c[AT, d[n]])
            asked[n] |= fits & earlier
        return asked

    def _rest(self) -> None:
        """R13, R14: what the two show side by side, for longer than the window."""
        c, rest = self.c, self.limits.rest_ms
        both = np.flatnonzero((self.pair >= 0).all(axis=0))
        a, b = self.pair[0, both], self.pair[1, both]
        has = (c[SIDE] == CONVERSATION) & (c[USERS_AT] != NOBODY) & ~among(c[STATUS_AT], FINAL)
        waits = self.waits | (c[SIDE] == ITEM) & (c[STATUS_AT] == NOT_SHOWN)
        long = (self.lasting(has)[a] >= rest) & (self.lasting(waits)[b] >= rest)
        self.suspect[both[long]] = True
        newest = np.maximum(*(np.maximum.reduceat(c[AT], self.starts)[chains] for chains in (a, b)))
        still = self.end - newest >= rest
        both, a, b = both[still], a[still], b[still]
        status, state = self.latest(a, STATUS_AT), self.latest(b, STATUS_AT)
        users, owner = self.latest(a, USERS_AT), self.latest(b, USERS_AT)
        queue, waits_in = self.latest(a, QUEUE_AT), self.latest(b, QUEUE_AT)
        waiting = among(state, WAITING)
        owner = np.where(waiting & (owner == NOT_SHOWN), NOBODY, owner)
        apart = (users != owner) & (users != NOT_SHOWN) & (owner != NOT_SHOWN)
        apart |= (queue != waits_in) & (queue != NOT_SHOWN) & (waits_in != NOT_SHOWN) & waiting & (users == NOBODY)
        closed = np.zeros(len(self.starts), bool)
        closed[self.chain[among(c[STATUS_AT], FINAL)]] = True
        policy = np.zeros(len(self.suspect), bool)
        policy[self.number[self.told & (c[FLAGS] & STATES_POLICY > 0)]] = True
        apart = np.where(among(status, FINAL), closed[b] | policy[both], apart)
        self.suspect[both[apart & ~among(state, FINAL)]] = True

    def _taken(self, moved: Rows) -> None:
        """R24: an intent of one side that the other neither took nor answered within the window."""
        c, rest = self.c, self.limits.rest_ms
        v = moved[(self.changed[0, moved] | self.changed[1, moved]) & ~self.create[moved] & ~self.derived[moved]]
        v = v[(c[AT, v] <= self.end - rest) & (self.peer[self.chain[v]] >= 0)]
        at, until = c[AT, v], c[AT, v] + rest
        peer = self.peer[self.chain[v]]
        answered = c[AT, self.starts[peer]] > until
        answered |= self._audited_within(peer, at, until)
        reading = np.ones(len(v), bool)
        speaks = [np.zeros(len(v), bool) for _ in (0, 1)]
        now = [np.full(len(v), NOT_SHOWN) for _ in range(3)]
        settled = [np.zeros(len(v), bool) for _ in (0, 1)]
        for n, x in self.peers(v, answered):
            within = (c[AT, x] >= at[n]) & (c[AT, x] <= until[n])
            answered[n] |= within & self.derived[x] & (self.changed[:, x].any(axis=0) | self.first[x])
            reading[n] &= c[AT, x] <= until[n]
            for word in range(3):
                now[word][n] = np.where(reading[n], c[USERS_AT + word, x], now[word][n])
            for word in (0, 1):
                speaks[word][n] |= (c[USERS_AT + word, x] != NOT_SHOWN) | self.changed[word, x]
                settled[word][n] |= reading[n] & within & (self.changed[word, x] | self.changed[2, x])
        final = among(now[2], FINAL)
        for word in (0, 1):
            fair = answered | settled[word] | final | ~speaks[word]
            fair |= (now[word] == NOT_SHOWN) | (now[word] == c[USERS_AT + word, v])
            left = v[~fair & self.changed[word, v]]
            self.doubt(left[~self._followed(left, word)])

    def _followed(self, v: Rows, word: int) -> Which:
        """Whether the next change of a word on the same record came within the window. (A later one may have.)"""
        changes = np.flatnonzero(self.changed[word])
        if not len(changes):
            return np.zeros(len(v), bool)
        x = changes[np.minimum(np.searchsorted(changes, v, side="right"), len(changes) - 1)]
        within = self.c[AT, x] <= self.c[AT, v] + self.limits.rest_ms
        return (x > v) & (self.chain[x] == self.chain[v]) & within

    def _audited_within(self, peer: Rows, at: Rows, until: Rows) -> Which:
        """Whether an audit of a chain's record stands within some time; the first three of each are asked."""
        c = self.c
        audits = np.flatnonzero(self.told)
        starts = np.searchsorted(self.number[audits], self.of_chain[peer])
        found = np.zeros(len(peer), bool)
        for step in range(4):
            n = starts + step
            valid = n < len(audits)
            if not valid.any():
                break
            r = audits[np.minimum(n, len(audits) - 1)]
            valid &= (self.number[r] == self.of_chain[peer]) & (c[ID, r] == c[ID, self.starts[peer]])
            found |= valid & (c[AT, r] >= at) & (c[AT, r] <= until)
        return found

    def gaps(self) -> list[tuple[int, int]]:
        """(later, earlier) positions in the sorted rows, in conversations that are not suspect."""
        later = self.gap[~self.suspect[self.number[self.gap]]]
        return list(zip(self.positions[later].tolist(), self.positions[later - 1].tolist(), strict=True))
