"""What supervisors write through the console: incidents, settings, rules, work; over a house in memory."""

from __future__ import annotations

from tests.api.test_investigations import lose
from tests.console.test_pages import Browser
from tests.worlds import Client, Floor, House, settled


async def test_an_incident_is_acknowledged_closed_with_a_reason_and_comes_back(
    house: House, admin: Client, floor: Floor
) -> None:
    first, second = [(await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"] for _ in range(2)]
    await settled(house)
    await lose(house, first, floor.agents[0])
    house.clock.pass_ms(60_000)
    sam = await Browser(house).sign_in(admin, "supervisor")
    told = (await sam.get("/incidents.json")).json()["incidents"]
    id = next(i["id"] for i in told if i["rule"] == "R1")
    await sam.post(f"/incidents/{id}/acknowledge", {"rev": "0"})
    await sam.post(f"/incidents/{id}/close", {"rev": "1", "reason": ""}, 422)
    other = await Browser(house).sign_in(admin, "supervisor")
    await other.post(f"/incidents/{id}/close", {"rev": "1", "reason": "we tried it out"})
    await sam.post(f"/incidents/{id}/close", {"rev": "1", "reason": "I saw another state"}, 412)
    shown = (await sam.get("/incidents?state=closed")).text
    assert "we tried it out" in shown
    assert "Closed by Ana" in shown
    assert id not in (await sam.get("/incidents")).text
    house.clock.pass_ms(1_000)
    await lose(house, second, floor.agents[0])
    house.clock.pass_ms(60_000)
    again = (await sam.get("/incidents")).text
    assert "came back" in again
    assert "we tried it out" in again
    reader = await Browser(house).sign_in(admin, "reader")
    assert "Acknowledge</button>" not in (await reader.get("/incidents")).text
    await reader.post(f"/incidents/{id}/reopen", {"rev": "2"}, 404)
