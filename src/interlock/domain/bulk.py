"""Bulk jobs: up to a hundred commands that were asked for at once. Each is carried out, or refused, by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from interlock.domain.assignment import Actor
from interlock.domain.conversation import Shared
from interlock.domain.record import Index, Record

RECORDS_MAX = 100
Act = Literal["create", "update", "delete"]


class Wish(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One record of a job: what is wanted of which conversation, and what its author had seen of it.

    `fields` by their domain names, as plain JSON; `client_ref`: the name that the caller gave it.
    """

    client_ref: str | None = None
    target: str | None = None
    rev: int | None = None
    basis: int | None = None
    fields: dict[str, Any] = {}
    said: Shared = Shared()


class Outcome(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What came of one command: a status as HTTP would have it, and the record with its rev or the refusal."""

    status: int
    id: str | None = None
    rev: int | None = None
    code: str | None = None
    detail: str | None = None
    pointer: str | None = None

    @property
    def went_through(self) -> bool:
        """Whether it was carried out."""
        return self.status < 400


class Bulk(Record, frozen=True, kw_only=True):
    """One job. `queued` until a worker takes it up, `running` until every record has its outcome, then `complete`."""

    TYPE: ClassVar[str] = "bulk"
    PATH: ClassVar[str] = "/v1/bulk/"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"wishes", "outcomes", "actor"})

    resource: str = "conversation"
    act: Act
    status: Literal["queued", "running", "complete"] = "queued"
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    completed_at: int | None = None
    actor: Actor
    wishes: tuple[Wish, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    def index(self) -> Index:
        """Those that are not done apart; by the time of asking."""
        return Index(state=self.status, sort=f"{self.created_at:015d}")
