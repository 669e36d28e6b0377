"""Dated bodies: what an administrator takes over from elsewhere counts as of then, and is written down now."""

from __future__ import annotations

from typing import Any

from tests.worlds import Client, Floor, House, settled

PATH = "/v1/routing/work-items"
EARLIER, LATER = "2026-03-02T08:50:00Z", "2026-03-02T09:00:10Z"


async def bare(admin: Client) -> str:
    """A conversation whose item is not made yet: the roles have not run."""
    return (await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"]


def body(floor: Floor, c: str, **queue: Any) -> dict[str, Any]:
    return {"resource": {"type": "conversation", "id": c}, "queue": {"id": floor.queue, **queue}}


async def test_an_item_that_is_taken_over_has_waited_since_then(house: House, admin: Client, floor: Floor) -> None:
    fresh = await bare(admin)
    await admin.post(PATH, body(floor, fresh))
    house.clock.pass_ms(1_000)
    made = await admin.post(PATH, body(floor, await bare(admin), enteredAt=EARLIER))
    told = made["data"]["attributes"]
    assert told["lastRevision"]["enteredQueueAt"] == told["createdAt"] == "2026-03-02T08:50:00.000Z"
    assert told["updatedAt"] == "2026-03-02T09:00:01.000Z", "whoever follows changes sees it"
    queue = await admin.get(f"/v1/routing/queues/{floor.queue}/work-items")
    assert queue["data"][0]["id"] == made["data"]["id"], "its place is that of its wait"
    assert (await house.store.changes(0, 1, newest=True))[0].at == house.clock.now()


async def test_an_answer_counts_from_when_it_was_given(house: House, admin: Client, floor: Floor) -> None:
    await floor.sign_in()
    c = (await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}}))["data"]["id"]
    await settled(house)
    item = (await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0]
    house.clock.pass_ms(20_000)
    change = {"rev": item["attributes"]["rev"], "accepted": {"by": floor.agents[0], "at": LATER}}
    done = (await admin.put(f"{PATH}/{item['id']}", change))["data"]["attributes"]
    assert done["lastRevision"]["acceptedAt"] == done["handle"]["enteredAt"] == "2026-03-02T09:00:10.000Z"
    assert done["lastRevision"]["queueTime"] == 10_000
    assert done["updatedAt"] == "2026-03-02T09:00:20.000Z"


async def test_what_has_not_happened_yet_is_refused(house: House, admin: Client, floor: Floor) -> None:
    before = await house.store.last_position()
    c = await bare(admin)
    refused = await admin.post(PATH, body(floor, c, enteredAt=LATER), 422)
    assert refused["errors"][0]["source"] == {"pointer": "/queue/enteredAt"}
    refused = await admin.post(PATH, {**body(floor, c), "createdAt": LATER}, 422)
    assert refused["errors"][0]["source"] == {"pointer": "/createdAt"}
    assert await house.store.last_position() == before + 1


async def test_without_the_role_a_time_is_passed_over(house: House, admin: Client, floor: Floor) -> None:
    made = await admin.post("/v1/api-keys", {"name": "w", "roles": ["org.user.routing.write"]})
    writer = house.client(made["meta"]["secret"])
    told = await writer.post(PATH, body(floor, await bare(admin), enteredAt=EARLIER))
    assert told["data"]["attributes"]["lastRevision"]["enteredQueueAt"] == "2026-03-02T09:00:00.000Z"
