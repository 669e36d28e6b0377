"""Customers, agents and a workflow against a real server, who write down everything that was acknowledged to them."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from tests.crash.server import KEY

from interlock.domain.log import Row

AGENTS = 4


@dataclass
class Acknowledged:
    """What a client was told is done: each conversation's newest rev, and each write that named users or an end."""

    revs: dict[str, int] = field(default_factory=dict)
    writes: list[tuple[str, int, str, Any]] = field(default_factory=list)
    accepted: list[tuple[str, str]] = field(default_factory=list)

    def note(self, answer: dict[str, Any]) -> None:
        """The conversation in an answer."""
        id, rev = answer["data"]["id"], answer["data"]["attributes"]["rev"]
        self.revs[id] = max(rev, self.revs.get(id, 0))

    def stand_in(self, rows: Iterable[Row]) -> None:
        """Asserts that all of it is in the log, and says there what was answered."""
        seen = {(c.type, c.id, c.rev): c for row in rows for c in row.changes}
        missing = [(id, rev) for id, rev in self.revs.items() if ("conversation", id, rev) not in seen]
        assert not missing, f"acknowledged and gone: {missing[:5]}"
        for id, rev, name, value in self.writes:
            change = seen["conversation", id, rev]
            assert name not in change.attributes or change.attributes[name].after == value, (id, rev, name)


@dataclass
class Floor:
    """The people of the test: an admin key, a workflow key, and agents with keys of their own."""

    users: list[str]
    keys: list[str]
    workflow: str
    available: str


class Client:
    """A thin client: JSON in, JSON out, and `None` when the server died under the request."""

    def __init__(self, http: aiohttp.ClientSession, url: str, key: str) -> None:
        self._http, self._url, self._key = http, url, key
        self._numbers = itertools.count()

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any] | None:
        """One request. The answer is `(status, document)`, or `None` if there was none."""
        headers = {"Authorization": f"Bearer {self._key}"}
        if method == "POST":
            headers["Idempotency-Key"] = f"{id(self)}-{next(self._numbers)}-{random.getrandbits(64):x}"
        try:
            async with self._http.request(method, self._url + path, json=body, headers=headers) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, ConnectionError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            return None

    async def text(self, path: str) -> str:
        """A page of plain text."""
        async with self._http.get(self._url + path, headers={"Authorization": f"Bearer {self._key}"}) as answer:
            return await answer.text()

    async def need(self, method: str, path: str, body: Any = None) -> Any:
        """One request that has to succeed."""
        answer = await self.call(method, path, body)
        assert answer is not None, (method, path)
        assert answer[0] < 300, (method, path, answer)
        return answer[1]


@asynccontextmanager
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client session with short time-outs."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


async def set_up(admin: Client) -> Floor:
    """A team of agents on the default queue, once for the life of the database."""
    queues = await admin.need("GET", "/v1/routing/queues?system=true")
    queue = queues["data"][0]["id"]
    team = (await admin.need("POST", "/v1/teams", {"name": "Crash"}))["data"]["id"]
    users: list[str] = []
    keys: list[str] = []
    for n in range(AGENTS):
        user = (await admin.need("POST", "/v1/users", {"name": f"Agent {n}", "teams": [team]}))["data"]["id"]
        key = await admin.need("POST", "/v1/api-keys", {"name": f"agent {n}", "roles": ["org.user"], "user": user})
        users.append(user)
        keys.append(key["meta"]["secret"])
    workflow = (await admin.need("POST", "/v1/api-keys", {"name": "workflow", "roles": ["org.user"]}))["meta"]["secret"]
    await admin.need(
        "PUT",
        f"/v1/routing/settings/{team}",
        {"enabled": True, "queues": [queue], "workItemCapacity": 100_000, "capacity": {"channels": {"chat": 100_000}}},
    )
    statuses = await admin.need("GET", "/v1/routing/statuses")
    available = next(s["id"] for s in statuses["data"] if s["attributes"]["statusType"] == "available")
    return Floor(users, keys, workflow, available)


class Load:
    """Everybody at work until told to stop."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, floor: Floor, told: Acknowledged, seed: int,
        make: Callable[[aiohttp.ClientSession, str, str], Client] = Client,
    ) -> None:  # fmt: skip
        self._clients = [make(http, url, key) for key in floor.keys]
        self._admin = make(http, url, KEY)
        self._workflow = make(http, url, floor.workflow)
        self._floor, self._told = floor, told
        self._random = random.Random(seed)

    async def run(self) -> None:
        """Ends when the server is gone."""
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(self._customer())
            for n in range(AGENTS):
                group.create_task(self._agent(n))
            group.create_task(self._automation())

    async def _customer(self) -> None:
        while True:
            answer = await self._admin.call(
                "POST", "/v1/conversations", {"name": "crash", "direction": "in", "channels": ["chat"]}
            )
            if answer is None:
                return
            if answer[0] == 201:
                self._told.note(answer[1])

    async def _agent(self, n: int) -> None:
        client, user = self._clients[n], self._floor.users[n]
        signed_in = await client.call("PUT", "/v1/routing/work-sessions/current", {"status": self._floor.available})
        while signed_in is not None:
            offers = await client.call("GET", "/v1/routing/reservations?state=pending")
            if offers is None:
                return
            for offer in offers[1].get("data", ()):
                answer = await client.call("POST", f"/v1/routing/reservations/{offer['id']}/accept", {})
                if answer is None:
                    return
                if answer[0] == 200:
                    self._told.accepted.append((offer["relationships"]["workItem"]["data"]["id"], user))
            if not await self._finish(client):
                return

    async def _finish(self, client: Client) -> bool:
        """Now and then a conversation is finished."""
        if not self._told.revs or self._random.random() < 0.5:
            return True
        id = self._random.choice(list(self._told.revs))
        answer = await client.call("PATCH", f"/v1/conversations/{id}", {"status": "done"})
        if answer is not None and answer[0] == 200:
            self._told.note(answer[1])
            self._told.writes.append((id, answer[1]["data"]["attributes"]["rev"], "status", "done"))
        return answer is not None

    async def _automation(self) -> None:
        """A workflow assigns whatever it likes, unconditionally, as in the incident."""
        while True:
            if not self._told.revs:
                if await self._workflow.call("GET", "/v1/users/current") is None:
                    return
                continue
            id, user = self._random.choice(list(self._told.revs)), self._random.choice(self._floor.users)
            answer = await self._workflow.call("PATCH", f"/v1/conversations/{id}", {"assignedUsers": [user]})
            if answer is None:
                return
            if answer[0] == 200:
                self._told.note(answer[1])
                self._told.writes.append((id, answer[1]["data"]["attributes"]["rev"], "assignedUsers", [user]))
