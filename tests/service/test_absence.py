"""Agents who are away, late or on a call: what becomes of their items and of their status."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import Client, Floor, House, settled

from interlock.service import absence, routing

SETTINGS = "/v1/routing/org-settings"
SESSION = "/v1/routing/work-sessions/current"


async def statuses(admin: Client) -> dict[str, str]:
    """The built-in statuses, by type."""
    found = (await admin.get("/v1/routing/statuses"))["data"]
    return {s["attributes"]["statusType"]: s["id"] for s in found}


async def given(house: House, admin: Client, floor: Floor, *, n: int = 0, **body: Any) -> str:
    """A conversation that an agent has, out of the queue of the floor; its id."""
    body = {"channels": ["chat"], "queue": {"id": floor.queue}, "assignedUsers": [floor.agents[n]], **body}
    id = (await admin.post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    return id


async def item_of(admin: Client, conversation: str) -> tuple[str, str | None]:
    """Status and owner of the newest item of a conversation."""
    item = (await admin.get(f"/v1/routing/conversations/{conversation}/work-items"))["data"][0]
    owner = item["relationships"].get("assignedTo", {}).get("data", {}).get("id")
    return item["attributes"]["status"], owner


async def sign_out(house: House, admin: Client, floor: Floor, n: int = 0) -> None:
    """An agent goes home."""
    await floor.agent(n).put(SESSION, {"status": floor.offline})
    await settled(house)


async def test_what_a_signed_out_agent_has_stays_unless_the_org_wants_it_back(
    house: House, admin: Client, floor: Floor
) -> None:
    await floor.sign_in()
    kept = await given(house, admin, floor)
    await sign_out(house, admin, floor)
    assert await item_of(admin, kept) == ("assigned", floor.agents[0])
    await admin.put(SETTINGS, {"requeueWhenOffline": True})
    await floor.sign_in()
    wrap_up = await given(house, admin, floor)
    await admin.put(f"/v1/conversations/{wrap_up}", {"ended": True})
    snoozed = await given(house, admin, floor)
    await admin.put(f"/v1/conversations/{snoozed}", {"status": "snoozed"})
    await settled(house)
    await sign_out(house, admin, floor)
    assert await item_of(admin, kept) == ("queued", None)
    assert await item_of(admin, snoozed) == ("queued", None)
    assert await item_of(admin, wrap_up) == ("wrap-up", floor.agents[0])


@pytest.mark.parametrize(("back_after_s", "state"), [(59, "assigned"), (None, "queued")])
async def test_there_is_a_time_of_grace_to_come_back_in(
    house: House, admin: Client, floor: Floor, back_after_s: int | None, state: str
) -> None:
    await admin.put(SETTINGS, {"requeueWhenOffline": True, "requeueGraceSeconds": 60})
    await floor.sign_in()
    c = await given(house, admin, floor)
    await sign_out(house, admin, floor)
    house.clock.pass_ms(59_000)
    assert await absence.requeue_overdue(house.world) == []
    if back_after_s is not None:
        await floor.sign_in()
        await settled(house)
    house.clock.pass_ms(1_000)
    await absence.requeue_overdue(house.world)
    await settled(house)
    assert (await item_of(admin, c))[0] == state
    assert await absence.requeue_overdue(house.world) == []


async def test_a_queue_may_differ_from_the_org(house: House, admin: Client, floor: Floor) -> None:
    """One queue takes back what its absent agent has, the other does not."""
    other = (await admin.post("/v1/routing/queues", {"name": "Other"}))["data"]["id"]
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"overrides": {"requeueWhenOffline": True}})
    await floor.sign_in()
    back, stays = await given(house, admin, floor), await given(house, admin, floor, queue={"id": other})
    await sign_out(house, admin, floor)
    assert await item_of(admin, back) == ("queued", None)
    assert await item_of(admin, stays) == ("assigned", floor.agents[0])
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"overrides": {"requeueWhenOffline": False}})
    await admin.put(SETTINGS, {"requeueWhenOffline": True})
    await floor.sign_in()
    held = await given(house, admin, floor)
    await sign_out(house, admin, floor)
    assert await item_of(admin, held) == ("assigned", floor.agents[0])
    assert await item_of(admin, stays) == ("queued", None)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
async def test_a_done_conversation_comes_back_to_its_queue_if_its_agent_is_away(
    house: House, admin: Client, floor: Floor, there: bool, wanted: bool
) -> None:
    await admin.put(SETTINGS, {"autoUnassign": wanted})
    await floor.sign_in()
    c = await given(house, admin, floor)
    await admin.put(f"/v1/conversations/{c}", {"status": "done"})
    await settled(house)
    house.clock.pass_ms(1_000)
    if not there:
        await floor.agent().put(SESSION, {"status": (await statuses(admin))["unavailable"]})
    await admin.post(f"/v1/conversations/{c}/messages", {"channel": "chat", "app": "chat", "direction": "in"})
    await settled(house)
    goes = wanted and not there
    assert await item_of(admin, c) == (("queued", None) if goes else ("assigned", floor.agents[0]))
    shown = (await admin.get(f"/v1/conversations/{c}"))["data"]
    assert shown["attributes"]["assignedUsers"] == ([] if goes else [floor.agents[0]])
    assert shown["relationships"]["queue"]["data"]["id"] == floor.queue


async def test_who_is_named_when_it_is_reopened_keeps_it(house: House, admin: Client, floor: Floor) -> None:
    await admin.put(SETTINGS, {"autoUnassign": True})
    c = await given(house, admin, floor)
    await admin.put(f"/v1/conversations/{c}", {"status": "done"})
    await settled(house)
    house.clock.pass_ms(1_000)
    await admin.put(f"/v1/conversations/{c}", {"status": "open", "assignedUsers": [floor.agents[1]]})
    await settled(house)
    assert await item_of(admin, c) == ("assigned", floor.agents[1])


@pytest.mark.parametrize(("mode", "during", "after"), [
    ("off", "available", "available"), ("manual", "busy", "busy"), ("restore", "busy", "available"),
])  # fmt: skip
async def test_a_call_makes_its_agent_busy(
    house: House, admin: Client, floor: Floor, mode: str, during: str, after: str
) -> None:
    assert (await admin.get(SETTINGS))["data"]["attributes"]["voiceAfterWork"] == "manual", "unless an org says so"
    await admin.put(SETTINGS, {"voiceAfterWork": mode})
    await floor.sign_in()
    c = await given(house, admin, floor, channels=["voice"])

    async def status() -> str:
        await settled(house)
        return (await floor.agent().get(SESSION))["data"]["attributes"]["statusType"]

    assert await status() == during
    await admin.put(f"/v1/conversations/{c}", {"ended": True})
    assert await status() == during, "wrap-up is part of the call"
    await admin.put(f"/v1/conversations/{c}", {"status": "done"})
    assert await status() == after


async def test_what_an_agent_says_during_a_call_stands_after_it(house: House, admin: Client, floor: Floor) -> None:
    await admin.put(SETTINGS, {"voiceAfterWork": "restore"})
    await floor.sign_in()
    c = await given(house, admin, floor, channels=["voice"])
    await floor.agent().put(SESSION, {"status": (await statuses(admin))["unavailable"]})
    await admin.put(f"/v1/conversations/{c}", {"status": "done"})
    await settled(house)
    assert (await floor.agent().get(SESSION))["data"]["attributes"]["statusType"] == "unavailable"


async def test_who_needs_longer_has_longer_to_accept(house: House, admin: Client, floor: Floor) -> None:
    await admin.put(f"/v1/users/{floor.agents[0]}", {"acceptTimeoutFactor": 10})
    await admin.put(f"/v1/users/{floor.agents[0]}", {"acceptTimeoutFactor": 11}, 400)
    await floor.sign_in()
    await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
    await settled(house)
    house.clock.pass_ms(299_000)
    assert await routing.expire_overdue(house.world) == []
    house.clock.pass_ms(1_000)
    assert len(await routing.expire_overdue(house.world)) == 1


@pytest.mark.parametrize("type", ["available", "offline"])
async def test_the_status_of_the_silent_takes_no_work(admin: Client, type: str) -> None:
    wrong = (await statuses(admin))[type]
    refused = await admin.put(SETTINGS, {"timeoutStatus": wrong}, 422)
    assert refused["errors"][0]["source"]["pointer"] == "/timeoutStatus"


async def test_a_queue_is_archived_when_nothing_would_come_back_to_it(
    house: House, admin: Client, floor: Floor
) -> None:
    c = await given(house, admin, floor)
    refused = await admin.put(f"/v1/routing/queues/{floor.queue}", {"archived": True}, 422)
    assert refused["errors"][0]["code"] == "IN_USE"
    await admin.put(f"/v1/conversations/{c}", {"status": "done"})
    await settled(house)
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"archived": True})


async def test_an_agent_who_is_not_heard_gets_nothing_new_until_they_are(
    house: House, admin: Client, floor: Floor
) -> None:
    await admin.put(SETTINGS, {"unreachableSeconds": 30})
    org = (await admin.get(SETTINGS))["data"]["id"]
    await floor.sign_in()
    await floor.agent(1).send("POST", f"{SESSION}/heartbeat")  # not signed in: refused
    house.clock.pass_ms(20_000)
    assert await floor.agent().post(f"{SESSION}/heartbeat", status=204) == ""
    house.clock.pass_ms(30_000)
    assert await absence.miss_silent(house.world, org) == []
    house.clock.pass_ms(1)
    assert len(await absence.miss_silent(house.world, org)) == 1
    assert await absence.miss_silent(house.world, org) == []
    await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
    await settled(house)
    assert (await admin.get("/v1/routing/reservations"))["data"] == []
    shown = (await floor.agent().get(SESSION))["data"]["attributes"]
    assert shown["unreachableSince"] == "2026-03-02T09:00:20.000Z"
    before = await house.store.last_position()
    await floor.agent().post(f"{SESSION}/heartbeat", status=204)
    assert await house.store.last_position() == before + 1, "to be back is news, to be there is not"
    await floor.agent().post(f"{SESSION}/heartbeat", status=204)
    assert await house.store.last_position() == before + 1
    await settled(house)
    assert len((await admin.get("/v1/routing/reservations"))["data"]) == 1


async def test_nobody_is_missed_where_the_org_does_not_ask_for_it(house: House, admin: Client, floor: Floor) -> None:
    org = (await admin.get(SETTINGS))["data"]["id"]
    await floor.sign_in()
    house.clock.pass_ms(10_000_000)
    assert await absence.miss_silent(house.world, org) == []
    await admin.put(SETTINGS, {"unreachableSeconds": 30})
    assert len(await absence.miss_silent(house.world, org)) == 1
    await admin.put(SETTINGS, {"unreachableSeconds": None})
    await settled(house)
    assert "unreachableSince" not in (await floor.agent().get(SESSION))["data"]["attributes"]
