"""A past to try rules on: conversations with a message, placed by the rules, worked on and done, as rows of a log.

The rows are made by the domain's own functions and encoded as the service does, in the order in which it commits them.
Only the writing is ours: they go into the file by the store's own statement, many to a transaction, and the records
they would leave behind are left out, for a dry run reads the log only, and a hundred thousand conversations through the
running service would take an hour.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from interlock.domain import conversation as conversations
from interlock.domain import message as messages
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.customer import Customer
from interlock.domain.decision import Basis, Decision, Moment, Provenance, Reason, Tried, Why, Write, birth, step
from interlock.domain.log import Entry, encode_entry, entry_of
from interlock.domain.message import Message
from interlock.domain.queue import Queue
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Commit, World
from interlock.store import statements

CHANNELS = ("chat", "email", "voice", "sms", "whatsapp")
LANGUAGES = ("en", "fr", "de", "es")
AT_ONCE = 400
"""Conversations whose rows stand between each other's, as in an hour of a busy floor."""
TRIED = 8
"""Rules that a run notes as tried."""
PLAIN = Why(direction="person", kind="change")


async def queues_of(world: World, org: str, by: Provenance) -> list[str]:
    """Five queues in the store; their ids."""
    made = [Queue(id=world.ids.fresh(), org=org, name=f"Queue {n}", key=f"q{n}") for n in range(5)]
    for q in made:
        decision = Decision(partition=q.id, why=PLAIN, writes=(birth(q),))
        entry = entry_of(decision, world.ids.fresh(), by, world.clock.now(), ())
        await world.store.commit(Commit(entry=entry, writes=decision.writes))
    return [q.id for q in made]


class Past:
    """Writes a past behind what a store's file has; no store may have it open."""

    def __init__(self, world: World, org: str, queues: list[str]) -> None:
        self._fresh, self._org, self._queues = world.ids.fresh, org, queues
        self._chance = random.Random(7)
        self._by = Provenance(org, Actor("person", "user", "u"), "api", trace="0" * 32)
        self._now = world.clock.now()
        self._rules = [self._fresh() for _ in range(TRIED)]

    def write(self, path: Path, how_many: int, *, first: int) -> None:
        """So many conversations, from position `first` on."""
        file = apsw.Connection(str(path))
        file.execute("PRAGMA synchronous = OFF")
        append = statements.named("sqlite")["append_log"]
        positions = itertools.count(first)
        for start in range(0, how_many, AT_ONCE):
            lives = [list(self._one(n)) for n in range(start, min(how_many, start + AT_ONCE))]
            with file:
                for entry in itertools.chain.from_iterable(zip(*lives, strict=True)):
                    direction = "rule" if entry.why.direction == "rule" else ""
                    row = next(positions), entry.org, entry.partition, entry.at, encode_entry(entry), direction
                    file.execute(append, row)
        file.close()

    def _one(self, n: int) -> Iterator[Entry]:
        fresh, chance = self._fresh, self._chance
        now = self._now + n
        customer = Customer(id=fresh(), org=self._org, name=f"Customer {n}", conversations_count=chance.randrange(6))
        yield self._entry(customer.id, birth(customer))
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
        yield self._entry(begun.id, *writes, why=first.why)
        c = writes[0].after
        item = WorkItem(id=fresh(), org=self._org, resource=c.id, pass_=fresh(), channel=begun.channel, resource_rev=1)
        waits = QueuePass(id=item.pass_, org=self._org, work_item=item.id)
        yield self._entry(c.id, birth(item), birth(waits))
        yield self._run((item, c, customer, waits), now + 5)
        yield from self._afterwards(c)

    def _run(self, read: tuple[Any, ...], now: int) -> Entry:
        item, c, _, waits = read
        queue = self._chance.choice(self._queues)
        reason = Reason("QUEUE_WORK_ITEM", "DEFAULT_QUEUE", {"conversationRev": 1, "queue": queue})
        tried = tuple(Tried(id, 1, "conversation_channel") for id in self._rules)
        why = Why(direction="rule", kind="intent", reasons=(reason,), tried=tried)
        basis = tuple(Basis(r.TYPE, r.id, r.rev, now) for r in read)
        placed = step(item, item.with_(status="queued", queue=queue, queued_count=1), now)
        entered = step(waits, waits.with_(queue=queue, entered_queue_at=now), now)
        return self._entry(c.id, placed, entered, why=why, basis=basis, at=now)

    def _afterwards(self, c: Any) -> Iterator[Entry]:
        """As many rows again: what follows the rules in a conversation's life."""
        here = c
        for name in ("waiting", "assigned", "answered", "done"):
            after = step(here, here.with_(name=name), self._now)
            yield self._entry(c.id, after)
            here = after.after

    def _entry(
        self, partition: str, *writes: Write, why: Why = PLAIN, basis: tuple[Basis, ...] = (), at: int = 0
    ) -> Entry:
        decision = Decision(partition=partition, why=why, writes=writes)
        return entry_of(decision, self._fresh(), self._by, at or self._now, basis)
