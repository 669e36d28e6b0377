"""How fast the collector takes the records service's log into the one log, beside the rate at which it was written.

One command: `python bench/collect.py --json`. Two durable databases: of a PostgreSQL server of its own, or files with
`--engine sqlite`. Each conversation is ten rows: itself, five changes of it and four messages, 64 of them at once; then
the collector takes in all of them alone. `processor_ms_a_row` is its own processor time, without the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Provenance, Why, Write, birth, step
from interlock.domain.log import entry_of
from interlock.domain.message import Message
from interlock.ports import Commit, Store
from interlock.runtime.clock import RandomIds, SystemClock
from interlock.runtime.local_postgres import running
from interlock.service.collector import run_once
from interlock.store.opening import OpenStore, open_store

ORG = "a" * 24
AT_ONCE = 64
CHANGES, MESSAGES = 5, 4
BODY = "x" * 400


def arguments() -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("postgres", "sqlite"), default="postgres")
    parser.add_argument("--conversations", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


async def conversation(store: Store, ids: RandomIds, now: int) -> None:
    """The rows of one conversation, one after the other."""
    by = Provenance(ORG, Actor("person", "user", "u1"), "api", trace="0" * 32)

    async def write(write: Write, of: str) -> None:
        decision = Decision(partition=of, why=Why(direction="person", kind="change"), writes=(write,))
        await store.commit(Commit(entry=entry_of(decision, ids.fresh(), by, now, ()), writes=(write,)))

    held = Conversation(id=ids.fresh(), org=ORG, name="0")
    await write(birth(held), held.id)
    for n in range(CHANGES):
        changed = step(held, held.with_(name=f"{n} {BODY}"), now)
        await write(changed, held.id)
        assert isinstance(changed.after, Conversation)
        held = changed.after
    for _ in range(MESSAGES):
        message = Message(id=ids.fresh(), org=ORG, channel="chat", conversation=held.id, preview=BODY, sent_at=now)
        await write(birth(message), held.id)


async def measured(records: OpenStore, routing: OpenStore, conversations: int) -> dict[str, Any]:
    """Write, collect, and what both took."""
    clock = SystemClock()
    ids = RandomIds(clock)
    await records.ready()
    await routing.ready()
    began = time.perf_counter()
    for first in range(0, conversations, AT_ONCE):
        many = min(AT_ONCE, conversations - first)
        await asyncio.gather(*(conversation(records, ids, clock.now()) for _ in range(many)))
    wrote = time.perf_counter() - began
    began, spent = time.perf_counter(), time.process_time()
    rows = 0
    while taken := await run_once(records, routing):
        rows += taken
    took, spent = time.perf_counter() - began, time.process_time() - spent
    assert await routing.last_position() == await records.last_position() == rows
    return {
        "rows": rows, "written_per_s": round(rows / wrote), "collected_per_s": round(rows / took),
        "ratio_to_written": round(wrote / took, 2), "processor_ms_a_row": round(1000 * spent / rows, 3),
    }  # fmt: skip


async def on(urls: tuple[str, str], conversations: int) -> dict[str, Any]:
    """The same on two databases."""
    records, routing = (open_store(url, SystemClock()) for url in urls)
    try:
        return await measured(records, routing, conversations)
    finally:
        await records.close()
        await routing.close()


async def on_postgres(folder: Path, conversations: int) -> dict[str, Any]:
    """On a server that keeps what it has answered."""
    with running(folder / "data", settings={}) as server:
        server.make("records", "routing")
        return await on((server.url("records"), server.url("routing")), conversations)


def main() -> None:
    """Run it in a folder that is gone at the end."""
    given = arguments()
    folder = Path(tempfile.mkdtemp(prefix="interlock-collect-"))
    folder.chmod(0o755)
    try:
        if given.engine == "postgres":
            found = asyncio.run(on_postgres(folder, given.conversations))
        else:
            two = (f"sqlite:///{folder}/records.db", f"sqlite:///{folder}/routing.db")
            found = asyncio.run(on(two, given.conversations))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found) if given.json else "\n".join(f"{name:20} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
