"""What we keep of PostgreSQL's own speed, as a store and as a whole. One command: `python bench/scale.py [--json]`.

One durable server (fsync on, on the disk), made for the run. The loops take turns on it; figures are medians of the
rounds. All move a record of about 1.4 kB to its next version and append a row of the log.

    pgbench  8 connections, prepared; a transaction is our four statements: SELECT the record, UPDATE … WHERE rev,
             INSERT a revision, INSERT an outbox row, each of 1.4 kB
    store    one process, 64 asyncio clients: load the record, decide, make the entry, PostgresStore.commit
    two      the same from two processes, 32 clients each: every batch takes the lock that orders the log

`ratio_to_pgbench` is store / pgbench. Both loops share the machine with the server: pgbench is C, the store is Python.

Then, each time on servers of its own, `apart.py`: conversations routed end to end with the roles in separate processes,
and beside them the bare loops. `ratio_to_bare` and `ratio_to_own` are the medians of its rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg

from interlock.domain.conversation import Conversation
from interlock.domain.log import encode_record
from interlock.runtime.local_postgres import LocalPostgres, programs, running
from interlock.store.postgres import PostgresStore
from store import Clock, commit_of, conversation

HERE = Path(__file__).parent
SERVER = {"shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"}
CONNECTIONS = 8
CLIENTS = 64
RECORDS = 2_000

SCHEMA = """
CREATE TABLE record (id int PRIMARY KEY, rev int NOT NULL, body text NOT NULL) WITH (fillfactor = 75);
CREATE TABLE revision (id int, rev int, body text);
CREATE TABLE outbox (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);
"""
SCRIPT = r"""\set id random(1, {records})
BEGIN;
SELECT rev, body AS before FROM record WHERE id = :id \gset
UPDATE record SET rev = rev + 1, body = :body WHERE id = :id AND rev = :rev;
INSERT INTO revision VALUES (:id, :rev + 1, :body);
INSERT INTO outbox (body) VALUES (:body);
COMMIT;
"""


class Bench:
    """The loops over one server."""

    def __init__(self, server: LocalPostgres, folder: Path, seconds: float) -> None:
        self._server = server
        self._folder = folder
        self._seconds = seconds
        self._databases = 0

    def fresh(self) -> str:
        """The URL of a new database, after a checkpoint: no loop pays for the one before."""
        self._databases += 1
        name = f"bench_{self._databases}"

        async def make() -> None:
            connection = await asyncpg.connect(self._server.url())
            await connection.execute(f"CREATE DATABASE {name}")
            await connection.execute("CHECKPOINT")
            await connection.close()

        asyncio.run(make())
        return self._server.url(name)

    def pgbench(self) -> float:
        """Transactions a second."""
        url, body = self.fresh(), "x" * len(encode_record(conversation(1)))

        async def fill() -> None:
            connection = await asyncpg.connect(url)
            await connection.execute(SCHEMA)
            await connection.execute(f"INSERT INTO record SELECT n, 1, '{body}' FROM generate_series(1, {RECORDS}) n")
            await connection.execute("VACUUM ANALYZE record")
            await connection.close()

        asyncio.run(fill())
        script = self._folder / "transition.sql"
        script.write_text(SCRIPT.format(records=RECORDS), encoding="utf-8")
        command = [
            programs() / "pgbench", "-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "2",
            "-T", str(round(self._seconds)), "-D", f"body={body}", "-f", script, url,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = re.search(r"tps = ([\d.]+)", done.stdout)
        assert found is not None, done.stdout
        return float(found[1])

    def store(self) -> float:
        """Transitions a second of one process."""
        return asyncio.run(transitions(self.fresh(), 0, CLIENTS, self._seconds))

    def two(self) -> float:
        """Transitions a second of two processes together."""
        url = self.fresh()
        asyncio.run(reach(url))
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            pool.map(warm, range(2))  # the processes are there before any of them begins
            jobs = [(url, n, CLIENTS // 2, self._seconds) for n in (1, 2)]
            return sum(pool.starmap(in_a_process, jobs))


def warm(_: int) -> None:
    """Nothing: the process has imported this module by now."""


def in_a_process(url: str, name: int, clients: int, seconds: float) -> float:
    """One of two."""
    return asyncio.run(transitions(url, name, clients, seconds))


async def reach(url: str) -> None:
    """Make the schema."""
    store = PostgresStore.open(url, Clock())
    await store.ready()
    await store.close()


async def transitions(url: str, name: int, clients: int, seconds: float) -> float:
    """Clients that move their own records on, each as soon as it was answered; transitions a second."""
    store = PostgresStore.open(url, Clock())
    await store.ready()
    each = RECORDS // CLIENTS
    first = name * RECORDS
    addresses = [conversation(first + n).address for n in range(clients * each)]
    await asyncio.gather(*(store.commit(commit_of(None, conversation(first + n), 1)) for n in range(len(addresses))))
    done = 0
    began = time.perf_counter()

    async def client(number: int) -> None:
        nonlocal done
        mine = itertools.cycle(addresses[number * each : (number + 1) * each])
        while time.perf_counter() < began + seconds:
            [record] = await store.load([next(mine)])
            assert isinstance(record, Conversation)
            await store.commit(commit_of(record, record.with_(message_count=record.message_count + 1), record.rev))
            done += 1

    await asyncio.gather(*(client(n) for n in range(clients)))
    took = time.perf_counter() - began
    await store.close()
    return done / took


def rounds(count: int, seconds: float) -> dict[str, float]:
    """The median of each loop over so many rounds, on a server of their own."""
    folder = Path(tempfile.mkdtemp(prefix="interlock-scale-"))
    folder.chmod(0o755)
    try:
        with running(folder / "data", settings=SERVER) as server:
            bench = Bench(server, folder, seconds)
            loops: dict[str, Callable[[], float]] = {"pgbench": bench.pgbench, "store": bench.store, "two": bench.two}
            figures: dict[str, list[float]] = {name: [] for name in loops}
            for _ in range(count):
                for name, loop in loops.items():
                    figures[name].append(loop())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {name: statistics.median(rates) for name, rates in figures.items()}


def apart(count: int, seconds: float, under_way: int) -> dict[str, float]:
    """The medians of `apart.py`'s figures over so many rounds. Raises `CalledProcessError` if one of them fails,
    `ValueError` if one of them did not end as it should.
    """
    command = [sys.executable, str(HERE / "apart.py"), "--seconds", str(seconds), "--under-way", str(under_way)]
    found: dict[str, list[float]] = {}
    for _ in range(count):
        figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        if not figures["as_it_should"]:
            raise ValueError(f"the run with the roles apart did not end as it should: {figures['because']}")
        for name in ("apart_per_s", "bare_per_s", "own_per_s", "ratio_to_bare", "ratio_to_own"):
            found.setdefault(name, []).append(figures[name])
        found.setdefault("processor_ms", []).append(figures["processor_ms"]["all"])
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="per loop and round")
    parser.add_argument("--apart-seconds", type=float, default=15.0, help="per round with the roles apart")
    parser.add_argument("--under-way", type=int, default=64, help="conversations under way at once")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = rounds(given.rounds, given.seconds)
    whole = apart(given.rounds, given.apart_seconds, given.under_way)
    ratios = {
        "ratio_to_pgbench": round(found["store"] / found["pgbench"], 3),
        "two_to_pgbench": round(found["two"] / found["pgbench"], 3),
    }
    if given.json:
        transitions = {name: round(rate) for name, rate in found.items()}
        print(json.dumps({"transitions_per_s": transitions, **ratios, **whole}))
        return
    for name, rate in found.items():
        print(f"{name:10} {rate:>8.0f} transitions/s   {rate / found['pgbench']:>6.2f} of pgbench")
    for name in ("apart", "bare", "own"):
        rate = whole[f"{name}_per_s"]
        print(f"{name:10} {rate:>8.0f} conversations/s")
    print(f"apart / bare {whole['ratio_to_bare']:.3f}, apart / own {whole['ratio_to_own']:.3f}; "
          f"{whole['processor_ms']:.1f} ms of processor time a conversation")  # fmt: skip


if __name__ == "__main__":
    main()
