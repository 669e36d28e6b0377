"""One record's compact rows, after what neighbours say of each other has been checked."""

from __future__ import annotations

from typing import NamedTuple

from interlock.investigation.compact import (
    AT,
    BEFORE,
    CLIENT,
    DIGEST,
    FLAGS,
    FURTHER,
    NOT_SHOWN,
    ODD,
    ORDER,
    ORG,
    REV,
    STATUS_BEFORE,
    SYNC,
    UNCHANGED,
    USERS_AT,
    USERS_BEFORE,
    Row,
)

_LOOK = ODD | FURTHER
_UNIT_END = STATUS_BEFORE + 1
_STILL = (UNCHANGED, UNCHANGED, UNCHANGED)


class Gap(NamedTuple):
    """Revs that are missing between two neighbours: the earlier one's rev, and the row of the later one."""

    after: int
    later: Row
    earlier: Row


class Chain:
    """One record's rows, one per rev, after what its neighbours say has been checked.

    moved   the first row and those that moved the unit       syncs   those that a sync wrote
    """

    __slots__ = ("gaps", "in_order", "moved", "newest", "rows", "suspect", "syncs")

    def __init__(self, first: Row) -> None:
        flags = first[FLAGS]
        self.rows = [first]
        self.moved = [first]
        self.syncs = [first] if flags & SYNC else []
        self.gaps: list[Gap] = []
        self.suspect = ("R8" if flags & ODD else "R7") if flags & (ODD | FURTHER) else ""
        self.in_order = True
        self.newest: int = first[AT]

    def follow(self, part: list[Row]) -> None:
        """The rows after the first, up to one that has to be looked at in full."""
        rows, moved = self.rows, self.moved
        p = rows[0]
        for r in part:
            rev = p[REV]
            if (
                r[FLAGS] & _LOOK
                or r[BEFORE] != rev
                or r[REV] != rev + 1
                or r[AT] < p[AT]
                or r[ORDER] < p[ORDER]
                or r[ORG] != p[ORG]
            ):
                if self._unusual(p, r):
                    continue
                if self.suspect:
                    return
            before = r[USERS_BEFORE:_UNIT_END]
            if before != _STILL:
                if r[REV] == rev + 1 and _contradicts(p, r):
                    self.suspect = "R7"
                    return
                moved.append(r)
            elif r[USERS_AT:USERS_BEFORE] != p[USERS_AT:USERS_BEFORE] and _silently(p, r):
                self.suspect = "R7"
                return
            if r[FLAGS] & SYNC:
                self.syncs.append(r)
            rows.append(r)
            p = r
        self.newest = max(p[AT], self.newest)

    def _unusual(self, p: Row, r: Row) -> bool:
        """What is not as it usually is between two neighbours. True: `r` is `p` once more. May set `suspect`."""
        flags = r[FLAGS]
        if flags & (ODD | FURTHER):
            self.suspect = "R8" if flags & ODD else "R7"
            return False
        if r[ORG] != p[ORG]:
            self.suspect = "R27"
            return False
        if r[REV] == p[REV]:
            same = r[DIGEST] == p[DIGEST] and r[AT] == p[AT] and r[CLIENT] == p[CLIENT]
            self.suspect = "" if same else "R4"
            return not self.suspect
        if r[ORDER] < p[ORDER]:
            self.in_order = False
        self.newest = max(self.newest, p[AT])
        if r[REV] == p[REV] + 1:
            self.suspect = "" if r[BEFORE] in (-1, p[REV]) else "R3"
        elif -1 < r[BEFORE] < p[REV]:
            self.suspect = "R3"
        elif r[BEFORE] != p[REV]:
            self.gaps.append(Gap(p[REV], r, p))
        return False


def _contradicts(p: Row, r: Row) -> bool:
    """Whether what a row says was there before is not what its neighbour shows."""
    for n in range(USERS_BEFORE, _UNIT_END):
        if r[n] != UNCHANGED and r[n] != NOT_SHOWN and r[n] != p[n - 3] != NOT_SHOWN:
            return True
    return False


def _silently(p: Row, r: Row) -> bool:
    """Whether a row shows another value than its neighbour without saying that it changed it."""
    return any(p[n] != r[n] and NOT_SHOWN not in (p[n], r[n]) for n in range(USERS_AT, USERS_BEFORE))
