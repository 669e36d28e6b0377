"""As fast as it goes: a closed loop of conversations, each taken from creation to done over HTTP.

So many conversations are under way at once; one that is done makes room for the next. There are as many agents as
conversations under way, since an agent has one offer at a time; they accept as soon as the event stream tells them of
an offer, and are done at once: what is measured is the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from interlock.cli.demo.client import Client, Refused, related
from interlock.cli.demo.floor import CALL_TAG, SPECIAL_TAG, Floor, Seat, hire, set_up
from interlock.cli.demo.traffic import Day

CAPACITY = 1_000
TURN_AWAY = frozenset({"OFFER_TAKEN", "OFFER_EXPIRED", "CONFLICT"})
"""Answers with which an offer is simply over: somebody else, or the workflow, was first."""


class Flood:
    """The load of one run. `begin` is called when everybody is there, `tell` for every conversation that is done."""

    def __init__(
        self, client: Client, key: str, day: Day, *, under_way: int, begin: Callable[[], None], tell: Callable[[], None]
    ) -> None:
        self._client = client
        self._key = key
        self._arrivals = day.arrivals()
        self._under_way = under_way
        self._room = asyncio.Semaphore(under_way)
        self._begin = begin
        self._tell = tell
        self._seats: dict[str, Seat] = {}
        self._open: dict[str, asyncio.Future[None]] = {}

    async def run(self, seconds: float) -> None:
        """Set up, run for so long, and then let what is under way come to its end."""
        floor = await set_up(self._client, self._key)
        self._seats = {seat.user: seat for seat in await self._staff(floor)}
        self._begin()
        async with asyncio.TaskGroup() as everybody:
            self._everybody = everybody
            follower = everybody.create_task(self._follow())
            loop = asyncio.get_running_loop()
            end = loop.time() + seconds
            while loop.time() < end:
                await self._room.acquire()
                everybody.create_task(self._customer())
            for _ in range(self._under_way):
                await self._room.acquire()
            follower.cancel()

    async def _staff(self, floor: Floor) -> list[Seat]:
        """Everybody signs in, serves every queue and carries as much as comes; more agents are hired if need be."""
        queues = (await self._client.send("GET", "/v1/routing/queues", key=self._key))["data"]
        wide = {"total": CAPACITY, "channels": {"voice": CAPACITY}}
        await self._client.send(
            "PUT", "/v1/routing/org-settings", {"capacity": wide, "acceptTimeoutSeconds": 60}, key=self._key
        )
        seats = list(floor.seats.values())
        more = range(len(seats), self._under_way)
        seats += [await hire(self._client, self._key, f"Agent {n}", seats[n % len(floor.seats)].team) for n in more]
        for team in {seat.team for seat in seats}:
            body = {"enabled": True, "workItemCapacity": CAPACITY, "queues": [q["id"] for q in queues]}
            await self._client.send("PUT", f"/v1/routing/settings/{team}", body, key=self._key)
        for seat in seats:
            said = {"status": floor.statuses["available"]}
            await self._client.send("PUT", "/v1/routing/work-sessions/current", said, key=seat.key)
        return seats

    async def _customer(self) -> None:
        arrival = next(self._arrivals)
        body = opening(arrival.channel, arrival.subject, arrival.language, special=False)
        made = await self._client.send("POST", "/v1/conversations", body, key=self._key)
        done = self._open.setdefault(made["data"]["id"], asyncio.get_running_loop().create_future())
        await done
        self._open.pop(made["data"]["id"], None)
        self._room.release()
        self._tell()

    async def _follow(self) -> None:
        async for event in self._client.events("reservation.create", 0, key=self._key):
            offer = event["data"]["data"]
            work = self._agent(offer["id"], related(offer, "user"), related(offer, "conversation"))
            self._everybody.create_task(work)

    async def _agent(self, offer: str, user: str, conversation: str) -> None:
        seat = self._seats[user]
        try:
            await self._client.send("POST", f"/v1/routing/reservations/{offer}/accept", {}, key=seat.key)
        except Refused as no:
            if no.code not in TURN_AWAY:
                raise
            return
        await self._client.send("PUT", f"/v1/conversations/{conversation}", {"status": "done"}, key=seat.key)
        waits = self._open.setdefault(conversation, asyncio.get_running_loop().create_future())
        if not waits.done():
            waits.set_result(None)


def opening(channel: str, subject: str, language: str, *, special: bool) -> dict[str, Any]:
    """A new conversation as a channel's connector would post it."""
    body: dict[str, Any] = {
        "name": subject,
        "preview": subject,
        "channels": [channel],
        "direction": "in",
        "defaultLang": language,
    }
    if special:
        body |= {"tags": [SPECIAL_TAG, CALL_TAG] if channel == "email" else [SPECIAL_TAG], "priority": 5}
    return body
