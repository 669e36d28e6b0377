"""The incident's own interleaving, over HTTP against a running server: with our policy nothing is lost, with theirs
it is.

conversation rev 4   the work item is made from it, and queued by a rule (item rev 2)
conversation rev 5   an unrelated touch, which the worker does not see
conversation rev 6   a workflow assigns a user, between the worker's decision and its reverse sync
conversation rev 7   the reverse sync

The schedule is forced at the ports by named signals; nothing sleeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from interlock.domain.log import Row
from interlock.investigation.ledger import check
from interlock.ports import World
from interlock.runtime.assemble import assemble
from interlock.runtime.server import bind, listening
from interlock.runtime.settings import Settings
from interlock.service.cues import Reaction
from interlock.service.reactions import REACTIONS
from interlock.simulation import mutants
from interlock.simulation.signals import Signals, gated

KEY = "ilk_" + "1" * 64
PATIENCE_S = 20


class Client:
    """JSON over a real socket."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._n = 0

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """One request that has to succeed."""
        self._n += 1
        headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": f"incident-{self._n}"}
        async with self._http.request(method, self._url + path, json=body, headers=headers) as answer:
            document = await answer.json(content_type=None)
            assert answer.status < 300, (method, path, answer.status, document)
            return document


class Stage:
    """A running server with gates at its ports."""

    def __init__(self, call: Client, world: World, signals: Signals) -> None:
        self.call, self.world, self.signals = call, world, signals

    async def log(self) -> list[Row]:
        """Everything that was decided."""
        return await self.world.store.changes(0, 10_000)

    async def wait_for(self, found: Callable[[Row], bool]) -> Row:
        """The first row for which this holds, waiting for it on the bus as any consumer would."""
        for row in await self.log():
            if found(row):
                return row
        while True:
            batch = await asyncio.wait_for(self.world.bus.receive("witness", 100), PATIENCE_S)
            await self.world.bus.acknowledge(batch)
            for row in batch.rows:
                if found(row):
                    return row


@asynccontextmanager
async def stage(
    databases: dict[str, str], policy: Callable[[Signals], Sequence[Reaction]] | None = None
) -> AsyncIterator[Stage]:
    """The server on SQLite files; `policy` puts a known-bad reverse sync in place of ours."""
    signals = Signals()
    settings = Settings(bootstrap_key=KEY, **databases)  # type: ignore[arg-type]
    reactions = policy(signals) if policy else REACTIONS
    async with (
        assemble(settings, around=lambda world: gated(world, signals), reactions=reactions) as house,
        listening(house, bind("127.0.0.1", 0)) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Stage(Client(http, url), house.world, signals)
        for name in ("sync.receive", "reverse.commit", "reverse.decided"):
            signals.release(name)


class Story:
    """What the incident's sequence left behind."""

    def __init__(self, conversation: str, item: str, user: str, queue: str) -> None:
        self.conversation, self.item, self.user, self.queue = conversation, item, user, queue


async def incident(on: Stage, gate: str) -> Story:
    """Drive it: `gate` is the point between the worker's decision and its write."""
    call, signals = on.call, on.signals
    user = (await call("POST", "/v1/users", {"name": "Agent"}))["data"]["id"]
    queue = (await call("POST", "/v1/routing/queues", {"name": "Voice", "key": "voice"}))["data"]["id"]
    await call("POST", "/v1/routing/queue-rules", {
        "name": "voice", "queue": {"id": queue},
        "criteria": {"and": [{"conversation_channel": {"operator": "equals", "value": "voice"}}], "or": []},
    })  # fmt: skip
    workflow = await call("POST", "/v1/workflows", {
        "name": "assign the caller's agent", "enabled": True,
        "trigger": {"eventName": "interlock.conversation.update"},
        "steps": [{
            "id": "assign", "action": "interlock.conversation.update", "params": {"assignedUsers": [user]},
        }],
    })  # fmt: skip
    await call("PUT", f"/v1/workflows/{workflow['data']['id']}", {"enabled": False})

    signals.hold("sync.receive")
    c = (await call("POST", "/v1/conversations", {"name": "Outbound call", "direction": "out", "channels": ["voice"]}))[
        "data"
    ]["id"]
    for n in (2, 3, 4):
        touched = await call("PATCH", f"/v1/conversations/{c}", {"name": f"Outbound call {n}"})
        assert touched["data"]["attributes"]["rev"] == n
    signals.hold(gate)
    signals.release("sync.receive")
    queued = await on.wait_for(lambda row: row.why.direction == "rule" and row.why.kind == "intent")
    item = next(change.id for change in queued.changes if change.type == "work_item")
    await asyncio.wait_for(signals.reached(gate), PATIENCE_S)

    await call("PUT", f"/v1/workflows/{workflow['data']['id']}", {"enabled": True})
    assert (await call("PATCH", f"/v1/conversations/{c}", {"tags": ["touched"]}))["data"]["attributes"]["rev"] == 5
    assigned = await on.wait_for(lambda row: row.why.direction == "workflow" and row.why.kind == "intent")
    assert [(x.before_rev, x.rev) for x in assigned.changes] == [(5, 6)]
    signals.release(gate)
    await on.wait_for(
        lambda row: row.why.direction == "reverse" and row.position > assigned.position and bool(row.changes)
    )
    await on.wait_for(lambda row: row.why.direction == "forward" and row.position > assigned.position)
    return Story(c, item, user, queue)


async def shown(on: Stage, story: Story) -> tuple[Any, Any]:
    """Both records as the API shows them."""
    conversation = (await on.call("GET", f"/v1/conversations/{story.conversation}"))["data"]
    item = (await on.call("GET", f"/v1/routing/work-items/{story.item}"))["data"]
    return conversation, item


@pytest.fixture(params=["one database", "two databases"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Where the two services keep theirs: together, or apart as in the incident."""
    if request.param == "one database":
        return {"db": f"sqlite:///{tmp_path}/incident.db"}
    return {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("records_db", "routing_db")}


async def test_the_assignment_survives_the_stale_reverse_sync(databases: dict[str, str]) -> None:
    """The workflow's user stays, the item becomes theirs and leaves its queue, and the log names who lost."""
    async with stage(databases) as on:
        story = await incident(on, "reverse.commit")
        conversation, item = await shown(on, story)
        rows = await on.log()

    assert conversation["attributes"]["rev"] == 7
    assert conversation["attributes"]["assignedUsers"] == [story.user]
    assert conversation["relationships"]["queue"]["data"]["id"] == story.queue, "the queue stays as context"
    assert item["attributes"]["status"] == "assigned"
    assert item["relationships"]["assignedTo"]["data"]["id"] == story.user
    left = next(
        c for row in rows for c in row.changes if c.type == "work_item_revision" and "leftBecause" in c.attributes
    )
    assert left.attributes["leftBecause"].after == "dequeued", "it has left its queue"

    reverse = next(row for row in rows if row.why.direction == "reverse" and row.why.kind == "conflict")
    assert reverse.why.guard == 6
    winner, (loser,) = reverse.why.winner, reverse.why.losers
    assert winner is not None
    assert (winner.actor.cls, winner.record.type, winner.rev) == ("workflow", "conversation", 6)
    assert (loser.actor.cls, loser.record.type, loser.rev) == ("rule", "work_item", 2)
    assert loser.seen == (), "the rule had seen no intent"
    assert reverse.why.peer is not None
    assert reverse.why.peer.rev == 2
    rule = next(row for row in rows if row.why.direction == "rule" and row.why.kind == "intent")
    assert {(b.type, b.rev) for b in rule.basis} >= {("conversation", 4), ("work_item", 1)}

    report = check(rows)
    assert not report.lost
    assert not report.others


async def test_explain_says_who_won(databases: dict[str, str]) -> None:
    """The same, as a person asks for it."""
    async with stage(databases) as on:
        story = await incident(on, "reverse.commit")
        why = await on.call("GET", f"/v1/conversations/{story.conversation}/explain")
    assert story.user in str(why)
    assert "rule" in str(why)
    assert "workflow" in str(why)


@pytest.mark.parametrize("policy", [mutants.rev_only, mutants.blind_write])
async def test_the_known_bad_policies_lose_it(
    databases: dict[str, str], policy: Callable[[Signals], Sequence[Reaction]]
) -> None:
    """The proof that the test above can fail: the same schedule, the incident's way of writing."""
    async with stage(databases, policy) as on:
        story = await incident(on, "reverse.decided")
        conversation, item = await shown(on, story)
        rows = await on.log()

    assert conversation["attributes"]["assignedUsers"] == [], "the workflow's assignment is gone"
    assert item["attributes"]["status"] == "queued"
    report = check(rows)
    assert report.lost, "the ledger sees the loss"
