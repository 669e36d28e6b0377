"""Why assigned, why waiting, why synced or not: facts, and the same in sentences."""

from __future__ import annotations

from typing import Any

from tests.worlds import Client, Floor, House, settled

from interlock.service.sync import by_sync, forward


async def waiting(house: House, admin: Client, floor: Floor) -> str:
    """A conversation in the floor's queue."""
    body = {"channels": ["chat"], "queue": {"id": floor.queue}}
    c = (await admin.post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    return c


async def told(admin: Client, path: str) -> dict[str, Any]:
    """The attributes of an explanation."""
    return (await admin.get(path))["data"]["attributes"]


async def test_nobody_is_signed_in(house: House, admin: Client, floor: Floor) -> None:
    c = await waiting(house, admin, floor)
    why = await told(admin, f"/v1/conversations/{c}/explain")
    assert why["waiting"]["because"] == "NO_AGENT_SIGNED_IN"
    assert "None of the 2 agents of Support is signed in." in why["sentences"]


async def test_nobody_serves_the_queue(house: House, admin: Client, floor: Floor) -> None:
    await admin.put(f"/v1/routing/settings/{floor.team}", {"queues": []})
    await floor.sign_in()
    c = await waiting(house, admin, floor)
    why = await told(admin, f"/v1/conversations/{c}/explain")
    assert why["waiting"]["because"] == "NO_TEAM_SERVES_QUEUE"
    assert "No team that takes part in routing has the queue Orders." in why["sentences"]


async def test_offered_and_then_declined(house: House, admin: Client, floor: Floor) -> None:
    await floor.sign_in()
    c = await waiting(house, admin, floor)
    house.clock.pass_ms(21_000)
    why = await told(admin, f"/v1/conversations/{c}/explain")
    assert why["waiting"]["because"] == "OFFERED"
    assert "It is offered to Agent 0, 9 s left." in why["sentences"]
    offer = (await floor.agent().get("/v1/routing/reservations?state=pending"))["data"][0]["id"]
    await floor.agent().post(f"/v1/routing/reservations/{offer}/reject", {}, 200)
    why = await told(admin, f"/v1/conversations/{c}/explain")
    assert why["waiting"]["because"] == "ALL_DECLINED"
    assert "Declined by Agent 0." in why["sentences"]


async def test_everybody_is_full(house: House, admin: Client, floor: Floor) -> None:
    await admin.put(f"/v1/routing/settings/{floor.team}", {"workItemCapacity": 1})
    for n in range(2):
        await floor.sign_in(n)
        await admin.post("/v1/conversations", {"channels": ["chat"], "assignedUsers": [floor.agents[n]]})
    await settled(house)
    first, second = await waiting(house, admin, floor), await waiting(house, admin, floor)
    why = await told(admin, f"/v1/conversations/{first}/explain")
    assert why["waiting"]["because"] == "ALL_AT_CAPACITY"
    assert "All agents at 1 of 1." in why["sentences"]
    later = await told(admin, f"/v1/conversations/{second}/explain")
    assert "1 item is before it." in later["sentences"]
    queue = await told(admin, f"/v1/routing/queues/{floor.queue}/explain")
    assert queue["counts"] == {"ALL_AT_CAPACITY": 2}
    assert queue["sentences"][0] == "2 wait in Orders; 2 signed-in agents serve it."


async def test_why_somebody_has_it(house: House, admin: Client, floor: Floor) -> None:
    await floor.sign_in(0)
    await floor.sign_in(1)
    c = await waiting(house, admin, floor)
    offer = (await admin.get("/v1/routing/reservations?state=pending&user=false"))["data"][0]
    n = floor.agents.index(offer["relationships"]["user"]["data"]["id"])
    await floor.agent(n).post(f"/v1/routing/reservations/{offer['id']}/accept", {}, 200)
    await settled(house)
    why = await told(admin, f"/v1/conversations/{c}/explain")
    assert why["assignment"]["value"]["users"] == [floor.agents[n]]
    assert why["sentences"][0].startswith(f"Agent {n} has it since 2026-03-02T09:00:00.000Z")
    assert f"Agent {n} was chosen among 2 who could take it, by longest-idle." in why["sentences"]
    assert f"Others: Agent {1 - n}: could take it, but came later in the order." in why["sentences"]
    decision = await admin.get(f"/v1/routing/decisions/{why['assignment']['decision']}")
    assert decision["data"]["attributes"]["kind"] == "intent"
    item = await told(admin, f"/v1/routing/work-items/{why['workItem'] or ''}/explain")
    assert item["assignment"]["decision"] == why["assignment"]["decision"]


async def test_why_a_sync_wrote_and_why_not(house: House, admin: Client, floor: Floor) -> None:
    c = (await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"]
    await settled(house)
    await forward(house.world, by_sync(house.store._log[0].org, "forward"), c)
    syncs = (await told(admin, f"/v1/conversations/{c}/explain"))["syncs"]
    assert {s["direction"] for s in syncs} == {"forward", "reverse"}
    wrote = next(s for s in syncs if s["kind"] == "merge")
    assert wrote["peer"]["rev"] == 1
    assert wrote["sentence"].startswith("Forward sync at 2026-03-02T09:00:00.000Z read conversation rev 1")
    idle = next(s for s in syncs if s["kind"] == "noop")
    assert idle["revBefore"] == idle["revAfter"]
    assert idle["sentence"].endswith("wrote nothing: nothing new.")


async def test_who_won_against_whom_and_from_which_revs(house: House, admin: Client, floor: Floor) -> None:
    """The incident: a program assigns while routing queues the item, and neither has seen the other."""
    c = (await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"]
    robot = (await admin.post("/v1/api-keys", {"name": "robot", "roles": ["org.user"]}))["meta"]["secret"]
    resource = {"type": "conversation", "id": c}
    item = (await admin.post("/v1/routing/work-items", {"resource": resource}))["data"]
    await house.client(robot).put(f"/v1/conversations/{c}", {"assignedUsers": [floor.agents[0]]})
    queue = house.client((await admin.post("/v1/api-keys", {"name": "r2", "roles": ["org.user"]}))["meta"]["secret"])
    await queue.put(item["links"]["self"], {"rev": 1, "queue": {"id": floor.queue}})
    await settled(house)
    why = await told(admin, f"/v1/conversations/{c}/explain")
    assert len(why["assignment"]["losers"]) == 1
    conflict = next(s for s in why["syncs"] if s["kind"] == "conflict")
    assert {conflict["winner"]["rev"], conflict["losers"][0]["rev"]} == {2}
    assert any("neither had seen the other" in s for s in why["sentences"])


async def test_decisions_are_paged_by_position(house: House, admin: Client, floor: Floor) -> None:
    c = await waiting(house, admin, floor)
    path: str | None = f"/v1/conversations/{c}/decisions?page[size]=2"
    seen: list[Any] = []
    while path:
        page = await admin.get(path)
        seen += page["data"]
        path = page["links"]["next"]
    assert [d["attributes"]["position"] for d in seen] == sorted(d["attributes"]["position"] for d in seen)
    assert all(d["attributes"]["partition"] == c for d in seen)
    assert (await admin.get(seen[0]["links"]["self"]))["data"] == seen[0]
    everything = (await admin.get("/v1/routing/decisions?page[size]=200"))["data"]
    assert {d["id"] for d in seen} <= {d["id"] for d in everything}
    refused = await admin.get("/v1/routing/decisions?page[size]=201", 400)
    assert refused["errors"][0]["source"] == {"parameter": "page[size]"}


async def test_how_long_is_not_known_until_some_have_waited(house: House, admin: Client, floor: Floor) -> None:
    """Then it is told with its basis; and what is held, or served by nobody, is not forecast."""
    path = f"/v1/routing/queues/{floor.queue}/forecast"
    nobody = await told(admin, path)
    assert (nobody["known"], nobody["because"]) == (False, "NOBODY_THERE")
    await floor.sign_in()
    assert (await told(admin, path))["because"] == "TOO_FEW"
    agent = floor.agent()
    for _ in range(25):
        c = await waiting(house, admin, floor)
        house.clock.pass_ms(6_000)
        offer = (await agent.get("/v1/routing/reservations?state=pending"))["data"][0]["id"]
        await agent.post(f"/v1/routing/reservations/{offer}/accept", {}, 200)
        await settled(house)
        house.clock.pass_ms(60_000)
        await admin.put(f"/v1/conversations/{c}", {"status": "done"})
        await settled(house)
    known = await told(admin, path)
    assert known["waitSeconds"] == {"low": 6, "middle": 6, "high": 6}
    assert known["basis"] == {
        "position": 0, "takesPerHour": 600.0, "agentsFree": 1, "agentsEligible": 1, "sample": 25,
    }  # fmt: skip
    assert "25 waits like it" in known["sentence"]
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"paused": {"reason": "fire drill"}})
    assert (await told(admin, path))["because"] == "NOT_SERVED_NOW"
    c = await waiting(house, admin, floor)
    why = await told(admin, f"/v1/conversations/{c}/explain")
    assert why["waiting"]["forecast"]["because"] == "NOT_SERVED_NOW"
    await admin.get(f"/v1/routing/queues/{'0' * 24}/forecast", 404)
