"""Bringing a SQLite file to the schema this program knows. Numbered files, each applied once, under the writer's lock.

`0002_pre_x.sql` only adds and may run while older programs still use the file; `0003_post_y.sql` takes away and waits
until none does. A file that was applied is never edited: its checksum is in the database and is compared at each start.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence

import apsw
import msgspec

from interlock.domain.errors import Unavailable
from interlock.store import statements

_FILE = re.compile(r"(\d{4})_(pre|post)_(\w+)\.sql")
APPLICATION_ID = 0x494C4B31
"""Stands in the head of the file and says that it is ours (`ILK1`)."""

_LEDGER = """
CREATE TABLE schema_version (
    number     INTEGER PRIMARY KEY,
    phase      TEXT NOT NULL,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at INTEGER NOT NULL
)
"""


class Migration(msgspec.Struct, frozen=True):
    """One file: `phase` is `pre` or `post`, `checksum` the SHA-256 of its text."""

    number: int
    phase: str
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex digits."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known(engine: str = "sqlite") -> list[Migration]:
    """The migrations that come with this program, in order."""
    found: list[Migration] = []
    for file in statements.folder(engine).iterdir():
        if match := _FILE.fullmatch(file.name):
            found.append(Migration(int(match[1]), match[2], match[3], file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda m: m.number)


def migrate(
    connection: apsw.Connection, now: int, *, migrations: Sequence[Migration] | None = None, post: bool = True
) -> int:
    """Apply what is missing, all of it or nothing, and answer with the schema's number. `now` in ms since 1970.

    `post=False` stops before the first `post` migration: older programs still use the file. Raises `Unavailable` with
    what to do if the file is newer than this program, was migrated by other text, or belongs to another program.
    """
    wanted = known() if migrations is None else migrations
    connection.execute("BEGIN IMMEDIATE")
    try:
        applied = _applied(connection, now)
        check(applied, wanted, connection.filename)
        number = max(applied, default=0)
        for migration in missing(applied, wanted, post=post):
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO schema_version VALUES (?, ?, ?, ?, ?)",
                (migration.number, migration.phase, migration.name, migration.checksum, now),
            )
            number = migration.number
        connection.execute("COMMIT")
        return number
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _applied(connection: apsw.Connection, now: int) -> dict[int, str]:
    """Number → checksum of what was applied; makes the ledger in an empty file."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "schema_version" not in tables:
        if tables:
            raise Unavailable(f"{connection.filename} belongs to another program: it has the tables {sorted(tables)}.")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(_LEDGER)
    return dict(connection.execute("SELECT number, checksum FROM schema_version"))


def missing(applied: dict[int, str], wanted: Sequence[Migration], *, post: bool) -> Iterator[Migration]:
    """What is still to be applied, in order; up to the first `post` migration if those are to wait."""
    for migration in wanted:
        if migration.number in applied:
            continue
        if migration.phase == "post" and not post:
            return
        yield migration


def check(applied: dict[int, str], wanted: Sequence[Migration], filename: str, *, added: Collection[int] = ()) -> None:
    """Raises `Unavailable` with what to do if the store is newer than this program or was migrated by other text.

    `added`: numbers of migrations that only added. Beyond what this program knows they do not concern it.
    """
    newest = max((m.number for m in wanted), default=0)
    if any(number > newest and number not in added for number in applied):
        raise Unavailable(
            f"{filename} has schema {max(applied)}, this program knows schemas up to {newest}. "
            "Start the version that wrote it, or a newer one."
        )
    for migration in wanted:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise Unavailable(
                f"Migration {migration.number} of {filename} was made from another text than this program's. "
                "Start the version that wrote it, or restore a backup."
            )
