"""What one routed conversation writes, in bytes: log, records, PostgreSQL's write-ahead log, NATS. For `cost.py`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import asyncpg

from interlock.bus.embedded import EmbeddedBus
from interlock.bus.nats_link import NatsLink
from interlock.bus.nats_relay import Relay
from interlock.domain.log import encode_entry
from interlock.ports import World
from interlock.runtime.clock import RandomIds, SystemClock
from interlock.runtime.local_nats import NatsNode
from interlock.runtime.local_postgres import running
from interlock.runtime.worker import together
from interlock.store.postgres import PostgresStore

CONVERSATIONS = 1_000
WINDOW = 256
"""Rows that the relay publishes at once; the first are not timed."""
SERVER = {"fsync": "off", "synchronous_commit": "off", "max_wal_size": "8GB", "autovacuum": "off"}
"""Nothing here measures time; full pages are written to the write-ahead log after a checkpoint, as in production."""
SIZES = """
SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
    pg_total_relation_size('log'), pg_table_size('log'), pg_total_relation_size('record'), pg_table_size('record'),
    pg_database_size(current_database())
"""
UPDATES = "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname IN ('record', 'mark', 'log')"


async def measured(folder: Path, ground_of: Any) -> dict[str, Any]:
    """Route so many conversations on a PostgreSQL of one's own and weigh what they leave; then publish the log."""
    with running(folder / "pg", settings=SERVER) as server:
        clock = SystemClock()
        store = PostgresStore.open(server.url(), clock)
        await store.ready()
        bus = EmbeddedBus.over(store)
        world = World(store, bus, clock, RandomIds(clock), together, {})
        ground = ground_of(world)
        await ground.lay()
        other = await asyncpg.connect(server.url())
        async with ground.at_work():
            await ground.block(200)
            before, first = await other.fetchrow(SIZES), await store.last_position()
            await ground.block(CONVERSATIONS)
            after, last = await other.fetchrow(SIZES), await store.last_position()
        rows = [len(encode_entry(r)) for r in await store.changes(first, last - first)]
        await other.execute("SELECT pg_stat_force_next_flush()")
        updates = {r["relname"]: [r["n_tup_upd"], r["n_tup_hot_upd"]] for r in await other.fetch(UPDATES)}
        nats = await _published(folder / "nats", store, last)
        await other.close()
        await bus.close()
        await store.close()
    wal, log, log_rows, record, record_rows, all_of_it = (
        (float(b) - float(a)) / CONVERSATIONS for a, b in zip(before, after, strict=True)
    )
    return {
        "conversations": CONVERSATIONS, "log_rows": len(rows) / CONVERSATIONS,
        "row_bytes": sum(rows) / len(rows), "log_bytes": log, "log_table_bytes": log_rows,
        "record_bytes": record, "record_table_bytes": record_rows, "database_bytes": all_of_it, "wal_bytes": wal,
        "updates": updates, **nats,
    }  # fmt: skip


async def _published(folder: Path, store: PostgresStore, until: int) -> dict[str, float]:
    """The whole log through the production relay into a stream: bytes, and processor time of the "
    "relay, for each row."""
    node = NatsNode(folder)
    await node.start()
    link = NatsLink([node.url], name="bench", prefix="bench", replicas=1)
    try:
        relay, done = Relay(link, store, consumers=[]), 0
        await relay.run_once()  # finds the end of the stream
        began = time.process_time()
        while done < until - WINDOW:
            done += await relay.run_once()
        spent = time.process_time() - began
        state = await link.state()
        each = state.bytes / state.messages
        return {"nats_bytes_per_row": each, "relay_ms_per_row": 1000 * spent / done}
    finally:
        await link.close()
        await node.stop()
