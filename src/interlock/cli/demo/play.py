"""A day played against a server over HTTP: customers write, agents sign in, answer, work, go on break and come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from interlock.cli.demo.client import Client, Refused, related
from interlock.cli.demo.flood import opening
from interlock.cli.demo.floor import ACCEPT_SECONDS, Seat, set_up
from interlock.cli.demo.traffic import STAFF, Agent, Arrival, Day

WRAP_UP_S = 30.0
NOTICES_S = 60.0
"""How long an agent who let an offer pass takes to notice that they were made unavailable."""


class Play:
    """One day at a speed. `tell` hears of every conversation that is done; `guest`: a user who is played by nobody."""

    def __init__(
        self, client: Client, key: str, day: Day, *, speed: float, tell: Callable[[], None], guest: str = ""
    ) -> None:
        self._client = client
        self._key = key
        self._day = day
        self._speed = speed
        self._tell = tell
        self._guest = guest
        self._tasks: set[asyncio.Task[Any]] = set()
        self._returns: dict[str, float] = {}
        self._owner: dict[str, str] = {}
        self._offers: Counter[str] = Counter()
        self._present: set[str] = set()
        self._began = 0.0

    async def run(self, arrivals: Iterable[Arrival]) -> None:
        """Until it is cancelled, or the arrivals are all through."""
        floor = await set_up(self._client, self._key)
        self._floor = floor
        if self._guest:
            team = floor.seats[STAFF[0][0]].team
            await self._client.send("PUT", f"/v1/users/{self._guest}", {"teams": [team]}, key=self._key)
        self._names = {seat.user: name for name, seat in floor.seats.items()}
        self._began = asyncio.get_running_loop().time()
        for agent in self._day.agents():
            self._go(self._shift(agent, floor.seats[agent.name]))
        self._go(self._follow())
        try:
            for arrival in arrivals:
                await self._until(arrival.at_s)
                self._go(self._customer(arrival))
            await asyncio.Event().wait()
        finally:
            for task in list(self._tasks):
                task.cancel()

    def _go(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until(self, at_s: float) -> None:
        delay = self._began + at_s / self._speed - asyncio.get_running_loop().time()
        if delay > 0:
            await asyncio.sleep(delay)

    async def _pause(self, simulated_s: float) -> None:
        await asyncio.sleep(simulated_s / self._speed)

    async def _customer(self, arrival: Arrival) -> None:
        """A conversation, and its first message at once: the workflow listens to that one."""
        body = opening(arrival.channel, arrival.subject, arrival.language, special=arrival.special)
        made = await self._client.send("POST", "/v1/conversations", body, key=self._key)
        id = made["data"]["id"]
        if arrival.returns_after_s is not None:
            self._returns[id] = arrival.returns_after_s
        await self._write(id, arrival.channel, arrival.subject)

    async def _write(self, conversation: str, channel: str, text: str) -> None:
        message = {"channel": channel, "app": channel, "direction": "in", "preview": text}
        await self._client.send("POST", f"/v1/conversations/{conversation}/messages", message, key=self._key)

    async def _shift(self, agent: Agent, seat: Seat) -> None:
        await self._until(agent.begins_s)
        await self._say(seat, "available")
        for begins, ends, leaves in agent.breaks:
            await self._until(begins)
            await self._say(seat, "offline" if leaves else "break")
            await self._until(ends)
            await self._say(seat, "available")

    async def _say(self, seat: Seat, status: str) -> None:
        (self._present.add if status == "available" else self._present.discard)(seat.user)
        with contextlib.suppress(Refused):
            said = {"status": self._floor.statuses[status]}
            await self._client.send("PUT", "/v1/routing/work-sessions/current", said, key=seat.key)

    async def _follow(self) -> None:
        """What an agent's screen would show: offers, and work that has become theirs."""
        async for event in self._client.events("reservation.create,work-item", 0, key=self._key):
            resource = event["data"]["data"]
            if resource["type"] == "reservation":
                self._go(self._offered(resource["id"], related(resource, "user")))
            else:
                self._moved(resource)

    def _moved(self, item: dict[str, Any]) -> None:
        status = item["attributes"]["status"]
        has = status in ("assigned", "wrap-up")
        owner = related(item, "assignedTo") if has and "assignedTo" in item["relationships"] else ""
        before = self._owner.get(item["id"], "")
        self._owner[item["id"]] = owner
        if owner and owner != before:
            channel = str(item["attributes"].get("channel", "chat"))
            self._go(self._work(item["id"], related(item, "resource"), owner, channel))

    async def _offered(self, offer: str, user: str) -> None:
        name = self._names.get(user)
        if name is None:
            return
        seat = self._floor.seats[name]
        self._offers[user] += 1
        answer = self._day.answer(name, self._offers[user], "chat")
        if answer.says == "nothing":
            await asyncio.sleep(ACCEPT_SECONDS)
            await self._pause(NOTICES_S)
            if user in self._present:
                await self._say(seat, "available")
            return
        await self._pause(answer.after_s)
        verb, body = ("accept", {}) if answer.says == "accept" else ("reject", {"reasonCode": 1, "reason": "not mine"})
        with contextlib.suppress(Refused):
            await self._client.send("POST", f"/v1/routing/reservations/{offer}/{verb}", body, key=seat.key)

    async def _work(self, item: str, conversation: str, user: str, channel: str) -> None:
        name = self._names.get(user)
        if name is None:
            return
        seat = self._floor.seats[name]
        self._offers[user] += 1
        await self._pause(self._day.answer(name, self._offers[user], channel).work_s)
        if channel == "voice" and self._owner.get(item) == user:
            await self._change(conversation, {"ended": True}, seat)
            await self._pause(WRAP_UP_S)
        if self._owner.get(item) != user:
            return
        await self._change(conversation, {"status": "done"}, seat)
        self._tell()
        later = self._returns.pop(conversation, None)
        if later is not None:
            await self._pause(later)
            await self._write(conversation, channel if channel != "voice" else "chat", "It is about the same again")

    async def _change(self, conversation: str, fields: dict[str, Any], seat: Seat) -> None:
        with contextlib.suppress(Refused):
            await self._client.send("PUT", f"/v1/conversations/{conversation}", fields, key=seat.key)
