"""A past to try rules on: conversations with a message, placed by the rules, worked on and done, as rows of a store.

The rows are made by the domain's own functions and in the order in which the service commits them; only their batching
is ours, for a hundred thousand conversations through the running service would take an hour.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from interlock.domain import conversation as conversations
from interlock.domain import message as messages
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.customer import Customer
from interlock.domain.decision import Basis, Decision, Moment, Provenance, Reason, Why, Write, birth, step
from interlock.domain.log import entry_of
from interlock.domain.message import Message
from interlock.domain.queue import Queue
from interlock.domain.record import Record
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Commit, World

CHANNELS = ("chat", "email", "voice", "sms", "whatsapp")
LANGUAGES = ("en", "fr", "de", "es")
AT_ONCE = 400


class Past:
    """Writes a past into a store."""

    def __init__(self, world: World, org: str) -> None:
        self._world, self._org, self._chance = world, org, random.Random(7)
        self._by = Provenance(org, Actor("person", "user", "u"), "api", trace="0" * 32)
        self._now = world.clock.now()
        self.queues: list[str] = []

    async def make(self, how_many: int) -> list[str]:
        """So many conversations; the ids of the queues they went to."""
        fresh = self._world.ids.fresh
        made = [Queue(id=fresh(), org=self._org, name=f"Queue {n}", key=f"q{n}") for n in range(5)]
        self.queues = [q.id for q in made]
        for q in made:
            await self._commit(q.id, birth(q))
        for start in range(0, how_many, AT_ONCE):
            await asyncio.gather(*(self._one(n) for n in range(start, min(how_many, start + AT_ONCE))))
        return self.queues

    async def _one(self, n: int) -> None:
        fresh, chance = self._world.ids.fresh, self._chance
        now = self._now + n
        customer = Customer(id=fresh(), org=self._org, name=f"Customer {n}", conversations_count=chance.randrange(6))
        await self._commit(customer.id, birth(customer))
        moment = Moment(now, self._by, fresh)
        begun = Conversation(
            id=fresh(), org=self._org, customer=customer.id, channels=(chance.choice(CHANNELS),),
            default_lang=chance.choice(LANGUAGES), custom={"tierStr": f"tier {chance.randrange(40)}"}, created_at=now,
        )  # fmt: skip
        sent = Message(
            id=fresh(), org=self._org, conversation=begun.id, channel=begun.channel, preview="Hello", sent_at=now
        )
        first = conversations.create(begun, Shared(), moment)
        told = messages.receive(begun, sent, moment)
        writes = tuple(birth(w.after.with_(rev=1)) if w.after.id == begun.id else w for w in told.writes)
        await self._commit(begun.id, *writes, why=first.why)
        c = writes[0].after
        item = WorkItem(id=fresh(), org=self._org, resource=c.id, pass_=fresh(), channel=begun.channel, resource_rev=1)
        waits = QueuePass(id=item.pass_, org=self._org, work_item=item.id)
        await self._commit(c.id, birth(item), birth(waits))
        await self._rules(c, customer, item, waits, now + 5)
        await self._afterwards(c, item)

    async def _rules(self, c: Record, customer: Customer, item: WorkItem, waits: QueuePass, now: int) -> None:
        queue = self._chance.choice(self.queues)
        why = Why(
            direction="rule", kind="intent", reasons=(Reason("QUEUE_WORK_ITEM", "DEFAULT_QUEUE", {"queue": queue}),)
        )
        basis = tuple(Basis(r.TYPE, r.id, r.rev, now) for r in (item, c, customer, waits))
        placed = step(item, item.with_(status="queued", queue=queue, queued_count=1), now)
        entered = step(waits, waits.with_(queue=queue, entered_queue_at=now), now)
        await self._commit(c.id, placed, entered, why=why, basis=basis, at=now)

    async def _afterwards(self, c: Any, item: WorkItem) -> None:
        """As many rows again: what follows the rules in a conversation's life."""
        here = c
        for name in ("waiting", "assigned", "answered", "done"):
            after = step(here, here.with_(name=name), self._now)
            await self._commit(c.id, after)
            here = after.after

    async def _commit(
        self, partition: str, *writes: Write, why: Why | None = None, basis: tuple[Basis, ...] = (), at: int = 0
    ) -> None:
        decision = Decision(partition=partition, why=why or Why(direction="person", kind="change"), writes=writes)
        entry = entry_of(decision, self._world.ids.fresh(), self._by, at or self._now, basis)
        await self._world.store.commit(Commit(entry=entry, writes=writes))
