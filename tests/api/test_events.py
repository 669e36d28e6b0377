"""The log as events: pages, history, and a stream that resumes where it was."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from tests.worlds import KEY, OTHER_KEY, Client, Floor, House, Listening, settled

from interlock.api.host import Settings
from interlock.service.sync import by_sync, reverse

PATH = "/v1/events"


class Stream:
    """A reader of a stream, in this process: what arrives is put into `told`."""

    def __init__(self, house: House, query: str = "", key: str = KEY, *, path: str = PATH, **headers: str) -> None:
        self._taken = asyncio.Event()
        self._taken.set()
        self.head: Any = None
        self.told: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._end = Listening()
        given = {"authorization": f"Bearer {key}", "accept": "text/event-stream", **headers}
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in given.items()],
        }
        self.task = asyncio.create_task(house.app(scope, self._end.receive, self._send))  # pyright: ignore[reportArgumentType]

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.head = message
            return
        await self._taken.wait()
        for block in message["body"].decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            if fields:
                self.told.put_nowait(fields)

    async def next(self, event: str = "") -> dict[str, str]:
        """The next block; of this event, if one is named."""
        async with asyncio.timeout(5):
            while True:
                block = await self.told.get()
                if not event or event in block.get("event", ""):
                    return block

    def block(self) -> None:
        """The reader takes nothing more."""
        self._taken.clear()

    async def leave(self) -> None:
        """The reader goes away."""
        self._end.gone.set()
        await self.ended()

    async def ended(self) -> None:
        """The stream is over."""
        async with asyncio.timeout(5):
            await self.task


async def test_pages_of_the_log_end_and_have_the_shape_of_cloud_events(
    house: House, admin: Client, floor: Floor
) -> None:
    await floor.sign_in()
    await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
    await settled(house)
    events: list[Any] = []
    path: str | None = f"{PATH}?limit=5"
    while path:
        page = await admin.get(path)
        events += page["data"]
        path = page["links"]["next"]
    assert page["meta"]["after"] == await house.store.last_position()
    assert len({e["id"] for e in events}) == len(events)
    assert [e["sequence"] for e in events] == sorted(e["sequence"] for e in events)
    types = {e["type"] for e in events}
    assert {
        "interlock.conversation.create.v1",
        "interlock.work-item.create.v1",
        "interlock.work-item.update.v1",
        "interlock.reservation.create.v1",
        "interlock.work-session.update.v1",
        "interlock.queue.create.v1",
    } <= types
    assert not any("digest" in msgspec.json.encode(e).decode() for e in events)


async def test_topics_choose(house: House, admin: Client) -> None:
    c = (await admin.post("/v1/conversations", {}))["data"]["id"]
    await admin.post("/v1/conversations", {})
    await admin.post("/v1/customers", {"name": "x"})
    assert len((await admin.get(f"{PATH}?topics=conversation"))["data"]) == 2
    assert len((await admin.get(f"{PATH}?topics=conversation/{c},customer"))["data"]) == 2
    assert len((await admin.get(f"{PATH}?topics=interlock.customer.create"))["data"]) == 1
    assert (await admin.get(f"{PATH}?topics=nothing"))["data"] == []


async def test_the_history_of_a_conversation_has_its_changes_and_decisions(
    house: House, admin: Client, floor: Floor
) -> None:
    c = (await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"]
    await settled(house)
    await admin.put(f"/v1/conversations/{c}", {"priority": 5})
    again = by_sync(house.store._log[0].org, "reverse")
    item = (await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0]["id"]
    await reverse(house.world, again, item)
    history = await admin.get(f"/v1/conversations/{c}/events")
    last = [e for e in history["data"] if e["subject"] == f"conversation/{c}"][-1]
    assert last["data"]["changes"]["attributes"]["priority"] == {"op": "replace", "before": 3, "after": 5}
    decisions = {d["id"]: d["attributes"] for d in history["included"]}
    assert {e["data"]["decision"] for e in history["data"]} <= set(decisions)
    assert any(d["kind"] == "noop" for d in decisions.values()), "the decision not to write is there too"
    causes = {e["data"]["cause"] for e in history["data"] if "cause" in e["data"]}
    assert causes <= {e["id"] for e in history["data"]}


async def test_a_stream_gives_what_was_and_what_comes(house: House, admin: Client) -> None:
    first = (await admin.post("/v1/conversations", {}))["data"]["id"]
    stream = Stream(house, "topics=conversation")
    assert (await stream.next())["retry"] == "2000"
    event = await stream.next("conversation.create")
    assert event["event"] == "interlock.conversation.create.v1"
    assert msgspec.json.decode(event["data"])["subject"] == f"conversation/{first}"
    headers = dict(stream.head["headers"])
    assert headers[b"content-type"] == b"text/event-stream"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-accel-buffering"] == b"no"
    second = (await admin.post("/v1/conversations", {}))["data"]["id"]
    assert msgspec.json.decode((await stream.next("conversation"))["data"])["subject"] == f"conversation/{second}"
    await stream.leave()
    assert house.app.state.host.streams == 0


async def test_a_stream_resumes_behind_the_last_id(house: House, admin: Client) -> None:
    ids = [(await admin.post("/v1/conversations", {}))["data"]["id"] for _ in range(3)]
    stream = Stream(house, "topics=conversation")
    seen = await stream.next("conversation")
    await stream.leave()
    again = Stream(house, "topics=conversation", last_event_id=seen["id"])
    subjects = [msgspec.json.decode((await again.next("conversation"))["data"])["subject"] for _ in range(2)]
    await again.leave()
    assert subjects == [f"conversation/{id}" for id in ids[1:]]


async def test_only_the_last_event_of_a_row_carries_the_position(house: House, admin: Client, floor: Floor) -> None:
    """A client that is cut off between two events of one commit gets both again."""
    stream = Stream(house, f"after={await house.store.last_position()}")
    await admin.post("/v1/messages", {"channel": "chat", "app": "x"})
    blocks = [await stream.next("create"), await stream.next("create")]
    await stream.leave()
    assert "id" not in blocks[0]
    assert int(blocks[1]["id"]) == await house.store.last_position()


async def test_a_stream_shows_one_org_only(house: House, admin: Client) -> None:
    await house.found("Other", OTHER_KEY)
    stream = Stream(house, "topics=conversation", OTHER_KEY)
    await stream.next()
    await admin.post("/v1/conversations", {})
    own = (await house.client(OTHER_KEY).post("/v1/conversations", {}))["data"]["id"]
    assert msgspec.json.decode((await stream.next("conversation"))["data"])["subject"] == f"conversation/{own}"
    await stream.leave()


async def test_a_position_that_does_not_exist_yet_is_reset(house: House, admin: Client) -> None:
    stream = Stream(house, "after=1000000")
    await stream.next("reset")
    await stream.next("queue.create")
    await stream.leave()


async def test_a_quiet_stream_beats(admin: Client) -> None:
    house = House(Settings(beat_seconds=0.01, poll_seconds=0.01))
    await house.found()
    stream = Stream(house, f"after={await house.store.last_position()}")
    beat = await stream.next("beat")
    assert int(beat["id"]) == await house.store.last_position()
    await stream.leave()


async def test_streams_end_at_once_when_the_server_stops(house: House, admin: Client) -> None:
    stream = Stream(house)
    await stream.next("queue.create")
    house.app.state.end_streams()
    await stream.ended()


async def test_there_are_so_many_streams_and_no_more() -> None:
    house = House(Settings(streams_max=1))
    await house.found()
    one = Stream(house)
    await one.next()
    answer = await house.client(accept="text/event-stream").send("GET", PATH)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    await one.leave()


async def test_a_bad_last_event_id_is_refused(admin: Client) -> None:
    refused = await admin.get(PATH, 400, last_event_id="x")
    assert refused["errors"][0]["source"] == {"header": "Last-Event-ID"}
