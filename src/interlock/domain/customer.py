"""Customers: as much of them as routing and its rules need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from interlock.domain.record import Index, Record


class Customer(Record, frozen=True, kw_only=True):
    """Who writes to the company."""

    TYPE: ClassVar[str] = "customer"
    PATH: ClassVar[str] = "/v1/customers/"
    NOUN: ClassVar[str] = "customer"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org", "company": "company", "created_by": "user", "owner": "user"}

    name: str | None = None
    external_id: str | None = None
    emails: tuple[dict[str, Any], ...] = ()
    phones: tuple[dict[str, Any], ...] = ()
    company: str | None = None
    default_lang: str | None = None
    sentiment: dict[str, Any] | None = None
    conversations_count: int = 0
    last_activity_at: int | None = None
    last_seen_at: int | None = None
    signed_up_at: int | None = None
    custom: dict[str, Any] = {}
    created_by: str | None = None
    owner: str | None = None
    """The user who looks after this customer: who is asked first in a queue that is sticky by it."""

    def index(self) -> Index:
        """Listed by the time of the last change."""
        return Index(sort=f"{self.updated_at:015d}")

    def claims(self) -> tuple[str, ...]:
        """An external id names one customer of its org, and so does a mail address, whatever its case."""
        own = [f"{self.org}/customer-external-id/{self.external_id}"] if self.external_id else []
        addresses = {str(e["email"]).strip().lower() for e in self.emails if e.get("email")}
        return (*own, *(f"{self.org}/customer-email/{address}" for address in sorted(addresses)))
