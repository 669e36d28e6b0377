"""Reservations: the offer of one item to one agent, and its answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import document
from interlock.api.operation import get, post
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Guarded, Id, Text
from interlock.api.work_items import SeenResource
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision
from interlock.domain.errors import InvalidValue, OfferExpired, OfferTaken, StaleBasis
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import WorkItem
from interlock.service import reservations as service
from interlock.service import views

PATH = "/v1/routing/reservations"
ANSWER = (*roles.ITEM_UPDATE, "org.user")
LATE = (OfferTaken, OfferExpired)


class Answering(Guarded, frozen=True, kw_only=True):
    """Who answers (a key that acts as a user need not say so), and the conversation rev they had seen."""

    user: Id | UnsetType = UNSET
    resource: SeenResource | UnsetType = UNSET


class Declining(Answering, frozen=True, kw_only=True):
    """Why not: a code from 1 to 5, and words."""

    reason: Text | UnsetType = UNSET
    reason_code: Annotated[int, Meta(ge=1, le=5)] | UnsetType = UNSET


class OfferPages(Pages, frozen=True, kw_only=True):
    """Which offers. A key that acts as a user sees that user's; `user=false`: everybody's."""

    state: Literal["pending", "accepted", "rejected", "timed-out", "rescinded"] | None = None
    user: Literal["true", "false"] | None = None


def _answerer(call: Call) -> str:
    """The user who answers. Somebody else than the key's own only with the right to change items."""
    own, said = call.key.user, call.body.user
    if said is UNSET or said == own:
        if not own:
            raise InvalidValue("Say who answers: this key acts as no user.", pointer="/user")
        return own
    call.need(roles.ITEM_UPDATE[:1] if own else roles.ITEM_UPDATE)
    return said


@get(
    PATH,
    "listReservations",
    tag="reservations",
    roles=roles.ITEM_READ,
    kind=Reservation,
    answers="many",
    query=OfferPages,
    own=True,
)
async def listed(call: Call) -> Answer:
    """List offers, newest first."""
    q: OfferPages = call.query
    user = "" if q.user == "false" else call.key.user or ""
    states = (q.state,) if q.state else ()
    return await paged(
        call, lambda offset, limit: views.reservations(call.world, call.org, user, states, offset, limit)
    )


@get(f"{PATH}/{{id:str}}", "getReservation", tag="reservations", roles=roles.ITEM_READ, kind=Reservation, own=True)
async def read(call: Call) -> Answer:
    """Read an offer."""
    return call.show(await call.one(Reservation, call.id()))


def _with_item(record: Record, decision: Decision) -> bytes:
    item = decision.after(WorkItem.TYPE)
    return document(record, included=(item,) if item is not None else ())


async def _seen(call: Call, id: str) -> int | None:
    body: Answering = call.body
    if body.resource is not UNSET and body.resource.rev is not UNSET:
        return body.resource.rev
    if body.basis is UNSET or not body.basis:
        return None
    offer = await call.one(Reservation, id)
    return call.basis_of(Conversation.TYPE, offer.conversation)


@post(
    f"{PATH}/{{id:str}}/accept",
    "acceptReservation",
    tag="reservations",
    roles=ANSWER,
    body=Answering,
    kind=Reservation,
    own=True,
    status=200,
    errors=(*LATE, StaleBasis),
    example={},
)
async def accept(call: Call) -> Answer:
    """Take what was offered. The item is in `included`; one's own answer again is the same answer."""
    id, user = call.id(), _answerer(call)
    seen = await _seen(call, id)
    return await call.act(
        lambda beside: service.accept(call.world, call.by, id, user, beside=beside, conversation_rev=seen),
        Reservation,
        id=id,
        show=_with_item,
    )


@post(
    f"{PATH}/{{id:str}}/reject",
    "rejectReservation",
    tag="reservations",
    roles=ANSWER,
    body=Declining,
    kind=Reservation,
    own=True,
    status=200,
    errors=LATE,
    example={"reasonCode": 2, "reason": "not my language"},
)
async def reject(call: Call) -> Answer:
    """Say no: the item keeps its place and goes to the next agent."""
    id, user, body = call.id(), _answerer(call), call.body
    reason = body.reason if body.reason is not UNSET else ""
    code = body.reason_code if body.reason_code is not UNSET else None
    return await call.act(
        lambda beside: service.reject(call.world, call.by, id, user, reason=reason, code=code, beside=beside),
        Reservation,
        id=id,
        show=_with_item,
    )


@post(
    f"{PATH}/{{id:str}}/extend",
    "extendReservation",
    tag="reservations",
    roles=ANSWER,
    body=Answering,
    kind=Reservation,
    own=True,
    status=200,
    errors=LATE,
    example={},
)
async def extend(call: Call) -> Answer:
    """Ask for more time, once."""
    id, user = call.id(), _answerer(call)
    return await call.act(
        lambda beside: service.extend(call.world, call.by, id, user, beside=beside), Reservation, id=id
    )


OPERATIONS = (listed, read, accept, reject, extend)
