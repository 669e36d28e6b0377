"""How much agents carry: limits that are looked up each alone, what contradicts itself, and what a shift shows."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import Client, Floor, House, sessions, settled


async def shift(house: House, floor: Floor) -> Any:
    """The attributes of the first agent's shift."""
    await settled(house)
    return (await floor.agent().get("/v1/routing/work-sessions/current"))["data"]["attributes"]


@pytest.mark.parametrize(
    ("limits", "pointer"),
    [
        ({"total": 5, "channels": {"chat": 6}}, "/channels/chat"),
        ({"channels": {"chat": 4}}, "/channels/chat"),
        ({"channels": {"chatt": 1}}, "/channels/chatt"),
        ({"total": 5, "priorities": [{"priority": 1, "limit": 6}]}, "/priorities/0/limit"),
        ({"priorities": [{"priority": 1, "limit": 1}, {"priority": 1, "limit": 2}]}, "/priorities/1/priority"),
        ({"priorities": [{"priority": 0, "limit": 1}]}, "/priorities/0/priority"),
        ({"priorities": [{"priority": 101, "limit": 1}]}, "/priorities/0/priority"),
        ({"total": -1}, "/total"),
        ({"channels": {"chat": -1}}, "/channels/..."),
    ],
)
async def test_limits_that_contradict_are_refused_wherever_they_are_set(
    admin: Client, floor: Floor, limits: dict[str, Any], pointer: str
) -> None:
    """The team of the floor carries 3, which is what an agent without a total of their own has."""
    user = floor.agents[0]
    own = await admin.send("PUT", f"/v1/routing/users/{user}/capacity", json=limits)
    assert own.status_code in (400, 422)
    assert [e["source"]["pointer"] for e in own.json()["errors"]] == [pointer]
    for path in (f"/v1/users/{user}", f"/v1/routing/settings/{floor.team}"):
        if "total" in limits and path.endswith(floor.team):
            await admin.put(path, {"workItemCapacity": None})
        other = await admin.send("PUT", path, json={"capacity": limits})
        assert [e["source"]["pointer"] for e in other.json()["errors"]] == [f"/capacity{pointer}"], other.text
    assert "capacity" not in (await admin.get(f"/v1/users/{user}"))["data"]["attributes"]


async def test_a_team_has_one_total(admin: Client, floor: Floor) -> None:
    path = f"/v1/routing/settings/{floor.team}"
    refused = await admin.put(path, {"capacity": {"total": 4}}, 422)
    assert refused["errors"][0]["meta"]["fields"] == ["workItemCapacity", "capacity.total"]
    await admin.put(path, {"workItemCapacity": 4, "capacity": {"total": 4}})


async def test_each_limit_is_looked_up_alone(house: House, admin: Client, floor: Floor) -> None:
    await admin.put("/v1/routing/org-settings", {"capacity": {"total": 9, "channels": {"voice": 1, "chat": 9}}})
    limits = {"channels": {"chat": 2}, "priorities": [{"priority": 1, "limit": 2}]}
    await admin.put(f"/v1/routing/settings/{floor.team}", {"capacity": limits})
    await floor.sign_in()
    [session] = await sessions(house, admin)
    assert (session.limits.total, session.limits.channels) == (3, {"voice": 1, "chat": 2})
    await admin.put(f"/v1/routing/users/{floor.agents[0]}/capacity", {"total": 7, "channels": {"chat": 5}})
    found = await shift(house, floor)
    [session] = await sessions(house, admin)
    assert (session.limits.total, session.limits.channels) == (7, {"voice": 1, "chat": 5})
    assert (found["totalCapacity"], found["capacity"]) == (7, [{"priority": 1, "limit": 2, "remaining": 2}])
    await admin.put(f"/v1/routing/users/{floor.agents[0]}/capacity", {})
    assert (await shift(house, floor))["totalCapacity"] == 3


async def test_a_shift_shows_what_is_left_of_each_priority(house: House, admin: Client, floor: Floor) -> None:
    urgent = (await admin.post("/v1/routing/queues", {"name": "Urgent", "priority": 1, "itemSize": 2}))["data"]["id"]
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"priority": 5})
    await admin.put(
        f"/v1/routing/settings/{floor.team}",
        {
            "queues": [floor.queue, urgent],
            "workItemCapacity": 6,
            "capacity": {"priorities": [{"priority": 5, "limit": 3}]},
        },
    )
    await floor.sign_in()
    assert (await shift(house, floor))["capacity"] == [
        {"priority": 1, "limit": 6, "remaining": 6},
        {"priority": 5, "limit": 3, "remaining": 3},
    ]
    for queue in (urgent, floor.queue):
        body = {"channels": ["chat"], "queue": {"id": queue}, "assignedUsers": floor.agents[:1]}
        await admin.post("/v1/conversations", body)
    found = await shift(house, floor)
    assert (found["workItemCount"], found["capacityRemaining"], found["capacityStatus"]) == (2, 4, "not-at-capacity")
    assert found["capacity"] == [
        {"priority": 1, "limit": 6, "remaining": 4},
        {"priority": 5, "limit": 3, "remaining": 3},
    ]


async def test_a_queues_new_priority_reaches_the_shifts(house: House, admin: Client, floor: Floor) -> None:
    await floor.sign_in()
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"priority": 7})
    assert [r["priority"] for r in (await shift(house, floor))["capacity"]] == [7]
