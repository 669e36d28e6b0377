"""Conversations and messages: the one door for people, workflows and programs alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.domain import conversation as domain
from interlock.domain import message as messages
from interlock.domain import note as notes
from interlock.domain.agent import User
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.customer import Customer
from interlock.domain.decision import Decision, Provenance
from interlock.domain.errors import NotFound, Refused, TooMany
from interlock.domain.message import Message
from interlock.domain.note import Note
from interlock.domain.queue import Queue
from interlock.ports import World
from interlock.service.by_clock import due_here
from interlock.service.cases import open_item
from interlock.service.preconditions import Precondition
from interlock.service.requirements import check_asked
from interlock.service.routing import active_user
from interlock.service.transact import Beside, Done, Reading, provenance, transact


async def create(world: World, by: Provenance, fields: Mapping[str, Any], said: Shared, *, beside: Beside) -> Done:
    """A new conversation. `fields` by their domain names; `said`: status, queue, users, as far as they were named."""

    async def decide(reading: Reading) -> Decision:
        await _known(reading, said)
        await _asked(reading, fields)
        if fields.get("customer"):
            await reading.one(Customer, fields["customer"], pointer="/customer")
        now = reading.moment.now
        values: dict[str, Any] = {
            "created_at": now,
            "updated_at": now,
            "modified_at": now,
            "last_activity_at": now,
            **fields,
        }
        c = Conversation(id=reading.moment.fresh(), org=by.org, **values)
        return domain.create(c, said, reading.moment)

    return await transact(world, by, decide, beside=beside)


async def update(
    world: World,
    by: Provenance,
    id: str,
    fields: Mapping[str, Any],
    said: Shared,
    precondition: Precondition,
    *,
    beside: Beside,
) -> Done:
    """Change a conversation. Only what is named is written; `status`, `queue` and `assignedUsers` are one command."""

    async def decide(reading: Reading) -> Decision:
        c = await reading.one(Conversation, id)
        names = {Conversation.outward(f) for f in fields} | (set[str]() if said.silent else set(domain.COUPLED))
        await precondition.check(reading, c, names)
        await _known(reading, said)
        await _asked(reading, fields)
        basis = precondition.seen(c)
        item = await open_item(reading, id) if basis is None and not said.silent and by.actor.cls == "person" else None
        known = item.coupled if item else None
        return domain.update(c, fields, said, reading.moment, basis=basis, known=known)

    return await transact(world, by, decide, beside=beside)


async def receive(
    world: World, by: Provenance, conversation: str, fields: Mapping[str, Any], *, beside: Beside
) -> Done:
    """A message joins a conversation; an inbound one wakes a snoozed conversation and reopens a done one."""

    async def decide(reading: Reading) -> Decision:
        c = await reading.one(Conversation, conversation)
        if c.deleted:
            raise NotFound(f"The conversation {conversation} was deleted.")
        now = reading.moment.now
        values: dict[str, Any] = {
            "sent_at": now,
            "customer": c.customer,
            "created_at": now,
            "updated_at": now,
            "modified_at": now,
            **fields,
        }
        m = Message(id=reading.moment.fresh(), org=by.org, conversation=c.id, **values)
        return messages.receive(c, m, reading.moment)

    return await transact(world, by, decide, beside=beside)


async def add_note(
    world: World, by: Provenance, conversation: str, fields: Mapping[str, Any], *, beside: Beside
) -> Done:
    """A note joins a conversation."""

    async def decide(reading: Reading) -> Decision:
        c = await reading.one(Conversation, conversation)
        for place, user in enumerate(fields.get("mentions", ())):
            await reading.one(User, user, pointer=f"/mentions/{place}")
        now = reading.moment.now
        times: dict[str, Any] = {"created_at": now, "updated_at": now, "modified_at": now}
        made = Note(id=reading.moment.fresh(), org=by.org, conversation=c.id, customer=c.customer, **times, **fields)
        return notes.add(c, made, reading.moment)

    return await transact(world, by, decide, beside=beside)


async def mark(
    world: World,
    by: Provenance,
    id: str,
    tags: Sequence[str],
    precondition: Precondition,
    *,
    beside: Beside,
    off: bool = False,
) -> Done:
    """Add tags to a conversation, or take them off; what others add at the same moment stays."""

    async def decide(reading: Reading) -> Decision:
        c = await reading.one(Conversation, id)
        await precondition.check(reading, c, {"tags"})
        kept = tuple(t for t in c.tags if not off or t not in tags)
        added = () if off else tuple(t for t in dict.fromkeys(tags) if t not in kept)
        if len(kept) + len(added) > domain.TAGS_MAX:
            raise TooMany(f"A conversation has at most {domain.TAGS_MAX} tags.", pointer="/tags")
        return domain.update(c, {"tags": (*kept, *added)}, Shared(), reading.moment, basis=precondition.seen(c))

    return await transact(world, by, decide, beside=beside)


async def _known(reading: Reading, said: Shared) -> None:
    """Raises unless a write can stand, and the users and the queue that it names exist in this org."""
    domain.check(said)
    if isinstance(said.users, tuple):
        for place, user in enumerate(said.users):
            await active_user(reading, user, pointer=f"/assignedUsers/{place}")
    if isinstance(said.queue, str) and not said.external:
        queue = await reading.one(Queue, said.queue, pointer="/queue/id")
        if queue.archived:
            raise Refused(f"The queue {queue.name} is archived.", pointer="/queue/id")


async def _asked(reading: Reading, fields: Mapping[str, Any]) -> None:
    """Raises unless the skills that a write asks for are there, and in some agent's reach."""
    if fields.get("skills"):
        await check_asked(reading, fields["skills"], "/skills")


async def wake_due(world: World) -> list[Done]:
    """End every snooze, of any org, whose time has come."""
    done: list[Done] = []
    for found in await due_here(world, Conversation):

        async def decide(reading: Reading, id: str = found.id) -> Decision:
            c = await reading.one(Conversation, id)
            if c.index().due_at is None or (c.index().due_at or 0) > reading.moment.now:
                raise Refused("It was woken meanwhile.")
            return domain.wake(c, reading.moment, "WOKEN")

        try:
            done.append(await transact(world, provenance(found.org, "system"), decide))
        except Refused:
            continue
    return done
