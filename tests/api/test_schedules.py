"""Schedules over HTTP, and the business time that they give to whatever is timed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import START_MS, Client, Floor, House, settled

from interlock.domain.schedule import DAY_MS, MINUTE_MS

PATH = "/v1/schedules"
OFFICE = {str(day): [[540, 1020]] for day in range(1, 6)}
HOUR_MS = 60 * MINUTE_MS
"""Tests begin on Monday 2026-03-02 at 09:00 UTC."""


async def office(admin: Client, **more: Any) -> str:
    """A schedule from nine to five, Monday to Friday, UTC; its id."""
    return (await admin.post(PATH, {"name": "Office", "hours": OFFICE, **more}))["data"]["id"]


async def item_of(admin: Client, conversation: str) -> Any:
    """The attributes of the newest item of a conversation."""
    return (await admin.get(f"/v1/routing/conversations/{conversation}/work-items"))["data"][0]["attributes"]


def test_the_clock_of_these_tests_stands_where_they_think() -> None:
    assert START_MS % DAY_MS == 9 * HOUR_MS
    assert (START_MS // DAY_MS + 4) % 7 == 1


async def test_a_schedule_is_kept_read_and_deleted(admin: Client) -> None:
    body = {"name": "Office", "timezone": "Europe/Berlin", "hours": OFFICE | {"0": None}, "holidayCountry": "DE"}
    made = (await admin.post(PATH, body))["data"]
    assert made["type"] == "schedule"
    assert {k: made["attributes"][k] for k in body} == body
    changed = await admin.put(made["links"]["self"], {"holidays": [{"date": "2026-12-24", "name": "Eve"}]})
    assert changed["data"]["attributes"]["holidays"] == [{"date": "2026-12-24", "name": "Eve"}]
    assert [s["id"] for s in (await admin.get(PATH))["data"]] == [made["id"]]
    await admin.delete(made["links"]["self"])
    assert (await admin.get(PATH))["data"] == []
    await admin.get(made["links"]["self"], 404)


async def test_holidays_are_shown_when_asked_for(admin: Client) -> None:
    id = await office(admin, holidayCountry="DE", holidays=[{"date": "2026-12-24", "name": "Eve"}])
    assert "included" not in await admin.get(f"{PATH}/{id}")
    shown = await admin.get(f"{PATH}/{id}?include=holidays")
    days = {d["attributes"]["date"]: d["attributes"]["name"] for d in shown["included"]}
    assert days["2026-12-24"] == "Eve"
    assert {"2026-10-03", "2026-12-25", "2027-01-01"} <= set(days)
    mentions = [d["id"] for d in shown["data"]["relationships"]["holidays"]["data"]]
    assert mentions == [d["id"] for d in shown["included"]]
    assert (await admin.get(f"{PATH}?include=holidays"))["included"] == shown["included"]
    await admin.get(f"{PATH}/{id}?include=everything", 400)


async def test_one_schedule_is_the_default_and_the_settings_say_which(admin: Client) -> None:
    await admin.get(f"{PATH}/default", 404)
    first, second = await office(admin, default=True), await office(admin)
    assert (await admin.get(f"{PATH}/default"))["data"]["id"] == first

    async def default() -> tuple[list[str], str | None]:
        flagged = [s["id"] for s in (await admin.get(PATH))["data"] if s["attributes"]["default"]]
        org = (await admin.get("/v1/routing/org-settings"))["data"]["relationships"]
        return flagged, org.get("schedule", {}).get("data", {}).get("id")

    await admin.put(f"{PATH}/{second}", {"default": True})
    assert await default() == ([second], second)
    await admin.put("/v1/routing/org-settings", {"schedule": first})
    assert await default() == ([first], first)
    await admin.put(f"{PATH}/{first}", {"default": False})
    assert await default() == ([], None)
    await admin.put(f"{PATH}/{first}", {"default": True})
    await admin.delete(f"{PATH}/{first}")
    assert await default() == ([], None)
    await admin.put("/v1/routing/org-settings", {"schedule": first}, 404)


@pytest.mark.parametrize(
    ("wrong", "status", "pointer"),
    [
        ({"hours": {}}, 422, "/hours"),
        ({"hours": {"1": [[1020, 540]]}}, 422, "/hours/1/0"),
        ({"hours": {"1": [[540, 720], [600, 660]]}}, 422, "/hours/1/1"),
        ({"hours": {"1": [[540, 1441]]}}, 400, "/hours/1/0/1"),
        ({"hours": {"7": [[540, 1020]]}}, 400, "/hours/7"),
        ({"timezone": "Europe/Bonn"}, 422, "/timezone"),
        ({"timezone": "../../etc/passwd"}, 422, "/timezone"),
        ({"holidayCountry": "XX"}, 422, "/holidayCountry"),
        ({"holidayCountry": "DE", "holidayRegion": "Bonn"}, 422, "/holidayRegion"),
        ({"holidayRegion": "BY"}, 422, "/holidayRegion"),
        ({"holidays": [{"date": "2026-02-30"}]}, 400, "/holidays/0/date"),
    ],
)
async def test_what_is_no_schedule_is_refused_where_it_is_not(
    admin: Client, wrong: dict[str, Any], status: int, pointer: str
) -> None:
    refused = await admin.post(PATH, {"name": "x", "hours": OFFICE} | wrong, status)
    assert [e["source"]["pointer"] for e in refused["errors"]] == [pointer]
    assert (await admin.get(PATH))["data"] == []


async def test_a_schedule_in_use_is_not_deleted(admin: Client, floor: Floor) -> None:
    id = await office(admin)
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"schedule": id})
    refused = await admin.delete(f"{PATH}/{id}", 422)
    assert refused["errors"][0]["code"] == "IN_USE"
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"schedule": None})
    await admin.delete(f"{PATH}/{id}")
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"schedule": id}, 404)


async def test_every_stay_has_its_business_time(house: House, admin: Client, floor: Floor) -> None:
    """Sixteen hours in the queue, of which one is open, and the same again with the agent and in wrap-up."""
    await office(admin, default=True)
    house.clock.pass_ms(7 * HOUR_MS)  # Monday, 16:00
    c = (await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}}))["data"]["id"]
    await settled(house)
    house.clock.pass_ms(16 * HOUR_MS)  # Tuesday, 08:00
    await admin.put(f"/v1/conversations/{c}", {"assignedUsers": [floor.agents[0]]})
    await settled(house)
    found = await item_of(admin, c)
    assert found["lastRevision"] | {"queueTime": 16 * HOUR_MS, "queueBusinessTime": HOUR_MS} == found["lastRevision"]
    house.clock.pass_ms(2 * HOUR_MS)
    await admin.put(f"/v1/conversations/{c}", {"ended": True})
    await settled(house)
    house.clock.pass_ms(23 * HOUR_MS)
    await admin.put(f"/v1/conversations/{c}", {"status": "done"})
    await settled(house)
    found = await item_of(admin, c)
    assert (found["handle"]["time"], found["handle"]["businessTime"]) == (2 * HOUR_MS, HOUR_MS)
    assert (found["wrapUp"]["time"], found["wrapUp"]["businessTime"]) == (23 * HOUR_MS, 7 * HOUR_MS)


async def test_the_first_answer_of_its_agent_has_its_business_time(house: House, admin: Client, floor: Floor) -> None:
    await office(admin, default=True)
    house.clock.pass_ms(7 * HOUR_MS)
    body = {"channels": ["chat"], "assignedUsers": floor.agents[:1]}
    c = (await admin.post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    house.clock.pass_ms(18 * HOUR_MS)  # Tuesday, 10:00
    out = {"channel": "chat", "app": "chat", "direction": "out"}
    await admin.post(f"/v1/conversations/{c}/messages", out)
    await settled(house)
    assert "firstRoutedResponse" not in await item_of(admin, c), "an administrator is not the agent"
    said = (await floor.agent().post(f"/v1/conversations/{c}/messages", out))["data"]["id"]
    house.clock.pass_ms(HOUR_MS)
    await floor.agent().post(f"/v1/conversations/{c}/messages", out)
    await settled(house)
    assert (await item_of(admin, c))["firstRoutedResponse"] == {
        "messageId": said,
        "sentAt": "2026-03-03T10:00:00.000Z",
        "time": 18 * HOUR_MS,
        "businessTime": 2 * HOUR_MS,
    }


async def test_the_phone_menu_and_a_hang_up_have_theirs(house: House, admin: Client, floor: Floor) -> None:
    await office(admin, default=True)
    house.clock.pass_ms(7 * HOUR_MS)
    c = (await admin.post("/v1/conversations", {"channels": ["voice"]}))["data"]["id"]
    house.clock.pass_ms(2 * HOUR_MS)
    await admin.put(f"/v1/conversations/{c}", {"queue": {"id": floor.queue}})
    await settled(house)
    found = await item_of(admin, c)
    assert (found["ivr"]["time"], found["ivr"]["businessTime"]) == (2 * HOUR_MS, HOUR_MS)
    house.clock.pass_ms(15 * HOUR_MS + 1)
    await admin.put(f"/v1/conversations/{c}", {"ended": True})
    await settled(house)
    abandoned = (await item_of(admin, c))["abandoned"]
    assert (abandoned["phase"], abandoned["time"], abandoned["businessTime"]) == ("queue", 15 * HOUR_MS + 1, 1)


async def test_a_queues_own_schedule_goes_before_the_orgs(house: House, admin: Client, floor: Floor) -> None:
    await office(admin, default=True)
    late = await admin.post(PATH, {"name": "Late", "hours": {str(d): [[0, 1440]] for d in range(7)}})
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"schedule": late["data"]["id"]})
    c = (await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}}))["data"]["id"]
    await settled(house)
    house.clock.pass_ms(3 * DAY_MS)
    await admin.put(f"/v1/conversations/{c}", {"assignedUsers": [floor.agents[0]]})
    await settled(house)
    assert (await item_of(admin, c))["lastRevision"]["queueBusinessTime"] == 3 * DAY_MS


async def test_a_change_of_the_schedule_rewrites_nothing_that_has_stopped(
    house: House, admin: Client, floor: Floor
) -> None:
    id = await office(admin, default=True)
    c = (await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}}))["data"]["id"]
    await settled(house)
    house.clock.pass_ms(DAY_MS)
    await admin.put(f"/v1/conversations/{c}", {"assignedUsers": [floor.agents[0]]})
    await settled(house)
    before = await item_of(admin, c)
    await admin.put(f"{PATH}/{id}", {"hours": {"1": [[0, 1440]]}})
    house.clock.pass_ms(DAY_MS)
    await admin.put(f"/v1/conversations/{c}", {"status": "done"})
    await settled(house)
    after = await item_of(admin, c)
    assert after["lastRevision"]["queueBusinessTime"] == before["lastRevision"]["queueBusinessTime"] == 8 * HOUR_MS
    assert after["handle"]["businessTime"] == 0


async def test_a_shift_counts_its_time_by_status_and_by_how_full_it_was(
    house: House, admin: Client, floor: Floor
) -> None:
    await office(admin, default=True)
    await floor.sign_in()
    statuses = {s["attributes"]["statusType"]: s["id"] for s in (await admin.get("/v1/routing/statuses"))["data"]}
    house.clock.pass_ms(HOUR_MS)
    c = (await admin.post("/v1/conversations", {"channels": ["chat"], "assignedUsers": floor.agents[:1]}))["data"]["id"]
    await settled(house)
    house.clock.pass_ms(6 * HOUR_MS)
    say = "/v1/routing/work-sessions/current"
    await floor.agent().put(say, {"status": statuses["unavailable"]})
    house.clock.pass_ms(2 * HOUR_MS)
    await admin.put(f"/v1/conversations/{c}", {"status": "done"})
    await settled(house)
    house.clock.pass_ms(HOUR_MS)
    found = (await floor.agent().put(say, {"status": statuses["offline"]}))["data"]["attributes"]
    hours = {
        name.removeprefix("total"): (value["time"] / HOUR_MS, value["businessTime"] / HOUR_MS)
        for name, value in found.items()
        if name.startswith(("totalAvailable", "totalUnavailable"))
    }
    assert hours == {
        "Available": (7, 7),
        "AvailableIdleCapacity": (1, 1),
        "AvailableNotAtCapacity": (6, 6),
        "AvailableAtCapacity": (0, 0),
        "Unavailable": (3, 1),
        "UnavailableIdleCapacity": (1, 0),
        "UnavailableNotAtCapacity": (2, 1),
        "UnavailableAtCapacity": (0, 0),
    }
    by_status = found["totalTimeByStatus"]
    assert (by_status[statuses["available"]]["time"], by_status[statuses["unavailable"]]["businessTime"]) == (
        7 * HOUR_MS,
        HOUR_MS,
    )
