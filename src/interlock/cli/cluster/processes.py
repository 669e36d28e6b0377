"""A whole installation in one folder: PostgreSQL, NATS, and Interlock's processes, all of them on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from interlock.domain.errors import Unavailable
from interlock.runtime.local_nats import NatsNode, nats_nodes, started
from interlock.runtime.local_postgres import LocalPostgres

GROUPS: tuple[tuple[str, ...], ...] = (
    ("api", "console"),
    ("routing",),
    ("sync", "rules", "workflow", "records", "webhooks"),
    ("relay",),
)
"""Which roles share a process, so that fourteen of them fit on a small machine."""
STARTS_WITHIN_S = 90.0
STOPS_WITHIN_S = 20.0
_UP = re.compile(r"^(?:listening (http://\S+)|running )", re.MULTILINE)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to start. `each`: processes of each group; `databases`: 1, or one for each of the two services; `more`:
    settings of Interlock's processes, by variable.
    """

    key: str
    groups: Sequence[Sequence[str]] = GROUPS
    each: int = 2
    nats: int = 3
    databases: int = 1
    shares: int = 2
    lease_s: float = 3.0
    more: Mapping[str, str] = {}


class Process:
    """One `interlock serve`, which can be killed, paused and started again."""

    def __init__(self, name: str, roles: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.roles = tuple(roles)
        self.log = folder / f"{name}.log"
        self.url = ""
        self.lives = 0
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    @property
    def pid(self) -> int:
        """The process id, 0 if it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self) -> None:
        """Begin; `ready` waits for it."""
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        command = (sys.executable, "-m", "interlock.cli.main", "serve", "--role", ",".join(self.roles), "--port", "0")
        self._process = started(command, self.log, self._environ)
        self.lives += 1

    async def ready(self) -> None:
        """Wait until it says that it is up. Raises `Unavailable` with the end of its log."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTS_WITHIN_S):
                while self.pid:
                    if up := _UP.search(self.said()):
                        self.url = up[1] or ""
                        return
                    await asyncio.sleep(0.02)
        raise Unavailable(f"{self.name} does not start:\n{self.said()[-2_000:]}")

    def said(self) -> str:
        """What it has written in this life."""
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return log.read().decode(errors="replace")

    def signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if pid := self.pid:
            os.kill(pid, number)

    async def kill(self) -> None:
        """kill -9: nothing of it gets to run any more."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> int:
        """Wait for its end; killed if it takes too long. Its exit code."""
        if self._process is None:
            return 0
        try:
            return await asyncio.to_thread(self._process.wait, STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)


class Cluster:
    """The servers and processes of one plan."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self.postgres = LocalPostgres(folder / "postgres")
        self.nodes: list[NatsNode] = nats_nodes(folder / "nats", plan.nats)
        self.processes: list[Process] = []
        self.otherwise: dict[str, dict[str, str]] = {}
        """Settings of single processes, by their names."""

    @property
    def db(self) -> str:
        """The URL of the store, of two databases the one that holds the log."""
        return self.postgres.url("postgres" if self.plan.databases == 1 else "routing")

    @property
    def records_db(self) -> str:
        """The URL of the records service's own database; empty if there is none."""
        return "" if self.plan.databases == 1 else self.postgres.url("records")

    @property
    def stores(self) -> dict[str, str]:
        """Where the store is, as settings of a process."""
        if not self.records_db:
            return {"INTERLOCK_DB": self.db}
        return {"INTERLOCK_RECORDS_DB": self.records_db, "INTERLOCK_ROUTING_DB": self.db}

    async def start(self) -> None:
        """Servers first, then one process (it makes the schema and the first org), then the others."""
        await asyncio.gather(asyncio.to_thread(self._start_postgres), *(node.start() for node in self.nodes))
        environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")},
            **self.stores,
            "INTERLOCK_NATS": ",".join(node.url for node in self.nodes),
            "INTERLOCK_SHARES": str(self.plan.shares),
            "INTERLOCK_LEASE_SECONDS": str(self.plan.lease_s),
            "INTERLOCK_BOOTSTRAP_KEY": self.plan.key,
            "INTERLOCK_RATE_LIMIT": "0",
            "INTERLOCK_LOG_LEVEL": "info",
            **self.plan.more,
        }
        for group in self.plan.groups:
            for n in range(self.plan.each):
                name = f"{'-'.join(group)}-{n + 1}"
                self.processes.append(Process(name, group, self.folder, environ | self.otherwise.get(name, {})))
        first, *others = self.processes
        first.start()
        await first.ready()
        for process in others:
            process.start()
        await asyncio.gather(*(process.ready() for process in others))

    def _start_postgres(self) -> None:
        self.postgres.prepare()
        self.postgres.start()
        if self.records_db:
            self.postgres.make("records", "routing")

    async def stop(self) -> list[str]:
        """End everything, Interlock first. The names of processes that did not end by themselves."""
        for process in self.processes:
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        codes = await asyncio.gather(*(process.ended() for process in self.processes))
        await asyncio.gather(*(node.stop() for node in self.nodes))
        await asyncio.to_thread(self.postgres.stop)
        return [p.name for p, code in zip(self.processes, codes, strict=True) if code]

    @property
    def pids(self) -> list[int]:
        """Every process that runs, of whatever kind."""
        found = [p.pid for p in self.processes] + [n.pid for n in self.nodes]
        return [pid for pid in found if pid]


async def _as_planned(_: Cluster) -> None:
    """Nothing is different."""


@contextlib.asynccontextmanager
async def cluster(plan: Plan, *, prepare: Callable[[Cluster], Awaitable[None]] = _as_planned) -> AsyncIterator[Cluster]:
    """A cluster in a folder of its own; both are gone at the end, whatever happens inside. `prepare` is called when the
    ports are known and nothing runs yet.
    """
    folder = _folder()
    made = Cluster(folder, plan)
    try:
        await prepare(made)
        await made.start()
        yield made
    finally:
        await made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    """An empty one, open to all: PostgreSQL may run as somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="interlock-cluster-"))
    folder.chmod(0o755)
    return folder
