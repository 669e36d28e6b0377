"""Conversations routed end to end with the roles in separate processes, beside the bare loop of the same statements.

One command: `python bench/apart.py --seconds 20`. PostgreSQL (durable), one NATS server and a process for each group of
roles on this machine; the load comes over HTTP from a process of its own. Two bare loops run afterwards on the same
server, set-based, on one connection, 65 conversations to a COMMIT:

    bare  the five stages of `bare.py`: what a conversation has to write, with bodies of 1.4 kB. `ratio_to_bare`
    own   as many inserts, updates and rows of the log for each conversation as the run made, and as long, without its
          checks, marks, claims and indexes: what our own rows cost PostgreSQL. `ratio_to_own`

`processor_ms` is what one routed conversation costs in processor time, by process, PostgreSQL, NATS and the load; and
`bare_processor_ms` what one of the bare loop costs, its client and the server. It says more than a rate on a machine
where others are at work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

sys.path.insert(0, str(Path(__file__).parent))

from interlock.cli.cluster.processes import Plan, cluster
from interlock.cli.cluster.show import Watched
from interlock.cli.demo.load import Orders
from interlock.cli.demo.run import listen, loading
from interlock.runtime.clock import SystemClock
from interlock.store.opening import open_store
from processor import Spent

GROUP = 65
BODY = b"x" * 1400
KEY = "ilk_demo_" + "b" * 32
SCHEMA = """
CREATE SCHEMA bare;
CREATE TABLE bare.record (type text, id text, rev int, body bytea, PRIMARY KEY (type, id));
CREATE TABLE bare.revision (type text, id text, rev int, body bytea);
CREATE TABLE bare.outbox (position bigserial PRIMARY KEY, body bytea);
"""
INSERT = "INSERT INTO bare.record SELECT $1, id, 1, $2 FROM unnest($3::text[]) AS id"
READ = "SELECT rev, body FROM bare.record WHERE type = $1 AND id = ANY ($2::text[])"
UPDATE = "UPDATE bare.record SET rev = rev + 1, body = $1 WHERE type = $2 AND id = ANY ($3::text[]) AND rev = $4"
REVISION = "INSERT INTO bare.revision SELECT $1, id, $2, $3 FROM unnest($4::text[]) AS id"
OUTBOX = "INSERT INTO bare.outbox (body) SELECT $1 FROM generate_series(1, $2)"
STAGES = (("conversation", 1), ("work_item", 1), ("work_item", 2), ("work_item", 3), ("conversation", 2))
WRITTEN = """
SELECT (SELECT n_tup_ins FROM pg_stat_user_tables WHERE relid = 'record'::regclass) AS inserts,
       (SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'record'::regclass) AS updates,
       (SELECT count(*) FROM log) AS rows,
       (SELECT avg(octet_length(body)) FROM record)::int AS record_bytes,
       (SELECT avg(octet_length(body)) FROM log)::int AS log_bytes
"""
NOISE = random.Random(7).randbytes(64 * 1024)


class Bare(NamedTuple):
    """What a bare loop came to."""

    per_s: float
    processor_ms: dict[str, float]


class Written(NamedTuple):
    """What one conversation of a run wrote: records made and moved on, rows of the log, and their mean bytes."""

    inserts: float
    updates: float
    rows: float
    record_bytes: int
    log_bytes: int


Loop = Callable[[asyncpg.Connection, int], Awaitable[None]]
"""One group of `GROUP` conversations, the first of which has this number."""


async def five_stages(connection: asyncpg.Connection, first: int) -> None:
    """What a conversation has to write."""
    ids = _ids("c", first, GROUP)
    for type, rev in STAGES:
        async with connection.transaction():
            if rev == 1:
                await connection.execute(INSERT, type, BODY, ids)
            else:
                await connection.fetch(READ, type, ids)
                await connection.execute(UPDATE, BODY, type, ids, rev - 1)
            await connection.execute(REVISION, type, rev, BODY, ids)
            await connection.execute(OUTBOX, BODY, len(ids))


def as_written(each: Written) -> Loop:
    """What the run wrote, one COMMIT for each row of the log that a conversation makes."""
    record, log = NOISE[: each.record_bytes], NOISE[: each.log_bytes]
    stages = max(1, round(each.rows))
    made, moved, rows = (round(GROUP * n / stages) for n in (each.inserts, each.updates, each.rows))

    async def group(connection: asyncpg.Connection, first: int) -> None:
        revs: dict[int, list[str]] = {1: []}
        for stage in range(stages):
            fresh = _ids(f"{stage:02}", first, made)
            async with connection.transaction():
                await connection.execute(INSERT, "own", record, fresh)
                left = moved
                for rev in sorted(revs):  # those that were moved on least come first
                    ids, revs[rev] = revs[rev][:left], revs[rev][left:]
                    left -= len(ids)
                    if ids:
                        await connection.fetch(READ, "own", ids)
                        await connection.execute(UPDATE, record, "own", ids, rev)
                        revs.setdefault(rev + 1, []).extend(ids)
                await connection.execute(OUTBOX, log, rows)
            revs[1] += fresh

    return group


def _ids(kind: str, first: int, count: int) -> list[str]:
    return [f"{kind}{n:022x}" for n in range(first, first + count)]


async def alone(url: str, server: int, seconds: float, loop: Loop) -> Bare:
    """Conversations a second of one bare loop, and what one costs. `server`: the process of PostgreSQL."""
    connection = await asyncpg.connect(url)
    await connection.execute(f"DROP SCHEMA IF EXISTS bare CASCADE; {SCHEMA}")
    await connection.execute("CHECKPOINT")
    spent, client = Spent({"postgres": [server]}), time.process_time()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        await loop(connection, done)
        done += GROUP
    rate = done / (time.perf_counter() - began)
    each = _each({**spent.seconds(), "client": time.process_time() - client}, done)
    await connection.close()
    return Bare(rate, each)


async def written(url: str, conversations: int) -> Written:
    """What the run wrote for each of its conversations; what it wrote to set up is in it."""
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    found = await connection.fetchrow(WRITTEN)
    await connection.close()
    assert found is not None
    each = max(1, conversations)
    return Written(found["inserts"] / each, found["updates"] / each, found["rows"] / each, found["record_bytes"],
                   found["log_bytes"])  # fmt: skip


def _each(seconds: dict[str, float], conversations: int) -> dict[str, float]:
    """Milliseconds for each conversation, and all together."""
    found = {name: round(1000 * s / max(1, conversations), 3) for name, s in seconds.items()}
    return {**found, "all": round(sum(found.values()), 3)}


async def measure(seconds: float, under_way: int) -> dict[str, Any]:
    """The cluster, then the bare loops, on one server."""
    plan = Plan(key=KEY, each=1, nats=1, shares=1, more={"INTERLOCK_LOG_LEVEL": "warning", "INTERLOCK_DETECT": "false"})
    async with cluster(plan) as made:
        store = open_store(made.db, SystemClock())
        watched = Watched(made, store)
        orders = Orders(url=made.processes[0].url, key=KEY, seed=7, rate="max", seconds=seconds, under_way=under_way)
        told: dict[str, Any] = {}
        async with loading(orders) as load:
            ended = asyncio.create_task(listen(load, told))
            while "begun_cpu_s" not in told and not ended.done():  # noqa: ASYNC110 - another process's word
                await asyncio.sleep(0.02)
            families = {p.name: [p.pid] for p in made.processes}
            spent = Spent({**families, "postgres": [made.postgres.pid], "nats": [n.pid for n in made.nodes]})
            await ended
            seconds_spent = {**spent.seconds(), "load": told["cpu_s"] - told["begun_cpu_s"]}
        await watched.come_to_rest()
        story = watched.story
        rate = story.completed / max(0.001, (story.last_at - story.first_at) / 1000)
        summary = watched.summary(told, seconds)
        await store.close()
        each = await written(made.db, story.completed)
        for process in made.processes:  # nobody works beside the bare loops
            process.signal(signal.SIGTERM)
        await asyncio.gather(*(process.ended() for process in made.processes))
        loops = {
            name: await alone(made.db, made.postgres.pid, min(10.0, seconds), loop)
            for name, loop in (("bare", five_stages), ("own", as_written(each)))
        }
    return {
        "conversations": story.completed, "apart_per_s": round(rate, 1),
        **{f"{name}_per_s": round(loop.per_s, 1) for name, loop in loops.items()},
        **{f"ratio_to_{name}": round(rate / loop.per_s, 4) for name, loop in loops.items()},
        "lost_assignments": summary["lost_assignments"], "processor_ms": _each(seconds_spent, story.completed),
        **{f"{name}_processor_ms": loop.processor_ms for name, loop in loops.items()},
        "each_wrote": {name: round(n, 2) for name, n in each._asdict().items()},
        "as_it_should": summary["as_it_should"], "because": summary["because"],
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--under-way", type=int, default=64)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measure(given.seconds, given.under_way)), indent=1))
