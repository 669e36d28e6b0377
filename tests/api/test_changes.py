"""The stream of topics and positions: where to look, told in time, to whoever may see it, and without a gap."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.api.test_events import Stream
from tests.worlds import KEY, OTHER_KEY, Client, Floor, House, settled

from interlock.api import changes
from interlock.api.host import Settings

PATH = "/v1/changes"


async def at(house: House) -> int:
    return await house.store.last_position()


def follow(house: House, query: str = "", key: str = KEY, **headers: str) -> Stream:
    return Stream(house, query, key, path=PATH, **headers)


async def told(stream: Stream, event: str = "change") -> dict[str, Any]:
    """The data of the next block of this kind, with its id."""
    block = await stream.next(event)
    return {**json.loads(block["data"]), "id": int(block["id"])}


async def test_it_begins_with_the_time_the_position_and_the_build(house: House, admin: Client) -> None:
    stream = follow(house)
    assert (await stream.next())["retry"] == "2000"
    beat = await told(stream, "beat")
    assert beat == {"id": await at(house), "position": await at(house), "at": "2026-03-02T09:00:00.000Z", "build": "0"}
    headers = dict(stream.head["headers"])
    assert headers[b"content-type"] == b"text/event-stream"
    assert (headers[b"cache-control"], headers[b"x-accel-buffering"]) == (b"no-store", b"no")
    await stream.leave()
    assert house.app.state.host.streams == 0


async def test_what_comes_is_told_by_topic_and_position(house: House, admin: Client) -> None:
    stream = follow(house)
    await stream.next("beat")
    c = (await admin.post("/v1/conversations", {}))["data"]["id"]
    assert await told(stream) == {"topic": f"conversation:{c}", "position": await at(house), "id": await at(house)}
    await stream.leave()


async def test_the_second_change_waits_and_no_id_runs_ahead_of_it(house: House, admin: Client) -> None:
    c = (await admin.post("/v1/conversations", {}))["data"]["id"]
    stream = follow(house)
    await stream.next("beat")
    await admin.put(f"/v1/conversations/{c}", {"name": "one"})
    first = await told(stream)
    await admin.put(f"/v1/conversations/{c}", {"name": "two"})
    await admin.put(f"/v1/conversations/{c}", {"name": "three"})
    other = (await admin.post("/v1/conversations", {}))["data"]["id"]
    meanwhile = await told(stream)
    assert meanwhile["topic"] == f"conversation:{other}"
    assert meanwhile["id"] == first["id"], "cut off here, a reader resumes before the change that was held back"
    house.clock.pass_ms(250)
    house.app.state.host.news.tell()
    last = await told(stream)
    assert last == {"topic": f"conversation:{c}", "position": meanwhile["position"] - 1, "id": meanwhile["position"]}
    await stream.leave()


async def test_a_reader_who_was_cut_off_hears_what_it_missed(house: House, admin: Client) -> None:
    c = (await admin.post("/v1/conversations", {}))["data"]["id"]
    seen = await at(house)
    await admin.put(f"/v1/conversations/{c}", {"name": "x"})
    for resumed in (follow(house, f"after={seen}"), follow(house, "after=1", last_event_id=str(seen))):
        assert (await told(resumed))["topic"] == f"conversation:{c}"
        await resumed.leave()


async def test_beats_come_every_fifteen_seconds_also_when_there_is_news(house: House, admin: Client) -> None:
    stream = follow(house)
    await stream.next("beat")
    await admin.post("/v1/conversations", {})
    await stream.next("change")
    house.clock.pass_ms(15_000)
    house.app.state.host.news.tell()
    assert (await told(stream, "beat"))["at"] == "2026-03-02T09:00:15.000Z"
    await stream.leave()


@pytest.mark.parametrize("case", ["ahead", "behind", "trimmed"])
async def test_a_position_that_cannot_be_followed_up_is_reset(
    house: House, admin: Client, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "after=1000000" if case == "ahead" else "after=1"
    for _ in range(3):
        await admin.post("/v1/conversations", {})
    if case == "behind":
        monkeypatch.setattr(changes, "BEHIND_MAX", 1)
    if case == "trimmed":
        del house.store._log[:2]
    stream = follow(house, query)
    assert await told(stream, "reset") == {"position": await at(house), "id": await at(house)}
    await stream.leave()
    assert (await admin.get(f"{PATH}?{query}"))["meta"]["reset"]


async def test_topics_choose_and_wrong_ones_are_refused(house: House, admin: Client, floor: Floor) -> None:
    stream = follow(house, f"topics=rules,queue:{floor.queue}")
    await stream.next("beat")
    await admin.post("/v1/conversations", {})
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"description": "x"})
    assert (await told(stream))["topic"] == f"queue:{floor.queue}"
    await stream.leave()
    refused = await admin.get(f"{PATH}?topics=queue:x", 400)
    assert refused["errors"][0]["source"] == {"parameter": "topics"}
    many = ",".join(f"queue:{n:024x}" for n in range(changes.TOPICS_MAX + 1))
    await admin.get(f"{PATH}?topics={many}", 400)


async def test_a_key_sees_only_the_topics_that_its_roles_open(house: House, admin: Client, floor: Floor) -> None:
    made = await admin.post("/v1/api-keys", {"name": "r", "roles": ["org.permission.queue_rule.read"]})
    small = house.client(made["meta"]["secret"])
    refused = await small.get(f"{PATH}?topics=rules,queues", 403)
    assert refused["errors"][0]["meta"]["topic"] == "queues"
    start = await at(house)
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"description": "x"})
    assert (await small.get(f"{PATH}?after={start}"))["data"] == []
    assert {t["id"] for t in (await admin.get(f"{PATH}?after={start}"))["data"]} == {"queues", f"queue:{floor.queue}"}


async def test_an_agent_without_roles_hears_of_itself_and_of_no_other(
    house: House, admin: Client, floor: Floor
) -> None:
    one, two = floor.agents
    made = await admin.post("/v1/api-keys", {"name": "a", "roles": ["org.permission.queue.read"], "user": one})
    small = house.client(made["meta"]["secret"])
    await small.get(f"{PATH}?topics=agent:{one}")
    await small.get(f"{PATH}?topics=agent:{two}", 403)


async def test_a_stream_ends_when_its_key_is_revoked(house: House, admin: Client) -> None:
    made = await admin.post("/v1/api-keys", {"name": "r", "roles": ["org.user"]})
    stream = follow(house, "topics=queues", made["meta"]["secret"])
    await stream.next("beat")
    await admin.delete(f"/v1/api-keys/{made['data']['id']}", if_match='"1"')
    house.clock.pass_ms(2_000)
    house.app.state.host.news.tell()
    await stream.ended()


async def test_nothing_of_another_org_is_told(house: House, admin: Client, floor: Floor) -> None:
    await house.found("Other", OTHER_KEY)
    start = await at(house)
    stream = follow(house, f"topics=queues,queue:{floor.queue}", OTHER_KEY)
    await stream.next("beat")
    await admin.put(f"/v1/routing/queues/{floor.queue}", {"description": "x"})
    await house.client(OTHER_KEY).post("/v1/routing/queues", {"name": "Own", "key": "own"})
    assert (await told(stream))["topic"] == "queues"
    assert stream.told.empty()
    await stream.leave()
    page = await house.client(OTHER_KEY).get(f"{PATH}?after={start}")
    assert f"queue:{floor.queue}" not in {t["id"] for t in page["data"]}


async def test_a_poller_gets_each_topic_once_with_its_newest_position(
    house: House, admin: Client, floor: Floor
) -> None:
    start = await at(house)
    await floor.sign_in()
    await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
    await settled(house)
    page = await admin.get(f"{PATH}?after={start}")
    ids = [t["id"] for t in page["data"]]
    assert len(ids) == len(set(ids))
    assert {"queues", "agents", f"queue:{floor.queue}", f"agent:{floor.agents[0]}"} <= set(ids)
    assert page["meta"]["position"] == await at(house) == max(t["attributes"]["position"] for t in page["data"])
    assert (await admin.get(f"{PATH}?after={page['meta']['position']}"))["data"] == []
    assert (await admin.get(PATH))["data"] == [], "without a position it begins now"


async def test_a_client_that_does_not_take_what_it_is_sent_is_cut_off(admin: Client) -> None:
    house = House(Settings(stalled_seconds=0.01))
    await house.found()
    stream = follow(house)
    await stream.next("beat")
    stream.block()
    await house.client().post("/v1/conversations", {})
    await stream.ended()
    assert house.app.state.host.streams == 0
