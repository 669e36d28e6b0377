"""From the URL in the settings to an open store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import unquote

from interlock.domain.errors import Unavailable
from interlock.domain.log import Row
from interlock.ports import Clock, Mark, Store
from interlock.store.memory import MemoryStore
from interlock.store.sqlite import SqliteStore
from interlock.store.urls import FORMS, POSTGRES


class OpenStore(Store, Protocol):
    """A store that this process has opened: it says what it has made durable, and can be closed."""

    async def all_marks(self, after: tuple[str, str, str], limit: int) -> list[Mark]:
        """Marks whose (space, org, key) is greater than `after`, in that order."""
        ...

    async def ready(self) -> None:
        """Reach it. Raises `Unavailable` with what to do."""
        ...

    def listen(self, listener: Callable[[Sequence[Row]], None]) -> None:
        """Have `listener` called with the rows of each durable commit, in order, before their authors are answered."""
        ...

    def on_news(self, heard: Callable[[int], None]) -> None:
        """Have `heard` called with the newest position when another process has written, where the engine can tell."""
        ...

    async def close(self) -> None:
        """Finish what waits, and let go of it."""
        ...


def open_store(url: str, clock: Clock, *, make: bool = True, in_order: bool = False, post: bool = False) -> OpenStore:
    """Open the store that `url` names: `sqlite:///path`, `sqlite:path`, `postgresql://…` or `memory:`.

    `make`: bring a PostgreSQL database to this program's schema if it is not there yet. `in_order`: no row overtakes
    another that was handed in before it, which a copy needs. `post`: also apply to a PostgreSQL database what older
    programs do not survive; an SQLite file, which one program has at a time, is always brought up to date. Raises
    `Unavailable`, saying what to do, for another form and for a file that cannot be used; a server is reached at the
    first use.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise Unavailable(f"{url!r} is no URL of a store. Write {FORMS}.")
    if scheme == "memory" and rest.strip("/") == "":
        return MemoryStore(clock)
    if scheme in POSTGRES:
        return _postgres(url, clock, make=make, in_order=in_order, post=post)
    if scheme != "sqlite":
        raise Unavailable(f"There is no store for {scheme}: here. Write {FORMS}.")
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host or not slash:
            raise Unavailable(f"{url!r} names a host; an SQLite file is on this machine. Write {FORMS}.")
        rest = f"/{path}"
    if not rest.strip("/"):
        raise Unavailable(f"{url!r} names no file. Write {FORMS}.")
    return SqliteStore.open(unquote(rest), clock)


def _postgres(url: str, clock: Clock, *, make: bool, in_order: bool, post: bool) -> OpenStore:
    """Imported here: whoever runs on SQLite needs no driver for PostgreSQL."""
    try:
        from interlock.store.postgres import Options, PostgresStore
    except ModuleNotFoundError as missing:
        if missing.name != "asyncpg":
            raise
        raise Unavailable("PostgreSQL needs its driver: install interlock[postgres].") from missing
    return PostgresStore.open(url, clock, Options(make=make, in_order=in_order, post=post))
