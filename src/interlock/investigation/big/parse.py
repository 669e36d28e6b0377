"""Event lines to columns: of each line some numbers, and what follows from them for thousands of lines at once.

A typed decode (`big.shape`) takes from a line what a row needs and skips the rest. What was decoded is looked at once,
member by member, before the next line is decoded: it is near then, and the next can have the same memory. Its numbers
are laid side by side with those of other lines; what can be done for a column is done for a column. A row is what
`compact_of` makes of the same entry, but for DIGEST, which is 0; a test holds the two against each other. Whatever is
not known for certain goes to the readers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.big.columns import (
    DECODE_ERRORS,
    NUMBER,
    REMEMBERED_MAX,
    Columns,
    Rows,
    Table,
    text_code,
    users_code,
)
from interlock.investigation.big.names import Names
from interlock.investigation.compact import (
    BEFORE,
    CLIENT,
    CONVERSATION,
    CREATE,
    EMPTY,
    FLAGS,
    FURTHER,
    GROUP,
    ID,
    ITEM,
    LISTED,
    MARK,
    NAMED,
    NOBODY,
    NOT_SHOWN,
    ODD,
    ORDER,
    ORG,
    OTHER_RECORD,
    PERSON,
    QUEUE_AT,
    QUEUE_BEFORE,
    REV,
    SESSIONS,
    SIDE,
    STATUS_AT,
    STATUS_BEFORE,
    SYNC,
    TRACE,
    UNCHANGED,
    USERS_AT,
    USERS_BEFORE,
)
from interlock.investigation.history import ITEM_TYPES

KNOWN_NAMES = frozenset({"assignedUsers", "assignedTo", "queue", "status"})
"""The names of unit fields that this parser reads. An input that shows others is read the slow way."""

_DOUBT = -1
"""Flags of a line that only the slow way can tell. Whatever else is noted of it, they stay below zero."""

_OPS = frozenset({"add", "replace", "remove"})


_Unit = tuple[int, int, int, int, int, int, int]
"""Users, queue and status before, users, queue and status since; and flags."""


class _Writer(NamedTuple):
    """What follows from who wrote what: flags, hashes, and the side of a record that is about another one."""

    flags: int
    client: int
    org: int
    type: int
    side: int


def _writer(name: str, client: str, source: str | None, sync: bool, org: str, type: str) -> _Writer:
    verb = {"create": CREATE, "update": 0}.get(name.rpartition(".")[2])
    flags = PERSON if client in words.PERSONS or source in words.PERSONS else 0
    flags |= (SYNC if "sync" in client else 0) | (SYNC | LISTED if sync else 0) | (ODD if type in SESSIONS else 0)
    side = ITEM if type in ITEM_TYPES or "item" in type or "task" in type else OTHER_RECORD
    # Deletions, names that are not known, and events without an org are read by the readers.
    return _Writer(_DOUBT if verb is None or not org else flags | verb, hash(client), hash(org), hash(type), side)


class Events(Columns):
    """Collects events. `sessions`: whether one was about a record that can state what a user may hold."""

    LAID = (
        GROUP, SIDE, ID, REV, BEFORE, ORDER, FLAGS, MARK, USERS_AT, QUEUE_AT, STATUS_AT,
        USERS_BEFORE, QUEUE_BEFORE, STATUS_BEFORE, TRACE,
    )  # fmt: skip
    """SIDE stands for the number of the writer, until all is worked out."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self._names = names
        self._users = Table(users_code)
        self._statuses = Table(text_code)
        # Numbers of writers stand in columns: they are forgotten between rows only.
        self._writers = Table(self._number, sys.maxsize)
        self._known: list[_Writer] = []
        self.sessions = False
        self.learn()

    def learn(self) -> None:
        """Takes up the names that have been learnt."""
        self._decode = self._names.decoder()
        self._noted = [[*map(attrgetter, noted)] for noted in self._names.noted]
        self._noting = any(self._noted)

    def _number(self, said: tuple[str, str, str | None, bool, str, str]) -> int:
        """The number of a writer that is seen for the first time."""
        self._known.append(_writer(*said))
        self.sessions |= said[-1] in SESSIONS
        return len(self._known) - 1

    def collect(self, lines: list[memoryview], first: int) -> list[int]:
        """Collects the events among some lines, of which the first has a number; the numbers of those that are none, or
        do not fit the types."""
        decode, users, statuses, writers = self._decode, self._users, self._statuses, self._writers
        put, laid, at, size, times = self.put, self.laid, self.room(len(lines)), self.row_bytes, self.times
        others: list[int] = []
        for n, text in enumerate(lines, first):
            try:
                line = decode(text)
            except DECODE_ERRORS:
                others.append(n)
                continue
            if line.body is None:
                others.append(n)
                continue
            event = line.body.body
            data, changes = event.data, event.changes
            shown, links, moved, linked = data.attributes, data.relationships, changes.attributes, changes.relationships
            id, rev, before, mark, flags = hash(data.id), shown.rev, -1, shown.resourceRev, 0
            group = id if links.resource is None else hash(links.resource.data.id)
            if (m := moved.rev) is not None:
                before = -1 if m.before is None else m.before
                if m.after != rev and m.after is not UNSET:
                    flags = ODD
            users_at, queue_at, status_at = users[shown.assignedUsers], NOT_SHOWN, statuses[shown.status]
            users_before = queue_before = status_before = UNCHANGED
            if (
                moved.status is not None or moved.assignedUsers is not None or links.queue is not UNSET
                or links.assignedTo is not UNSET or linked.queue is not None or linked.assignedTo is not None
            ):  # fmt: skip
                users_before, queue_before, status_before, users_at, queue_at, status_at, odd = self._unit(
                    shown, links, moved, linked, users_at, status_at
                )
                flags |= odd
            if (
                event.routingReasons or event.partition != event.org or moved.resourceRev is not None
                or linked.rule is not None or self._noting
                or (event.isSync and users_before == queue_before == status_before == UNCHANGED)
                or (event.routingReasons is None and not shown.assignedUsers and shown.assignedUsers != ())
            ):  # fmt: skip
                odd, mark = self._closer(line, mark)
                flags |= odd
            times.append(shown.updatedAt)
            writer = writers[event.name, event.client, event.sourceType, event.isSync, event.org, data.type]
            put(
                laid, at, group, writer, id, rev, before, n, flags, -1 if mark is None else mark,
                users_at, queue_at, status_at, users_before, queue_before, status_before, hash(line.dd.trace_id),
            )  # fmt: skip
            at += size
        return others

    def _unit(self, shown: Any, links: Any, moved: Any, linked: Any, users_at: int, status_at: int) -> _Unit:
        """Users, queue and status before and after an event that shows a link to one of them, or changed one."""
        queue_at, flags = _link_code(links.queue), 0
        if links.assignedTo is not UNSET and shown.assignedUsers is UNSET:
            users_at = _link_code(links.assignedTo)
        users_before = queue_before = status_before = UNCHANGED
        # What became of a field is nearly always what the resource shows: then only what it was is left to say.
        if (m := moved.assignedUsers) is not None:
            if m.after == shown.assignedUsers and m.op == "replace":
                users_before = self._users[m.before]
            else:
                users_before, users_at, flags = _moved(m, self._users.__getitem__, users_at)
        if (m := moved.status) is not None:
            if m.after == shown.status and m.op == "replace":
                status_before = self._statuses[m.before]
            else:
                status_before, status_at, odd = _moved(m, self._statuses.__getitem__, status_at)
                flags |= odd
        if (m := linked.queue) is not None:
            queue_before, queue_at, odd = _moved(m, _link_code, queue_at)
            flags |= odd
        if (m := linked.assignedTo) is not None:
            flags |= _DOUBT if users_before != UNCHANGED else 0
            users_before, users_at, odd = _moved(m, _link_code, users_at)
            flags |= odd
        return users_before, queue_before, status_before, users_at, queue_at, status_at, flags

    def _closer(self, line: Any, mark: int | None) -> tuple[int, int | None]:
        """Flags, and the newest rev seen, of an event that may say more than most."""
        event = line.body.body
        shown, links = event.data.attributes, event.data.relationships
        moved, linked = event.changes.attributes, event.changes.relationships
        flags = _partition_flags(event) if event.partition != event.org else 0
        if (m := moved.resourceRev) is not None:
            flags |= NAMED
            if m.after is not UNSET and m.after != shown.resourceRev:
                flags |= ODD
        if (m := linked.rule) is not None and (m.op not in _OPS or (links.rule is not UNSET and links.rule != m.after)):
            flags |= ODD
        for reason in event.routingReasons or ():
            if reason.meta is not None and reason.meta.conversationRev is not None:
                mark = reason.meta.conversationRev if mark is None else max(mark, reason.meta.conversationRev)
                flags |= NAMED if links.resource is not None else _DOUBT
        if event.routingReasons is None and line.fullBodyLength is not None and not (u := shown.assignedUsers):
            # Valid JSON without a single list may be a line whose brackets a viewer took away: its reader repairs it.
            flags |= _DOUBT if u != () else 0
        if self._noting and self._further(moved, linked):
            flags |= FURTHER
        if event.isSync and moved.status is None and _only_bookkeeping(moved, linked):
            flags |= EMPTY
        return flags, mark

    def _further(self, moved: Any, linked: Any) -> bool:
        """Whether a field beyond the unit changed that may be somebody's wish."""
        here, there = self._noted
        return any(get(moved) is not None for get in here) or any(get(linked) is not None for get in there)

    def worked_out(self, c: Rows) -> Any:
        """What follows from who wrote it, and what it is about."""
        flags, client, org, type, side = np.array(self._known, NUMBER).T[:, c[SIDE]]
        flags |= c[FLAGS]
        c[CLIENT], c[ORG] = client, org
        c[SIDE] = np.where(c[GROUP] != c[ID], side, CONVERSATION)
        c[ID] ^= type
        c[MARK, c[SIDE] == CONVERSATION] = -1
        c[FLAGS] = (flags | (flags & CREATE > 0) * NAMED) & ~((c[MARK] < 0) * NAMED)
        if len(self._known) > REMEMBERED_MAX:
            self._known.clear()
            self._writers.clear()
        return flags < 0


def _moved(m: Any, code: Callable[[Any], int], shown: int) -> tuple[int, int, int]:
    """Of a change of a unit field what was there before, what is there since, and flags."""
    before = NOBODY if m.before is UNSET and m.op == "add" else code(m.before)
    after = NOBODY if m.after is UNSET and m.op == "remove" else code(m.after)
    if m.op not in _OPS:
        return before, shown, _DOUBT
    if shown == NOT_SHOWN:
        return before, after, 0
    return before, shown, ODD if after not in (NOT_SHOWN, shown) else 0


def _link_code(link: Any) -> int:
    """The code of a queue or a user behind a link, which is there or nobody."""
    if link is UNSET:
        return NOT_SHOWN
    return NOBODY if link is None or link.data is None else hash(link.data.id) & ~1


def _partition_flags(event: Any) -> int:
    """Of an event whose partition is not its org: odd if it is another org's: no record's, and as long as an org's."""
    partition, data = event.partition, event.data
    if not partition:
        return _DOUBT
    about = data.relationships.resource
    group = about.data.id if about is not None else data.id
    return ODD if partition not in (group, data.id) and len(partition) == len(event.org) else 0


def _only_bookkeeping(moved: Any, linked: Any) -> bool:
    """Whether the changes are there, and are none but of rev, time and their like."""
    changed = [n for n in moved.__struct_fields__ if getattr(moved, n) is not None]
    return (
        bool(changed)
        and all(n in words.BOOKKEEPING for n in changed)
        and not any(getattr(linked, n) is not None for n in linked.__struct_fields__)
    )
