"""Answers to offers: accept, reject, more time."""

from __future__ import annotations

from interlock.domain import life_cycle
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Provenance
from interlock.domain.errors import OfferExpired, OfferTaken
from interlock.domain.reservation import Reservation
from interlock.domain.settle import Case, Manner
from interlock.domain.work_item import WorkItem
from interlock.ports import World
from interlock.service.cases import case_of
from interlock.service.transact import Beside, Done, Reading, transact


async def accept(
    world: World, by: Provenance, reservation: str, user: str, *, beside: Beside, conversation_rev: int | None = None
) -> Done:
    """The agent takes the item they were offered. Their own earlier answer again is the same answer."""

    async def decide(reading: Reading) -> Decision:
        offer, case = await _offered(reading, reservation)
        seen = await reading.maybe(Conversation, offer.conversation) if conversation_rev is not None else None
        life_cycle.based_on(seen, conversation_rev)
        if offer.state == "pending" or (offer.state == "accepted" and offer.user == user):
            return life_cycle.accept(case, user, reading.moment, Manner(seen=conversation_rev))
        raise _gone(offer, user, case)

    return await transact(world, by, decide, beside=beside)


async def reject(
    world: World, by: Provenance, reservation: str, user: str, *, reason: str, code: int | None, beside: Beside
) -> Done:
    """The agent says no; the item goes to the next one, and comes back to this one last."""

    async def decide(reading: Reading) -> Decision:
        offer, case = await _offered(reading, reservation)
        if offer.state == "rejected" and offer.user == user:
            return life_cycle.noop(case, reading.moment, "already rejected")
        if offer.state != "pending":
            raise _gone(offer, user, case)
        return life_cycle.reject(case, user, reading.moment, reason=reason, reason_code=code)

    return await transact(world, by, decide, beside=beside)


async def extend(world: World, by: Provenance, reservation: str, user: str, *, beside: Beside) -> Done:
    """More time for one offer, once, as much as it had at first."""

    async def decide(reading: Reading) -> Decision:
        offer, case = await _offered(reading, reservation)
        if offer.state != "pending":
            raise _gone(offer, user, case)
        until = offer.expires_at + (offer.expires_at - offer.offered_at)
        return life_cycle.extend(case, user, reading.moment, expires_at=until)

    return await transact(world, by, decide, beside=beside)


async def _offered(reading: Reading, reservation: str) -> tuple[Reservation, Case]:
    offer = await reading.one(Reservation, reservation)
    item = await reading.one(WorkItem, offer.work_item)
    return offer, await case_of(reading, item, users=(offer.user,))


def _gone(offer: Reservation, user: str, case: Case) -> OfferTaken | OfferExpired:
    """Why an offer cannot be answered any more: who has the item now, or how the offer ended."""
    owner = case.item.assigned_to
    if offer.user != user:
        return OfferTaken(f"This offer was made to user {offer.user}.", user=offer.user)
    if owner and owner != user:
        at = case.item.handle.entered_at if case.item.handle else None
        return OfferTaken(f"User {owner} has the item.", user=owner, at=at)
    return OfferExpired(
        f"The offer has ended: {offer.state}.", state=offer.state, reason=offer.reason, endedAt=offer.ended_at
    )
