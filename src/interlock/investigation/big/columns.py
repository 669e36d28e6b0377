"""Numbers of many lines, packed line by line, then a column for each: what is the same for events and for audits."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from interlock.investigation.big.times import moments
from interlock.investigation.compact import AT, DIGEST, NOBODY, NOT_SHOWN, WIDTH, code_of
from interlock.investigation.vocabulary import USERS

DECODE_ERRORS = (msgspec.DecodeError, ValueError, RecursionError, UnicodeDecodeError)
REMEMBERED_MAX = 50_000
NUMBER = np.dtype(np.int64)
Rows = np.ndarray[Any, np.dtype[np.int64]]

_AT_FIRST = 4_096


class Table(dict[Any, int]):
    """What has been worked out about texts, by a function that is asked once for each."""

    def __init__(self, ask: Callable[[Any], int], remembered_max: int = REMEMBERED_MAX) -> None:
        self._ask = ask
        self._max = remembered_max

    def __missing__(self, key: Any) -> int:
        if len(self) > self._max:
            self.clear()
        found = self[key] = self._ask(key)
        return found


def users_code(value: Any) -> int:
    """The code of users."""
    return code_of(USERS, value)


def text_code(text: Any) -> int:
    """The code of a status, which is text or nothing here."""
    return hash(text) & ~1 if text else NOT_SHOWN if text is UNSET else NOBODY


class Columns:
    """Collects lines one by one, and makes rows of many at once. `count`: lines collected, not yet rows.

    Subclasses name in LAID the columns whose numbers `put` packs for a line; all are 64 bits wide. ORDER stands for the
    number of the line among those that become rows at once.
    """

    LAID: tuple[int, ...] = ()

    def __init__(self) -> None:
        packer = struct.Struct(f"{len(self.LAID)}q")
        self.row_bytes = packer.size
        self.put = packer.pack_into
        self.laid = bytearray(_AT_FIRST * self.row_bytes)
        self.times: list[str] = []

    @property
    def count(self) -> int:
        """Lines that are collected, and not yet rows."""
        return len(self.times)

    def room(self, count: int) -> int:
        """Makes room for so many lines more; where the next has its numbers, in bytes."""
        at = len(self.times) * self.row_bytes
        more = at + count * self.row_bytes - len(self.laid)
        if more > 0:
            self.laid += bytes(more)
        return at

    def rows(self) -> tuple[Rows, Rows]:
        """The rows of the lines collected since the last call, and the positions of those that only the slow way can
        tell: of their numbers, only ORDER and PLACE mean anything."""
        count = self.count
        c = np.empty((WIDTH, count), NUMBER)
        if not count:
            return c.T, np.zeros(0, NUMBER)
        c[self.LAID, :] = np.frombuffer(self.laid, NUMBER, count * len(self.LAID)).reshape(count, -1).T
        c[AT], bad = moments(self.times)
        bad |= self.worked_out(c)
        c[DIGEST] = 0
        self.times.clear()
        return np.ascontiguousarray(c.T), np.flatnonzero(bad)

    def worked_out(self, c: Rows) -> Any:
        """Fills the columns that follow from others; which of the lines only the slow way can tell."""
        raise NotImplementedError
