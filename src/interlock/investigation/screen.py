"""Whether a conversation is boring, told from its compact rows alone.

Exact in never missing: if the screen says boring, no rule of severity medium or high fires on the full history, but two
that it reports or leaves to others: gaps (R5), which it gives back, and what a user holds in all (R26). It may suspect
a healthy conversation; the full look then says so. A row that changed a field beyond the unit is looked at in full.

Most rows follow the one before them in every respect and touch no shared field. For these nothing is done but to see
that it is so; everything dearer looks only at rows that moved the unit.
"""

from __future__ import annotations

from typing import NamedTuple

from interlock.investigation import vocabulary as words
from interlock.investigation.compact import (
    AT,
    AUDIT,
    CLIENT,
    CONVERSATION,
    CREATE,
    DIGEST,
    FLAGS,
    ID,
    ITEM,
    LISTED,
    MARK,
    NAMED,
    NOBODY,
    NOT_SHOWN,
    ODD,
    ORDER,
    ORG,
    OTHER_RECORD,
    PERSON,
    QUEUE_AT,
    QUEUE_BEFORE,
    REFUSAL,
    REV,
    SIDE,
    STATES_POLICY,
    STATUS_AT,
    STATUS_BEFORE,
    SYNC,
    TRACE,
    UNCHANGED,
    USERS_AT,
    USERS_BEFORE,
    Row,
    codes_of,
)
from interlock.investigation.finding import Limits
from interlock.investigation.row_chain import Chain, Gap

FINAL, HELD, WAITING = codes_of(words.FINAL), codes_of(words.HELD), codes_of(words.WAITING)


class Screened(NamedTuple):
    """`suspect`: the rule that may fire, or what has to be looked at (empty: boring)."""

    suspect: str
    gaps: tuple[Gap, ...] = ()


def screen(rows: list[Row], limits: Limits, end: int) -> Screened:
    """Looks at one group. `rows` are sorted here, in place; `end`: the last moment of the whole log (ms)."""
    rows.sort()
    sides: list[Chain | None] = [None, None, None]
    chains: list[Chain] = []
    audits: list[Row] = []
    start, count = 0, len(rows)
    while start < count:
        first = rows[start]
        side, id = first[SIDE], first[ID]
        stop = start + 1
        while stop < count and rows[stop][ID] == id and rows[stop][SIDE] == side:
            stop += 1
        if side == AUDIT:
            audits += rows[start:stop]
        else:
            chain = Chain(first)
            if not chain.suspect:
                chain.follow(rows[start + 1 : stop])
            if chain.suspect or (side != OTHER_RECORD and sides[side] is not None):
                return Screened(chain.suspect or "R22")
            sides[side] = chain
            chains.append(chain)
        start = stop
    pair = _Pair(sides[CONVERSATION], sides[ITEM], audits, limits, end, chains)
    return Screened(pair.suspect(), tuple([gap for chain in chains for gap in chain.gaps]))


_NONE: list[Row] = []


class _Pair:
    """A conversation and its item, with the audits of their syncs. `derived`: (id, rev) of what syncs wrote."""

    def __init__(
        self,
        conversation: Chain | None,
        item: Chain | None,
        audits: list[Row],
        limits: Limits,
        end: int,
        chains: list[Chain],
    ) -> None:
        self.a, self.b = conversation, item
        self.audits = audits
        self.limits = limits
        self.end = end
        self.in_order = all(c.in_order for c in chains) and any(len(c.rows) > 1 for c in chains)
        self.waited = 0
        self.told = {(r[ID], r[REV]): r for r in audits if not r[FLAGS] & REFUSAL}
        self.derived = {(r[ID], r[REV]) for c in (conversation, item) if c is not None for r in c.syncs}

    def suspect(self) -> str:
        """The rule that may fire on the pair; empty if none can."""
        a, b = self.a, self.b
        found = self._audited() if self.audits else ""
        found = found or (self._shown_alone(b) if b is not None else "")
        if found or (a is None and b is None):
            return found
        mine = a.moved if a is not None else _NONE
        theirs = b.moved if b is not None else _NONE
        found = self._moves(mine, b.rows if b is not None else _NONE)
        found = found or self._moves(theirs, a.rows if a is not None else _NONE)
        if found or a is None or b is None:
            return found
        return self._together(a, b) or self._taken(mine, b) or self._taken(theirs, a)

    def _audited(self) -> str:
        """R19: every sync write has its audit, every audit its write. What an audit tells of is a sync's."""
        for r in self.audits:
            if r[FLAGS] & ODD:
                return "R25"
            if not r[FLAGS] & REFUSAL and not _told_again(r, self.told[r[ID], r[REV]]):
                return "R19"
        chains = [c for c in (self.a, self.b) if c is not None]
        for c in chains:
            for r in c.syncs:
                if r[FLAGS] & LISTED and (r[ID], r[REV]) not in self.told:
                    return "R19"
        for audit in self.told.values():
            row = next((r for c in chains if c.rows[0][ID] == audit[ID] for r in c.rows if r[REV] == audit[REV]), None)
            if row is None:
                continue
            if _unlike(audit, row):
                return "R19"
            self.derived.add((row[ID], row[REV]))
        return ""

    def _moves(self, mine: list[Row], theirs: list[Row]) -> str:
        """R1, R2, R9, R11, R12, R16, R17, R23 for what changed on one record."""
        last: list[Row | None] = [None, None, None]
        syncs = newest = 0
        changed: list[Row] = []
        for d in mine:
            flags = d[FLAGS]
            if flags & CREATE:
                last = [d, d, d]
                continue
            derived = (d[ID], d[REV]) in self.derived
            if derived:
                named = self._named(d)
                suspect = self._read_late(d, theirs, named, newest) if named >= 0 else ""
                suspect = suspect or (self._copied(d, last, theirs) if theirs else "")
                if suspect:
                    return suspect
                newest = max(newest, named)
                syncs += 1
            if d[USERS_BEFORE] != UNCHANGED:
                changed.append(d)
                if last[0] is not None and self._goes_back(d, last[0], theirs, 0, derived):
                    return "R12"
                last[0] = d
            if d[QUEUE_BEFORE] != UNCHANGED:
                if last[1] is not None and self._goes_back(d, last[1], theirs, 1, derived):
                    return "R12"
                last[1] = d
            if d[STATUS_BEFORE] != UNCHANGED:
                last[2] = d
        return "R9" if syncs >= 3 else "R11" if self._flaps(changed) else ""

    def _flaps(self, changed: list[Row]) -> bool:
        """R11: three changes of the users within the window, two of them by machines at least."""
        for n in range(2, len(changed)):
            later = changed[n][AT]
            window = [x for x in changed[: n + 1] if 0 <= later - x[AT] <= self.limits.flapping_ms]
            if len(window) >= 3 and sum(not x[FLAGS] & PERSON for x in window) >= 2:
                return True
        return False

    def _named(self, d: Row) -> int:
        audit = self.told.get((d[ID], d[REV]))
        if audit is not None and audit[MARK] >= 0:
            return audit[MARK]
        return d[MARK] if d[FLAGS] & NAMED else -1

    def _read_late(self, d: Row, theirs: list[Row], named: int, newest: int) -> str:
        """R16, R17: a version of the peer no newer than the last one; R23: one replaced longer ago than a lease."""
        if newest and named <= newest:
            return "R17"
        for x in theirs:
            if x[REV] > named:
                return "R23" if d[AT] - x[AT] > self.limits.lease_ms else ""
        return ""

    def _copied(self, d: Row, last: list[Row | None], theirs: list[Row]) -> str:
        """R1 and R2 for each word that a sync wrote; `last`: for each word the version that changed it before."""
        for word in (0, 1, 2):
            if d[USERS_BEFORE + word] == UNCHANGED:
                continue
            i = last[word]
            if i is not None and (i[ID], i[REV]) not in self.derived and not self._covered(d, i, theirs):
                return "R1"
            if word < 2 and not _known_there(d[USERS_AT + word], theirs, word):
                return "R2"
        return ""

    def _goes_back(self, d: Row, i: Row, theirs: list[Row], word: int, derived: bool) -> bool:
        """R12: another client takes back what was set a moment ago, and nobody asked for that."""
        if d[CLIENT] == i[CLIENT] or (d[FLAGS] & PERSON) or (i[FLAGS] & CREATE):
            return False
        if d[USERS_AT + word] != i[USERS_BEFORE + word] or not 0 <= d[AT] - i[AT] <= self.limits.revert_ms:
            return False
        return not (derived and self._asked_for(d, i, theirs, word))

    def _covered(self, d: Row, i: Row, theirs: list[Row]) -> bool:
        """Whether the peer's version behind `d` had certainly seen `i`, or no version of it says what it had seen."""
        named = self._named(d)
        mark = lowest = -1
        for x in theirs:
            if x[MARK] >= 0 and lowest < 0:
                lowest = x[MARK]
            if x[REV] <= named if named >= 0 else (x[ORDER] < d[ORDER] and x[AT] <= d[AT]):
                mark = max(mark, x[MARK])
        return lowest < 0 or mark >= i[REV]

    def _asked_for(self, d: Row, i: Row, theirs: list[Row], word: int) -> bool:
        """Whether the peer had an intent of this value that had seen `i`, before `d`."""
        mark = -1
        for x in theirs:
            mark = max(mark, x[MARK])
            if x[USERS_AT + word] != d[USERS_AT + word] or x[USERS_BEFORE + word] == UNCHANGED or mark < i[REV]:
                continue
            earlier = x[ORDER] < d[ORDER] if self.in_order else x[AT] <= d[AT]
            if earlier and (x[ID], x[REV]) not in self.derived:
                return True
        return False

    def _shown_alone(self, b: Chain) -> str:
        """R14: an item that waits and has a user, or is held by nobody. Notes for how long it waited, at most."""
        first = last = -1
        waits = False
        for r in b.moved:
            status = r[STATUS_AT]
            if status in WAITING:
                if r[USERS_AT] not in (NOBODY, NOT_SHOWN):
                    return "R14"
                first = r[AT] if first < 0 else min(first, r[AT])
                waits = True
            elif waits and status != NOT_SHOWN:
                last, waits = max(last, r[AT]), False
            if status in HELD and r[USERS_AT] in (NOBODY, NOT_SHOWN) and any(map(_speaks_of_users, b.rows)):
                return "R14"
        self.waited = (self.end if waits else last) - first if first >= 0 else 0
        return ""

    def _together(self, a: Chain, b: Chain) -> str:
        """R13, R14 at rest: what the two show side by side."""
        rest = self.limits.rest_ms
        if self.waited >= rest and self._side_by_side(a, b):
            return "R14"
        return self._at_rest(a, b) if self.end - max(a.newest, b.newest) >= rest else ""

    def _side_by_side(self, a: Chain, b: Chain) -> bool:
        """R14: the conversation has users while the item waits, for longer than the window."""
        has = waits = False
        since = -1
        for r in sorted(a.moved + b.moved, key=_time):
            if r[SIDE] == CONVERSATION:
                has = has if r[USERS_AT] == NOT_SHOWN else r[USERS_AT] != NOBODY
                has = has and r[STATUS_AT] not in FINAL
            else:
                waits = waits if r[STATUS_AT] == NOT_SHOWN else r[STATUS_AT] in WAITING
            if has and waits:
                since = r[AT] if since < 0 else since
            elif since >= 0:
                if r[AT] - since >= self.limits.rest_ms:
                    return True
                since = -1
        return since >= 0 and self.end - since >= self.limits.rest_ms

    def _at_rest(self, a: Chain, b: Chain) -> str:
        """R13: users, queue, or being done."""
        state = _last(b, STATUS_AT)
        if state in FINAL:
            return ""
        if _last(a, STATUS_AT) in FINAL:
            for x in b.moved:
                if x[STATUS_AT] in FINAL:
                    return "R13"
            return "R13" if self.audits and any(r[FLAGS] & STATES_POLICY for r in self.audits) else ""
        users, owner = _last(a, USERS_AT), _last(b, USERS_AT)
        if owner == NOT_SHOWN and state in WAITING:
            owner = NOBODY
        # Of several users a hash does not say who they are: the full look tells.
        apart = users != owner
        if apart and NOT_SHOWN not in (users, owner):
            return "R13"
        queue, waits_in = _last(a, QUEUE_AT), _last(b, QUEUE_AT)
        apart = queue != waits_in and NOT_SHOWN not in (queue, waits_in)
        return "R13" if apart and state in WAITING and users == NOBODY else ""

    def _taken(self, mine: list[Row], theirs: Chain) -> str:
        """R24: an intent of one side that the other neither took nor answered within the window."""
        rest = self.limits.rest_ms
        before = self.end - rest
        for v in mine:
            if v[AT] > before or v[USERS_BEFORE] == v[QUEUE_BEFORE] == UNCHANGED:
                continue
            if v[FLAGS] & CREATE or (v[ID], v[REV]) in self.derived:
                continue
            until = v[AT] + rest
            if theirs.rows[0][AT] > until or self._answered(v, theirs, until):
                continue
            for word in (0, 1):
                if v[USERS_BEFORE + word] != UNCHANGED and not _settled(v, mine, theirs.rows, word, until):
                    return "R24"
        return ""

    def _answered(self, v: Row, theirs: Chain, until: int) -> bool:
        id = theirs.rows[0][ID]
        for r in self.audits:
            if r[ID] == id and v[AT] <= r[AT] <= until:
                return True
        return any(v[AT] <= x[AT] <= until and (x[ID], x[REV]) in self.derived for x in theirs.moved)


def _told_again(r: Row, known: Row) -> bool:
    """Whether two audits of one write say the same: one of them is a redelivery."""
    return r[AT] == known[AT] and r[FLAGS:DIGEST] == known[FLAGS:DIGEST]


def _speaks_of_users(r: Row) -> bool:
    return r[USERS_AT] != NOT_SHOWN or r[USERS_BEFORE] != UNCHANGED


def _unlike(audit: Row, row: Row) -> bool:
    """Whether an audit and the row under the rev that it must have made do not tell of one write."""
    traced = audit[TRACE] and row[TRACE]
    if traced and audit[TRACE] != row[TRACE]:
        return True
    if not traced and not row[FLAGS] & SYNC and audit[USERS_AT] == audit[QUEUE_AT] == audit[STATUS_AT] == NOT_SHOWN:
        return True
    for n in (USERS_AT, QUEUE_AT):
        if NOT_SHOWN != audit[n] != row[n] != NOT_SHOWN:
            return True
    return bool(audit[ORG]) and audit[ORG] != row[ORG]


def _known_there(value: int, theirs: list[Row], word: int) -> bool:
    """R2: whether the other side ever had this value; of nobody, whether it speaks of the field at all."""
    at, before = USERS_AT + word, USERS_BEFORE + word
    if value != NOBODY:
        return any(x[at] == value or x[before] == value for x in reversed(theirs))
    return any(x[at] != NOT_SHOWN or x[before] != UNCHANGED for x in reversed(theirs))


def _settled(v: Row, mine: list[Row], theirs: list[Row], word: int, until: int) -> bool:
    """Whether the other side never shows the field, has that value anyway, or something newer came in its place."""
    at, before = USERS_AT + word, USERS_BEFORE + word
    if all(x[at] == NOT_SHOWN and x[before] == UNCHANGED for x in theirs):
        return True
    now = theirs[0]
    for x in theirs:
        if x[AT] > until:
            break
        now = x
        if x[AT] >= v[AT] and (x[before] != UNCHANGED or x[STATUS_BEFORE] != UNCHANGED):
            return True
    if now[at] in (NOT_SHOWN, v[at]) or now[STATUS_AT] in FINAL:
        return True
    return any(x[REV] > v[REV] and x[before] != UNCHANGED and x[AT] <= until for x in mine)


def _time(r: Row) -> int:
    return r[AT]


def _last(chain: Chain, n: int) -> int:
    """The last value that is shown; a field that is hidden where it was shown before is empty."""
    value = chain.rows[-1][n]
    if value != NOT_SHOWN:
        return value
    for r in chain.moved:
        if r[n] != NOT_SHOWN or r[n + 3] != UNCHANGED:
            return NOBODY
    return NOT_SHOWN
