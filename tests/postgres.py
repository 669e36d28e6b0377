"""PostgreSQL for tests: one server for the whole session, and for each test a database made from a template."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from interlock.runtime.local_postgres import QUICK, CannotRun, LocalPostgres, running
from interlock.store.postgres_lines import Place
from interlock.store.postgres_migrations import migrate

SKIPPED = "PostgreSQL cannot run here"
MEMORY = Path("/dev/shm")
TEMPLATE = "interlock_template"


def scratch_folder(*, durable: bool = False) -> Path:
    """A new folder that any user may reach: in memory where there is room for it, on the disk if it must be durable."""
    base = MEMORY if not durable and os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="interlock-postgres-", dir=base))
    folder.chmod(0o755)
    return folder


class Databases:
    """The session's server, and its databases."""

    def __init__(self, server: LocalPostgres) -> None:
        self.server = server
        self._numbers = count(1)

    def new(self, template: str = TEMPLATE) -> str:
        """The URL of a new database with the schema in it; some 40 ms."""
        name = f"test_{next(self._numbers)}"
        self.do(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.server.url(name)

    def do(self, statement: str) -> None:
        """One statement as its owner, outside any transaction."""

        async def doing() -> None:
            connection = await asyncpg.connect(self.server.url())
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        _in_own_loop(doing())


def _in_own_loop(work: object) -> None:
    """Fixtures are asked for inside and outside of event loops; this one has its own, in a thread."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()  # pyright: ignore[reportArgumentType]


def serving(settings: Mapping[str, str] = QUICK) -> Iterator[Databases]:
    """A server with its template; skips by name where PostgreSQL cannot run."""
    folder = scratch_folder()
    try:
        with running(folder / "data", settings=settings) as server:
            databases = Databases(server)
            databases.do(f"CREATE DATABASE {TEMPLATE}")
            _in_own_loop(migrate(Place(server.url(TEMPLATE)), 0))
            yield databases
    except CannotRun as why:
        pytest.skip(f"{SKIPPED}: {why}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """One server for all tests of this process; it forgets what a power loss would take, which nothing here tests."""
    yield from serving()


@pytest.fixture
def postgres_url(databases: Databases) -> str:
    """A database of one's own."""
    return databases.new()
