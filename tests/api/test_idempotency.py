"""A repeat under the same key gets the first answer; the answer is stored in the commit that it tells of."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.worlds import Client, Floor, House, settled

from interlock.domain.log import Row
from interlock.ports import Commit

PATH = "/v1/conversations"


async def test_a_repeat_gets_the_first_answer_and_writes_nothing(house: House, admin: Client) -> None:
    first = await admin.send("POST", PATH, json={"name": "x"}, idempotency_key="k1")
    before = await house.store.last_position()
    again = await admin.send("POST", PATH, json={"name": "x"}, idempotency_key="k1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (again.headers["etag"], again.headers["location"]) == (first.headers["etag"], first.headers["location"])
    assert await house.store.last_position() == before


async def test_another_payload_is_refused(admin: Client) -> None:
    await admin.post(PATH, {"name": "x"}, idempotency_key="k1")
    refused = await admin.post(PATH, {"name": "y"}, 422, idempotency_key="k1")
    assert refused["errors"][0]["code"] == "IDEMPOTENCY_MISMATCH"
    await admin.post(PATH, {"name": "y"}, idempotency_key="k2")


async def test_the_scope_is_caller_method_and_path(house: House, admin: Client, floor: Floor) -> None:
    await admin.post(PATH, {"name": "x"}, idempotency_key="k1")
    await floor.agent().post(PATH, {"name": "y"}, idempotency_key="k1")
    await admin.post("/v1/customers", {"name": "x"}, idempotency_key="k1")


async def test_after_a_day_the_key_is_free_again(house: House, admin: Client) -> None:
    first = await admin.post(PATH, {"name": "x"}, idempotency_key="k1")
    house.clock.pass_ms(24 * 3_600_000 + 1)
    assert (await admin.post(PATH, {"name": "y"}, idempotency_key="k1"))["data"]["id"] != first["data"]["id"]


async def test_while_the_first_is_running_the_second_is_told_to_wait(house: House, admin: Client) -> None:
    entered, go = asyncio.Event(), asyncio.Event()
    commit = house.store.commit

    async def slow(asked: Commit) -> Row | None:
        entered.set()
        await go.wait()
        return await commit(asked)

    house.store.commit = slow  # pyright: ignore[reportAttributeAccessIssue]
    first = asyncio.create_task(admin.send("POST", PATH, json={"name": "x"}, idempotency_key="k1"))
    await entered.wait()
    async with asyncio.timeout(5):
        second = await admin.send("POST", PATH, json={"name": "x"}, idempotency_key="k1")
    assert (second.status_code, second.json()["errors"][0]["code"]) == (409, "IDEMPOTENCY_RUNNING")
    go.set()
    assert (await first).status_code == 201
    assert (await admin.send("POST", PATH, json={"name": "x"}, idempotency_key="k1")).status_code == 201


async def test_two_servers_on_one_store_do_it_once(house: House, admin: Client) -> None:
    """The second server had looked before the first had committed: the commit itself refuses it."""
    first = await admin.send("POST", PATH, json={"name": "x"}, idempotency_key="k1")
    mark = house.store.mark
    looked: list[int] = []

    async def blind_once(space: str, org: str, key: str) -> Any:
        if space == "idempotency" and not looked:
            looked.append(1)
            return None
        return await mark(space, org, key)

    house.store.mark = blind_once
    before = await house.store.last_position()
    again = await admin.send("POST", PATH, json={"name": "x"}, idempotency_key="k1")
    assert again.content == first.content
    assert await house.store.last_position() == before


async def test_a_refusal_is_not_kept(house: House, admin: Client) -> None:
    await admin.post(PATH, {"assignedUsers": ["f" * 24]}, 404, idempotency_key="k1")
    await admin.post(PATH, {"name": "x"}, idempotency_key="k1")


async def test_own_actions_need_a_key_and_the_references_do_not(house: House, admin: Client, floor: Floor) -> None:
    assert (await admin.send("POST", PATH, json={})).status_code == 201
    await floor.sign_in()
    await admin.post(PATH, {"queue": {"id": floor.queue}})
    await settled(house)
    agent = floor.agent()
    offer = (await agent.get("/v1/routing/reservations?state=pending"))["data"][0]["id"]
    bare = await agent.send("POST", f"/v1/routing/reservations/{offer}/accept", json={})
    assert (bare.status_code, bare.json()["errors"][0]["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert bare.json()["errors"][0]["source"] == {"header": "Idempotency-Key"}
    first = await agent.send("POST", f"/v1/routing/reservations/{offer}/accept", json={}, idempotency_key="a")
    again = await agent.send("POST", f"/v1/routing/reservations/{offer}/accept", json={}, idempotency_key="a")
    assert (first.status_code, again.content) == (200, first.content)


async def test_patch_and_delete_take_a_key_too(house: House, admin: Client) -> None:
    path = f"{PATH}/{(await admin.post(PATH, {}))['data']['id']}"
    first = await admin.send("PATCH", path, json={"name": "x", "rev": 1}, idempotency_key="p")
    again = await admin.send("PATCH", path, json={"name": "x", "rev": 1}, idempotency_key="p")
    assert (first.status_code, again.content) == (200, first.content)
    for replayed in (None, "true"):
        gone = await admin.send("DELETE", path, if_match='"2"', idempotency_key="d")
        assert (gone.status_code, gone.headers.get("idempotency-replayed")) == (204, replayed), gone.text


async def test_an_order_of_the_rules_is_given_once(house: House, admin: Client, floor: Floor) -> None:
    criteria = {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]}
    path, rule = "/v1/routing/queue-rules", {"criteria": criteria, "queue": floor.queue}
    one, two = [(await admin.post(path, {"name": n, **rule}))["data"]["id"] for n in "ab"]
    await admin.put(f"{path}/order", {"rules": [two, one]}, idempotency_key="o")
    await admin.put(f"{path}/order", {"rules": [one, two]})
    again = await admin.send("PUT", f"{path}/order", json={"rules": [two, one]}, idempotency_key="o")
    assert again.headers["idempotency-replayed"] == "true"
    assert [r["id"] for r in (await admin.get(path))["data"]] == [one, two], "a repeat does nothing"


async def test_a_put_that_changed_nothing_is_not_done_later(house: House, admin: Client) -> None:
    """It found nothing to do; when others have changed the record since, a repeat must not do it after all."""
    path = f"{PATH}/{(await admin.post(PATH, {'priority': 4}))['data']['id']}"
    await admin.put(path, {"priority": 4}, idempotency_key="p")
    await admin.put(path, {"priority": 1})
    again = await admin.send("PUT", path, json={"priority": 4}, idempotency_key="p")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["data"]["attributes"]["priority"] == 1
