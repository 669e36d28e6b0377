"""The named queries on PostgreSQL: which statement answers which, and the two questions that some need before.

Who asks the same at the same moment shares one answer: a batch of a role asks for the org's rules once for each of its
conversations.
"""

from __future__ import annotations

import asyncio
from typing import Any

from interlock.ports import Query
from interlock.store.postgres_batch import plain, short
from interlock.store.postgres_lines import HEAD, Lines, Statement

_ALWAYS = 2**62
_EITHER_WAY = ("waiting", "left_passes", "updated", "of_owner")
_WAITING = ("queued", "routed")


class Questions:
    """Answers named queries with rows (type, org, id, rev, body) that are still encoded."""

    def __init__(self, lines: Lines, statements: dict[str, Statement]) -> None:
        self._lines = lines
        self._statements = statements
        self._next: dict[Query, asyncio.Task[list[Any]]] = {}
        """Questions that were asked and not yet put; whoever asks the same joins."""
        self._put: dict[Query, asyncio.Task[list[Any]]] = {}
        """The newest that was put of each: the next waits for its answer, and gathers others meanwhile."""

    async def ask(self, q: Query) -> list[Any]:
        """The rows that answer `q`, in its order; read after it was asked, never before."""
        task = self._next.get(q)
        if task is None:
            task = self._next[q] = asyncio.get_running_loop().create_task(self._in_turn(q))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what is under way."""
        while under_way := {*self._next.values(), *self._put.values()}:
            await asyncio.wait(under_way)

    async def _in_turn(self, q: Query) -> list[Any]:
        before = self._put.get(q)
        await (asyncio.wait([before]) if before is not None else asyncio.sleep(0))
        task = self._put[q] = self._next.pop(q)
        try:
            return await self._answer(q)
        finally:
            if self._put[q] is task:
                del self._put[q]

    async def _answer(self, q: Query) -> list[Any]:
        values = _values(q)
        return await self._rows(await self._variant(q, values), values)

    async def _rows(self, name: str, values: dict[str, Any]) -> list[Any]:
        head = None if values["offset"] else self._statements.get(f"{name}{HEAD}")
        statement = head or self._statements[name]
        return await self._lines.fetch(statement.sql, *statement.arguments(values))

    async def _variant(self, q: Query, values: dict[str, Any]) -> str:
        down = "_descending" if q.descending else ""
        if q.name == "listing":
            return await self._listing(q, values) + down
        if q.name == "children":
            return f"children{'_by_id' if q.by_id else ''}{down}"
        if q.name in _EITHER_WAY:
            messages = q.name == "of_owner" and q.type == "message"
            return f"{'messages_' if messages else ''}{q.name}{down}"
        if q.name == "live_sessions" and q.owner:
            return "live_sessions_of_owner"
        return q.name

    async def _listing(self, q: Query, values: dict[str, Any]) -> str:
        if q.by_id and not q.states:
            return "listing_by_id"
        values["states"] = [plain(s) for s in dict.fromkeys(q.states)]
        if not q.states:
            values["states"] = [row[0] for row in await self._rows("states", values)]
        if q.by_id and (await self._rows("is_sorted", values))[0][0]:
            return "listing_of_states_by_id"
        if len(values["states"]) == 1:
            values["state"] = values["states"][0]
            return "listing_of_state"
        return "listing_of_states"


def _values(q: Query) -> dict[str, Any]:
    return {
        "org": plain(q.org),
        "type": plain(q.type),
        "parent": plain(q.parent),
        "queue": plain(q.queue),
        "owner": plain(q.owner),
        "claim": short(q.claim),
        "states": [plain(s) for s in q.states or _WAITING],
        "before": q.before,
        "offset": q.offset,
        "limit": q.limit,
        "heads": q.offset + q.limit,
        "every": not q.states,
        "since": q.since,
        "until": q.before or _ALWAYS,
    }
