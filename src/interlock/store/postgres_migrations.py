"""Bringing a PostgreSQL database to the schema this program knows: the numbered files of `sql/postgres`, as on SQLite.

All that is missing is applied in one transaction, under a lock of its own, so that of several processes that start at
once one does it and the others find it done. PostgreSQL undoes a schema change like any other write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from interlock.domain.errors import Unavailable
from interlock.store.migrations import APPLICATION_ID, Migration, check, known, missing
from interlock.store.postgres_lines import BROKEN, Place

LOCK_WAIT_MS = 60_000
"""How long a start waits for another one's migration, and a migration for whoever reads a table that it changes."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_version (
    number     int PRIMARY KEY,
    phase      text NOT NULL,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at bigint NOT NULL
)
"""


async def migrate(
    place: Place, now: int, *, migrations: Sequence[Migration] | None = None, post: bool = True, make: bool = True
) -> int:
    """Apply what is missing, all of it or nothing, and answer with the schema's number. `now` in ms since 1970.

    `post=False` stops before the first `post` migration, unless the database is empty: older programs may still use
    it. `make=False` makes no schema where there is none. A database that is ahead by `pre` migrations only serves this
    program as well: a newer one is being rolled out. Raises `Unavailable` with what to do if the database cannot be
    reached, lacks what waits behind a `post` migration, is newer than this program, or was migrated by other text.
    """
    wanted = known("postgres") if migrations is None else migrations
    try:
        connection = await asyncpg.connect(place.dsn, **place.options())
    except (*BROKEN, asyncpg.PostgresError, ValueError) as away:
        raise Unavailable(f"PostgreSQL does not let us in at {place.name} ({away or type(away).__name__}).") from away
    try:
        async with connection.transaction():
            if not make and await _applied(connection) is None:
                raise Unavailable(f"There is no store at {place.name}: `interlock serve` makes one.")
            return await _apply(connection, place, wanted, now, post=post)
    except (*BROKEN, asyncpg.PostgresError) as error:
        raise Unavailable(f"The schema of {place.name} could not be made ready; nothing was done ({error}).") from error
    finally:
        await connection.close(timeout=5)


async def _apply(connection: Any, place: Place, wanted: Sequence[Migration], now: int, *, post: bool) -> int:
    applied = await _applied(connection)
    if applied is None or max((m.number for m in wanted), default=0) not in applied:
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
        await connection.execute("SELECT pg_advisory_xact_lock($1, 0)", APPLICATION_ID)
        await _check_database(connection, place)
        await connection.execute(_LEDGER)
        applied = await _applied(connection) or {}
    check(applied, wanted, place.name, added=await _added(connection))
    number = max(applied, default=0)
    todo = list(missing(applied, wanted, post=post or not applied))
    _refuse_what_waits(applied, wanted, todo, place)
    for migration in todo:
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_version VALUES ($1, $2, $3, $4, $5)",
            migration.number, migration.phase, migration.name, migration.checksum, now,
        )  # fmt: skip
        number = migration.number
    return number


async def _applied(connection: Any) -> dict[int, str] | None:
    """Number → checksum of what was applied; `None` without a ledger."""
    if await connection.fetchval("SELECT to_regclass('schema_version')") is None:
        return None
    return dict(await connection.fetch("SELECT number, checksum FROM schema_version"))


async def _added(connection: Any) -> set[int]:
    """The numbers of what only added."""
    return {number for (number,) in await connection.fetch("SELECT number FROM schema_version WHERE phase = 'pre'")}


def _refuse_what_waits(
    applied: dict[int, str], wanted: Sequence[Migration], todo: Sequence[Migration], place: Place
) -> None:
    left = [m for m in wanted if m.number not in applied and m not in todo]
    if any(m.phase == "pre" for m in left):
        raise Unavailable(
            f"Migration {left[0].number} of {place.name} takes away, and others wait behind it. Once no process of an "
            "older version runs: interlock db migrate --db URL. Then start this one."
        )


async def _check_database(connection: Any, place: Place) -> None:
    encoding, version = await connection.fetchrow(
        "SELECT pg_encoding_to_char(encoding), current_setting('server_version_num')::int "
        "FROM pg_database WHERE datname = current_database()"
    )
    if encoding != "UTF8":
        raise Unavailable(f"{place.name} holds texts as {encoding}. Make it with ENCODING 'UTF8' TEMPLATE template0.")
    if version < OLDEST:
        raise Unavailable(f"{place.name} is PostgreSQL {version // 10_000}; it must be {OLDEST // 10_000} or newer.")


OLDEST = 140_000
