"""PostgreSQL: the schema of this program comes while the one before it is at work, and the two go on side by side."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from tests.conformance.builders import Hands, commit_of, conversation, next_of
from tests.postgres import Databases

from interlock.domain.decision import Write, birth
from interlock.domain.record import Address
from interlock.store.migrations import known
from interlock.store.postgres import PostgresStore
from interlock.store.postgres_batch import prepare
from interlock.store.postgres_lines import Place
from interlock.store.postgres_migrations import migrate


class OneBefore:
    """What the program before 0007 writes and looks up with: the first of the functions, and arrays of arguments."""

    COMMIT = f"SELECT base, refused FROM commit_batch_1({', '.join(f'${n}' for n in range(1, 42))})"
    LOOK = "SELECT rev FROM look_1($1, $2, $3, $4, '{}', '{}', '{}', '{}', '{}', '{}', 0)"

    def __init__(self, connection: Any, name: str) -> None:
        self._connection = connection
        self._name = name
        self._batches = 0

    async def commit(self, write: Write) -> int:
        """The position of a decision with one record."""
        prepared = prepare(commit_of(write), 1_000)
        [record], [log] = prepared.records, prepared.log
        self._batches += 1
        arguments = [*[()] * 3, *([v] for v in (0, *record)), *[()] * 13, *([v] for v in (0, *log)), []]
        base, refused = await self._connection.fetchrow(self.COMMIT, self._name, self._batches, 1_000, *arguments)
        assert refused == []
        return base + 1

    async def rev(self, address: Address) -> int:
        """The rev of a record."""
        return await self._connection.fetchval(self.LOOK, *([part] for part in address), [0])


async def test_the_program_before_goes_on_while_this_ones_schema_comes(databases: Databases) -> None:
    """It begins on the schema of 0004 and writes and looks up all the time; then this one works beside it."""
    url = databases.new("template0")
    place, all_of_them = Place(url), known("postgres")
    await migrate(place, 0, migrations=all_of_them[:4])
    new = PostgresStore.open(url, Hands())
    running = True
    written: list[int] = []
    steps: asyncio.Queue[int] = asyncio.Queue()

    async def older(name: str) -> None:
        connection = await asyncpg.connect(url)
        program, write = OneBefore(connection, name), birth(conversation(name))
        while running:
            written.append(await program.commit(write))
            steps.put_nowait(written[-1])
            assert await program.rev(write.after.address) == write.after.rev
            write = next_of(write.after, name=f"{write.after.rev}")
        await connection.close()

    async def newer(name: str) -> None:
        write = birth(conversation(name))
        for _ in range(30):
            row = await new.commit(commit_of(write))
            assert row is not None
            written.append(row.position)
            assert await new.load([write.after.address]) == [write.after]
            write = next_of(write.after, name=f"{write.after.rev}")

    clients = [asyncio.ensure_future(older(f"old{n}")) for n in range(3)]
    try:
        async with asyncio.timeout(60):
            for number in range(5, len(all_of_them) + 1):
                for _ in range(steps.qsize() + 20):
                    await steps.get()
                assert await migrate(place, 0, migrations=all_of_them[:number]) == number
            await asyncio.gather(newer("new1"), newer("new2"))
    finally:
        running = False
        await asyncio.gather(*clients)
        await new.close()
    assert sorted(written) == list(range(1, len(written) + 1))
