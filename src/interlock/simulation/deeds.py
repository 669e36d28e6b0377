"""What people, workflows and programs do in the scenarios: each one call of a production function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.decision import Provenance
from interlock.domain.order import Order
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import WorkItem
from interlock.service import agents, conversations, orgs, reservations, routing, work_items
from interlock.simulation.stage import ANYHOW, ORG, Act, Seat, nothing, person
from interlock.simulation.world import Memory, Step


def says(by: Provenance, c: Conversation, *, fields: dict[str, Any] | None = None, **said: Any) -> Act:
    """Somebody writes a conversation, unconditionally: what is named of status, queue and users, or other fields."""

    async def act(seat: Seat) -> None:
        shared = Shared(**said) if said else Shared()
        await conversations.update(seat.world, by, c.id, fields or {}, shared, ANYHOW, beside=nothing)

    return act


def touches(by: Provenance, c: Conversation) -> Act:
    """Somebody changes a tag: nothing that the work item shares."""
    return says(by, c, fields={"tags": ("touched",)})


def accepts(offer: Reservation) -> Act:
    """The agent takes what they were offered."""

    async def act(seat: Seat) -> None:
        await reservations.accept(seat.world, person(offer.user), offer.id, offer.user, beside=nothing)

    return act


def takes_first_offer(user: str, known: Reservation) -> Act:
    """An agent takes whatever is pending for them, as their screen shows it; `known`: an offer of theirs, to watch."""

    def pending(store: Memory) -> Reservation | None:
        mine = [r for r in store.all(Reservation.TYPE) if isinstance(r, Reservation) and r.user == user]
        return next((r for r in mine if r.state == "pending"), None)

    async def act(seat: Seat) -> None:
        room = seat.room
        everywhere = room.places.bit("list", Reservation.TYPE)
        offer = await Step("looks at the screen", lambda _: pending(room.store), reads=everywhere)
        chosen = offer if isinstance(offer, Reservation) else known
        await reservations.accept(seat.world, person(user), chosen.id, user, beside=nothing)

    return act


def signs_out(user: str, offline: str) -> Act:
    """An agent goes home."""

    async def act(seat: Seat) -> None:
        await agents.set_status(seat.world, person(user), user, offline, None, beside=nothing)

    return act


def rejects(offer: Reservation) -> Act:
    """The agent says no."""

    async def act(seat: Seat) -> None:
        await reservations.reject(
            seat.world, person(offer.user), offer.id, offer.user, reason="", code=None, beside=nothing
        )

    return act


def orders(by: Provenance, item: WorkItem, **wanted: Any) -> Act:
    """Somebody writes a work item, unconditionally: `queue`, `assigned_to` or `status`."""

    async def act(seat: Seat) -> None:
        await work_items.command(seat.world, by, item.id, Order(**wanted), ANYHOW, beside=nothing)

    return act


def after(what: str, seen: Callable[[Memory], bool], then: Act, *records: Any) -> Act:
    """Once the store shows something: not before, but perhaps long after."""

    async def act(seat: Seat) -> None:
        await seat.until(what, seen, *records)
        await then(seat)

    return act


def one_by_one(*acts: Act) -> Act:
    """One deed after the other, by the same person."""

    async def act(seat: Seat) -> None:
        for each in acts:
            await each(seat)

    return act


def shows_users(c: Conversation, *users: str) -> Callable[[Memory], bool]:
    """Whether the conversation shows exactly these users."""

    def seen(store: Memory) -> bool:
        now = store.at(c.address)
        return isinstance(now, Conversation) and now.assigned_users == users

    return seen


def wishes_of(record: object, site: str) -> int:
    """How many intents of a site a record has taken in."""
    coupled = record.coupled if isinstance(record, Conversation | WorkItem) else None
    return sum(d.n for d in coupled.unit.ctx if d.site == site) if coupled else 0


def runs_round(queue: str) -> Act:
    """A router looks at a queue and offers what it can."""

    async def act(seat: Seat) -> None:
        await routing.round(seat.world, routing.by_routing(ORG), queues=[queue])

    return act


def restores(backup: Conversation) -> Act:
    """The conversation's side is put back to a backup: the record, and the log of what happened to it since.

    Nobody is at work meanwhile: every worker is stopped before and started after.
    """

    async def act(seat: Seat) -> None:
        room = seat.room

        def do(_: int) -> None:
            room.store.put_back(backup)
            since = [r for r in room.store.rows if any(c.id == backup.id and c.rev > backup.rev for c in r.changes)]
            room.forgotten |= {r.id for r in since}
            for channel in room.channels.values():
                channel.rows = [r for r in channel.rows if not any(c.id == backup.id for c in r.changes)]
            room.restarts = True

        await Step("restore the conversations", do, reads=-1, writes=-1)

    return act


def raises_epoch() -> Act:
    """The operator says that the org's records were restored."""

    async def act(seat: Seat) -> None:
        await orgs.raise_epoch(seat.world, Provenance(ORG, Actor("person", "cli", "operator"), "cli"))

    return act
