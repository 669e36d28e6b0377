"""Keys: made, shown once, limited, revoked; roles; rate limits."""

from __future__ import annotations

import pytest
from tests.worlds import KEY, Client, Floor, House

from interlock.api.host import Settings
from interlock.service.orgs import digest

PATH = "/v1/api-keys"


async def test_a_secret_is_shown_once_and_kept_as_a_digest(house: House, admin: Client) -> None:
    body = {"name": "robot", "roles": ["org.user"]}
    made = await admin.send("POST", PATH, json=body, idempotency_key="k")
    secret = made.json()["meta"]["secret"]
    assert secret.startswith("ilk_")
    assert len(secret) == 68
    again = await admin.send("POST", PATH, json=body, idempotency_key="k")
    assert (again.status_code, again.json()["data"]) == (201, made.json()["data"])
    assert "secret" not in again.text
    stored = b"".join(bytes(c.snapshot) for r in await house.store.changes(0, 1_000) for c in r.changes)
    assert secret.encode() not in stored
    assert digest(secret).encode() in stored
    assert all(secret.encode() not in (m.value or b"") for m in house.store._marks.values())
    assert digest(secret) not in (await admin.send("GET", PATH)).text
    await house.client(secret).get("/v1/conversations")


async def test_a_key_gives_no_more_than_it_has(house: House, admin: Client) -> None:
    body = {"name": "half", "roles": ["org.permission.api_key.create", "org.user"]}
    half = house.client((await admin.post(PATH, body))["meta"]["secret"])
    await half.post(PATH, {"name": "same", "roles": ["org.user"]})
    refused = await half.post(PATH, {"name": "more", "roles": ["org.admin"]}, 403)
    assert refused["errors"][0]["code"] == "FORBIDDEN"


async def test_a_revoked_key_opens_nothing(house: House, admin: Client) -> None:
    made = await admin.post(PATH, {"name": "robot", "roles": ["org.user"]})
    robot = house.client(made["meta"]["secret"])
    await robot.get("/v1/conversations")
    await admin.delete(f"{PATH}/{made['data']['id']}", if_match='"1"')
    assert (await robot.get("/v1/conversations", 401))["errors"][0]["code"] == "UNAUTHENTICATED"


async def test_another_server_learns_of_it_within_the_time_it_trusts_its_cache(house: House, admin: Client) -> None:
    made = await admin.post(PATH, {"name": "robot", "roles": ["org.user"]})
    robot = house.client(made["meta"]["secret"])
    await robot.get("/v1/conversations")
    house.app.state.host.keyring.forget = lambda _: None
    await admin.delete(f"{PATH}/{made['data']['id']}", if_match='"1"')
    await robot.get("/v1/conversations")
    house.clock.pass_ms(1_000)
    await robot.get("/v1/conversations", 401)


@pytest.mark.parametrize(
    ("roles", "reads", "writes"),
    [
        (["org.permission.routing"], 200, 201),
        (["org.permission.routing.read"], 200, 403),
        (["org.permission.queue.read"], 200, 403),
        (["org.user"], 200, 403),
        (["org.admin.routing.write"], 403, 201),
        (["org.admin"], 200, 201),
        (["org.permission.conversation.read"], 403, 403),
        ([], 403, 403),
    ],
)
async def test_roles_by_the_references_names(
    house: House, admin: Client, roles: list[str], reads: int, writes: int
) -> None:
    key = (await admin.post(PATH, {"name": "r", "roles": roles}))["meta"]["secret"]
    client = house.client(key)
    assert (await client.send("GET", "/v1/routing/queues")).status_code == reads
    assert (await client.send("POST", "/v1/routing/queues", json={"name": "Q"})).status_code == writes


async def test_whose_decision_it_is_depends_on_the_key(house: House, admin: Client, floor: Floor) -> None:
    async def actor(client: Client) -> tuple[str, str]:
        await client.post("/v1/conversations", {})
        by = (await house.store.changes(0, 1, newest=True))[0].by
        return by.actor.cls, by.actor.type

    robot = house.client((await admin.post(PATH, {"name": "robot", "roles": ["org.user"]}))["meta"]["secret"])
    hand = (await admin.post(PATH, {"name": "hand", "roles": ["org.user"], "person": True}))["meta"]["secret"]
    assert await actor(floor.agent()) == ("person", "user")
    assert await actor(robot) == ("workflow", "api_key")
    assert await actor(house.client(hand)) == ("person", "api_key")


async def test_a_key_has_so_many_requests_a_minute() -> None:
    house = House(Settings(requests_per_minute=2))
    await house.found()
    admin = house.client()
    first = await admin.send("GET", "/v1/conversations")
    assert first.headers["ratelimit-policy"] == '"default";q=2;w=60'
    assert first.headers["ratelimit"] == '"default";r=1;t=60'
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("2", "1")
    await admin.get("/v1/conversations")
    before = await house.store.last_position()
    refused = await admin.send("POST", "/v1/conversations", json={})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (429, "RATE_LIMITED")
    assert refused.headers["retry-after"] == "60"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert await house.store.last_position() == before
    house.clock.pass_ms(60_000)
    await admin.get("/v1/conversations")


async def test_a_company_has_so_many_requests_a_minute_for_all_its_keys_together() -> None:
    house = House(Settings(requests_per_minute=10, org_requests_per_minute=3))
    await house.found()
    admin = house.client()
    secret = (await admin.post(PATH, {"name": "r", "roles": ["org.user"]}))["meta"]["secret"]
    first = await house.client(secret).send("GET", "/v1/conversations")
    assert first.headers["x-ratelimit-remaining"] == "1", "the tighter of the two is told"
    await admin.get("/v1/conversations")
    refused = await house.client(secret).send("GET", "/v1/conversations")
    assert refused.status_code == 429
    assert "this company has 3" in refused.json()["errors"][0]["detail"]


async def test_searches_of_machines_writes_and_messages_have_limits_of_their_own() -> None:
    house = House(Settings(searches_per_minute=1, writes_per_object=2, messages_per_customer=2))
    await house.found()
    admin = house.client()
    one, two = [(await admin.post("/v1/conversations", {}))["data"]["id"] for _ in range(2)]
    await admin.post("/v1/customers/search", {}, 200)
    await admin.post("/v1/customers/search", {}, 429)
    for n in range(2):
        await admin.put(f"/v1/conversations/{one}", {"name": str(n)})
    await admin.put(f"/v1/conversations/{one}", {"name": "x"}, 429)
    await admin.put(f"/v1/conversations/{two}", {"name": "x"})
    said = {"channel": "chat", "app": "chat"}
    for _ in range(2):
        await admin.post(f"/v1/conversations/{one}/messages", said)
    await admin.post(f"/v1/conversations/{one}/messages", said, 429)
    await admin.post("/v1/messages", {**said, "conversation": two})
    house.clock.pass_ms(60_000)
    await admin.put(f"/v1/conversations/{one}", {"name": "x"})


async def test_without_a_limit_nothing_is_said_of_one(admin: Client) -> None:
    assert "ratelimit" not in (await admin.send("GET", "/v1/conversations")).headers


async def test_the_key_of_an_agent_knows_who_it_is(house: House, admin: Client, floor: Floor) -> None:
    assert (await floor.agent(1).get("/v1/users/current/"))["data"]["id"] == floor.agents[1]
    assert (await house.client(KEY).get("/v1/users/current", 404))["errors"][0]["code"] == "NOT_FOUND"
