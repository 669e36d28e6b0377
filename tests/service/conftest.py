"""Every test ends with the ledger over the whole log."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.worlds import House, settled

from interlock.investigation.ledger import check


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """One org in memory; at the end nothing was lost and no invariant is broken."""
    made = House()
    await made.found()
    yield made
    await settled(made)
    verdict = check(await made.store.changes(0, 100_000))
    assert not verdict.lost
    assert not verdict.others
