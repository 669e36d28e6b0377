"""Queues, rules, sessions, work items and offers over HTTP, with the roles run by hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import Client, Floor, House, settled

ITEMS = "/v1/routing/work-items"


async def item_of(admin: Client, conversation: str) -> Any:
    """The newest item of a conversation."""
    return (await admin.get(f"/v1/routing/conversations/{conversation}/work-items"))["data"][0]


async def offered(house: House, admin: Client, floor: Floor, agent: int = 0) -> tuple[str, str]:
    """A conversation that is offered to an agent: its id and the offer's."""
    await floor.sign_in(agent)
    c = (await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}}))["data"]["id"]
    await settled(house)
    offer = (await floor.agent(agent).get("/v1/routing/reservations?state=pending"))["data"][0]
    return c, offer["id"]


async def test_from_a_conversation_to_its_agent(house: House, admin: Client, floor: Floor) -> None:
    c, offer = await offered(house, admin, floor)
    assert (await item_of(admin, c))["attributes"]["status"] == "routed"
    taken = await floor.agent().post(f"/v1/routing/reservations/{offer}/accept", {}, 200)
    assert taken["data"]["attributes"]["state"] == "accepted"
    assert taken["included"][0]["attributes"]["status"] == "assigned"
    await settled(house)
    shown = (await admin.get(f"/v1/conversations/{c}"))["data"]["attributes"]
    assert shown["assignedUsers"] == [floor.agents[0]]
    session = await floor.agent().get("/v1/routing/work-sessions/current")
    assert (session["data"]["attributes"]["workItemCount"], session["data"]["attributes"]["capacityRemaining"]) == (
        1,
        2,
    )
    carried = await floor.agent().get("/v1/routing/work-sessions/current/work-items")
    assert [w["relationships"]["resource"]["data"]["id"] for w in carried["data"]] == [c]
    assert (await floor.agent().post(f"/v1/routing/reservations/{offer}/accept", {}, 200))["data"]["id"] == offer


async def test_an_offer_is_for_one_agent_and_for_a_time(house: House, admin: Client, floor: Floor) -> None:
    await floor.sign_in(1)
    _, offer = await offered(house, admin, floor, 1)
    other = await floor.agent(0).post(f"/v1/routing/reservations/{offer}/accept", {}, 409)
    assert (other["errors"][0]["code"], other["errors"][0]["meta"]["user"]) == ("OFFER_TAKEN", floor.agents[1])
    for_another = await floor.agent(0).post(f"/v1/routing/reservations/{offer}/accept", {"user": floor.agents[1]}, 403)
    assert for_another["errors"][0]["code"] == "FORBIDDEN"
    longer = await floor.agent(1).post(f"/v1/routing/reservations/{offer}/extend", {}, 200)
    assert longer["data"]["attributes"]["expiresAt"] == "2026-03-02T09:01:00.000Z"
    house.clock.pass_ms(61_000)
    late = await floor.agent(1).post(f"/v1/routing/reservations/{offer}/accept", {}, 409)
    assert late["errors"][0]["code"] == "OFFER_EXPIRED"


async def test_a_supervisor_may_answer_for_an_agent(house: House, admin: Client, floor: Floor) -> None:
    _, offer = await offered(house, admin, floor)
    assert (await admin.post(f"/v1/routing/reservations/{offer}/accept", {}, 422))["errors"][0]["source"] == {
        "pointer": "/user"
    }
    await admin.post(f"/v1/routing/reservations/{offer}/accept", {"user": floor.agents[0]}, 200)


async def test_a_stale_basis_refuses_an_accept_and_an_unrelated_touch_does_not(
    house: House, admin: Client, floor: Floor
) -> None:
    c, offer = await offered(house, admin, floor)
    rev = (await admin.get(f"/v1/conversations/{c}"))["data"]["attributes"]["rev"]
    await admin.put(f"/v1/conversations/{c}", {"name": "touched"})
    seen = {"basis": [{"type": "conversation", "id": c, "rev": rev}]}
    await floor.agent().post(f"/v1/routing/reservations/{offer}/accept", seen, 200)


async def test_rejecting_keeps_the_place(house: House, admin: Client, floor: Floor) -> None:
    c, offer = await offered(house, admin, floor)
    body = {"reason": "not my language", "reasonCode": 2}
    await floor.agent().post(f"/v1/routing/reservations/{offer}/reject", {"reasonCode": 6}, 400)
    gone = (await floor.agent().post(f"/v1/routing/reservations/{offer}/reject", body, 200))["data"]["attributes"]
    assert (gone["state"], gone["reason"], gone["reasonCode"]) == ("rejected", "not my language", 2)
    assert (await item_of(admin, c))["attributes"]["status"] == "queued"


async def test_work_items_are_made_once_and_moved_by_put(house: House, admin: Client, floor: Floor) -> None:
    c = (await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"]
    body = {"resource": {"type": "conversation", "id": c}}
    first = await admin.send("POST", ITEMS, json=body)
    again = await admin.send("POST", ITEMS, json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["data"]["id"] == first.json()["data"]["id"]
    path = first.json()["data"]["links"]["self"]
    moved = (await admin.put(path, {"rev": 1, "queue": {"id": floor.queue}}))["data"]
    assert moved["attributes"]["status"] == "queued"
    listed = await admin.get(f"/v1/routing/queues/{floor.queue}/work-items")
    assert [w["id"] for w in listed["data"]] == [moved["id"]]
    assert (await admin.get(f"/v1/routing/queues/{floor.queue}/work-items/next"))["data"]["id"] == moved["id"]
    passes = await admin.get(f"{path}/revisions")
    assert passes["data"][0]["links"]["self"] == moved["relationships"]["lastRevision"]["links"]["self"]
    taken = (await admin.put(path, {"rev": 2, "assignedTo": floor.agents[0]}))["data"]
    assert taken["relationships"]["assignedTo"]["data"]["id"] == floor.agents[0]
    done = (await admin.put(path, {"rev": 3, "status": "completed"}))["data"]["attributes"]
    assert done["status"] == "completed"
    empty = await admin.get(f"/v1/routing/queues/{floor.queue}/work-items/next", 404)
    assert empty["errors"][0]["code"] == "NO_WAITING_ITEM"


@pytest.mark.parametrize(
    "body",
    [
        {"routed": {"to": 7}},
        {"routed": {"rejectBy": "x"}},
        {"accepted": {}},
        {"status": "queued"},
        {"paused": "yes"},
        {"queue": {}},
        {"queue": {"id": "a", "external": "b"}},
    ],
)
async def test_bad_commands_are_refused(house: House, admin: Client, floor: Floor, body: dict[str, Any]) -> None:
    c = (await admin.post("/v1/conversations", {"queue": {"id": floor.queue}}))["data"]["id"]
    await settled(house)
    item = await item_of(admin, c)
    before = await house.store.last_position()
    await admin.put(item["links"]["self"], body | {"rev": item["attributes"]["rev"]}, 400)
    assert await house.store.last_position() == before


async def test_sessions_begin_and_end_with_a_status(house: House, admin: Client, floor: Floor) -> None:
    agent = floor.agent()
    assert (await agent.get("/v1/routing/work-sessions/current", 404))["errors"][0]["code"] == "NO_LIVE_SESSION"
    begun = (await floor.sign_in())["data"]
    assert begun["attributes"]["statusType"] == "available"
    assert (await agent.get("/v1/routing/work-sessions/current"))["data"]["id"] == begun["id"]
    assert (await admin.get(f"/v1/routing/users/{floor.agents[0]}/work-sessions/current"))["data"]["id"] == begun["id"]
    serving = await admin.get(f"/v1/routing/queues/{floor.queue}/work-sessions?routable=true")
    assert [s["id"] for s in serving["data"]] == [begun["id"]]
    assert (await admin.get("/v1/routing/work-sessions?active=false"))["data"] == []
    await admin.put(f"/v1/routing/work-sessions/{begun['id']}", {"status": floor.offline})
    await agent.get("/v1/routing/work-sessions/current", 404)
    ended = await admin.get("/v1/routing/work-sessions?active=false")
    assert [s["id"] for s in ended["data"]] == [begun["id"]]
    refused = await admin.put("/v1/routing/work-sessions/current", {"status": floor.available}, 422)
    assert "acts as no user" in refused["errors"][0]["detail"]


async def test_rules_stand_in_an_order(admin: Client, floor: Floor) -> None:
    criteria = {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]}
    body = {"criteria": criteria, "queue": {"id": floor.queue}}
    ids = [(await admin.post("/v1/routing/queue-rules", body | {"name": n}))["data"]["id"] for n in "abc"]
    assert [r["id"] for r in (await admin.get("/v1/routing/queue-rules"))["data"]] == ids
    turned = await admin.put("/v1/routing/queue-rules/order", {"rules": ids[::-1]})
    assert [r["id"] for r in turned["data"]] == ids[::-1]
    await admin.put("/v1/routing/queue-rules/order", {"rules": ids[1:]}, 422)
    await admin.delete(f"/v1/routing/queue-rules/{ids[0]}")
    await admin.get(f"/v1/routing/queue-rules/{ids[0]}", 404)
    assert len((await admin.get("/v1/routing/queue-rules"))["data"]) == 2
    assert (await admin.put(f"/v1/routing/queue-rules/{ids[1]}", {"enabled": False}))["data"]["attributes"]["criteria"][
        "and"
    ] == criteria["and"]
    assert [r["id"] for r in (await admin.get("/v1/routing/queue-rules?enabled=true"))["data"]] == [ids[2]]


async def test_queues_and_the_default_one(admin: Client, floor: Floor) -> None:
    system = (await admin.get("/v1/routing/queues?system=true"))["data"]
    assert [q["attributes"]["key"] for q in system] == ["DEFAULT_QUEUE"]
    refused = await admin.put(system[0]["links"]["self"], {"name": "x"}, 422)
    assert refused["errors"][0]["code"] == "SYSTEM_RECORD"
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"archived": True})
    assert [q["id"] for q in (await admin.get("/v1/routing/queues?key=orders"))["data"]] == []
    assert [q["id"] for q in (await admin.get("/v1/routing/queues?key=orders&all=true"))["data"]] == [floor.queue]


async def test_users_and_teams_name_each_other(admin: Client, floor: Floor) -> None:
    team = f"/v1/teams/{floor.team}"
    assert {u["id"] for u in (await admin.get(f"{team}/members"))["data"]} == set(floor.agents)
    await admin.put(team, {"members": floor.agents[:1]})
    assert (await admin.get(f"/v1/users/{floor.agents[1]}/teams"))["data"] == []
    await admin.put(f"/v1/users/{floor.agents[1]}", {"teams": [floor.team]})
    assert (await admin.get(team))["data"]["attributes"]["members"] == floor.agents


async def test_statuses(admin: Client) -> None:
    lunch = (await admin.post("/v1/routing/statuses", {"name": "Lunch", "statusType": "unavailable"}))["data"]
    assert not lunch["attributes"]["routable"]
    await admin.post("/v1/routing/statuses", {"name": "Gone", "statusType": "offline"}, 400)
    refused = await admin.put(lunch["links"]["self"], {"statusType": "available"}, 422)
    assert refused["errors"][0]["code"] == "READ_ONLY_FIELD"
    built_in = next(s for s in (await admin.get("/v1/routing/statuses"))["data"] if s["attributes"]["system"])
    await admin.put(built_in["links"]["self"], {"name": "x"}, 422)


async def test_settings_of_org_and_team(admin: Client, floor: Floor) -> None:
    org = await admin.put("/v1/routing/org-settings", {"acceptTimeoutSeconds": 60, "capacity": {"total": 5}})
    assert org["data"]["attributes"]["capacity"] == {"total": 5}
    await admin.put("/v1/routing/org-settings", {"acceptTimeoutSeconds": 1}, 400)
    await admin.put("/v1/routing/org-settings", {"strategy": "cleverest"}, 400)
    limits = {"channels": {"chat": 2}, "priorities": [{"priority": 1, "limit": 3}]}
    team = (await admin.put(f"/v1/routing/settings/{floor.team}", {"capacity": limits}))["data"]
    assert team["attributes"]["capacity"] == limits
    assert [s["id"] for s in (await floor.agent().get("/v1/routing/users/current/settings"))["data"]] == [floor.team]
    missing = (await admin.post("/v1/teams", {"name": "New"}))["data"]["id"]
    await admin.get(f"/v1/routing/settings/{missing}", 404)
    await admin.put(f"/v1/routing/settings/{'f' * 24}", {"enabled": True}, 404)


async def test_a_workflow_is_kept(admin: Client, floor: Floor) -> None:
    body = {
        "name": "w",
        "enabled": False,
        "trigger": {"id": "t", "eventName": "interlock.conversation.create", "transitions": [{"target": "s"}]},
        "steps": [
            {"id": "s", "action": "interlock.conversation.update", "params": {"assignedUsers": [floor.agents[0]]}}
        ],
    }
    made = (await admin.post("/v1/workflows", body))["data"]
    assert {k: made["attributes"][k] for k in body} == body
    changed = await admin.put(made["links"]["self"], {"description": "x"})
    assert changed["data"]["attributes"]["steps"] == body["steps"]
    assert [w["id"] for w in (await admin.get("/v1/workflows"))["data"]] == [made["id"]]


async def test_a_workflow_that_leads_nowhere_is_refused_where_it_does(admin: Client) -> None:
    trigger = {"id": "t", "eventName": "interlock.conversation.create", "transitions": [{"target": "nowhere"}]}
    refused = await admin.send("POST", "/v1/workflows", json={"name": "w", "trigger": trigger, "steps": []})
    assert refused.status_code in (400, 422)
    assert refused.json()["errors"][0]["source"]["pointer"].startswith("/trigger")
