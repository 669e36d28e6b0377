"""Real servers, real processes, load on them, and one fault after the other: nothing is lost, nothing stands still."""

from __future__ import annotations

import asyncio

import pytest
from tests.cluster.stage import FAULTS, balance, staged

SOAK_S = 600.0


@pytest.mark.slow
async def test_every_fault_under_load_loses_nothing() -> None:
    """Each kind once, in an order that the seed draws; after each, a new conversation is placed in its queue."""
    async with staged(seed=3) as stage:
        await stage.probe("nothing yet")
        faults = list(FAULTS)
        stage.random.shuffle(faults)
        for fault in faults:
            await fault(stage)
            await stage.probe(fault.__name__)
        rows = await stage.end()
        balance(rows, stage.told)
        assert len(stage.survived) > len(FAULTS)


@pytest.mark.soak
async def test_ten_minutes_of_faults_lose_nothing() -> None:
    """Drawn faults, one after the other, for ten minutes."""
    async with staged(seed=11) as stage:
        loop = asyncio.get_running_loop()
        ends = loop.time() + SOAK_S
        while loop.time() < ends:
            fault = stage.random.choice(FAULTS)
            await fault(stage)
            await stage.probe(fault.__name__)
        rows = await stage.end()
        balance(rows, stage.told)
        assert len(stage.survived) > 20
