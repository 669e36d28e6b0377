"""The log read as an audit: who changed which record when, newest first. There is no second list beside the log."""

from __future__ import annotations

import msgspec

from interlock.domain.change import ChangeSet
from interlock.domain.log import Row
from interlock.ports import World

WINDOW = 500
ROWS_MAX = 20_000
"""So many positions one request looks back over; if it has not found enough by then, it says where to go on."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries: of a type, of one record, by one user or key, between two times (ms, the end not included).

    `before`, `after`: positions between which they lie, both not included; `before` 0: the newest.
    """

    type: str = ""
    id: str = ""
    actor: str = ""
    start: int = 0
    end: int = 0
    after: int = 0
    before: int = 0


class Entry(msgspec.Struct, frozen=True):
    """One change of one record, the `n`-th of its row."""

    row: Row
    change: ChangeSet
    n: int


class Page(msgspec.Struct, frozen=True):
    """Entries, newest first. `before`: where the next page begins; 0 if there is none."""

    entries: list[Entry]
    before: int


async def entries(world: World, org: str, wanted: Wanted, count: int) -> Page:
    """The newest entries that are wanted, at least `count` if there are so many; a row is never divided."""
    last = await world.store.last_position()
    end = min(wanted.before, last + 1) if wanted.before else last + 1
    stop = max(wanted.after, end - ROWS_MAX)
    found: list[Entry] = []
    partition = wanted.id if wanted.type == "conversation" else ""
    while end > stop + 1 and len(found) < count:
        begin = max(stop, end - 1 - WINDOW)
        rows = await world.store.changes(begin, end - 1 - begin, org=org, partition=partition)
        for row in reversed([r for r in rows if r.position < end]):
            found += [Entry(row, c, n) for n, c in enumerate(row.changes) if _is_wanted(row, c, wanted)]
            if len(found) >= count:
                return Page(found, row.position if row.position > wanted.after + 1 else 0)
        end = begin + 1
    return Page(found, end if end > wanted.after + 1 else 0)


def _is_wanted(row: Row, change: ChangeSet, wanted: Wanted) -> bool:
    return (
        wanted.type in ("", change.type)
        and wanted.id in ("", change.id)
        and wanted.actor in ("", row.by.actor.id)
        and wanted.start <= row.at
        and (not wanted.end or row.at < wanted.end)
    )
