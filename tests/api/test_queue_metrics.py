"""The latest waits of queues, in seconds, and their figures over time."""

from __future__ import annotations

from tests.worlds import Client, Floor, House, settled

WHOLE = "latestWaitTimeSeconds"
LATELY = "latestWaitTimeSinceQueueEntryOrLastUnpauseSeconds"
AROUND = "latestWaitTimeBeforeOrAfterLastPauseSeconds"


async def queued(house: House, admin: Client, floor: Floor) -> str:
    body = {"channels": ["chat"], "queue": {"id": floor.queue}}
    c = (await admin.post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    return c


async def taken(house: House, admin: Client, floor: Floor, c: str) -> None:
    await admin.put(f"/v1/conversations/{c}", {"assignedUsers": [floor.agents[0]]})
    await settled(house)


async def test_three_figures_of_the_item_that_left_last(house: House, admin: Client, floor: Floor) -> None:
    path = f"/v1/chat/queues/metrics/{floor.queue}"
    empty = (await admin.get(path))["data"][0]
    assert (empty["type"], empty["id"]) == ("session_queue", floor.queue)
    assert [empty["attributes"][n] for n in (WHOLE, LATELY, AROUND)] == [None, None, None]
    c = await queued(house, admin, floor)
    for seconds, status in ((10, "snoozed"), (20, "open")):
        house.clock.pass_ms(seconds * 1_000)
        await admin.put(f"/v1/conversations/{c}", {"status": status})
        await settled(house)
    house.clock.pass_ms(5_500)
    await taken(house, admin, floor, c)
    found = (await admin.get(path))["data"][0]
    assert [found["attributes"][n] for n in (WHOLE, LATELY, AROUND)] == [35.5, 5.5, 5.5]
    assert found["relationships"]["workItem"]["data"]["type"] == "work-item"


async def test_an_item_that_left_while_snoozed_waited_until_the_snooze(
    house: House, admin: Client, floor: Floor
) -> None:
    c = await queued(house, admin, floor)
    house.clock.pass_ms(7_000)
    await admin.put(f"/v1/conversations/{c}", {"status": "snoozed"})
    await settled(house)
    house.clock.pass_ms(60_000)
    await taken(house, admin, floor, c)
    found = (await admin.get(f"/v1/chat/queues/metrics/{floor.queue}"))["data"][0]["attributes"]
    assert [found[n] for n in (WHOLE, LATELY, AROUND)] == [67, 67, 7]


async def test_after_a_day_without_activity_there_is_none(house: House, admin: Client, floor: Floor) -> None:
    await taken(house, admin, floor, await queued(house, admin, floor))
    left = house.clock.now()
    house.clock.pass_ms(86_400_001)
    path = f"/v1/chat/queues/metrics/{floor.queue}"
    assert (await admin.get(path))["data"][0]["attributes"][WHOLE] is None
    assert (await admin.get(f"{path}?rangeFrom={left}"))["data"][0]["attributes"][WHOLE] == 0


async def test_several_queues_and_who_may_read_them(house: House, admin: Client, floor: Floor) -> None:
    other = (await admin.post("/v1/routing/queues", {"name": "Other", "key": "other"}))["data"]["id"]
    found = await admin.get(f"/v1/chat/queues/metrics/{other},{floor.queue}/")
    assert [q["id"] for q in found["data"]] == [other, floor.queue]
    await admin.get(f"/v1/chat/queues/metrics/{other},{'f' * 24}", 404)
    for role, status in (("org.user", 200), ("org.permission.queue.read", 200), ("org.permission.team.read", 403)):
        made = await admin.post("/v1/api-keys", {"name": role, "roles": [role]})
        await house.client(made["meta"]["secret"]).get(f"/v1/chat/queues/metrics/{other}", status)


async def test_a_series_counts_what_came_and_what_was_taken_in_time(house: House, admin: Client, floor: Floor) -> None:
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"targetSeconds": 60})
    first, second = [await queued(house, admin, floor) for _ in range(2)]
    house.clock.pass_ms(30_000)
    await taken(house, admin, floor, first)
    house.clock.pass_ms(60_000)
    await taken(house, admin, floor, second)
    await queued(house, admin, floor)
    path = f"/v1/routing/queues/{floor.queue}/series?minutes=3"
    told = (await admin.get(path))["data"]["attributes"]
    assert (told["complete"], told["targetSeconds"], told["stepSeconds"]) == (True, 60, 60)
    figures = [[s[n] for n in ("entered", "left", "taken", "inTarget", "longestWaitSeconds")] for s in told["steps"]]
    assert figures == [[0, 0, 0, 0, 0], [2, 1, 1, 1, 30], [1, 1, 1, 0, 90]]
    assert told["steps"][-1]["averageWaitSeconds"] == 90
    tag = (await admin.send("GET", path)).headers["etag"]
    assert (await admin.send("GET", path, if_none_match=tag)).status_code == 304
    await queued(house, admin, floor)
    assert (await admin.send("GET", path, if_none_match=tag)).status_code == 200


async def test_a_series_has_so_many_steps_and_no_more(admin: Client, floor: Floor) -> None:
    path = f"/v1/routing/queues/{floor.queue}/series"
    assert len((await admin.get(f"{path}?minutes=1440"))["data"]["attributes"]["steps"]) == 1_440
    refused = await admin.get(f"{path}?minutes=1440&stepSeconds=10", 400)
    assert refused["errors"][0]["source"] == {"parameter": "stepSeconds"}
