"""For any test: a house with one org, its admin, and on request a floor of agents."""

from __future__ import annotations

import pytest
from tests.worlds import Client, Floor, House


@pytest.fixture
async def house() -> House:
    """One org in memory."""
    made = House()
    await made.found()
    return made


@pytest.fixture
def admin(house: House) -> Client:
    """The org's administrator."""
    return house.client()


@pytest.fixture
async def floor(house: House, admin: Client) -> Floor:
    """Two agents, not signed in, a queue and a team."""
    return await Floor(house, admin).open(2)
