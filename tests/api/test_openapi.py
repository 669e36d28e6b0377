"""The description of the API: valid, committed, and true of what the server does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from tests.worlds import Client, Floor, House, known_incident, settled

from interlock.api.app import operations
from interlock.api.openapi import describe, document
from interlock.api.operation import Operation
from interlock.api.schemas import all_problems

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
EVERY = list(operations())
WITH_EXAMPLE = [o for o in EVERY if o.body is not None]


def test_it_is_valid_openapi() -> None:
    validate(json.loads(describe(EVERY)))


def test_the_committed_description_is_the_present_one() -> None:
    """A difference changes what integrators rely on: look at it, then `interlock openapi > docs/openapi.json`."""
    assert COMMITTED.read_bytes() == describe(EVERY)


def test_every_operation_has_a_name_of_its_own_and_an_example() -> None:
    assert len({o.id for o in EVERY}) == len(EVERY)
    assert [o.id for o in WITH_EXAMPLE if o.example is None] == []
    assert all(o.summary for o in EVERY)


def test_every_error_is_named_and_every_operation_names_its_errors() -> None:
    told = document(EVERY)
    answers = told["components"]["responses"]
    named = {code for r in answers.values() for code in r["description"].split(", ")}
    assert {p().code for p in all_problems()} - named <= {
        "PROBLEM", "METHOD_NOT_ALLOWED", "SYSTEM_RECORD", "IN_USE", "FENCED",
    }  # fmt: skip
    for path, methods in told["paths"].items():
        for method, o in methods.items():
            if path.startswith("/v1"):
                assert {"400", "401", "403", "406", "429", "500", "503"} <= set(o["responses"]), (method, path)


async def test_it_is_served(house: House) -> None:
    served = await house.client(None).send("GET", "/openapi.json")
    assert served.headers["content-type"] == "application/json"
    assert served.content == COMMITTED.read_bytes()


@pytest.mark.parametrize("o", WITH_EXAMPLE, ids=lambda o: o.id)
async def test_examples_work(house: House, admin: Client, floor: Floor, o: Operation) -> None:
    """Each example, sent as it stands but for the ids in it, does what it says."""
    path, body, client = await _place(house, admin, floor, o)
    headers: dict[str, Any] = {"idempotency_key": "example"} if o.idempotency == "required" else {}
    answer = await client.send(o.method, path, json=body, **headers)
    assert answer.status_code in (200, o.status), answer.text


async def _place(house: House, admin: Client, floor: Floor, o: Operation) -> tuple[str, Any, Client]:
    """An address where the example can be sent, the example with ids that are there, and who sends it."""
    offer = item = {"id": ""}
    await floor.sign_in()
    c = (await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}}))["data"]["id"]
    if "work-items" in o.path or "reservations" in o.path:
        await settled(house)
        offer = (await admin.get("/v1/routing/reservations"))["data"][0]
        item = (await admin.get("/v1/routing/work-items"))["data"][0]
    session = (await floor.agent().get("/v1/routing/work-sessions/current"))["data"]["id"]
    skill = (await admin.post("/v1/routing/skills", {"name": "Any"}))["data"]["id"]
    await admin.put(f"/v1/routing/users/{floor.agents[0]}/skills", {"skills": [{"skill": skill, "level": 5}]})
    ids = {
        "/v1/conversations": c,
        "/v1/users": floor.agents[0],
        "/v1/routing/users": floor.agents[0],
        "/v1/routing/skills": skill,
        "/v1/teams": floor.team,
        "/v1/routing/queues": floor.queue,
        "/v1/routing/statuses": floor.available,
        "/v1/routing/settings": floor.team,
        "/v1/routing/work-sessions": session,
        "/v1/routing/work-items": item["id"],
        "/v1/routing/reservations": offer["id"],
        "/v1/incidents": await known_incident(house),
    }
    criteria = {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]}
    for noun, made in (
        ("/v1/customers", {"name": "Ada"}),
        ("/v1/tags", {"name": "x"}),
        ("/v1/investigations", next(e.example for e in EVERY if e.path == "/v1/investigations" and e.body)),
        ("/v1/shortcuts", {"name": "x"}),
        ("/v1/outbound-webhooks", {"name": "x", "url": "https://example.org"}),
        ("/v1/routing/queue-rules", {"name": "r", "criteria": criteria, "queue": floor.queue}),
        ("/v1/routing/skill-rules", {"name": "r", "criteria": criteria, "skills": [{"skill": skill}]}),
        ("/v1/schedules", {"name": "s", "hours": {"1": [[540, 1020]]}}),
        (
            "/v1/workflows",
            {"name": "w", "trigger": {"id": "t", "eventName": "interlock.conversation.create"}, "steps": []},
        ),
    ):
        if o.path.startswith(f"{noun}/") and "{" in o.path:
            ids[noun] = (await admin.post(noun, made))["data"]["id"]
    text = json.dumps(o.example)
    other = (await admin.post("/v1/routing/queues", {"name": "Other", "key": "other"}))["data"]["id"]
    for given, there in (
        ("68f0a0000000000000000501", floor.available),
        ("68f0a0000000000000000601", skill),
        ("68f0a0000000000000000401", floor.agents[0]),
        ("68f0a0000000000000000202", other),
        ("69a551900000000000000c01", c),
    ):
        text = text.replace(given, there)
    body = json.loads(text)
    if "rev" in body and item["id"]:
        body["rev"] = item["attributes"]["rev"]  # pyright: ignore[reportArgumentType]
    noun = max((n for n in ids if o.path.startswith(n)), key=len, default="")
    agent = "reservations" in o.path or "current" in o.path
    return o.path.replace("{id:str}", ids.get(noun, "")), body, floor.agent() if agent else admin


def test_every_reference_leads_somewhere() -> None:
    """Two shapes of one name get longer ones, and whoever names them by the short one names nothing."""
    text = COMMITTED.read_text(encoding="utf-8")
    there = {f"#/components/{part}/{name}" for part, named in json.loads(text)["components"].items() for name in named}
    assert set(re.findall(r'"\$ref": "([^"]+)"', text)) <= there


def test_it_says_what_generators_of_clients_read() -> None:
    """Each of these stopped one, or made it leave something out."""

    def schemas(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from schemas(inner)

    for schema in schemas(json.loads(COMMITTED.read_text(encoding="utf-8"))):
        assert schema.get("items") is not False, schema
        assert schema.get("type") != "array" or "items" in schema, schema
        assert schema.get("enum") not in ([True], [False]), schema
