"""Somebody signs in while an item leaves them, and neither commit sees the other: they are charged, then relieved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.worlds import Client, Floor, House, sessions, settled

from interlock.domain import life_cycle
from interlock.domain.assignment import Actor
from interlock.domain.decision import Decision, Provenance
from interlock.domain.settle import Manner
from interlock.domain.work_item import WorkItem
from interlock.service import agents
from interlock.service.cases import case_of
from interlock.service.transact import Reading, transact


class Meanwhile:
    """A store on which something else happens right before the first commit, after everything for it was read."""

    def __init__(self, store: Any, happens: Callable[[], Awaitable[Any]]) -> None:
        self._store, self._happens = store, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, commit: Any) -> Any:
        """What happens meanwhile, then the commit."""
        happens, self._happens = self._happens, _nothing
        await happens()
        return await self._store.commit(commit)


async def _nothing() -> None:
    return None


WAYS = {
    "completed": lambda case, moment, _: life_cycle.complete(case, moment, Manner()),
    "taken away": lambda case, moment, _: life_cycle.unassign(case, moment, Manner()),
    "given to another": lambda case, moment, other: life_cycle.assign(case, (other,), moment, Manner()),
}


@pytest.mark.parametrize("before", ["never signed in", "signed out"])
@pytest.mark.parametrize("how", WAYS)
async def test_whoever_signs_in_as_an_item_leaves_them_is_relieved_at_once(
    house: House, admin: Client, how: str, before: str
) -> None:
    """By a reaction: no cadence runs here."""
    floor = await Floor(house, admin).open(2)
    user, other = floor.agents
    if before == "signed out":
        await floor.sign_in()
    body = {"channels": ["chat"], "queue": {"id": floor.queue}, "assignedUsers": [user]}
    c = (await admin.post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    if before == "signed out":
        await floor.agent().put("/v1/routing/work-sessions/current", {"status": floor.offline})
        await settled(house)
    (item,) = (await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"]

    async def decide(reading: Reading) -> Decision:
        case = await case_of(reading, await reading.one(WorkItem, item["id"]), users=(user, other))
        return WAYS[how](case, reading.moment, other)

    async def sign_in() -> None:
        await floor.sign_in()
        await settled(house)

    world = msgspec.structs.replace(house.world, store=Meanwhile(house.store, sign_in))
    org = (await admin.get("/v1/routing/org-settings"))["data"]["id"]
    await transact(world, Provenance(org, Actor("person", "user", "u"), "console"), decide)
    (live,) = [s for s in await sessions(house, admin) if s.user == user and not s.signed_out_at]
    assert [h.item for h in live.holding] == [item["id"]], "the race happened: they are charged for what has left them"
    await settled(house)
    (live,) = [s for s in await sessions(house, admin) if s.id == live.id]
    assert [h for h in live.holding if not h.offered] == []
    assert await agents.reconcile_all(house.world, org) == []
