"""A disk that remembers what was done to it, holds a sync back, fails on demand, and can lose its power.

It is a shim between SQLite and the file system. Everything reaches the real files, so that reading and locking are the
real ones; beside that each write and sync goes into a trace. From a trace and a place in it `image_at` says what a
machine that lost its power there may find: what was synced, and any part of what was not.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import apsw
import pytest

Op = tuple[Any, ...]
"""("write", file, offset, data), ("truncate", file, size), ("sync", file), ("delete", file) or ("ack", what)."""

SECTOR = 512
_numbers = count()


class Disk(apsw.VFS):
    """The shim. `trace` grows in the order in which things are over."""

    def __init__(self) -> None:
        self.name = f"shim{next(_numbers)}"
        self.trace: list[Op] = []
        self.failing: Callable[[str, str], Exception | None] = lambda _what, _file: None
        self.before_sync: Callable[[str], None] = lambda _file: None
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        """One file of the database."""
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """A journal or log is no longer needed."""
        super().xDelete(filename, syncdir)
        self.trace.append(("delete", os.path.basename(filename)))

    def excepthook(self, *_: object) -> None:
        """A failure that was asked for is no surprise."""

    def unsynced(self, suffix: str = "-wal") -> int:
        """Writes to files that end so, since the last sync of them."""
        since = 0
        for op in self.trace:
            if op[0] in ("write", "sync") and op[1].endswith(suffix):
                since = since + 1 if op[0] == "write" else 0
        return since


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = os.path.basename(path or "temporary")
        super().__init__("", name, flags)

    def excepthook(self, *_: object) -> None:
        """A failure that was asked for is no surprise."""

    def _may(self, what: str) -> None:
        failure = self._disk.failing(what, self._name)
        if failure is not None:
            raise failure

    def xWrite(self, data: bytes, offset: int) -> None:
        self._may("write")
        super().xWrite(data, offset)
        self._disk.trace.append(("write", self._name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._disk.trace.append(("truncate", self._name, newsize))

    def xSync(self, flags: int) -> None:
        self._disk.before_sync(self._name)
        self._may("sync")
        super().xSync(flags)
        self._disk.trace.append(("sync", self._name))


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that works, until it is told otherwise."""
    disk = Disk()
    yield disk
    disk.unregister()


class Hold:
    """Holds every sync of the write-ahead log back until `release`; `reached` is called when one is asked for."""

    def __init__(self, disk: Disk, reached: Callable[[], object]) -> None:
        self._open = threading.Event()
        self._reached = reached
        disk.before_sync = self._wait

    def _wait(self, file: str) -> None:
        if file.endswith("-wal"):
            self._reached()
            self._open.wait(60)

    def release(self) -> None:
        """Let all of them through."""
        self._open.set()


def image_at(trace: list[Op], cut: int, chance: random.Random | None) -> dict[str, bytes]:
    """The files as found after the power went at this place of the trace.

    Without `chance` nothing that was not synced is left. With it each such write may have reached the disk, in whole or
    in part: disks reorder, and tear at sectors.
    """
    durable: dict[str, bytearray] = {}
    pending: dict[str, list[Op]] = {}
    for op in trace[:cut]:
        if op[0] in ("write", "truncate"):
            pending.setdefault(op[1], []).append(op)
        elif op[0] == "sync":
            for done in pending.pop(op[1], []):
                _apply(durable.setdefault(op[1], bytearray()), done)
        elif op[0] == "delete":
            durable.pop(op[1], None)
            pending.pop(op[1], None)
    for file, ops in pending.items():
        for op in ops if chance is not None else ():
            if chance is not None and chance.random() < 0.5:
                _apply(durable.setdefault(file, bytearray()), _torn(op, chance))
    return {file: bytes(content) for file, content in durable.items()}


def _apply(content: bytearray, op: Op) -> None:
    if op[0] == "truncate":
        del content[op[2] :]
        return
    _, _, offset, data = op
    if len(content) < offset + len(data):
        content.extend(bytes(offset + len(data) - len(content)))
    content[offset : offset + len(data)] = data


def _torn(op: Op, chance: random.Random) -> Op:
    if op[0] == "truncate" or len(op[3]) <= SECTOR or chance.random() < 0.5:
        return op
    return ("write", op[1], op[2], op[3][: chance.randrange(1, len(op[3]) // SECTOR + 1) * SECTOR])
