"""The bare grouped store loop: the statements of one conversation's five durable stages, 65 conversations to a COMMIT.

    created           INSERT record, revision, outbox
    work item         INSERT record, revision, outbox
    queued            read, UPDATE … WHERE rev, INSERT revision, outbox
    assigned          read, UPDATE … WHERE rev, INSERT revision, outbox
    reverse-synced    read, UPDATE … WHERE rev, INSERT revision, outbox

No Python objects beyond parameters, bodies of 1.4 kB, write-ahead log, synchronous=FULL. It is the limit that anything
on this store has, and changes only with a reason in the changelog.
"""

from __future__ import annotations

import time
from pathlib import Path

import apsw

GROUP = 65
BODY = b"x" * 1400

SCHEMA = """
CREATE TABLE record (type TEXT, id TEXT, rev INTEGER, body BLOB, PRIMARY KEY (type, id));
CREATE TABLE revision (type TEXT, id TEXT, rev INTEGER, body BLOB);
CREATE TABLE outbox (position INTEGER PRIMARY KEY, body BLOB);
"""
INSERT = "INSERT INTO record VALUES (?, ?, 1, ?)"
READ = "SELECT rev, body FROM record WHERE type = ? AND id = ?"
UPDATE = "UPDATE record SET rev = rev + 1, body = ? WHERE type = ? AND id = ? AND rev = ?"
REVISION = "INSERT INTO revision VALUES (?, ?, ?, ?)"
OUTBOX = "INSERT INTO outbox (body) VALUES (?)"


class Loop:
    """The loop on a file of its own."""

    def __init__(self, folder: Path) -> None:
        self._connection = apsw.Connection(str(folder / "bare.db"))
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000", "cache_size = -65536"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.execute(SCHEMA)
        self._execute = self._connection.cursor().execute

    def run(self, conversations: int) -> float:
        """So many conversations through their five stages; conversations a second."""
        began = time.perf_counter()
        for first in range(0, conversations, GROUP):
            ids = [f"{n:024x}" for n in range(first, min(first + GROUP, conversations))]
            self._stage(ids, "conversation", 1)
            self._stage(ids, "work_item", 1)
            self._stage(ids, "work_item", 2)
            self._stage(ids, "work_item", 3)
            self._stage(ids, "conversation", 2)
        return conversations / (time.perf_counter() - began)

    def _stage(self, ids: list[str], type: str, rev: int) -> None:
        execute = self._execute
        execute("BEGIN IMMEDIATE")
        for id in ids:
            if rev == 1:
                execute(INSERT, (type, id, BODY))
            else:
                execute(READ, (type, id)).fetchall()
                execute(UPDATE, (BODY, type, id, rev - 1))
            execute(REVISION, (type, id, rev, BODY))
            execute(OUTBOX, (BODY,))
        execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
