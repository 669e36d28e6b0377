"""Signing in: a link works once, a session ends by itself, and a role opens what it says and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.worlds import Client, Floor, House

from interlock.api.host import Settings
from interlock.api.sign_ins import ROLES
from interlock.service.sign_ins import LASTS_MS


async def link(admin: Client, **body: Any) -> str:
    """The code of a new link."""
    return (await admin.post("/v1/sign-in-links", body))["meta"]["code"]


async def test_a_link_signs_in_once(house: House, admin: Client) -> None:
    code = await link(admin, role="supervisor", name="Ana")
    made = await house.client(code).post("/v1/sign-ins")
    assert made["data"]["attributes"]["roles"] == list(ROLES["supervisor"])
    session = house.client(made["meta"]["secret"])
    assert (await session.get("/v1/sign-ins/current"))["data"]["attributes"]["name"] == "Ana"
    await house.client(code).post("/v1/sign-ins", status=401)


async def test_of_two_who_use_one_link_at_once_one_is_refused(house: House, admin: Client) -> None:
    code = await link(admin, role="reader")
    answers = await asyncio.gather(*(house.client(code).send("POST", "/v1/sign-ins") for _ in range(4)))
    assert sorted(a.status_code for a in answers)[:2] != [201, 201]
    assert sum(a.status_code == 201 for a in answers) == 1


async def test_the_code_itself_opens_nothing(house: House, admin: Client) -> None:
    code = await link(admin, role="admin")
    await house.client(code).get("/v1/routing/queues", status=403)


async def test_links_and_sessions_end(house: House, admin: Client) -> None:
    late, code = await link(admin, role="reader", minutes=1), await link(admin, role="reader", minutes=1)
    secret = (await house.client(code).post("/v1/sign-ins"))["meta"]["secret"]
    house.clock.pass_ms(60_001)
    await house.client(late).post("/v1/sign-ins", status=401)
    await house.client(secret).get("/v1/routing/queues")
    house.clock.pass_ms(LASTS_MS)
    await house.client(secret).get("/v1/routing/queues", status=401)


async def test_signing_out_ends_the_session_and_only_a_session(house: House, admin: Client) -> None:
    code = await link(admin, role="reader")
    secret = (await house.client(code).post("/v1/sign-ins"))["meta"]["secret"]
    await house.client(secret).delete("/v1/sign-ins/current")
    await house.client(secret).get("/v1/routing/queues", status=401)
    await admin.delete("/v1/sign-ins/current", status=422)


async def test_a_key_signs_in_with_its_own_roles_and_user(house: House, floor: Floor) -> None:
    made = await floor.agent(0).post("/v1/sign-ins")
    assert made["data"]["attributes"]["user"] == floor.agents[0]
    assert made["data"]["attributes"]["roles"] == ["org.user"]


async def test_roles_open_what_they_say(house: House, admin: Client, floor: Floor) -> None:
    """A reader changes nothing; an agent answers offers; a supervisor runs queues; keys are the administrator's."""
    clients: dict[str, Client] = {}
    for role in ROLES:
        more = {"user": floor.agents[0]} if role == "agent" else {}
        code = await link(admin, role=role, **more)
        clients[role] = house.client((await house.client(code).post("/v1/sign-ins"))["meta"]["secret"])
    may: dict[str, list[int]] = {}
    for role, client in clients.items():
        asked = [
            await client.send("PUT", f"/v1/routing/queues/{floor.queue}", json={"description": role}),
            await client.send("PUT", "/v1/routing/work-sessions/current", json={"status": floor.available}),
            await client.send("GET", "/v1/api-keys"),
        ]
        may[role] = [a.status_code for a in asked]
        await client.get("/v1/routing/overview")
    assert may == {
        "reader": [403, 403, 403],
        "agent": [403, 200, 403],
        "supervisor": [200, 422, 403],
        "admin": [200, 422, 200],
    }


async def test_an_agents_link_needs_its_agent_and_only_an_admin_makes_links(admin: Client, floor: Floor) -> None:
    await admin.post("/v1/sign-in-links", {"role": "agent"}, status=422)
    await floor.agent(0).post("/v1/sign-in-links", {"role": "reader"}, status=403)


async def test_a_browser_may_ask_more_often_than_a_program() -> None:
    """A page that lives asks for its parts whenever they change; it has a limit all the same."""
    house = House(Settings(requests_per_minute=5))
    await house.found()
    admin = house.client()
    code = await link(admin, role="reader")
    session = house.client((await house.client(code).post("/v1/sign-ins"))["meta"]["secret"])
    answers = [(await session.send("GET", "/v1/sign-ins/current")).status_code for _ in range(101)]
    assert answers == [200] * 100 + [429]
