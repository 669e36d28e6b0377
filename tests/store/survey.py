"""Looking at a store from outside: is everything there that was promised, and does it agree with itself?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import apsw
from tests.conformance.builders import Hands

from interlock.domain.errors import Unavailable
from interlock.domain.log import snapshot_of
from interlock.domain.record import Address
from interlock.store.sqlite import SqliteStore


class Ack(NamedTuple):
    """What a writer was told: this record is at this rev, and the row that says so has this position."""

    id: str
    rev: int
    position: int


async def faults(path: Path, acks: Iterable[Ack], org: str) -> list[str]:
    """Everything that is wrong with the store: damage, lost answers, half decisions."""
    try:
        store = SqliteStore.open(path, Hands())
    except Unavailable as damage:
        return [f"damage: {damage}", *(f"lost: {ack}" for ack in acks)]
    try:
        connection = apsw.Connection(str(path))
        found = [f"damage: {line}" for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
        connection.close()
        if found:
            return [*found, *(f"lost: {ack}" for ack in acks)]
        rows = await store.changes(0, 1_000_000)
        if [r.position for r in rows] != list(range(1, len(rows) + 1)):
            found.append("positions have gaps")
        last = {c.id: c for row in rows for c in row.changes}
        for id, change in last.items():
            [record] = await store.load([Address(change.type, org, id)])
            if record != snapshot_of(change):
                found.append(f"{id} is not as the log has it")
        for ack in acks:
            written = {(c.id, c.rev) for c in rows[ack.position - 1].changes} if ack.position <= len(rows) else set()
            if (ack.id, ack.rev) not in written:
                found.append(f"lost: {ack}")
        return found
    except apsw.CorruptError as damage:
        return [f"damage: {damage}", *(f"lost: {ack}" for ack in acks)]
    finally:
        await store.close()
