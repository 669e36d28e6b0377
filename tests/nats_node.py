"""A NATS server of one's own: tests stop it, kill it and take its disk away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interlock.runtime.local_nats import NatsNode


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NatsNode]:
    """A NATS server on a free port of loopback."""
    node = NatsNode(tmp_path / "nats")
    await node.start()
    yield node
    await node.stop()
