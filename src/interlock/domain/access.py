"""Organisations and the keys that open them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from interlock.domain.assignment import Actor
from interlock.domain.record import Index, Record


class Org(Record, frozen=True, kw_only=True):
    """One tenant. Its id is its own org, so that even this record is found under its org only."""

    TYPE: ClassVar[str] = "org"
    PATH: ClassVar[str] = "/v1/orgs/"

    name: str
    epoch: int = 1
    """The epoch of both sites of this org; raised after a restore from backup, before the first write."""

    def index(self) -> Index:
        """Listed by name."""
        return Index(sort=self.name.lower())


class ApiKey(Record, frozen=True, kw_only=True):
    """A key, known only by its SHA-256. `user`: acts as this user; `person`: its writes count as a person's.

    grants      a one-time link: the key itself opens nothing, but whoever signs in with it gets these roles
    signed_in   made by signing in, for one browser; it ends at `expires_at` (ms) or when its holder signs out
    """

    TYPE: ClassVar[str] = "api_key"
    PATH: ClassVar[str] = "/v1/api-keys/"
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"digest"})

    name: str
    digest: str
    roles: tuple[str, ...] = ()
    user: str | None = None
    person: bool = False
    revoked: bool = False
    grants: tuple[str, ...] = ()
    signed_in: bool = False
    expires_at: int | None = None

    def index(self) -> Index:
        """Revoked ones apart."""
        return Index(state="revoked" if self.revoked else "live", owner=self.user or "", sort=self.name.lower())

    def claims(self) -> tuple[str, ...]:
        """A digest opens one key in the whole store."""
        return () if self.revoked else (claim_of_digest(self.digest),)

    @property
    def actor(self) -> Actor:
        """Who acts through this key, and in which class (decisions.md 4): its user, or the key itself."""
        if self.user:
            return Actor("person", "user", self.user)
        return Actor("person" if self.person else "workflow", "api_key", self.id)


def claim_of_digest(digest: str) -> str:
    """The unique name that a live key holds in the store."""
    return f"api-key/{digest}"


def allowed(held: Iterable[str], accepted: Iterable[str]) -> bool:
    """Whether one of the held roles is accepted. A held `org.permission.routing` covers what stands below it."""
    roles = set(held)
    if "org.admin" in roles or "org" in roles:
        return True
    return any(role in roles or any(role.startswith(f"{r}.") for r in roles) for role in accepted)
