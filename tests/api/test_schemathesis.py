"""Requests drawn from our own OpenAPI: never a fault of ours, and every answer as described."""

from __future__ import annotations

import asyncio
from typing import Any
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
)
from tests.worlds import KEY, Client, Floor, House, settled

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    ignored_auth,
]
EXAMPLES = 3


async def at_work() -> tuple[House, dict[str, str]]:
    """A house with one of everything, and the ids by the paths that they belong to."""
    house = House()
    await house.found()
    admin: Client = house.client()
    floor = await Floor(house, admin).open(1)
    schedule = (await admin.post("/v1/schedules", {"name": "s", "hours": {"1": [[540, 1020]]}}))["data"]["id"]
    skill = (await admin.post("/v1/routing/skills", {"name": "German"}))["data"]["id"]
    session = (await floor.sign_in())["data"]["id"]
    body = {"channels": ["chat"], "queue": {"id": floor.queue}}
    c = (await admin.post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    offer = (await admin.get("/v1/routing/reservations"))["data"][0]
    return house, {
        "/v1/conversations/": c,
        "/v1/users/": floor.agents[0],
        "/v1/teams/": floor.team,
        "/v1/schedules/": schedule,
        "/v1/routing/skills/": skill,
        "/v1/routing/queues/": floor.queue,
        "/v1/routing/statuses/": floor.available,
        "/v1/routing/settings/": floor.team,
        "/v1/routing/work-sessions/": session,
        "/v1/routing/users/": floor.agents[0],
        "/v1/routing/conversations/": c,
        "/v1/routing/reservations/": offer["id"],
        "/v1/routing/work-items/": offer["relationships"]["workItem"]["data"]["id"],
        "/v1/chat/queues/metrics/": floor.queue,
        "/v1/notes/": (await admin.post(f"/v1/conversations/{c}/notes", {"body": "x"}))["data"]["id"],
        "/v1/tags/": (await admin.post("/v1/tags", {"name": "x"}))["data"]["id"],
        "/v1/bulk/": (await admin.post("/v1/conversations/bulk", [{}]))["data"]["id"],
        "/v1/customers/": (await admin.post("/v1/customers", {"name": "x"}))["data"]["id"],
    }


HOUSE, IDS = asyncio.run(at_work())
schema: Any = schemathesis.openapi.from_asgi("/openapi.json", HOUSE.app)


@schema.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Every second id is one that is there; which ones are does not depend on the process."""
    path = context.operation.path
    known = next((IDS[p] for p in sorted(IDS, key=len, reverse=True) if path.startswith(p)), None)
    for name in ("id", "ids"):
        if path_parameters and known and name in path_parameters and crc32(str(path_parameters[name]).encode()) % 2:
            return {**path_parameters, name: known}
    return path_parameters


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
def test_answers_are_as_described(case: Any) -> None:
    """One operation, some requests."""
    case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, checks=CHECKS)
