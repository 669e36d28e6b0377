"""Our own log under the detectors: a healthy service gives them nothing, the incident's fault gives R1, proven."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.worlds import Client, Floor, House, settled

from interlock.domain.log import Row
from interlock.investigation.explain import explain
from interlock.investigation.finding import Finding
from interlock.investigation.investigate import examine, grouped, investigate_groups, last_moment, report
from interlock.investigation.live import LiveDetectors
from interlock.investigation.own import entries
from interlock.service.cues import ROLES, Reaction
from interlock.service.relay import run_once
from interlock.simulation import explore, mutants
from interlock.simulation.play import OURS, Play, Policy, Scenario, in_force
from interlock.simulation.scenarios import SCENARIOS, named
from interlock.simulation.signals import Signals

AN_HOUR_MS = 3_600_000
WALKS = 12


async def floor_of(house: House, agents: int = 2) -> tuple[Client, Floor]:
    """An org with a queue, its rule for chats, and agents."""
    await house.found()
    admin = house.client()
    floor = await Floor(house, admin).open(agents)
    chats = {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}], "or": []}
    await admin.post("/v1/routing/queue-rules", {"name": "chats", "queue": {"id": floor.queue}, "criteria": chats})
    return admin, floor


async def rows_of(house: House) -> list[Row]:
    """The whole log."""
    return list(await house.store.changes(0, 100_000))


def grave(rows: Sequence[Row], *, rests_ms: int = AN_HOUR_MS) -> list[Finding]:
    """Findings of weight over a log after which nothing happens for so long."""
    known = list(entries(list(rows)))
    end = (last_moment(known) or 0) + rests_ms
    return [f for f in report(examine(h, end) for h in grouped(known)).findings if f.severity != "low"]


async def worked_day(house: House, admin: Client, floor: Floor) -> None:
    """Chats come, are offered, accepted, rejected, transferred, assigned by hand, and done; time passes in between."""
    await floor.sign_in(0)
    await floor.sign_in(1)
    for n in range(6):
        c = (await admin.post("/v1/conversations", {"name": f"chat {n}", "channels": ["chat"]}))["data"]["id"]
        await settled(house)
        house.clock.pass_ms(700)
        for agent in (0, 1):
            pending = (await floor.agent(agent).get("/v1/routing/reservations?state=pending"))["data"]
            for offer in pending:
                verb = "reject" if n == 2 and agent == 0 else "accept"
                await floor.agent(agent).post(f"/v1/routing/reservations/{offer['id']}/{verb}", {}, 200)
        house.clock.pass_ms(300)
        await settled(house)
        if n == 3:
            await admin.patch(f"/v1/conversations/{c}", {"assignedUsers": [floor.agents[1]]})
        if n == 4:
            await admin.patch(f"/v1/conversations/{c}", {"assignedUsers": []})
        if n != 5:
            house.clock.pass_ms(2_000)
            await settled(house)
            await admin.patch(f"/v1/conversations/{c}", {"status": "done"})
        await settled(house)
        house.clock.pass_ms(5_000)


async def test_a_healthy_day_has_nothing_of_weight() -> None:
    """From creation to done, with offers, a rejection, a re-assignment and an un-assignment."""
    house = House()
    admin, floor = await floor_of(house)
    await worked_day(house, admin, floor)
    rows = await rows_of(house)
    assert any(r.why.direction == "reverse" and r.changes for r in rows)
    assert [explain(f) for f in grave(rows)] == []


async def test_a_workflow_that_crosses_a_rule_is_no_finding() -> None:
    """The incident's race under our protocol: the assignment stays, and nothing is lost."""
    house = House()
    admin, floor = await floor_of(house)
    rows = await crossed(house, admin, None, user=floor.agents[0])
    last = [c for r in rows for c in r.changes if c.type == "conversation"][-1]
    assert floor.agents[0].encode() in bytes(last.snapshot)
    assert [explain(f) for f in grave(rows)] == []


@pytest.mark.parametrize("policy", [mutants.rev_only, mutants.blind_write])
async def test_the_incidents_fault_is_proven(policy: Callable[[Signals], Sequence[Reaction]]) -> None:
    """The same race with the incident's way of writing: R1, proven, with the lost user and how long it lived."""
    house = House()
    admin, floor = await floor_of(house)
    rows = await crossed(house, admin, policy(Signals()), user=floor.agents[0])
    found = investigate_groups(entries(rows))
    assert found.verdict == "broken"
    first = found.findings[0]
    assert (first.rule, first.certainty, first.severity) == ("R1", "proven", "high")
    assert first.lost is not None
    assert first.lost.value == [floor.agents[0]]
    assert first.intervals_ms["lived"] == 40
    assert first.facts["also"] == ["queue"]
    assert "It had read work item rev 1" in explain(first)


async def crossed(house: House, admin: Client, table: Sequence[Reaction] | None, *, user: str) -> list[Row]:
    """A conversation is queued by a rule and, before the reverse sync of that, somebody assigns a user on it."""
    kwargs: dict[str, Any] = {} if table is None else {"table": table}

    async def once(role: str) -> None:
        await run_once(house.world, role, **kwargs)  # type: ignore[arg-type]

    await settled(house)
    c = (await admin.post("/v1/conversations", {"name": "a call", "channels": ["chat"]}))["data"]["id"]
    house.clock.pass_ms(100)
    await once("sync")
    await once("rules")
    house.clock.pass_ms(100)
    await admin.patch(f"/v1/conversations/{c}", {"tags": ["touched"]})
    await admin.patch(f"/v1/conversations/{c}", {"assignedUsers": [user]})
    house.clock.pass_ms(40)
    async with asyncio.timeout(5):
        while min(house.bus.positions.get(r, 0) for r in ROLES) < await house.store.last_position():
            for role in ROLES:
                await once(role)
    return await rows_of(house)


class Looked:
    """A scenario as the explorer takes it, whose every run goes through the detectors as well."""

    def __init__(self, scenario: Scenario, policy: Policy = OURS) -> None:
        self.play = Play(scenario, policy)
        self.rows: list[tuple[list[Row], bool]] = []

    def begin(self) -> Any:
        """As the scenario begins."""
        return self.play.begin()

    def end(self, run: Any) -> Any:
        """What the ledger says; and the log is kept."""
        broken = self.play.end(run)
        rows = [r for r in run.room.store.rows if r.id not in run.room.forgotten]
        self.rows.append((rows, any(b.name in ("I1", "I4", "I5") for b in broken)))
        return broken

    def learnt(self) -> bool:
        """As the scenario learns."""
        return self.play.learnt()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_no_interleaving_of_ours_is_a_finding(scenario: Scenario) -> None:
    """Random schedules of every scenario that the simulator explores: races, crashes, duplicates, zombies, restores."""
    with in_force(OURS):
        looked = Looked(scenario)
        explore.walk(looked, range(WALKS))
        looked.play.forget()
    assert len(looked.rows) >= WALKS
    for rows, _ in looked.rows:
        assert [explain(f) for f in grave(rows)] == []


def test_what_the_ledger_calls_lost_the_detectors_call_stale() -> None:
    """A known-bad policy explored to its end: each loss that the ledger counts is a proven R1, from the log alone."""
    mutant = mutants.mutant("re-sent")
    assert mutant is not None
    scenario = named(mutant.scenario)
    assert scenario is not None
    with in_force(mutant):
        looked = Looked(scenario, mutant)
        explore.explore(looked)
        looked.play.forget()
    lost = [rows for rows, is_lost in looked.rows if is_lost]
    assert lost
    assert all(any(f.rule == "R1" and f.certainty == "proven" for f in grave(rows)) for rows in lost)


async def test_live_says_nothing_of_a_healthy_day_and_looks_at_all_of_it() -> None:
    """The same rules online: fed row by row, asked every second."""
    house = House()
    admin, floor = await floor_of(house)
    await worked_day(house, admin, floor)
    live = LiveDetectors()
    found: list[Finding] = []
    for row in await rows_of(house):
        live.feed(row)
        found += live.due(row.at)
    found += live.due(house.clock.now() + AN_HOUR_MS)
    assert [explain(f) for f in found if f.severity != "low"] == []
    assert live.looked_at >= 6
    assert (live.behind, live.forgotten) == (0, 0)


async def test_live_finds_the_incidents_fault_once() -> None:
    """Within a second of rest, and no second time."""
    house = House()
    admin, floor = await floor_of(house)
    rows = await crossed(house, admin, mutants.rev_only(Signals()), user=floor.agents[0])
    live = LiveDetectors()
    for row in rows:
        live.feed(row)
    assert live.due(house.clock.now()) == [], "it is not at rest yet"
    found = live.due(house.clock.now() + 1_000)
    assert [f.certainty for f in found if f.rule == "R1"] == ["proven"]
    live.feed(rows[-1])
    assert [f for f in live.due(house.clock.now() + 9_000) if f.rule == "R1"] == []


async def test_live_memory_is_bounded() -> None:
    """What was silent longest is let go, and one call does no more than its budget."""
    house = House()
    admin, floor = await floor_of(house)
    await worked_day(house, admin, floor)
    rows = await rows_of(house)
    small = LiveDetectors(rows_max=30, budget=10)
    for row in rows:
        small.feed(row)
    later = house.clock.now() + AN_HOUR_MS
    small.due(later)
    first = small.behind
    while small.behind:
        small.due(later)
    assert first > 0
    assert small.forgotten > 0
    assert small.looked_at < 6
