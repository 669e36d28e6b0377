"""The named queries on SQLite: which statement answers which, and the one list that is merged from several."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import islice
from typing import Any

import apsw

from interlock.ports import Query

Found = tuple[Any, ...]
"""type, org, id, rev, body"""

_WAITING = ("queued", "routed")
_ALWAYS = 2**62


class Questions:
    """Answers named queries on one connection with rows that are still encoded."""

    def __init__(self, connection: apsw.Connection, sql: dict[str, str]) -> None:
        self._execute: Callable[..., Any] = connection.cursor().execute
        self._sql = sql

    def ask(self, q: Query) -> list[Found]:
        """The rows that answer `q`, in its order."""
        if q.name == "listing":
            return self._listing(q)
        name = _VARIANTS[q.name](q) if q.name in _VARIANTS else q.name
        return self._rows(name, _bindings(q))

    def holder(self, claim: str) -> list[Found]:
        """The record that holds a unique name, whatever its type and org."""
        return self._rows("holder", (claim,))

    def _rows(self, name: str, bindings: dict[str, Any] | tuple[Any, ...]) -> list[Any]:
        return self._execute(self._sql[name], bindings).fetchall()

    def _listing(self, q: Query) -> list[Found]:
        bindings = _bindings(q)
        down = "_descending" if q.descending else ""
        if q.by_id and not q.states:
            return self._rows(f"listing_by_id{down}", bindings)
        self._execute("BEGIN")
        try:
            states = list(dict.fromkeys(q.states)) or [s for (s,) in self._rows("states", bindings)]
            by_id = q.by_id and any(self._rows("is_sorted", bindings | {"state": s}) for s in states)
            if len(states) == 1 and not by_id:
                return self._rows(f"listing_of_state{down}", bindings | {"state": states[0]})
            return self._merged(q, states, f"heads_of_state{'_by_id' if by_id else ''}{down}")
        finally:
            self._execute("COMMIT")

    def _merged(self, q: Query, states: list[str], name: str) -> list[Found]:
        """Each state is in order in the index: as many heads of each as can be needed, merged, then their bodies."""
        until = q.offset + q.limit
        bindings = _bindings(q) | {"limit": until}
        lists = [self._rows(name, bindings | {"state": s}) for s in states]
        chosen = islice(heapq.merge(*lists, reverse=q.descending), q.offset, until)
        return [self._rows("by_key", (key,))[0] for _, _, key in chosen]


def _bindings(q: Query) -> dict[str, Any]:
    return {
        "org": q.org,
        "type": q.type,
        "parent": q.parent,
        "queue": q.queue,
        "owner": q.owner,
        "claim": q.claim,
        "states": f"|{'|'.join(q.states or _WAITING)}|",
        "every": not q.states,
        "since": q.since,
        "before": q.before,
        "until": q.before or _ALWAYS,
        "offset": q.offset,
        "limit": q.limit,
    }


def _children(q: Query) -> str:
    return f"children{'_by_id' if q.by_id else ''}{'_descending' if q.descending else ''}"


def _live_sessions(q: Query) -> str:
    return "live_sessions_of_owner" if q.owner else "live_sessions"


def _either_way(q: Query) -> str:
    return f"{q.name}{'_descending' if q.descending else ''}"


def _of_owner(q: Query) -> str:
    return f"{'messages_' if q.type == 'message' else ''}{_either_way(q)}"


_VARIANTS: dict[str, Callable[[Query], str]] = {
    "children": _children,
    "waiting": _either_way,
    "left_passes": _either_way,
    "updated": _either_way,
    "of_owner": _of_owner,
    "live_sessions": _live_sessions,
}
