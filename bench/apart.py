"""Conversations routed end to end with the roles in separate processes, beside the bare loop of the same statements.

One command: `python bench/apart.py --seconds 20`. PostgreSQL (durable), one NATS server and a process for each group of
roles on this machine; the load comes over HTTP from a process of its own. The bare loop runs afterwards on the same
server: the five stages of `bare.py`, 65 conversations to a COMMIT, set-based, on one connection.

`processor_ms` is what one routed conversation costs in processor time, by process, PostgreSQL, NATS and the load; and
`bare_processor_ms` what one of the bare loop costs, its client and the server. It says more than a rate on a machine
where others are at work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
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


class Bare(NamedTuple):
    """What the bare loop came to."""

    per_s: float
    processor_ms: dict[str, float]


async def bare(url: str, server: int, seconds: float) -> Bare:
    """Conversations a second of the bare loop, and what one costs. `server`: the process of PostgreSQL."""
    connection = await asyncpg.connect(url)
    await connection.execute(SCHEMA)
    spent, client = Spent({"postgres": [server]}), time.process_time()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        ids = [f"{n:024x}" for n in range(done, done + GROUP)]
        for type, rev in STAGES:
            async with connection.transaction():
                if rev == 1:
                    await connection.execute(INSERT, type, BODY, ids)
                else:
                    await connection.fetch(READ, type, ids)
                    await connection.execute(UPDATE, BODY, type, ids, rev - 1)
                await connection.execute(REVISION, type, rev, BODY, ids)
                await connection.execute(OUTBOX, BODY, len(ids))
        done += GROUP
    rate = done / (time.perf_counter() - began)
    each = _each({**spent.seconds(), "client": time.process_time() - client}, done)
    await connection.close()
    return Bare(rate, each)


def _each(seconds: dict[str, float], conversations: int) -> dict[str, float]:
    """Milliseconds for each conversation, and all together."""
    found = {name: round(1000 * s / max(1, conversations), 3) for name, s in seconds.items()}
    return {**found, "all": round(sum(found.values()), 3)}


async def main(seconds: float, under_way: int) -> None:
    """The cluster, then the bare loop, on one server."""
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
        apart = story.completed / max(0.001, (story.last_at - story.first_at) / 1000)
        summary = watched.summary(told, seconds)
        await store.close()
        loop = await bare(made.db, made.postgres.pid, min(10.0, seconds))
    figures = {
        "conversations": story.completed, "apart_per_s": round(apart, 1), "bare_per_s": round(loop.per_s, 1),
        "ratio_to_bare": round(apart / loop.per_s, 4), "lost_assignments": summary["lost_assignments"],
        "processor_ms": _each(seconds_spent, story.completed), "bare_processor_ms": loop.processor_ms,
        "as_it_should": summary["as_it_should"], "because": summary["because"],
    }  # fmt: skip
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--under-way", type=int, default=64)
    given = parser.parse_args()
    asyncio.run(main(given.seconds, given.under_way))
