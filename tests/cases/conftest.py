"""A shop for each case; in the end the ledger finds nothing lost, and the sweep nothing to do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.cases.shop import Shop
from tests.worlds import House, settled

from interlock.investigation.ledger import check
from interlock.service import reactions


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """One org in memory."""
    house = House(checked=False)
    await house.found()
    yield await Shop(house).open()
    await settled(house)
    assert await reactions.sweep_queues(house.world) == 0
    assert await reactions.check_floors(house.world) == 0
    verdict = check(await house.store.changes(0, 100_000))
    assert not verdict.lost
    assert not verdict.others
