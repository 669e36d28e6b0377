"""`interlock db …`: moving a store between engines, backups, and what must be done after a restore."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from interlock.cli import output
from interlock.cli.failure import CONFLICT, DONE, FOUND, UNREACHABLE, USAGE, Failure
from interlock.cli.offline import may_be_there, reading
from interlock.cli.output import Json
from interlock.domain.errors import Unavailable
from interlock.store.urls import shown

if TYPE_CHECKING:
    from interlock.store.copying import Compared, Copy


def copy(*, from_: str, to: str, json: Json = False) -> int:
    """Copy a store into an empty one of any engine, compare the two, and only then let the copy be used.

    It may be killed at any moment: the next run goes on where it was. The source may be in use; then the copy follows
    it and stays unfinished (exit code 3) until a run finds the source at rest.

    Example: interlock db copy --from sqlite:interlock.db --to postgresql://interlock@db.example.org/interlock

    Parameters
    ----------
    from_
        The store to copy: sqlite:FILE or postgresql://…
    to
        An empty store, or an unfinished copy of this source: sqlite:FILE or postgresql://…
    """
    made = asyncio.run(_copy(from_, to))
    if json:
        output.document({
            "finished": made.finished, "rows": made.rows, "behind": made.behind, "compared": _document(made.compared)
        })  # fmt: skip
    else:
        output.line(f"copied {made.rows} rows")
        _tell(made.compared)
        if made.behind:
            output.hint(f"The source has written {made.behind} rows meanwhile: stop its server, then run this again.")
        elif made.finished:
            output.line(f"finished: {shown(to)} may be used; start no server on {shown(from_)} any more")
        else:
            output.hint("The copy is not like its source and stays unusable. Copy into an empty store again.")
    return DONE if made.finished else FOUND


def compare(*, from_: str, to: str, json: Json = False) -> int:
    """Hold a copy against its source: rows, records, unique names and marks. Both may be in use. Exit code 3 if they
    differ.

    Example: interlock db compare --from sqlite:interlock.db --to postgresql://interlock@db.example.org/interlock

    Parameters
    ----------
    from_
        The source: sqlite:FILE or postgresql://…
    to
        The copy; compared as far as its log goes.
    """
    found = asyncio.run(_compare(from_, to))
    if json:
        output.document(_document(found))
    else:
        _tell(found)
    return FOUND if found.differences else DONE


def backup(*, db: str, to: str, json: Json = False) -> None:
    """A copy of an SQLite store as it is at this moment, while a server uses it. PostgreSQL has pg_dump for it.

    Example: interlock db backup --db sqlite:interlock.db --to backup.db

    Parameters
    ----------
    db
        The store: sqlite:FILE.
    to
        The file to be made; one that is there is never overwritten.
    """
    try:
        asyncio.run(_backup(db, to))
    except Unavailable as why:
        raise Failure("no backup was made", why.detail, code=CONFLICT) from None
    if json:
        output.document({"backup": to})
    else:
        output.line(f"backup {to}")


def migrate(*, db: str, json: Json = False) -> None:
    """Bring a store to this version's schema, also by what older versions do not survive. After a rolling upgrade, once
    no process of the version before runs; a start applies what only adds by itself.

    Example: interlock db migrate --db postgresql://interlock@db/interlock

    Parameters
    ----------
    db
        The store: sqlite:FILE or postgresql://…
    """
    asyncio.run(_migrate(db))
    if json:
        output.document({"migrated": shown(db)})
    else:
        output.line(f"{shown(db)} has this version's schema")


def restored(*, db: str, json: Json = False) -> None:
    """To be run after a restore from a backup and before any server starts: decisions made from now on are told apart
    from those that the backup has forgotten.

    Example: interlock db restored --db sqlite:interlock.db

    Parameters
    ----------
    db
        The store that was restored: sqlite:FILE or postgresql://…
    """
    epochs = asyncio.run(_restored(db))
    if json:
        output.document({"orgs": [{"id": org, "epoch": epoch} for org, epoch in epochs]})
        return
    for org, epoch in epochs:
        output.line(f"org {org}: epoch {epoch}")
    if not epochs:
        output.hint("The store has no org: there is nothing to tell apart.")


async def _copy(from_: str, to: str) -> Copy:
    from interlock.runtime.clock import SystemClock
    from interlock.store import copying
    from interlock.store.opening import open_store

    _two(from_, to)
    async with reading(from_) as (_, source):
        try:
            target = open_store(to, SystemClock(), in_order=True)
        except Unavailable as away:
            raise Failure("the target cannot be used", away.detail, code=UNREACHABLE) from None
        try:
            return await copying.copy(source, target, shown(from_), told=_progress())
        except Unavailable as why:
            raise Failure("the copy is not finished", why.detail, "run it again: it goes on", code=UNREACHABLE) from why
        finally:
            await target.close()


async def _compare(from_: str, to: str) -> Compared:
    from interlock.store import copying

    _two(from_, to)
    async with reading(from_) as (_, source), reading(to) as (_, target):
        return await copying.compare(source, target)


async def _backup(db: str, to: str) -> None:
    from interlock.store.sqlite import SqliteStore

    async with reading(db) as (_, store):
        if not isinstance(store, SqliteStore):
            raise Failure("this is no file", "PostgreSQL makes its own backups", "pg_dump, pg_basebackup", code=USAGE)
        await store.backup(to)


async def _migrate(db: str) -> None:
    async with reading(db, post=True):
        pass


async def _restored(db: str) -> list[tuple[str, int]]:
    from interlock.domain.access import Org
    from interlock.domain.assignment import Actor
    from interlock.service import orgs
    from interlock.service.transact import provenance

    out: list[tuple[str, int]] = []
    async with reading(db) as (world, _):
        for org in await orgs.all_orgs(world):
            by = provenance(org.id, "cli", Actor("person", "cli", "operator"))
            raised = (await orgs.raise_epoch(world, by)).record(Org)
            assert raised is not None
            out.append((raised.id, raised.epoch))
    return out


def _two(from_: str, to: str) -> None:
    if from_ == to:
        raise Failure("the two are one store", next="--to another store", code=USAGE)
    if not may_be_there(from_):
        raise Failure(
            f"there is no store {shown(from_)}", next="--from sqlite:FILE with a file that is there", code=USAGE
        )


def _progress() -> Any:
    """A line that grows, for people."""
    if not sys.stderr.isatty():
        return None

    def told(done: int, whole: int) -> None:
        sys.stderr.write(f"\r{done} of {whole} rows" + ("\n" if done >= whole else ""))
        sys.stderr.flush()

    return told


def _document(found: Compared) -> dict[str, Any]:
    import msgspec

    return msgspec.to_builtins(found)


def _tell(found: Compared) -> None:
    for line in found.differences:
        output.line(f"differs: {line}")
    output.line(
        f"compared {found.rows} rows, {found.records} records, {found.names} names, {found.marks} marks: "
        + ("different" if found.differences else "equal")
    )
