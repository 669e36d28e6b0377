"""What the tests of PostgreSQL's own share."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.builders import Hands

from interlock.store.postgres import PostgresStore


@pytest.fixture
async def store(postgres_url: str) -> Any:
    """A store on a database of its own."""
    store = PostgresStore.open(postgres_url, Hands())
    yield store
    await store.close()
