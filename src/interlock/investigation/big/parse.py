"""From decoded lines to columns: whatever a thousand lines have in common is worked out for all of them at once.

A typed decode (`big.shape`) takes from a line what a row needs and skips the rest. Nothing is then done line by line
that can be done for a column: lists are made by comprehensions, looked up in tables of what is already known, and laid
side by side as numbers. A row is what `compact_of` makes of the same entry, but for DIGEST, which is 0; a test holds
the two against each other. Whatever is not known for certain is named by its position, and goes to the readers.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.big.names import Names
from interlock.investigation.big.shape import Patch, RevMoved
from interlock.investigation.big.times import moments
from interlock.investigation.compact import (
    AT,
    AUDIT,
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
    ITEMISED,
    LISTED,
    MARK,
    NAMED,
    NOBODY,
    NOT_SHOWN,
    NUMBER_MAX,
    ODD,
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
    WIDTH,
    code_of,
)
from interlock.investigation.history import ITEM_TYPES
from interlock.investigation.vocabulary import USERS

KNOWN_NAMES = frozenset({"assignedUsers", "assignedTo", "queue", "status"})
"""The names of unit fields that this parser reads. An input that shows others is read the slow way."""

_REMEMBERED_MAX = 50_000
_NUMBER = np.dtype(np.int64)
Rows = np.ndarray[Any, np.dtype[np.int64]]


class _Table(dict[Any, int]):
    """What has been worked out about texts, by a function that is asked once for each."""

    def __init__(self, ask: Callable[[Any], int]) -> None:
        self._ask = ask

    def __missing__(self, key: Any) -> int:
        if len(self) > _REMEMBERED_MAX:
            self.clear()
        found = self[key] = self._ask(key)
        return found


def _users(value: Any) -> int:
    return code_of(USERS, value)


def _verb(name: str) -> int:
    """`CREATE` or 0; -1 for what the slow way has to read: deletions, names it does not know."""
    return {"create": CREATE, "update": 0}.get(name.rpartition(".")[2], -1)


def _client(name: str) -> int:
    return (SYNC if "sync" in name else 0) | (PERSON if name in words.PERSONS else 0)


def _source(type: str | None) -> int:
    return PERSON if type in words.PERSONS else 0


def _side(type: str) -> int:
    """Where a record stands that is about a conversation."""
    return ITEM if type in ITEM_TYPES or "item" in type or "task" in type else OTHER_RECORD


class Columns:
    """Collects what decoded lines say, and makes rows of it.

    Lines are collected some at a time, while what was decoded of them is near; rows are made of many at once. Events
    and audits (`told`) are collected apart.
    """

    def __init__(self, names: Names, *, told: bool = False) -> None:
        self._names = names
        self._told = told
        self._users = _Table(_users)
        self._statuses = _Table(_text_code)
        self._verbs = _Table(_verb)
        self._clients = _Table(_client)
        self._sources = _Table(_source)
        self._begin()

    def _begin(self) -> None:
        self._held = {n: array("q") for n in _HELD}
        self._types = array("q")
        self._kinds: set[str] = set()
        self._times: list[str] = []
        self._slow: list[int] = []

    def rows(self) -> tuple[Rows, Rows]:
        """The rows of the lines collected since the last call, ORDER and PLACE still 0, and the positions of those that
        only the slow way can tell: their rows mean nothing."""
        out = np.zeros((len(self._times), WIDTH), _NUMBER)
        if not self._times:
            return out, np.zeros(0, _NUMBER)
        for n, column in self._held.items():
            out[:, n] = np.frombuffer(column, _NUMBER)
        types = np.frombuffer(self._types, _NUMBER)
        about = out[:, GROUP] != out[:, ID]
        for kind in self._kinds:
            out[about & (types == hash(kind)), SIDE] = _side(kind)
        if self._told:
            out[:, SIDE] = AUDIT
        out[:, ID] ^= types
        out[:, AT], bad = moments(self._times)
        flags = out[:, FLAGS]
        events = out[:, SIDE] != AUDIT
        bad |= (flags < 0) | events & (out[:, ORG] == 0) | (out[:, REV] < 0) | (out[:, REV] >= NUMBER_MAX)
        bad |= (out[:, BEFORE] < -1) | (out[:, BEFORE] >= NUMBER_MAX) | (out[:, MARK] >= NUMBER_MAX)
        out[out[:, SIDE] == CONVERSATION, MARK] = -1
        flags |= (flags & CREATE > 0) * NAMED
        flags &= ~((out[:, MARK] < 0) * NAMED)
        bad[self._slow] = True
        self._begin()
        return out, np.flatnonzero(bad)

    def collect(self, lines: Sequence[Any]) -> None:
        """Some event lines."""
        inner = [line.body.body for line in lines]
        data = [i.data for i in inner]
        attributes = [d.attributes for d in data]
        relations = [d.relationships for d in data]
        changes = [i.changes for i in inner]
        flags = self._who(lines, inner, data, relations)
        self._times += [a.updatedAt for a in attributes]
        unit = self._unit(lines, inner, attributes, relations)
        moved = [c.attributes for c in changes]
        linked = [c.relationships for c in changes]
        self._revs(inner, attributes, moved, flags)
        self._moved(moved, linked, data, unit, flags)
        self._others(moved, linked, flags)
        self._held[FLAGS].fromlist(flags)
        for n, column in enumerate(unit, USERS_AT):
            self._held[n].fromlist(column)

    def _doubt(self, numbers: list[int]) -> None:
        """Leaves lines to the slow way, by their numbers among those that are being collected."""
        begin = len(self._held[FLAGS])
        self._slow += [begin + n for n in numbers]

    def _who(self, lines: Any, inner: Any, data: Any, relations: Any) -> list[int]:
        """GROUP, ID, CLIENT, TRACE, ORG; the flags that say who wrote."""
        own = [hash(d.id) for d in data]
        types = [d.type for d in data]
        about = [r.resource for r in relations]
        groups = [h if a is None else hash(a.data.id) for h, a in zip(own, about, strict=True)]
        if not {a.data.type for a in about if a is not None} <= _ABOUT:
            self._doubt([n for n, a in enumerate(about) if a is not None and a.data.type not in _ABOUT])
        kinds = {*types}
        self._kinds |= kinds
        verbs, clients, sources = self._verbs, self._clients, self._sources
        flags = [verbs[i.name] | clients[i.client] | sources[i.sourceType] | (i.isSync and _BY_FLAG) for i in inner]
        if not SESSIONS.isdisjoint(kinds):
            flags = [f | ODD if t in SESSIONS else f for f, t in zip(flags, types, strict=True)]
        orgs = [i.org for i in inner]
        if [i.partition for i in inner] != orgs:
            self._doubt([n for n, i in enumerate(inner) if not i.partition])
            flags = [f | ODD if _foreign(i) else f for f, i in zip(flags, inner, strict=True)]
        held = self._held
        held[GROUP].fromlist(groups)
        held[ID].fromlist(own)
        self._types.fromlist([hash(t) for t in types])
        held[ORG].fromlist([hash(o) for o in orgs])
        held[CLIENT].fromlist([hash(i.client) for i in inner])
        held[TRACE].fromlist([hash(line.dd.trace_id) for line in lines])
        return flags

    def _unit(self, lines: Any, inner: Any, attributes: Any, relations: Any) -> list[list[int]]:
        """Users, queue and status as the resource shows them, and `UNCHANGED` for what they were before."""
        shown = [a.assignedUsers for a in attributes]
        known = self._users
        users = [known[u] for u in shown]
        for n, owner in [(n, r.assignedTo) for n, r in enumerate(relations) if r.assignedTo is not UNSET]:
            if shown[n] is UNSET:
                users[n] = _link_code(owner)
        queues = [
            NOT_SHOWN if (q := r.queue) is UNSET else hash(q.data.id) & ~1 if q is not None and q.data else NOBODY
            for r in relations
        ]
        known = self._statuses
        statuses = [known[a.status] for a in attributes]
        # Valid JSON without a single list may be a line whose brackets a viewer took away: its reader repairs it.
        for n in [n for n, u in enumerate(shown) if not u and u != ()]:
            if inner[n].routingReasons is None and lines[n].fullBodyLength is not None:
                self._doubt([n])
        return [users, queues, statuses, *([UNCHANGED] * len(users) for _ in range(3))]

    def _revs(self, inner: Any, attributes: Any, moved: Any, flags: list[int]) -> None:
        """REV, BEFORE, and MARK with `NAMED`."""
        revs = [a.rev for a in attributes]
        told = [m.rev or _SAME for m in moved]
        before = [t.before for t in told]
        after = [t.after for t in told]
        if after != revs:
            odd = [n for n, (a, r) in enumerate(zip(after, revs, strict=True)) if a != r and a is not UNSET]
            for n in odd:
                flags[n] |= ODD
        marks = [a.resourceRev for a in attributes]
        for n, reasons in [(n, r) for n, i in enumerate(inner) if (r := i.routingReasons)]:
            read = [v for r in reasons if r.meta is not None and (v := r.meta.conversationRev) is not None]
            if read:
                flags[n] |= NAMED
                marks[n] = max(marks[n], *read)
                if inner[n].data.relationships.resource is None:
                    self._doubt([n])
        numbers: list[tuple[int, Any]] = [(REV, revs), (BEFORE, before), (MARK, marks)]
        for column, values in numbers:
            try:
                self._held[column].fromlist(values)
            except (OverflowError, TypeError):
                self._held[column].fromlist([_bounded(v) for v in values])

    def _moved(self, moved: Any, linked: Any, data: Any, unit: list[list[int]], flags: list[int]) -> None:
        """What the unit's fields were before, and whether what they became is what the resource shows."""
        users = self._users.__getitem__
        for n, m in [
            (n, m)
            for n, m in enumerate(moved)
            if m.assignedUsers is not None or m.status is not None or m.resourceRev is not None
        ]:
            if m.assignedUsers is not None:
                self._one(n, 0, m.assignedUsers, users, unit, flags)
            if m.status is not None:
                self._one(n, 2, m.status, _text_code, unit, flags)
            if m.resourceRev is not None:
                flags[n] |= NAMED
                after = m.resourceRev.after
                if after is not UNSET and after != data[n].attributes.resourceRev:
                    flags[n] |= ODD
        for n, m in [
            (n, m)
            for n, m in enumerate(linked)
            if m.queue is not None or m.assignedTo is not None or m.rule is not None
        ]:
            if m.queue is not None:
                self._one(n, 1, m.queue, _link_code, unit, flags)
            if m.assignedTo is not None:
                self._one(n, 0, m.assignedTo, _link_code, unit, flags)
            if m.rule is not None:
                shown = data[n].relationships.rule
                if m.rule.op not in _OPS or (shown is not UNSET and shown != m.rule.after):
                    flags[n] |= ODD

    def _one(
        self, n: int, word: int, m: Any, code: Callable[[Any], int], unit: list[list[int]], flags: list[int]
    ) -> None:
        """One unit field's move."""
        was, shown = unit[word + 3], unit[word]
        if m.op not in _OPS or was[n] != UNCHANGED:
            self._doubt([n])
            return
        was[n] = NOBODY if m.before is UNSET and m.op == "add" else code(m.before)
        after = NOBODY if m.after is UNSET and m.op == "remove" else code(m.after)
        if after == NOT_SHOWN:
            return
        if shown[n] == NOT_SHOWN:
            shown[n] = after
        elif shown[n] != after:
            flags[n] |= ODD

    def _others(self, moved: Any, linked: Any, flags: list[int]) -> None:
        """Fields beyond the unit, and syncs that moved nothing."""
        for changed, names in ((moved, self._names.noted[0]), (linked, self._names.noted[1])):
            for name in names:
                get = attrgetter(name)
                for n in [n for n, m in enumerate(changed) if get(m) is not None]:
                    flags[n] |= FURTHER
        for n in [n for n, f in enumerate(flags) if f & LISTED]:
            if _only_bookkeeping(moved[n], linked[n]):
                flags[n] |= EMPTY

    def audits(self, lines: Sequence[Any]) -> None:
        """Some audit lines, as the incident has them, with or without the peer that was read."""
        for said in lines:
            patch, id, kind = said.updatedConversation, said.conversationId, _CONVERSATION
            if patch is None:
                patch, id, kind = said.updatedWorkItem, said.workItemId, _WORK_ITEM
            peer = said.peer
            if patch is None or not said.conversationId or not id or type(said.time) is not str:
                patch, peer = _NO_PATCH, None
                self._doubt([0])
            elif patch.assignedUsers is not UNSET and patch.assignedTo is not UNSET:
                self._doubt([0])
            users = patch.assignedTo if patch.assignedUsers is UNSET else patch.assignedUsers
            rev = _bounded(patch.rev)
            values = (
                hash(said.conversationId), hash(id), rev + 1, rev, ITEMISED if said.workItemId else 0,
                -1 if peer is None else _bounded(peer.rev), self._users[users], NOT_SHOWN, _text_code(patch.status),
                UNCHANGED, UNCHANGED, UNCHANGED, hash(said.dd.service or said.name), hash(said.dd.trace_id),
                hash(said.org),
            )  # fmt: skip
            for column, value in zip(self._held.values(), values, strict=True):
                column.append(value)
            self._types.append(kind)
            self._times.append(str(said.time))


_HELD = (
    GROUP, ID, REV, BEFORE, FLAGS, MARK, USERS_AT, QUEUE_AT, STATUS_AT, USERS_BEFORE, QUEUE_BEFORE, STATUS_BEFORE,
    CLIENT, TRACE, ORG,
)  # fmt: skip
_ABOUT = frozenset({"conversation"})
_BY_FLAG = SYNC | LISTED
_CONVERSATION, _WORK_ITEM = hash("conversation"), hash("work_item")
_SAME = RevMoved(before=-1)
_NO_PATCH = Patch(rev=0)
_OPS = frozenset({"add", "replace", "remove"})


def _bounded(value: Any) -> int:
    """A number that fits into a row: -1 for none; one that does not fit is out of every bound."""
    if value is None or value is UNSET:
        return -1
    return value if -NUMBER_MAX < value < NUMBER_MAX else NUMBER_MAX


def _text_code(text: Any) -> int:
    """The code of a status, which is text or nothing here."""
    return hash(text) & ~1 if text else NOT_SHOWN if text is UNSET else NOBODY


def _link_code(link: Any) -> int:
    """The code of a queue or a user behind a link, which is there or nobody."""
    if link is UNSET:
        return NOT_SHOWN
    return NOBODY if link is None or link.data is None else hash(link.data.id) & ~1


def _foreign(inner: Any) -> bool:
    """Whether an event's partition is that of another org: not its own, no record's, and as long as an org's."""
    partition, data = inner.partition, inner.data
    about = data.relationships.resource
    group = about.data.id if about is not None else data.id
    return partition not in ("", inner.org, group, data.id) and len(partition) == len(inner.org)


def _only_bookkeeping(moved: Any, linked: Any) -> bool:
    """Whether the changes are there, and are none but of rev, time and their like."""
    changed = [n for n in moved.__struct_fields__ if getattr(moved, n) is not None]
    return (
        bool(changed)
        and all(n in words.BOOKKEEPING for n in changed)
        and not any(getattr(linked, n) is not None for n in linked.__struct_fields__)
    )
