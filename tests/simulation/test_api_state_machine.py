"""Random days through the HTTP API: people, agents, programs and time in any order; the ledger holds after each step.

The roles work by hand, one batch at a time or until all is quiet, so that whoever acts may act on old news. At the end
of a day everything comes to rest: the books are balanced, pairs are in step, and nothing waits beside a free agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.worlds import Client, Floor, House

from interlock.investigation.ledger import Ledger
from interlock.service import orgs, routing
from interlock.service.cues import ROLES
from interlock.service.reactions import CADENCES
from interlock.service.relay import run_once

T = TypeVar("T")
AGENTS = 3
ROUNDS = 12
"""So often the roles and the cadences may take turns before a day that does not come to rest counts as a fault."""

agents = st.integers(0, AGENTS - 1)
nth = st.integers(0, 3)


class Day(RuleBasedStateMachine):
    """One org, its floor, and what happens to four conversations at most."""

    house: House
    admin: Client
    floor: Floor
    queues: list[str]

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self.conversations: list[str] = []
        self.ledger = Ledger(lag_objective_ms=10**12)
        self.read = 0
        self.requests = 0

    def now(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result."""
        return self._loop.run_until_complete(work)

    @initialize(capacity=st.integers(1, 2))
    def open(self, capacity: int) -> None:
        """The org, a queue, a team and its agents; two of them sign in."""

        async def work() -> None:
            self.house = House()
            await self.house.found()
            self.admin = self.house.client()
            self.floor = await Floor(self.house, self.admin).open(AGENTS, capacity=capacity)
            second = await self.admin.post("/v1/routing/queues", {"name": "Second level", "key": "second"})
            self.queues = [self.floor.queue, second["data"]["id"]]
            for n in range(2):
                await self.floor.sign_in(n)

        self.now(work())

    async def _try(self, method: str, path: str, body: Any = None, *, by: Client | None = None) -> Any:
        """A request that may be refused, for what it asks may be impossible; but the server has an answer."""
        self.requests += 1
        headers: dict[str, Any] = {"idempotency_key": f"day-{self.requests}"} if method == "POST" else {}
        answer = await (by or self.admin).send(method, path, json=body, **headers)
        assert answer.status_code < 500, answer.text
        return answer.json() if answer.status_code < 300 and answer.content else None

    def _conversation(self, n: int) -> str:
        return self.conversations[n % len(self.conversations)]

    async def _item(self, n: int) -> str | None:
        found = await self._try("GET", f"/v1/routing/conversations/{self._conversation(n)}/work-items")
        return found["data"][0]["id"] if found and found["data"] else None

    @precondition(lambda self: len(self.conversations) < 4)
    @rule(channel=st.sampled_from(["chat", "voice"]), queue=st.sampled_from([None, 0, 1]))
    def somebody_writes(self, channel: str, queue: int | None) -> None:
        """A new conversation, perhaps into a queue at once."""
        body: dict[str, Any] = {"channels": [channel]}
        if queue is not None:
            body["queue"] = {"id": self.queues[queue]}
        made = self.now(self.admin.post("/v1/conversations", body))
        self.conversations.append(made["data"]["id"])

    @precondition(lambda self: self.conversations)
    @rule(n=nth, who=st.sets(agents, max_size=2), by=st.sampled_from([None, 0, 1]))
    def assigned_on_the_conversation(self, n: int, who: set[int], by: int | None) -> None:
        """To one, two or nobody; by an agent or by a program."""
        users = [self.floor.agents[a] for a in sorted(who)]
        client = None if by is None else self.floor.agent(by)
        path = f"/v1/conversations/{self._conversation(n)}"
        self.now(self._try("PUT", path, {"assignedUsers": users}, by=client))

    @precondition(lambda self: self.conversations)
    @rule(n=nth, queue=st.sampled_from([None, 0, 1]))
    def queued_on_the_conversation(self, n: int, queue: int | None) -> None:
        """Into a queue, or out of every one."""
        wanted = None if queue is None else {"id": self.queues[queue]}
        self.now(self._try("PUT", f"/v1/conversations/{self._conversation(n)}", {"queue": wanted}))

    @precondition(lambda self: self.conversations)
    @rule(n=nth, status=st.sampled_from(["open", "done", "snoozed"]))
    def status_on_the_conversation(self, n: int, status: str) -> None:
        """Done, reopened, snoozed, woken."""
        self.now(self._try("PUT", f"/v1/conversations/{self._conversation(n)}", {"status": status}))

    @precondition(lambda self: self.conversations)
    @rule(n=nth, body=st.sampled_from([{"ended": True}, {"ended": False}, {"tags": ["vip"]}, {"priority": 5}]))
    def something_else_on_the_conversation(self, n: int, body: dict[str, Any]) -> None:
        """The call is over, or not; a touch; a priority."""
        self.now(self._try("PUT", f"/v1/conversations/{self._conversation(n)}", body))

    @precondition(lambda self: self.conversations)
    @rule(n=nth)
    def the_customer_replies(self, n: int) -> None:
        """Which wakes and reopens."""
        path = f"/v1/conversations/{self._conversation(n)}/messages"
        self.now(self._try("POST", path, {"direction": "in", "preview": "hello?", "channel": "chat"}))

    @precondition(lambda self: self.conversations)
    @rule(n=nth, who=agents, what=st.sampled_from(["assign", "claim", "free", "offer"]))
    def the_item_is_given(self, n: int, who: int, what: str) -> None:
        """A work item is assigned, claimed, offered or taken away."""

        async def work() -> None:
            item = await self._item(n)
            user = self.floor.agents[who]
            bodies: dict[str, Any] = {
                "assign": {"assignedTo": user},
                "claim": {"accepted": {"by": user}},
                "free": {"assignedTo": None},
                "offer": {"routed": {"to": user}},
            }
            if item is not None:
                by = self.floor.agent(who) if what == "claim" else None
                await self._try("PUT", f"/v1/routing/work-items/{item}", bodies[what], by=by)

        self.now(work())

    @precondition(lambda self: self.conversations)
    @rule(n=nth, what=st.sampled_from(["second", "none", "wrap-up", "assigned", "completed", "pause", "wake"]))
    def the_item_moves_on(self, n: int, what: str) -> None:
        """A work item is transferred, wrapped up, completed, paused."""

        async def work() -> None:
            item = await self._item(n)
            bodies: dict[str, Any] = {
                "second": {"queue": {"id": self.queues[1]}}, "none": {"queue": None}, "pause": {"paused": True},
                "wake": {"paused": False},
            }  # fmt: skip
            if item is not None:
                await self._try("PUT", f"/v1/routing/work-items/{item}", bodies.get(what, {"status": what}))

        self.now(work())

    @rule(who=agents, answer=st.sampled_from(["accept", "accept", "reject", "extend"]))
    def an_agent_answers(self, who: int, answer: str) -> None:
        """Whatever is offered to them."""

        async def work() -> None:
            agent = self.floor.agent(who)
            found = await self._try("GET", "/v1/routing/reservations?state=pending", by=agent)
            for offer in (found or {}).get("data", [])[:1]:
                await self._try("POST", f"/v1/routing/reservations/{offer['id']}/{answer}", {}, by=agent)

        self.now(work())

    @rule(who=agents, comes=st.booleans())
    def an_agent_comes_or_goes(self, who: int, comes: bool) -> None:
        """Available, or offline."""
        status = self.floor.available if comes else self.floor.offline
        agent = self.floor.agent(who)
        self.now(self._try("PUT", "/v1/routing/work-sessions/current", {"status": status}, by=agent))

    @rule(role=st.sampled_from(ROLES))
    def one_role_works(self, role: Any) -> None:
        """One batch; the others still have theirs before them."""
        self.now(run_once(self.house.world, role))

    @rule()
    def all_roles_work(self) -> None:
        """Until nothing is left to do."""
        self.now(self.house.settle())

    @rule(seconds=st.sampled_from([1, 10, 40]))
    def time_passes(self, seconds: int) -> None:
        """And what runs by the clock runs."""
        self.house.clock.pass_ms(seconds * 1000)
        self.now(self._cadences())

    async def _cadences(self) -> int:
        return sum([await cadence.do(self.house.world) for cadence in CADENCES])

    @invariant()
    def the_books_are_balanced(self) -> None:
        """Every row so far, folded once."""
        if not hasattr(self, "house"):
            return
        for row in self.now(self.house.store.changes(self.read, 100_000)):
            self.read = row.position
            self.ledger.take(row)
            assert row.why.kind != "parked", row.why.reason
        assert self.ledger.violations == []

    def teardown(self) -> None:
        """The day ends: everything comes to rest, and is as it should be."""
        try:
            if hasattr(self, "house"):
                self.now(self._rest())
                self.the_books_are_balanced()
                verdict = self.ledger.finish()
                assert (verdict.lost, verdict.others) == ((), ())
                self.now(self._nobody_waits_in_vain())
        finally:
            self._loop.close()

    async def _rest(self) -> None:
        """Roles and cadences take turns until neither finds anything; offers are left standing."""
        for _ in range(ROUNDS):
            await self.house.settle()
            self.house.clock.pass_ms(3_000)
            before = await self.house.store.last_position()
            await self._cadences()
            if await self.house.store.last_position() == before:
                return
        raise AssertionError("the day does not come to rest")

    async def _nobody_waits_in_vain(self) -> None:
        """The sweep finds nothing, and no item stands where nothing will move it."""
        for cadence in CADENCES:
            assert await cadence.do(self.house.world) == 0, cadence.name
        waiting = await self._try("GET", "/v1/routing/work-items?status=ivr")
        conversations = {c: (await self._try("GET", f"/v1/conversations/{c}"))["data"] for c in self.conversations}
        for item in waiting["data"]:
            c = conversations[item["relationships"]["resource"]["data"]["id"]]
            assert c["attributes"].get("assignedUsers", []) == [], "assigned, and its item knows nothing of it"
        for org in await orgs.all_orgs(self.house.world):
            assert await routing.sweep(self.house.world, org.id) == []


Day.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
)
TestDay = Day.TestCase
