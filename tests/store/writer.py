"""A process that writes and says what it was told, one line per answer: `id rev position`. Killed by its test."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from tests.conformance.builders import Hands, commit_of, conversation, next_of

from interlock.domain.conversation import Conversation
from interlock.domain.decision import birth
from interlock.store.sqlite import Options, SqliteStore

CLIENTS = 8


async def client(store: Any, name: str) -> None:
    """One record that moves on and on."""
    write = birth(conversation(name, name="x" * 500))
    while True:
        row = await store.commit(commit_of(write))
        assert row is not None
        os.write(1, f"{name} {write.after.rev} {row.position}\n".encode())
        assert isinstance(write.after, Conversation)
        write = next_of(write.after, name="y" * 500, external_id=f"{name}.{write.after.rev}")


async def main(path: str, names: str) -> None:
    """Until killed."""
    store: Any
    if path.startswith("postgresql:"):
        from interlock.store.postgres import PostgresStore

        store = PostgresStore.open(path, Hands())
    else:
        store = SqliteStore.open(path, Hands(), Options(checkpoint_pages=100))
    await asyncio.gather(*(client(store, f"{names}{n}") for n in range(CLIENTS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
