"""Whether a store and the roles on it are well: the checks of `/readyz` and `interlock doctor`, with their fixes."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from interlock.bus.dead_letters import DeadLetter, letters_of
from interlock.domain.errors import Unavailable
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import WorkItem
from interlock.ports import Query, World
from interlock.service.by_clock import each_org
from interlock.service.collector import reached
from interlock.store.apart import ApartStore
from interlock.store.memory import MemoryStore
from interlock.store.opening import OpenStore
from interlock.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from interlock.store.postgres import PostgresStore

LAG_MS_MAX = 5_000
FREE_BYTES_MIN = 1 << 30
WAL_BYTES_MAX = 1 << 28
FILES_MIN = 4_096
STUCK_AFTER_MS = 10_000
POSITIONS = "position"
FREE_CONNECTIONS_MIN = 8
TRANSACTION_S_MAX = 300


class Finding(NamedTuple):
    """One check: what was found, what it is held to, and what to do if it does not hold."""

    name: str
    ok: bool
    value: str
    limit: str
    fix: str


async def behind(world: World, consumers: Sequence[str]) -> list[Finding]:
    """How long each consumer has left the oldest row that it has not handled (ms)."""
    now = world.clock.now()
    out: list[Finding] = []
    for consumer in consumers:
        mark = await world.store.mark(POSITIONS, "", consumer)
        position = int(mark.value) if mark is not None and mark.value else 0
        rows = await world.store.changes(position, 1)
        late = max(0, now - rows[0].at) if rows else 0
        out.append(
            Finding(
                f"{consumer} keeps up",
                late <= LAG_MS_MAX,
                f"{late} ms behind",
                f"{LAG_MS_MAX} ms",
                f"run a server with the role {consumer}; if one runs, it is overloaded: look at its log",
            )
        )
    return out


async def collected(store: OpenStore, now: int) -> list[Finding]:
    """Where the two services have a database each: how long the oldest row waits that the log does not have yet (ms).

    A records database that is away makes this process no worse than another: routing goes on, and a load balancer must
    not take all of them out.
    """
    if not isinstance(store, ApartStore):
        return []
    name, limit, fix = "the collector keeps up", f"{LAG_MS_MAX} ms", "run a server with the role sync; if one runs, "
    fix += "look at its log for collector_waits"
    try:
        rows = await store.records.changes((await reached(store.routing)).position, 1)
    except Unavailable:
        return [Finding(name, True, "the records database is away", limit, fix)]
    late = max(0, now - rows[0].at) if rows else 0
    return [Finding(name, late <= LAG_MS_MAX, f"{late} ms behind", limit, fix)]


async def pairs_in_step(world: World) -> Finding:
    """Conversations that differ from their work item for longer than the lag objective."""
    before = world.clock.now() - LAG_MS_MAX
    apart = 0
    async for org in each_org(world):
        apart += len(await world.store.find(Query(name="out_of_step", org=org.id, before=before, limit=1_000)))
    fix = "run a server with the role sync: it heals them in seconds; if not, explain one"
    return Finding("pairs are in step", apart == 0, f"{apart} out of step", "0", fix)


async def nothing_stuck(world: World) -> list[Finding]:
    """Offers whose time is long up, and items that no rule has placed."""
    before = world.clock.now() - STUCK_AFTER_MS
    overdue = await world.store.find(Query(name="overdue", org="", type=Reservation.TYPE, before=before, limit=1_000))
    unplaced = 0
    async for org in each_org(world):
        query = Query(name="listing", org=org.id, type=WorkItem.TYPE, states=("ivr",), limit=1_000)
        unplaced += sum(r.updated_at < before for r in await world.store.find(query))
    return [
        Finding(
            "offers end in time", not overdue, f"{len(overdue)} overdue", "0", "run a server with the role routing"
        ),
        Finding("rules place items", not unplaced, f"{unplaced} in ivr", "0", "run a server with the role rules"),
    ]


async def clock_goes_forward(world: World) -> Finding:
    """The newest row is not from the future."""
    newest = await world.store.changes(0, 1, newest=True)
    ahead = max(0, newest[0].at - world.clock.now()) if newest else 0
    fix = "set the clock of this machine (timedatectl); offers end by it, nothing else does"
    return Finding("the clock is right", ahead <= 1_000, f"the log is {ahead} ms ahead", "1000 ms", fix)


async def nothing_set_aside(world: World, consumers: Sequence[str]) -> Finding:
    """Rows that a role gave up after failing at them again and again, where no NATS keeps them."""
    found = [letter for consumer in consumers for letter in await letters_of(world.store, consumer)]
    return set_aside(found)


def set_aside(found: Sequence[DeadLetter]) -> Finding:
    """The newest of what roles gave up, whichever bus keeps it."""
    newest = "; ".join(f"{x.consumer} row {x.position} of {x.partition}: {x.why[:80]}" for x in found[-3:])
    fix = "look at these with interlock explain; the roles went on without them, the sweep comes back to the records"
    return Finding("nothing was set aside", not found, f"{len(found)} {newest}".strip(), "0", fix)


async def store_is_sound(store: OpenStore) -> list[Finding]:
    """What the engine itself can say."""
    if isinstance(store, SqliteStore):
        return await file_is_sound(store)
    if isinstance(store, MemoryStore):
        return []
    from interlock.store.postgres import PostgresStore  # its driver is there, or there would be no such store

    return await server_is_sound(store) if isinstance(store, PostgresStore) else []


async def server_is_sound(store: PostgresStore) -> list[Finding]:
    """The PostgreSQL server: whether it takes writes and keeps them, and has room for connections."""
    health = await store.check()
    unsafe = ", ".join(health.unsafe)
    free = health.connections_max - health.connections
    return [
        Finding(
            "the store takes writes",
            not health.read_only,
            f"PostgreSQL {health.version}, {health.bytes >> 10} KiB, schema {health.schema}",
            "a primary",
            "name the primary in --db: this one is a standby, or set to read only",
        ),
        Finding(
            "answers are durable",
            not unsafe,
            unsafe or "as PostgreSQL comes",
            "nothing switched off",
            "switch them on in postgresql.conf: without them a crash loses commits that were answered",
        ),
        Finding(
            "connections are free",
            free >= FREE_CONNECTIONS_MIN,
            f"{free} of {health.connections_max}",
            str(FREE_CONNECTIONS_MIN),
            "raise max_connections, or put PgBouncer in front",
        ),
        Finding(
            "no transaction stays open",
            health.oldest_transaction_s <= TRANSACTION_S_MAX,
            f"{health.oldest_transaction_s} s",
            f"{TRANSACTION_S_MAX} s",
            "something keeps a transaction open, so that nothing can be cleaned up: look into pg_stat_activity",
        ),
    ]


async def file_is_sound(store: SqliteStore) -> list[Finding]:
    """Integrity, size of the write-ahead log, free space."""
    health = await store.check()
    damage = "; ".join(health.damage)
    return [
        Finding(
            "the store is sound",
            not damage,
            damage or f"{health.file_bytes >> 10} KiB, schema {health.schema}",
            "no damage",
            "stop the server, keep a copy of the file, restore the last backup",
        ),
        Finding(
            "the disk has room",
            health.free_bytes >= FREE_BYTES_MIN,
            f"{health.free_bytes >> 20} MiB free",
            f"{FREE_BYTES_MIN >> 20} MiB",
            "free some space, or move the store to a larger disk",
        ),
        Finding(
            "the write-ahead log is short",
            health.wal_bytes <= WAL_BYTES_MAX,
            f"{health.wal_bytes >> 10} KiB",
            f"{WAL_BYTES_MAX >> 20} MiB",
            "something reads the file for a long time: end that program",
        ),
    ]


def files_allowed() -> Finding:
    """How many files, and so connections, a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = max(soft, hard) if hard != resource.RLIM_INFINITY else 1 << 20
    fix = "raise the limit: LimitNOFILE= in the systemd unit, or ulimit -n"
    return Finding("enough files may be open", allowed >= FILES_MIN, str(allowed), str(FILES_MIN), fix)
