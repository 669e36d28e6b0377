"""Which workflows an event starts, and which of them leave a row in the log."""

from __future__ import annotations

from typing import Any

from tests.worlds import Client, House, settled

from interlock.domain.log import Row
from interlock.service.cues import ROLES
from interlock.service.relay import run_once

URGENT = {"op": "eq", "values": ["/#steps.1.attributes.priority", 5]}
PLAIN = {"op": "eq", "values": ["/#steps.1.attributes.priority", 3]}


async def keep(admin: Client, verb: str = "create", condition: Any = URGENT) -> None:
    """A workflow that tags what its trigger's condition holds for."""
    transition = {"target": "s", "condition": condition}
    trigger = {"id": "t", "eventName": f"interlock.conversation.{verb}", "transitions": [transition]}
    step = {"id": "s", "action": "interlock.conversation.update", "params": {"tags": ["seen"]}}
    await admin.post("/v1/workflows", {"name": "w", "trigger": trigger, "steps": [step]})


async def begin(admin: Client, **said: Any) -> str:
    """A conversation; its id."""
    return (await admin.post("/v1/conversations", {"channels": ["chat"], **said}))["data"]["id"]


async def by_workflows(house: House) -> list[Row]:
    """The rows that workflows wrote."""
    return [r for r in await house.store.changes(0, 1_000) if r.by.client == "workflow"]


async def all_but_workflows(house: House) -> None:
    """Every other role works until nothing is left."""
    for _ in range(10):
        for role in ROLES:
            if role != "workflow":
                await run_once(house.world, role)


async def test_of_one_that_is_not_started_there_is_no_row(house: House, admin: Client) -> None:
    await keep(admin)
    await begin(admin)
    await settled(house)
    assert await by_workflows(house) == []
    await begin(admin, priority=5)
    await settled(house)
    assert [r.why.kind for r in await by_workflows(house)] == ["change"]


async def test_one_that_started_says_why_it_did_nothing(house: House, admin: Client) -> None:
    await keep(admin)
    c = await begin(admin, priority=5)
    await admin.put(f"/v1/conversations/{c}", {"priority": 1})
    await settled(house)
    [row] = await by_workflows(house)
    assert (row.why.kind, row.why.record.id if row.why.record else "", row.changes) == ("declined", c, ())
    assert "do not hold any more" in row.why.reason


async def test_what_starts_is_a_matter_of_the_event_and_not_of_how_soon_it_is_heard(
    house: House, admin: Client
) -> None:
    await keep(admin)
    c = await begin(admin)
    await admin.put(f"/v1/conversations/{c}", {"priority": 5})
    await settled(house)
    assert await by_workflows(house) == [], "it had no such priority when it was created"


async def test_rules_wait_only_for_workflows_that_start(house: House, admin: Client) -> None:
    await keep(admin)
    await settled(house)
    calm, urgent = await begin(admin), await begin(admin, priority=5)
    await all_but_workflows(house)
    found = [(await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0] for c in (calm, urgent)]
    assert [i["attributes"]["status"] for i in found] == ["queued", "ivr"]
    await settled(house)
    found = (await admin.get(f"/v1/routing/conversations/{urgent}/work-items"))["data"][0]
    assert found["attributes"]["status"] == "queued", "they wait no longer than the workflow runs"


async def test_one_that_was_started_and_then_found_nothing_to_do_lets_the_rules_go_on(
    house: House, admin: Client
) -> None:
    await keep(admin)
    c = await begin(admin, priority=5)
    await run_once(house.world, "sync")
    await admin.put(f"/v1/conversations/{c}", {"priority": 1})
    await settled(house)
    found = (await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0]
    assert found["attributes"]["status"] == "queued"


async def test_an_item_that_an_update_begins_waits_for_what_the_update_starts(house: House, admin: Client) -> None:
    await keep(admin, "update", PLAIN)
    c = await begin(admin, status="done")
    await settled(house)
    await admin.put(f"/v1/conversations/{c}", {"status": "open"})
    await all_but_workflows(house)
    found = (await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0]
    assert found["attributes"]["status"] == "ivr"
    await settled(house)
    found = (await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0]
    assert found["attributes"]["status"] == "queued"
