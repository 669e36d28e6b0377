"""The detectors in a running process: they tell of the incident's fault by themselves; off, they are not there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from interlock.domain import conversation
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.decision import Decision, Provenance
from interlock.investigation.finding import Finding
from interlock.runtime.assemble import House, assemble
from interlock.runtime.settings import Settings
from interlock.service import orgs
from interlock.service.cues import Reaction
from interlock.service.reactions import REACTIONS
from interlock.service.transact import Reading, transact
from interlock.simulation import mutants
from interlock.simulation.signals import Signals

KEY = "ilk_" + "1" * 64
PATIENCE_S = 20
USER = "a" * 24


@contextlib.asynccontextmanager
async def house(folder: Path, table: Sequence[Reaction] = REACTIONS, **more: object) -> AsyncIterator[House]:
    """A process on a file of its own, without HTTP."""
    settings = Settings(db=f"sqlite:///{folder}/d.db", bootstrap_key=KEY, **more)  # type: ignore[arg-type]
    async with assemble(settings, reactions=table) as running:
        yield running


class Ear:
    """Hears findings; `grave` is set by the first of weight."""

    def __init__(self, house: House) -> None:
        self.heard: list[Finding] = []
        self.grave = asyncio.Event()
        house.on_finding.append(self._hear)

    def _hear(self, f: Finding) -> None:
        self.heard.append(f)
        if f.severity != "low":
            self.grave.set()


async def race(house: House, signals: Signals) -> None:
    """A workflow assigns between the decision of the reverse sync and its write."""
    org = (await orgs.all_orgs(house.world))[0].id
    person = Provenance(org, Actor("person", "user", "u"), "api")
    flow = Provenance(org, Actor("workflow", "workflow", "w"), "workflow")

    async def begins(reading: Reading) -> Decision:
        blank = Conversation(id=reading.moment.fresh(), org=org, channels=("chat",))
        return conversation.create(blank, Shared(), reading.moment)

    signals.hold("reverse.decided")
    c = (await transact(house.world, person, begins)).record(Conversation)
    assert c is not None
    await asyncio.wait_for(signals.reached("reverse.decided"), PATIENCE_S)

    async def assigns(reading: Reading) -> Decision:
        return conversation.update(await reading.one(Conversation, c.id), {}, Shared(users=(USER,)), reading.moment)

    await transact(house.world, flow, assigns)
    signals.release("reverse.decided")


@pytest.mark.parametrize("shares", [0, 1])
@pytest.mark.parametrize("policy", [mutants.rev_only])
async def test_the_fault_is_heard(tmp_path: Path, policy: Callable[[Signals], Sequence[Reaction]], shares: int) -> None:
    """Within moments of the write, as a finding with its proof, in the counts, and kept; also of a divided role."""
    signals = Signals()
    async with house(tmp_path, policy(signals), shares=shares, console=False) as running:
        registry = running.app().state.host.metrics.registry
        ear = Ear(running)
        await race(running, signals)
        await asyncio.wait_for(ear.grave.wait(), PATIENCE_S)
        stale = [f for f in ear.heard if f.rule == "R1"]
        assert [(f.certainty, f.lost and f.lost.value) for f in stale] == [("proven", [USER])]
        labels = {"rule": "R1", "severity": "high", "certainty": "proven"}
        assert registry.get_sample_value("interlock_findings_total", labels) == 1
        if running.detecting is not None:
            assert [f for f in running.detecting.latest if f.rule == "R1"] == stale
            assert running.detecting.counts["R1", "high", "proven"] == 1


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """No task, no figure."""
    async with house(tmp_path, detect=False) as running:
        assert running.detecting is None
