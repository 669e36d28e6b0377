"""A message that belongs to no conversation yet: it begins one, in the same commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.domain import conversation as conversations
from interlock.domain import message as messages
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.customer import Customer
from interlock.domain.decision import Decision, Provenance, Write, birth
from interlock.domain.message import Message
from interlock.ports import World
from interlock.service.transact import Beside, Done, Reading, transact


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


def _as_born(write: Write, begun: Conversation) -> Write:
    """The conversation comes into being with its first message counted."""
    return birth(write.after.with_(rev=1)) if write.after.id == begun.id else write
