"""Items that the queue rules leave alone for a while: phone menus, and workflows that are about to run."""

from __future__ import annotations

from typing import Any

from tests.worlds import Client, Floor, House, settled

from interlock.service.cues import ROLES, Role
from interlock.service.holding import release_due
from interlock.service.relay import run_once

SETTINGS = "/v1/routing/org-settings"
TAGS = {"id": "s", "action": "interlock.conversation.update", "params": {"tags": ["vip"]}}
VIP = {"and": [{"conversation_tags": {"operator": "equals", "value": "vip"}}]}


async def begin(admin: Client, channel: str = "chat") -> str:
    """A conversation without a queue; its id."""
    return (await admin.post("/v1/conversations", {"channels": [channel]}))["data"]["id"]


async def item_of(admin: Client, conversation: str) -> Any:
    """The item of a conversation."""
    return (await admin.get(f"/v1/routing/conversations/{conversation}/work-items"))["data"][0]


async def status(admin: Client, conversation: str) -> str:
    """The status of the item of a conversation."""
    return (await item_of(admin, conversation))["attributes"]["status"]


async def all_but(house: House, role: Role) -> None:
    """Every role works until nothing is left, but for one."""
    for _ in range(10):
        for each in ROLES:
            if each != role:
                await run_once(house.world, each)


async def listening(admin: Client, house: House) -> None:
    """A workflow that makes every new conversation a special one, and a rule that looks for that."""
    queue = (await admin.post("/v1/routing/queues", {"name": "VIP"}))["data"]["id"]
    await admin.post("/v1/routing/queue-rules", {"name": "r", "criteria": VIP, "queue": queue})
    trigger = {"id": "t", "eventName": "interlock.conversation.create"}
    await admin.post("/v1/workflows", {"name": "w", "trigger": trigger, "steps": [TAGS]})
    await settled(house)


async def test_calls_stay_in_the_menu_as_long_as_it_speaks(house: House, admin: Client, floor: Floor) -> None:
    await admin.put(SETTINGS, {"ivrHold": {"channels": ["voice"], "seconds": 20}})
    call, chat = await begin(admin, "voice"), await begin(admin)
    await settled(house)
    assert [await status(admin, c) for c in (call, chat)] == ["ivr", "queued"]
    house.clock.pass_ms(19_999)
    assert await release_due(house.world) == []
    house.clock.pass_ms(1)
    assert len(await release_due(house.world)) == 1
    await settled(house)
    found = await item_of(admin, call)
    assert (found["attributes"]["status"], found["attributes"]["ivr"]["time"]) == ("queued", 20_000)
    assert await release_due(house.world) == []


async def test_who_is_queued_by_hand_leaves_the_menu_at_once(house: House, admin: Client, floor: Floor) -> None:
    await admin.put(SETTINGS, {"ivrHold": {"channels": ["voice"], "seconds": 20}})
    call = await begin(admin, "voice")
    await settled(house)
    await admin.put(f"/v1/conversations/{call}", {"queue": {"id": floor.queue}})
    await settled(house)
    assert await status(admin, call) == "queued"
    house.clock.pass_ms(20_000)
    assert await release_due(house.world) == []


async def test_rules_wait_for_the_workflows_and_see_what_they_wrote(house: House, admin: Client) -> None:
    await listening(admin, house)
    c = await begin(admin)
    await all_but(house, "workflow")
    assert await status(admin, c) == "ivr"
    await settled(house)
    found = await item_of(admin, c)
    assert found["attributes"]["status"] == "queued"
    assert "rule" in found["relationships"], "the rule saw the tag"


async def test_they_wait_no_longer_than_they_should(house: House, admin: Client) -> None:
    await listening(admin, house)
    c = await begin(admin)
    await all_but(house, "workflow")
    house.clock.pass_ms(2_000)
    assert len(await release_due(house.world)) == 1
    await all_but(house, "workflow")
    assert await status(admin, c) == "queued"
    await admin.put(SETTINGS, {"rulesWaitMs": 0})
    at_once = await begin(admin)
    await all_but(house, "workflow")
    assert await status(admin, at_once) == "queued"


async def test_workflows_that_have_run_are_not_waited_for(house: House, admin: Client) -> None:
    await listening(admin, house)
    c = await begin(admin)
    for _ in range(3):
        await run_once(house.world, "workflow")
    await all_but(house, "workflow")
    assert await status(admin, c) == "queued"
