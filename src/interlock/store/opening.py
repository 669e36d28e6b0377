"""From the URL in the settings to an open store."""

from __future__ import annotations

from urllib.parse import unquote

from interlock.domain.errors import Unavailable
from interlock.ports import Clock
from interlock.store.memory import MemoryStore
from interlock.store.sqlite import SqliteStore

FORMS = "sqlite:///var/lib/interlock/interlock.db (from the root), sqlite:interlock.db (from here) or memory:"


def open_store(url: str, clock: Clock) -> MemoryStore | SqliteStore:
    """Open the store that `url` names: `sqlite:///path`, `sqlite:path` or `memory:`.

    Raises `Unavailable`, saying what to do, for another form and for a file that cannot be used.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise Unavailable(f"{url!r} is no URL of a store. Write {FORMS}.")
    if scheme == "memory" and rest.strip("/") == "":
        return MemoryStore(clock)
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
