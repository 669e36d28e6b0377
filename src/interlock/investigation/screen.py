"""Whether a conversation is boring, told from its compact rows alone.

Exact in never missing: if the screen says boring, no rule of severity medium or high fires on the full history. (It
may suspect a healthy one; the full look then says so.) Gaps are no reason for a full look: they are reported from the
rows. What it does not look at is a field beyond the unit: a row that changed one is looked at in full.
"""

from __future__ import annotations

from typing import NamedTuple

from interlock.investigation.compact import (
    AT,
    AUDIT,
    BEFORE,
    CLIENT,
    CONVERSATION,
    CREATE,
    DIGEST,
    EMPTY,
    FLAGS,
    FURTHER,
    ID,
    ITEM,
    LISTED,
    MARK,
    NAMED,
    NOT_SHOWN,
    ODD,
    ORDER,
    ORG,
    PERSON,
    QUEUE_AT,
    QUEUE_BEFORE,
    REFUSAL,
    REV,
    SIDE,
    SKEWED,
    STATES_POLICY,
    STATUS_AT,
    STATUS_BEFORE,
    SYNC,
    TRACE,
    UNCHANGED,
    USERS_AT,
    USERS_BEFORE,
    Row,
)
from interlock.investigation.finding import Limits
from interlock.investigation.vocabulary import FINAL, HELD, WAITING


class Gap(NamedTuple):
    """Revs that are missing between two neighbours: the earlier one's rev, and the row of the later one."""

    after: int
    later: Row
    earlier: Row


class Screened(NamedTuple):
    """`suspect`: the rule that may fire, or what has to be looked at (empty: boring). Low findings are counted only."""

    suspect: str
    gaps: tuple[Gap, ...] = ()
    holes: int = 0
    skewed: int = 0
    empty: int = 0
    blind: int = 0


class _Chain:
    """One record's rows, one per rev, after what its neighbours say has been checked."""

    __slots__ = ("gaps", "holes", "in_order", "rows", "skewed", "suspect")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.gaps: list[Gap] = []
        self.suspect = ""
        self.in_order = True
        self.holes = self.skewed = 0


def screen(rows: list[Row], limits: Limits, end: int) -> Screened:
    """Looks at one group. `rows` are sorted here, in place; `end`: the last moment of the whole log (ms)."""
    rows.sort()
    conversation: _Chain | None = None
    item: _Chain | None = None
    audits: list[Row] = []
    gaps: list[Gap] = []
    holes = skewed = start = 0
    told, in_order = False, True
    while start < len(rows):
        side, id = rows[start][SIDE], rows[start][ID]
        stop = start + 1
        while stop < len(rows) and rows[stop][ID] == id and rows[stop][SIDE] == side:
            stop += 1
        part = rows[start:stop]
        start = stop
        if side == AUDIT:
            audits += part
            continue
        chain = _chain(part)
        if chain.suspect or (side == ITEM and item is not None):
            return Screened(chain.suspect or "R22")
        if side == CONVERSATION:
            conversation = chain
        elif side == ITEM:
            item = chain
        gaps += chain.gaps
        holes, skewed = holes + chain.holes, skewed + chain.skewed
        told, in_order = told or len(chain.rows) > 1, in_order and chain.in_order
    pair = _Pair(conversation, item, audits, limits, end, told and in_order)
    suspect = pair.suspect()
    return Screened(suspect, tuple(gaps), holes, skewed, pair.empty, pair.blind)


def _chain(part: list[Row]) -> _Chain:
    chain = _Chain()
    rows = chain.rows
    p: Row | None = None
    for r in part:
        flags = r[FLAGS]
        if flags & (ODD | FURTHER):
            chain.suspect = "R8" if flags & ODD else "R7"
            return chain
        if flags & SKEWED:
            chain.skewed += 1
        if p is None:
            if r[REV] > 1 and not flags & CREATE:
                chain.holes += 1
        elif r[REV] == p[REV]:
            if r[DIGEST] != p[DIGEST] or r[ORG] != p[ORG]:
                chain.suspect = "R4"
                return chain
            continue
        else:
            chain.suspect = _neighbours(chain, p, r)
            if chain.suspect:
                return chain
        rows.append(r)
        p = r
    return chain


def _neighbours(chain: _Chain, p: Row, r: Row) -> str:
    """The rule that may fire between two versions that stand beside each other in the log."""
    if r[ORG] != p[ORG]:
        return "R27"
    if r[ORDER] < p[ORDER]:
        chain.in_order = False
    if r[AT] < p[AT]:
        chain.skewed += 1
    if r[REV] != p[REV] + 1:
        if r[BEFORE] == p[BEFORE] and r[BEFORE] >= 0:
            return "R3"
        if r[BEFORE] != p[REV]:
            chain.gaps.append(Gap(p[REV], r, p))
        return ""
    if r[BEFORE] not in (-1, p[REV]):
        return "R3"
    for n in (USERS_BEFORE, QUEUE_BEFORE, STATUS_BEFORE):
        if r[n] != UNCHANGED and r[n] != NOT_SHOWN and r[n] != p[n - 3] != NOT_SHOWN:
            return "R7"
    return ""


_NONE: list[Row] = []


class _Pair:
    """A conversation and its item, with the audits of their syncs."""

    def __init__(
        self,
        conversation: _Chain | None,
        item: _Chain | None,
        audits: list[Row],
        limits: Limits,
        end: int,
        in_order: bool,
    ) -> None:
        self.a = conversation.rows if conversation is not None else _NONE
        self.b = item.rows if item is not None else _NONE
        self.audits = audits
        self.limits = limits
        self.end = end
        self.in_order = in_order
        self.empty = self.blind = 0
        self.told = {(r[ID], r[REV]): r for r in audits if not r[FLAGS] & REFUSAL}

    def suspect(self) -> str:
        """The rule that may fire on the pair; empty if none can."""
        for r in self.audits:
            if r[FLAGS] & ODD:
                return "R25"
        return self._audited() or self._moves(self.a, self.b) or self._moves(self.b, self.a) or self._together()

    def _audited(self) -> str:
        """R19: every sync write has its audit, every audit its write."""
        if not self.audits:
            return ""
        told = self.told
        for r in (*self.a, *self.b):
            audit = told.get((r[ID], r[REV]))
            if audit is None:
                if r[FLAGS] & LISTED:
                    return "R19"
                continue
            if audit[TRACE] and r[TRACE] and audit[TRACE] != r[TRACE]:
                return "R19"
            if (
                NOT_SHOWN != audit[USERS_AT] != r[USERS_AT] != NOT_SHOWN
                or NOT_SHOWN != audit[QUEUE_AT] != r[QUEUE_AT] != NOT_SHOWN
            ):
                return "R19"
            if audit[ORG] and audit[ORG] != r[ORG]:
                return "R27"
            if audit[MARK] < 0 or audit[AT] > r[AT]:
                self.blind += 1
        return ""

    def _moves(self, mine: list[Row], theirs: list[Row]) -> str:
        """R1, R2, R9, R11, R12, R16, R17, R23 for what changed on one record."""
        last: list[Row | None] = [None, None, None]
        syncs = changes = newest = 0
        for d in mine:
            derived = d[FLAGS] & SYNC or (d[ID], d[REV]) in self.told
            if derived and d[FLAGS] & EMPTY:
                self.empty += 1
            if d[FLAGS] & CREATE:
                last = [d, d, d]
                continue
            if d[USERS_BEFORE] == d[QUEUE_BEFORE] == d[STATUS_BEFORE] == UNCHANGED:
                continue
            if derived:
                named = self._named(d)
                suspect = self._read_late(d, theirs, named, newest)
                if suspect:
                    return suspect
                newest = max(newest, named)
                syncs += 1
            for word in (0, 1, 2):
                if d[USERS_BEFORE + word] != UNCHANGED:
                    suspect = self._one(d, last[word], theirs, word, bool(derived))
                    if suspect:
                        return suspect
                    last[word] = d
            changes += d[USERS_BEFORE] != UNCHANGED and not d[FLAGS] & PERSON
        if syncs >= 3:
            return "R9"
        return "R11" if changes >= 3 else ""

    def _named(self, d: Row) -> int:
        audit = self.told.get((d[ID], d[REV]))
        if audit is not None and audit[MARK] >= 0:
            return audit[MARK]
        return d[MARK] if d[FLAGS] & NAMED else -1

    def _read_late(self, d: Row, theirs: list[Row], named: int, newest: int) -> str:
        """R16, R17: a version of the peer no newer than the last one; R23: one replaced longer ago than a lease."""
        if named < 0:
            return ""
        if newest and named <= newest:
            return "R17"
        for x in theirs:
            if x[REV] > named:
                return "R23" if d[AT] - x[AT] > self.limits.lease_ms else ""
        return ""

    def _one(self, d: Row, i: Row | None, theirs: list[Row], word: int, derived: bool) -> str:
        """R1, R2 and R12 for one word of one write; `i` is the last version that changed it."""
        value = d[USERS_AT + word]
        if derived and theirs:
            if (
                i is not None
                and not (i[FLAGS] & SYNC or (i[ID], i[REV]) in self.told)
                and not self._covered(d, i, theirs)
            ):
                return "R1"
            if word < 2 and not self._known_there(value, theirs, word):
                return "R2"
        if i is None or word == 2 or d[FLAGS] & PERSON or i[FLAGS] & CREATE or d[CLIENT] == i[CLIENT]:
            return ""
        if value != i[USERS_BEFORE + word] or not 0 <= d[AT] - i[AT] <= self.limits.revert_ms:
            return ""
        return "" if derived and self._asked_for(d, i, theirs, word) else "R12"

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

    def _known_there(self, value: str, theirs: list[Row], word: int) -> bool:
        if not value:
            return any(x[USERS_AT + word] != NOT_SHOWN or x[USERS_BEFORE + word] != UNCHANGED for x in theirs)
        return any(x[USERS_AT + word] == value or x[USERS_BEFORE + word] == value for x in theirs)

    def _asked_for(self, d: Row, i: Row, theirs: list[Row], word: int) -> bool:
        """Whether the peer had an intent of this value that had seen `i`, before `d`."""
        mark = -1
        for x in theirs:
            mark = max(mark, x[MARK])
            if x[USERS_AT + word] != d[USERS_AT + word] or x[USERS_BEFORE + word] == UNCHANGED or mark < i[REV]:
                continue
            earlier = x[ORDER] < d[ORDER] if self.in_order else x[AT] <= d[AT]
            if earlier and not x[FLAGS] & SYNC and (x[ID], x[REV]) not in self.told:
                return True
        return False

    def _together(self) -> str:
        """R13, R14 at rest, R24: what the two show side by side."""
        a, b = self.a, self.b
        if not a or not b:
            return ""
        for r in b:
            if r[STATUS_AT] in WAITING and r[USERS_AT] not in ("", NOT_SHOWN):
                return "R14"
            if r[STATUS_AT] in HELD and r[USERS_AT] in ("", NOT_SHOWN) and any(x[USERS_AT] != NOT_SHOWN for x in b):
                return "R14"
        return self._side_by_side() or self._at_rest() or self._taken(a, b) or self._taken(b, a)

    def _side_by_side(self) -> str:
        """R14: the conversation has users while the item waits, for longer than the window."""
        moments = sorted((*self.a, *self.b), key=_time)
        has = waits = False
        since = -1
        for r in moments:
            if r[SIDE] == CONVERSATION:
                has = has if r[USERS_AT] == NOT_SHOWN else bool(r[USERS_AT])
                has = has and r[STATUS_AT] not in FINAL
            else:
                waits = waits if r[STATUS_AT] == NOT_SHOWN else r[STATUS_AT] in WAITING
            if has and waits:
                since = r[AT] if since < 0 else since
            elif since >= 0:
                if r[AT] - since >= self.limits.rest_ms:
                    return "R14"
                since = -1
        return "R14" if since >= 0 and self.end - since >= self.limits.rest_ms else ""

    def _at_rest(self) -> str:
        """R13: users, queue, or being done."""
        a, b = self.a, self.b
        state, status = _last(b, STATUS_AT), _last(a, STATUS_AT)
        if state in FINAL or self.end - max(*map(_time, a), *map(_time, b)) < self.limits.rest_ms:
            return ""
        if status in FINAL:
            known = any(x[STATUS_AT] in FINAL for x in b) or any(r[FLAGS] & STATES_POLICY for r in self.audits)
            return "R13" if known else ""
        users, owner = _last(a, USERS_AT), _last(b, USERS_AT)
        if owner == NOT_SHOWN and state in WAITING:
            owner = ""
        if NOT_SHOWN not in (users, owner) and (
            bool(users) != bool(owner) or not set(owner.split()) <= set(users.split())
        ):
            return "R13"
        queue, waits_in = _last(a, QUEUE_AT), _last(b, QUEUE_AT)
        return (
            "R13" if state in WAITING and not users and NOT_SHOWN not in (queue, waits_in) and queue != waits_in else ""
        )

    def _taken(self, mine: list[Row], theirs: list[Row]) -> str:
        """R24: an intent of one side that the other neither took nor answered within the window."""
        rest = self.limits.rest_ms
        for v in mine:
            if (
                v[USERS_BEFORE] == v[QUEUE_BEFORE] == UNCHANGED
                or v[FLAGS] & (SYNC | CREATE)
                or (v[ID], v[REV]) in self.told
                or v[AT] > self.end - rest
            ):
                continue
            if theirs[0][AT] > v[AT] + rest:
                continue
            until = v[AT] + rest
            if any(r[ID] == theirs[0][ID] and v[AT] <= r[AT] <= until for r in self.audits):
                continue
            if any(v[AT] <= x[AT] <= until and (x[FLAGS] & SYNC or (x[ID], x[REV]) in self.told) for x in theirs):
                continue
            for word in (0, 1):
                if v[USERS_BEFORE + word] != UNCHANGED and not self._settled(v, mine, theirs, word, until):
                    return "R24"
        return ""

    def _settled(self, v: Row, mine: list[Row], theirs: list[Row], word: int, until: int) -> bool:
        if all(x[USERS_AT + word] == NOT_SHOWN and x[USERS_BEFORE + word] == UNCHANGED for x in theirs):
            return True
        return any(x[REV] > v[REV] and x[USERS_BEFORE + word] != UNCHANGED and x[AT] <= until for x in mine)


def _time(r: Row) -> int:
    return r[AT]


def _last(rows: list[Row], n: int) -> str:
    """The last value that is shown; a field that is hidden where it was shown before is empty."""
    if rows[-1][n] != NOT_SHOWN:
        return rows[-1][n]
    for r in rows:
        if r[n] != NOT_SHOWN or r[n + 3] != UNCHANGED:
            return ""
    return NOT_SHOWN
