"""A message that belongs to no conversation yet: it begins one, in the same commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.domain import conversation as conversations
from interlock.domain import message as messages
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.customer import Customer
from interlock.domain.decision import Decision, Provenance, Write, birth, changed, step
from interlock.domain.errors import Refused
from interlock.domain.message import Message
from interlock.domain.queue import Queue
from interlock.domain.work_item import FirstResponse
from interlock.ports import World
from interlock.service.calendars import hours_of
from interlock.service.cases import open_item
from interlock.service.transact import Beside, Done, Reading, transact, unless_refused


async def begin_with(
    world: World, by: Provenance, customer: str | None, fields: Mapping[str, Any], *, beside: Beside
) -> Done:
    """A new conversation whose first message this is."""

    async def decide(reading: Reading) -> Decision:
        if customer:
            await reading.one(Customer, customer, pointer="/customer")
        now, fresh = reading.moment.now, reading.moment.fresh
        times: dict[str, Any] = {"created_at": now, "updated_at": now, "modified_at": now}
        begun = Conversation(
            id=fresh(),
            org=by.org,
            customer=customer,
            direction=fields.get("direction", "in"),
            last_activity_at=now,
            **times,
        )
        first = conversations.create(begun, Shared(), reading.moment)
        values: dict[str, Any] = {"sent_at": now, "customer": customer, **times, **fields}
        m = Message(id=fresh(), org=by.org, conversation=begun.id, **values)
        told = messages.receive(begun, m, reading.moment)
        return msgspec.structs.replace(first, writes=tuple(_as_born(w, begun) for w in told.writes))

    return await transact(world, by, decide, beside=beside)


async def note_response(world: World, by: Provenance, message: str) -> Done | None:
    """The first message out by whoever has the item, after they got it: `firstRoutedResponse`. `None` if it is not."""

    async def decide(reading: Reading) -> Decision:
        m = await reading.one(Message, message)
        item = await open_item(reading, m.conversation)
        given_at = item.handle.entered_at if item and item.handle else None
        if item is None or given_at is None or item.first_routed_response is not None:
            raise Refused("Nothing waits for a first answer.")
        if m.direction != "out" or m.auto or m.created_by != item.assigned_to or m.sent_at < given_at:
            raise Refused("It is not the owner's answer.")
        queue = await reading.maybe(Queue, item.queue)
        calendar = (await hours_of(reading, (queue,) if queue else ())).of(item.queue)
        time, business_time = m.sent_at - given_at, calendar.business_ms(given_at, m.sent_at)
        after = item.with_(first_routed_response=FirstResponse(m.id, m.sent_at, time, business_time))
        why = changed(item, "system")
        return Decision(partition=item.resource, why=why, writes=(step(item, after, reading.moment.now),))

    return await unless_refused(world, by, decide)


def _as_born(write: Write, begun: Conversation) -> Write:
    """The conversation comes into being with its first message counted."""
    return birth(write.after.with_(rev=1)) if write.after.id == begun.id else write
