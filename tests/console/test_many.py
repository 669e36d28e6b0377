"""Many who look at once: a thousand live streams through the console; each costs little and hears everything."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import Any

from tests.console.test_pages import Browser
from tests.worlds import Client, Floor, House, Listening

from interlock.console.app import Console

STREAMS = 1_000
EACH_MAX = 50_000
"""Bytes of memory of one stream."""


class Reader:
    """One open stream, of which only what counts is kept: whether it has begun, and whether it was told of a change."""

    def __init__(self, app: Any, cookie: str, after: int) -> None:
        self.told = asyncio.Event()
        self.begun = asyncio.Event()
        scope = {
            "type": "http", "method": "GET", "path": "/live", "root_path": "", "client": ("127.0.0.1", 1),
            "query_string": f"after={after}&topics=queues,agents".encode(),
            "headers": [(b"cookie", cookie.encode()), (b"host", b"test:8080"), (b"accept", b"text/event-stream")],
        }  # fmt: skip
        self._end = Listening()
        self.task = asyncio.create_task(app(scope, self._end.receive, self._send))

    async def _send(self, message: Any) -> None:
        body = message.get("body", b"")
        if b"event: change" in body:
            self.told.set()
        if b"event: beat" in body:
            self.begun.set()

    def close(self) -> None:
        """The browser goes."""
        self._end.gone.set()


async def test_a_thousand_streams_hear_everything_and_cost_little_each(
    house: House, admin: Client, floor: Floor
) -> None:
    somebody = await Browser(house).sign_in(admin, "reader")
    cookie = "; ".join(f"{c.name}={c.value}" for c in somebody.http.cookies.jar)
    api: Any = house.app
    app = Console(api)
    position = (await admin.get("/v1/changes"))["meta"]["position"]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        readers = [Reader(app, cookie, position) for _ in range(STREAMS)]
        await asyncio.gather(*(r.begun.wait() for r in readers))
        gc.collect()
        each = (tracemalloc.get_traced_memory()[0] - before) / STREAMS
    finally:
        tracemalloc.stop()
    assert each < EACH_MAX, f"{each:.0f} bytes of each stream"
    await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
    await house.settle()
    async with asyncio.timeout(60):
        await asyncio.gather(*(r.told.wait() for r in readers))
    assert f"interlock_sse_clients {STREAMS}" in await metrics(house)
    for r in readers:
        r.close()
    await asyncio.gather(*(r.task for r in readers))
    assert "interlock_sse_clients 0" in await metrics(house)


async def metrics(house: House) -> str:
    """What Prometheus would read."""
    return (await house.client(None).send("GET", "/metrics")).text
