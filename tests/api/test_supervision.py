"""A supervisor's acts on a queue: pause, resume, and move, one command for each item."""

from __future__ import annotations

from typing import Any

from tests.worlds import Client, Floor, House, settled


async def waiting(house: House, admin: Client, floor: Floor, n: int) -> list[str]:
    for _ in range(n):
        await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
        house.clock.pass_ms(1)
    await settled(house)
    return [w["id"] for w in (await admin.get(f"/v1/routing/queues/{floor.queue}/work-items"))["data"]]


async def other_queue(admin: Client) -> str:
    return (await admin.post("/v1/routing/queues", {"name": "Other", "key": "other"}))["data"]["id"]


async def status_of(admin: Client, item: str) -> tuple[str, str]:
    found: Any = (await admin.get(f"/v1/routing/work-items/{item}"))["data"]
    return found["attributes"]["status"], found["relationships"]["queue"]["data"]["id"]


async def test_a_paused_queue_offers_nothing_until_it_is_resumed(house: House, admin: Client, floor: Floor) -> None:
    path = f"/v1/routing/queues/{floor.queue}"
    paused = await floor.house.client().post(f"{path}/pause", {"reason": "The line is down"}, 200)
    assert paused["data"]["attributes"]["paused"]["reason"] == "The line is down"
    await floor.sign_in()
    [item] = await waiting(house, admin, floor, 1)
    assert (await status_of(admin, item))[0] == "queued"
    await admin.post(f"{path}/resume", {}, 412, if_match='"1"')
    resumed = await admin.post(f"{path}/resume", {}, 200)
    assert "paused" not in resumed["data"]["attributes"]
    await settled(house)
    assert (await status_of(admin, item))[0] == "routed"


async def test_what_waits_is_moved_and_offers_stay(house: House, admin: Client, floor: Floor) -> None:
    other = await other_queue(admin)
    await floor.sign_in()
    items = await waiting(house, admin, floor, 3)
    moved = await admin.post(f"/v1/routing/queues/{floor.queue}/move", {"to": other}, 200)
    assert [d["id"] for d in moved["data"]] == items[1:]
    assert moved["meta"] == {"total": 2, "succeeded": 2, "failed": 0, "more": False}
    assert [await status_of(admin, i) for i in items] == [("routed", floor.queue), ("queued", other), ("queued", other)]
    rows = [r for r in house.store._log if r.by.client == "api" and r.change_of("work_item")]
    assert len({r.partition for r in rows}) == len(rows) == 2, "one command for each item"


async def test_each_item_has_its_own_result(house: House, admin: Client, floor: Floor) -> None:
    other = await other_queue(admin)
    one, two = await waiting(house, admin, floor, 2)
    await admin.put(f"/v1/routing/work-items/{two}", {"status": "completed"}, if_match="*")
    path = f"/v1/routing/queues/{floor.queue}/move"
    moved = await admin.post(path, {"to": other, "items": [one, two, "f" * 24]}, 200)
    assert [(d["id"], d["attributes"]["status"]) for d in moved["data"]] == [(one, 200), (two, 422), ("f" * 24, 404)]
    assert moved["meta"]["failed"] == 2
    await admin.post(path, {"to": floor.queue}, 422)
    await admin.post(path, {"to": "f" * 24}, 404)


async def test_a_move_that_is_asked_again_is_the_same_move(house: House, admin: Client, floor: Floor) -> None:
    other = await other_queue(admin)
    items = await waiting(house, admin, floor, 2)
    path, body = f"/v1/routing/queues/{floor.queue}/move", {"to": other, "items": items}
    first = await admin.send("POST", path, json=body, idempotency_key="k")
    before = await house.store.last_position()
    again = await admin.send("POST", path, json=body, idempotency_key="k")
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert await house.store.last_position() == before
    assert (await admin.send("POST", path, json=body)).status_code == 400, "a move needs an Idempotency-Key"
