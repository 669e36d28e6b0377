"""A world to test in: memory, a clock that moves when told to, ids in order, and the roles run by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from interlock.api.app import build
from interlock.api.host import Settings
from interlock.domain.agent import WorkSession
from interlock.domain.assignment import Actor
from interlock.domain.decision import Provenance
from interlock.domain.ids import compose
from interlock.ports import Batch, Query, World
from interlock.service import incidents, orgs
from interlock.service.cues import ROLES
from interlock.service.preconditions import Precondition
from interlock.service.relay import run_once
from interlock.store.memory import MemoryStore

START_MS = 1_772_442_000_000
KEY = "ilk_" + "a" * 64
OTHER_KEY = "ilk_" + "b" * 64


class VirtualClock:
    """The time, which passes only when a test says so."""

    def __init__(self, now: int = START_MS) -> None:
        self._now = now

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self._now

    def pass_ms(self, ms: int) -> None:
        """Let time pass."""
        self._now += ms


class CountingIds:
    """Ids in order, each once."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._n = 0

    def fresh(self) -> str:
        """The next id."""
        self._n += 1
        return compose(self._clock.now(), self._n * 0x9E3779B97F4A7C15 + 0x1234567)


class HandBus:
    """The log, handed to each role from where it was; nobody waits."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.positions: dict[str, int] = {}

    async def receive(self, consumer: str, limit: int) -> Batch:
        """What comes after the consumer's position, also if it is nothing."""
        return Batch(consumer, tuple(await self._store.changes(self.positions.get(consumer, 0), limit)))

    async def acknowledge(self, batch: Batch) -> None:
        """Done with these."""
        if batch.rows:
            self.positions[batch.consumer] = batch.rows[-1].position


class House:
    """One org with an admin key, its API, and the roles."""

    def __init__(self, settings: Settings | None = None, *, checked: bool = True) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock, checked=checked)
        self.bus = HandBus(self.store)
        self.world = World(self.store, self.bus, self.clock, CountingIds(self.clock), floors={})
        self.app = build(self.world, settings=settings or Settings())
        self.store.listen(self.app.state.heard)

    async def found(self, name: str = "Acme", key: str = KEY) -> str:
        """A new org; its id."""
        done = await orgs.found(self.world, name, key=key)
        return done.row.org

    def client(self, key: str | None = KEY, **headers: Any) -> Client:
        """A client with a key."""
        return Client(self.app, key, headers)

    async def settle(self) -> None:
        """Let every role work until none has anything left to do."""
        while min(self.bus.positions.get(r, 0) for r in ROLES) < await self.store.last_position():
            for role in ROLES:
                await run_once(self.world, role)


class Client:
    """Requests to an application in this process: JSON in, JSON out, an Idempotency-Key with every POST."""

    def __init__(self, app: Any, key: str | None, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = {**({"authorization": f"Bearer {key}"} if key else {}), **headers}
        self._n = 0

    async def send(
        self, method: str, path: str, *, content: bytes | None = None, json: Any = None, **headers: str
    ) -> httpx.Response:
        """One request as it is."""
        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", trust_env=False) as http:
            given = {**self._headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
            return await http.request(method, path, content=content, json=json, headers=given)

    async def get(self, path: str, status: int = 200, **headers: Any) -> Any:
        """Read; the document."""
        return self._checked(await self.send("GET", path, **headers), status)

    async def post(self, path: str, body: Any = None, status: int = 201, **headers: Any) -> Any:
        """Create or act; the document."""
        self._n += 1
        headers.setdefault("idempotency_key", f"{id(self)}-{self._n}")
        return self._checked(await self.send("POST", path, json={} if body is None else body, **headers), status)

    async def put(self, path: str, body: Any, status: int = 200, **headers: Any) -> Any:
        """Write; the document."""
        return self._checked(await self.send("PUT", path, json=body, **headers), status)

    async def patch(self, path: str, body: Any, status: int = 200, **headers: Any) -> Any:
        """Write; the document."""
        return self._checked(await self.send("PATCH", path, json=body, **headers), status)

    async def delete(self, path: str, status: int = 204, **headers: Any) -> Any:
        """Take away."""
        return self._checked(await self.send("DELETE", path, **headers), status)

    @staticmethod
    def _checked(answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else answer.text


class Listening:
    """The reader's side of one request for a stream: it has asked, and listens until it is gone."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._asked = False

    async def receive(self) -> Any:
        """What the server hears of it."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}


class Floor:
    """A queue, a team that serves it, and agents with keys of their own."""

    def __init__(self, house: House, admin: Client) -> None:
        self.house, self.admin = house, admin
        self.queue = self.team = self.available = self.offline = ""
        self.agents: list[str] = []
        self.keys: list[str] = []

    async def open(self, agents: int = 1, *, capacity: int = 3) -> Floor:
        """Set it all up; nobody is signed in yet."""
        admin = self.admin
        self.queue = (await admin.post("/v1/routing/queues", {"name": "Orders", "key": "orders"}))["data"]["id"]
        self.team = (await admin.post("/v1/teams", {"name": "Support"}))["data"]["id"]
        await admin.put(
            f"/v1/routing/settings/{self.team}", {"enabled": True, "queues": [self.queue], "workItemCapacity": capacity}
        )
        statuses = (await admin.get("/v1/routing/statuses"))["data"]
        by_type = {s["attributes"]["statusType"]: s["id"] for s in statuses}
        self.available, self.offline = by_type["available"], by_type["offline"]
        for n in range(agents):
            user = (await admin.post("/v1/users", {"name": f"Agent {n}", "teams": [self.team]}))["data"]["id"]
            made = await admin.post("/v1/api-keys", {"name": f"agent {n}", "roles": ["org.user"], "user": user})
            self.agents.append(user)
            self.keys.append(made["meta"]["secret"])
        return self

    def agent(self, n: int = 0) -> Client:
        """The client of an agent."""
        return self.house.client(self.keys[n])

    async def sign_in(self, n: int = 0) -> Any:
        """An agent becomes available."""
        return await self.agent(n).put("/v1/routing/work-sessions/current", {"status": self.available})


async def settled(house: House, seconds: float = 5) -> None:
    """`settle`, with a limit, so that a test that never ends says so."""
    async with asyncio.timeout(seconds):
        await house.settle()


async def sessions(house: House, admin: Client) -> list[WorkSession]:
    """Every shift there is, as it is stored."""
    org = (await admin.get("/v1/routing/org-settings"))["data"]["id"]
    found = await house.store.find(Query(name="listing", org=org, type=WorkSession.TYPE, limit=1000))
    return [s for s in found if isinstance(s, WorkSession)]


async def known_incident(house: House) -> str:
    """An incident that somebody said something of."""
    id, (org, *_) = "1c" * 12, await orgs.all_orgs(house.world)
    by = Provenance(org.id, Actor("person", "user", "u"), "api")
    await incidents.say(
        house.world, by, id, "acknowledged", "", "Ana", {"rule": "R1"}, Precondition(), beside=lambda _: ()
    )
    return id
