"""Reservations: the offer of one item to one agent, the record behind the state `routed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from interlock.domain.errors import OfferExpired, OfferTaken
from interlock.domain.record import Index, Record

ReservationState = Literal["pending", "accepted", "rejected", "timed-out", "rescinded"]


class Reservation(Record, frozen=True, kw_only=True):
    """Pending until its agent answers, its time is up (`expires_at`, the server's clock) or the item goes elsewhere."""

    TYPE: ClassVar[str] = "reservation"
    PATH: ClassVar[str] = "/v1/routing/reservations/"
    NOUN: ClassVar[str] = "reservation"
    RELATIONS: ClassVar[Mapping[str, str]] = {
        "org": "org",
        "work_item": "work_item",
        "pass_": "work_item_revision",
        "queue": "queue",
        "user": "user",
        "work_session": "work_session",
        "decision": "decision",
        "conversation": "conversation",
    }

    state: ReservationState = "pending"
    offered_at: int = 0
    expires_at: int = 0
    ended_at: int | None = None
    reason: str | None = None
    reason_code: int | None = None
    extended: bool = False
    weight: int = 1
    strategy: str = ""
    work_item: str
    pass_: str
    queue: str = ""
    user: str
    work_session: str
    conversation: str = ""
    decision: str | None = None

    def index(self) -> Index:
        """Below its item, owned by its agent; due when it expires."""
        due = self.expires_at if self.state == "pending" else None
        return Index(
            state=self.state,
            parent=self.work_item,
            queue=self.queue,
            owner=self.user,
            sort=f"{self.offered_at:015d}",
            due_at=due,
        )

    def claims(self) -> tuple[str, ...]:
        """One pending offer per item and one per agent."""
        if self.state != "pending":
            return ()
        return f"{self.org}/offer-of-item/{self.work_item}", f"{self.org}/offer-to-user/{self.user}"


def answerable(r: Reservation, user: str, now: int) -> None:
    """Raises unless this user may answer this offer now."""
    if r.user != user:
        raise OfferTaken(f"This offer was made to user {r.user}.", user=r.user, state=r.state)
    if r.state == "timed-out" or (r.state == "pending" and now > r.expires_at):
        raise OfferExpired("The time to accept is over; the item is offered to the next agent.", expiresAt=r.expires_at)
    if r.state != "pending":
        raise OfferExpired(f"The offer has ended: {r.state}.", state=r.state, reason=r.reason, endedAt=r.ended_at)


def close(
    r: Reservation, state: ReservationState, now: int, reason: str = "", reason_code: int | None = None
) -> Reservation:
    """The offer, ended in this way."""
    return r.with_(state=state, ended_at=now, reason=reason or None, reason_code=reason_code)
