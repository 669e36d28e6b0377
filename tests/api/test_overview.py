"""The overview says what the records say: counts, waits, shares and loads, as of a position of the log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.worlds import Client, Floor, House, settled

from interlock.domain.work_item import QueuePass
from interlock.service import views
from interlock.service.overview import Overview


async def conversation(admin: Client, queue: str) -> str:
    """A conversation that waits in a queue."""
    made = await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": queue}})
    return made["data"]["id"]


def queue_of(told: Any, id: str) -> Any:
    """One queue of an overview."""
    return next(q for q in told["data"]["attributes"]["queues"] if q["id"] == id)


async def test_waiting_offered_and_taken(house: House, admin: Client, floor: Floor) -> None:
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"targetSeconds": 20})
    for _ in range(3):
        await conversation(admin, floor.queue)
    await settled(house)
    house.clock.pass_ms(10_000)
    told = await admin.get("/v1/routing/overview")
    here = queue_of(told, floor.queue)
    assert (here["waiting"], here["offered"], here["agents"]["serving"]) == (3, 0, 0)
    assert told["data"]["attributes"]["longest"]["queue"] == floor.queue
    await floor.sign_in(0)
    await settled(house)
    here = queue_of(await admin.get("/v1/routing/overview"), floor.queue)
    assert (here["waiting"], here["offered"], here["agents"]) == (3, 1, {"serving": 1, "free": 0})
    offer = (await floor.agent(0).get("/v1/routing/reservations?state=pending"))["data"][0]["id"]
    await floor.agent(0).post(f"/v1/routing/reservations/{offer}/accept", status=200)
    await settled(house)
    told = await admin.get("/v1/routing/overview")
    here = queue_of(told, floor.queue)
    assert here["hour"] == {"of": 1, "inTarget": 1}
    assert here["series"][-1] == [1, 1]
    agent = told["data"]["attributes"]["agents"][0]
    assert (agent["name"], agent["total"], len(agent["holding"])) == ("Agent 0", 3, agent["used"])
    house.clock.pass_ms(30_000)
    here = queue_of(await admin.get("/v1/routing/overview"), floor.queue)
    assert here["hour"] == {"of": 3, "inTarget": 1}, "who waits past the target counts as late already"


@pytest.mark.parametrize("restart", [False, True])
@given(st.lists(st.sampled_from(["come", "sign-in", "accept", "reject", "wait", "done"]), max_size=14))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_fold_is_what_the_records_say(restart: bool, deeds: list[str]) -> None:
    """After any course of a floor, whether followed or looked at only at its end."""
    house = House()
    org = await house.found()
    admin = house.client()
    floor = await Floor(house, admin).open(2, capacity=2)
    followed = Overview(org)
    for deed in deeds:
        await act(house, admin, floor, deed)
        await settled(house)
        if not restart:
            await followed.catch_up(house.world)
    await followed.catch_up(house.world)
    told = followed.told(house.clock.now())
    waiting = await views.items_of_queue(house.world, org, floor.queue, frozenset(), 0, 100)
    here = next(q for q in told["queues"] if q["id"] == floor.queue)
    assert here["waiting"] == len(waiting)
    assert here["offered"] == sum(w.status == "routed" for w in waiting)
    live = await views.live_sessions(house.world, org)
    assert {(a["session"], a["used"]) for a in told["agents"]} == {(s.id, s.used) for s in live}
    passes = await views.listing(house.world, org, QueuePass, 0, 1000)
    taken = [p for p in passes if p.queue == floor.queue and p.left_because in ("accepted", "dequeued")]
    assert sum(m[0] for m in here["series"]) == len(taken)


async def act(house: House, admin: Client, floor: Floor, deed: str) -> None:
    """One step of a day; what is not possible just then is not done."""
    match deed:
        case "come":
            await conversation(admin, floor.queue)
        case "sign-in":
            for n in range(2):
                await floor.agent(n).send("PUT", "/v1/routing/work-sessions/current", json={"status": floor.available})
        case "accept" | "reject":
            for n in range(2):
                offers = (await floor.agent(n).get("/v1/routing/reservations?state=pending"))["data"]
                for offer in offers:
                    await floor.agent(n).post(f"/v1/routing/reservations/{offer['id']}/{deed}", status=200)
        case "done":
            for c in (await admin.get("/v1/conversations"))["data"]:
                if c["attributes"].get("assignedUsers") or "assignedUsers" in c["relationships"]:
                    await admin.send("PUT", f"/v1/conversations/{c['id']}", json={"status": "done"})
        case _:
            house.clock.pass_ms(7_000)
