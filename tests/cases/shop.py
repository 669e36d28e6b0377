"""A shop floor for cases: queues, teams and agents by name, conversations that arrive, a clock that moves when told.

Everything goes over the API, as a user's programs would do it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tests.worlds import Client, House, settled

from interlock.service import reactions

F = TypeVar("F", bound=Callable[..., Awaitable[None] | None])
CASES: dict[str, str] = {}
"""Number of a case → the test that holds it."""


def case(*numbers: str) -> Callable[[F], F]:
    """This test is the case (or the cases) of these numbers."""

    def note(test: F) -> F:
        for number in numbers:
            CASES[number] = f"{test.__module__}::{test.__name__}"
        return test

    return note


class Shop:
    """One org. Agents are called by their names, statuses by their kind, conversations by their ids."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.admin = house.client()
        self.users: dict[str, str] = {}
        self.clients: dict[str, Client] = {}
        self.statuses: dict[str, str] = {}

    async def open(self) -> Shop:
        """Learn the statuses."""
        for s in (await self.admin.get("/v1/routing/statuses"))["data"]:
            self.statuses[s["attributes"]["name"].lower()] = s["id"]
        return self

    async def queue(self, name: str, **fields: Any) -> str:
        """A queue; its id."""
        return (await self.admin.post("/v1/routing/queues", {"name": name, **fields}))["data"]["id"]

    async def team(self, name: str, *queues: str, **settings: Any) -> str:
        """A team that serves these queues; its id."""
        id = (await self.admin.post("/v1/teams", {"name": name}))["data"]["id"]
        body = {"enabled": True, "queues": list(queues), **settings}
        await self.admin.put(f"/v1/routing/settings/{id}", body)
        return id

    async def agent(self, name: str, team: str, status: str = "available", **fields: Any) -> str:
        """An agent who says `status`; their id. `offline`: not signed in."""
        user = (await self.admin.post("/v1/users", {"name": name, "teams": [team], **fields}))["data"]["id"]
        key = await self.admin.post("/v1/api-keys", {"name": name, "roles": ["org.user"], "user": user})
        self.users[name], self.clients[name] = user, self.house.client(key["meta"]["secret"])
        if status != "offline":
            await self.say(name, status)
        return user

    async def say(self, name: str, status: str) -> None:
        """An agent says something else of themselves."""
        await self.clients[name].put("/v1/routing/work-sessions/current", {"status": self.statuses[status]})
        self.house.clock.pass_ms(1)
        await settled(self.house)

    async def floor(self, *names: str, **settings: Any) -> str:
        """One queue, one team, these agents, signed in one after the other; the queue's id."""
        queue = await self.queue("Orders")
        team = await self.team("Support", queue, **settings)
        for name in names:
            await self.agent(name, team)
            self.house.clock.pass_ms(1_000)
        return queue

    async def org(self, **fields: Any) -> None:
        """Set how routing behaves in the org."""
        rev = (await self.admin.get("/v1/routing/org-settings"))["data"]["attributes"]["rev"]
        await self.admin.put("/v1/routing/org-settings", {**fields, "rev": rev})
        await settled(self.house)

    async def arrive(self, queue: str | None = None, **fields: Any) -> str:
        """A conversation, taken as far as routing takes it; its id."""
        body: dict[str, Any] = {"channels": ["chat"], "direction": "in", **fields}
        if queue is not None:
            body["queue"] = {"id": queue}
        id = (await self.admin.post("/v1/conversations", body))["data"]["id"]
        await settled(self.house)
        self.house.clock.pass_ms(10)
        return id

    async def item(self, c: str) -> Any:
        """The newest work item of a conversation."""
        return (await self.admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0]

    async def status(self, c: str) -> str:
        """What its item is."""
        return (await self.item(c))["attributes"]["status"]

    async def offers(self) -> dict[str, str]:
        """Who is offered which conversation just now."""
        names = {id: name for name, id in self.users.items()}
        found = (await self.admin.get("/v1/routing/reservations?state=pending"))["data"]
        return {
            names[o["relationships"]["user"]["data"]["id"]]: o["relationships"]["conversation"]["data"]["id"]
            for o in found
        }

    async def answer(self, name: str, verb: str = "accept") -> None:
        """An agent answers their offer."""
        found = (await self.admin.get("/v1/routing/reservations?state=pending"))["data"]
        offer = next(o for o in found if o["relationships"]["user"]["data"]["id"] == self.users[name])
        await self.clients[name].post(f"/v1/routing/reservations/{offer['id']}/{verb}", {}, 200)
        self.house.clock.pass_ms(1)
        await settled(self.house)

    async def take(self, name: str, queue: str) -> str:
        """A conversation arrives, is offered to this agent and accepted; its id."""
        c = await self.arrive(queue)
        assert await self.offers() == {name: c}
        await self.answer(name)
        return c

    async def owner(self, c: str) -> str | None:
        """Who has it."""
        names = {id: name for name, id in self.users.items()}
        at = (await self.item(c))["relationships"].get("assignedTo")
        return names[at["data"]["id"]] if at else None

    async def done(self, c: str) -> None:
        """The conversation is over."""
        await self.admin.put(f"/v1/conversations/{c}", {"status": "done"})
        await settled(self.house)

    async def pass_s(self, seconds: float) -> None:
        """Time passes, and what is due by the clock happens."""
        self.house.clock.pass_ms(int(seconds * 1000))
        await reactions.expire_offers(self.house.world)
        await settled(self.house)
        await reactions.route_due(self.house.world)
        await settled(self.house)

    async def because(self, c: str) -> str:
        """Why it waits."""
        told = await self.admin.get(f"/v1/routing/work-items/{(await self.item(c))['id']}/explain")
        return told["data"]["attributes"]["waiting"]["because"]
