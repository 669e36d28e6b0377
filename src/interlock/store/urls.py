"""The URLs of stores: their forms, and how one is shown to people."""

from __future__ import annotations

FORMS = (
    "sqlite:///var/lib/interlock/interlock.db (from the root), sqlite:interlock.db (from here), "
    "postgresql://user@host/database or memory:"
)
POSTGRES = ("postgresql", "postgres")
"""The schemes by which a PostgreSQL server is named."""


def shown(url: str) -> str:
    """The URL without its password, for people and logs."""
    if url.partition(":")[0] not in POSTGRES:
        return url
    head, at, host = url.rpartition("@")
    scheme, slashes, who = head.partition("://")
    name, colon, _ = who.partition(":")
    return f"{scheme}{slashes}{name}:***{at}{host}" if at and colon else url
