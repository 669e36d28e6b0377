"""Knowing that nobody else has committed, without asking SQLite: then what is in memory is what is in the file.

Each commit changes the header of the write-ahead log's index, 48 bytes of shared memory (`-shm`) that SQLite documents
as part of its file format. While they are as they were after our own last commit, no other process has committed and
every cached record is the current one. A point load then costs less than a microsecond instead of a walk through a
page cache that each commit of our own writing connection has just emptied.

The bytes are read where SQLite itself has mapped them. Never by opening the file: to close any handle on it would give
up every lock that SQLite holds there for this process (POSIX), and the next process to come would cut the file down
under us. Where the mapping cannot be found (no Linux), and whenever in doubt, the answer is no: the caller asks SQLite.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from struct import Struct

HEADER_BYTES = 48
_CHANGE = Struct("=I")
_CHANGE_AT = 8
"""Where the header counts commits (`iChange`), in the machine's byte order."""


class Watch:
    """Watches one database file. `forget` is called when others have, or may have, committed.

    The writer says `begun` once it holds the write lock and `ended` when its transaction is over; in between the loads
    that it allows are of the state before, also for the moment in which another process can see more already. To be
    closed before the connections are: the memory is theirs.
    """

    def __init__(self, path: str, forget: Callable[[], None]) -> None:
        self._forget = forget
        self._known: bytes | None = None
        self._writing = False
        self._memory = _mapped(f"{os.path.realpath(path)}-shm")

    def alone(self) -> bool:
        """Whether nothing was committed but what we know of. If not, the next answer may be yes again."""
        header = self._header()
        if header is None:
            return False
        if header == self._known:
            return True
        if not self._writing:
            self._start_from(header)
            return False
        # Our own COMMIT is through, and the loop has not come to say so. Until it has, nobody has been told: what is in
        # memory is the state before, and one more change than known is ours, since we held the lock when it was begun.
        return self._known is not None and _changes(header) == _after(self._known)

    def begun(self) -> None:
        """We hold the write lock: until we give it back nobody else commits."""
        self._writing = True
        header = self._header()
        if header is not None and header != self._known:
            self._start_from(header)

    def ended(self, *, committed: bool) -> None:
        """We have given the lock back. One commit since `begun` is ours; if there was more, others were at it."""
        self._writing = False
        before, header = self._known, self._header()
        if header == before:
            return
        if committed and header and before and _changes(header) == _after(before):
            self._known = header
            return
        self._known = None
        self._forget()

    def close(self) -> None:
        """Look no more."""
        self._memory = None

    def _start_from(self, header: bytes) -> None:
        self._known = header
        self._forget()

    def _header(self) -> bytes | None:
        return self._memory.raw if self._memory is not None else None


def _changes(header: bytes) -> int:
    return _CHANGE.unpack_from(header, _CHANGE_AT)[0]


def _after(header: bytes) -> int:
    """How many changes there are after one more commit; the count wraps."""
    return (_changes(header) + 1) & 0xFFFFFFFF


def _mapped(path: str) -> ctypes.Array[ctypes.c_char] | None:
    """The first bytes of a file where this process has mapped it; `None` if it has not, or if nobody can say."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            for line in maps:
                addresses, _, offset, _, _, *name = line.rstrip("\n").split(maxsplit=5)
                if name == [path] and int(offset, 16) == 0:
                    return (ctypes.c_char * HEADER_BYTES).from_address(int(addresses.partition("-")[0], 16))
    except OSError:
        pass
    return None
