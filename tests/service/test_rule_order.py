"""Places in the list of queue rules: each is one rule's, also where two are made at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.worlds import VirtualClock

from interlock.domain.assignment import Actor
from interlock.domain.decision import Provenance
from interlock.domain.rule import QueueRule
from interlock.ports import Query, World, in_turn
from interlock.runtime.clock import RandomIds
from interlock.service import orgs, queues, rule_lists
from interlock.service.preconditions import Precondition
from interlock.store.sqlite import SqliteStore

CHAT = {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]}


async def test_rules_made_at_once_have_places_of_their_own(tmp_path: Path) -> None:
    """On a store that writes later than it reads: each has read the list before the others stand in it."""
    clock = VirtualClock()
    store = SqliteStore.open(tmp_path / "rules.db", clock)
    world = World(store, None, clock, RandomIds(clock), in_turn)  # type: ignore[arg-type]
    org = (await orgs.found(world, "Acme", key="ilk_" + "a" * 64)).row.org
    by = Provenance(org, Actor("person", "user", "u"), "api")

    async def make(name: str) -> str:
        fields: dict[str, Any] = {"name": name, "criteria": CHAT, "queue_key": "chats"}
        done = await queues.create_rule(world, by, fields, beside=lambda _: ())
        return done.decision.writes[0].after.id

    async def places() -> list[int]:
        query = Query(name="listing", org=org, type=QueueRule.TYPE, states=("live",))
        return [r.position for r in await store.find(query)]  # type: ignore[attr-defined]

    a, b, c = await asyncio.gather(*map(make, "abc"))
    assert await places() == [1, 2, 3]
    await rule_lists.order(world, by, QueueRule, [c, a, b], seen={}, beside=lambda _: ())
    await queues.delete_rule(world, by, b, Precondition(rev=2), beside=lambda _: ())
    await asyncio.gather(*map(make, "de"))
    assert await places() == [1, 2, 3, 4], "the place of one that is gone is free again"
    await store.close()
