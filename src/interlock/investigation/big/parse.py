"""From decoded lines to columns: whatever a thousand lines have in common is worked out for all of them at once.

A typed decode (`big.shape`) takes from a line what a row needs and skips the rest. Nothing is then done line by line
that can be done for a column: lists are made by comprehensions, looked up in tables of what is already known, and laid
side by side as numbers. A row is what `compact_of` makes of the same entry, but for DIGEST, which is 0; a test holds
the two against each other. Whatever is not known for certain is named by its position, and goes to the readers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
    DIGEST,
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
    ORDER,
    ORG,
    OTHER_RECORD,
    PERSON,
    PLACE,
    QUEUE_AT,
    REV,
    SESSIONS,
    SIDE,
    STATUS_AT,
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


def _who_wrote(said: tuple[str, str, str | None, bool]) -> int:
    """The flags of name, client, type of the source and `isSync`; below zero for what the slow way has to read."""
    name, client, source, sync = said
    by = PERSON if client in words.PERSONS or source in words.PERSONS else 0
    return _verb(name) | by | (SYNC if "sync" in client else 0) | (_BY_FLAG if sync else 0)


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
        self._users = _Table(_users).__getitem__
        self._statuses = _Table(_text_code).__getitem__
        self._who = _Table(_who_wrote).__getitem__
        self.sessions = False
        self._laid = np.empty((WIDTH, _AT_FIRST), _NUMBER)
        self._begin()

    def _begin(self) -> None:
        self._count = 0
        self._moves: list[tuple[list[int], list[int], list[int]]] = [([], [], []) for _ in range(3)]
        self._kinds: set[str] = set()
        self._times: list[str] = []
        self._flagged: dict[int, list[int]] = {FURTHER: [], ODD: [], EMPTY: [], NAMED: []}
        self._slow: list[int] = []

    def rows(self) -> tuple[Rows, Rows]:
        """The rows of the lines collected since the last call, ORDER and PLACE still 0, and the positions of those that
        only the slow way can tell: their rows mean nothing."""
        c = self._laid[:, : self._count]
        if not self._count:
            return c.T, np.zeros(0, _NUMBER)
        c[SIDE] = AUDIT if self._told else CONVERSATION
        about = c[GROUP] != c[ID]
        for kind in self._kinds:
            c[SIDE, about & (c[_TYPE] == hash(kind))] = _side(kind)
        c[ID] ^= c[_TYPE]
        c[AT], bad = moments(self._times)
        flags = c[FLAGS]
        bad |= (flags < 0) | (c[ORG] == 0) & (not self._told) | (c[REV] < 0) | (c[REV] >= NUMBER_MAX)
        bad |= (c[BEFORE] < -1) | (c[BEFORE] >= NUMBER_MAX) | (c[MARK] >= NUMBER_MAX)
        for flag, positions in self._flagged.items():
            flags[positions] |= flag
        for word in range(3):
            self._move(c, word, bad)
        c[MARK, c[SIDE] == CONVERSATION] = -1
        flags |= (flags & CREATE > 0) * NAMED
        flags &= ~((c[MARK] < 0) * NAMED)
        c[[DIGEST, ORDER, PLACE]] = 0
        bad[self._slow] = True
        self._begin()
        return np.ascontiguousarray(c.T), np.flatnonzero(bad)

    def _move(self, c: Rows, word: int, bad: Any) -> None:
        """What a unit field was before, and whether what it became is what the resource shows."""
        c[USERS_BEFORE + word] = UNCHANGED
        at, before, after = (np.array(column, _NUMBER) for column in self._moves[word])
        bad |= np.bincount(at, minlength=len(bad)) > 1
        c[USERS_BEFORE + word, at] = before
        shown = c[USERS_AT + word, at]
        hidden = shown == NOT_SHOWN
        c[USERS_AT + word, at[hidden]] = after[hidden]
        c[FLAGS, at[~hidden & (after != NOT_SHOWN) & (after != shown)]] |= ODD

    def _room(self, count: int) -> slice:
        """Where so many lines more have their numbers."""
        begin, end = self._count, self._count + count
        if end > self._laid.shape[1]:
            wider = np.empty((WIDTH, 2 * end), _NUMBER)
            wider[:, :begin] = self._laid[:, :begin]
            self._laid = wider
        self._count = end
        return slice(begin, end)

    def collect(self, lines: Sequence[Any]) -> None:
        """Some event lines, at least one, decoded by one decoder."""
        count = len(lines)
        room = self._room(count)
        begin = room.start
        c = self._laid[:, room]
        inner = [line.body.body for line in lines]
        data = [i.data for i in inner]
        attributes = [d.attributes for d in data]
        relations = [d.relationships for d in data]
        changes = [i.changes for i in inner]
        clients = [i.client for i in inner]
        names, sources, syncs = [i.name for i in inner], [i.sourceType for i in inner], [i.isSync for i in inner]
        who = zip(names, clients, sources, syncs, strict=True)
        c[FLAGS] = np.fromiter(map(self._who, who), _NUMBER, count)
        c[CLIENT] = np.fromiter(map(hash, clients), _NUMBER, count)
        c[TRACE] = np.fromiter(map(hash, [line.dd.trace_id for line in lines]), _NUMBER, count)
        orgs = [i.org for i in inner]
        # Nearly always one org's.
        c[ORG] = hash(orgs[0]) if orgs.count(orgs[0]) == count else np.fromiter(map(hash, orgs), _NUMBER, count)
        if [i.partition for i in inner] != orgs:
            self._doubt(begin, [n for n, i in enumerate(inner) if not i.partition])
            self._flag(ODD, begin, [n for n, i in enumerate(inner) if _foreign(i)])
        self._times += [a.updatedAt for a in attributes]
        moved = [m.attributes for m in changes]
        linked = [m.relationships for m in changes]
        self._about(c, begin, data, relations)
        self._revs(c, begin, moved, attributes, inner, relations)
        self._unit(c, attributes, relations)
        self._moved(begin, moved, linked, data)
        self._further(begin, moved, linked, inner)
        # Valid JSON without a single list may be a line whose brackets a viewer took away: its reader repairs it.
        bare = [n for n, i in enumerate(inner) if i.routingReasons is None and lines[n].fullBodyLength is not None]
        self._doubt(begin, [n for n in bare if not (u := attributes[n].assignedUsers) and u != ()])

    def _doubt(self, begin: int, numbers: Iterable[int]) -> None:
        """Leaves lines to the slow way, by their numbers among those that are being collected."""
        self._slow += [begin + n for n in numbers]

    def _flag(self, flag: int, begin: int, numbers: Iterable[int]) -> None:
        self._flagged[flag] += [begin + n for n in numbers]

    def _about(self, c: Rows, begin: int, data: Any, relations: Any) -> None:
        """GROUP, ID and types."""
        types = [d.type for d in data]
        kinds = {*types}
        self._kinds |= kinds
        c[_TYPE] = np.fromiter(map(hash, types), _NUMBER, len(types))
        c[ID] = np.fromiter(map(hash, [d.id for d in data]), _NUMBER, len(types))
        about = [(n, a.data) for n, r in enumerate(relations) if (a := r.resource) is not None]
        c[GROUP] = c[ID]
        c[GROUP, [n for n, _ in about]] = [hash(a.id) for _, a in about]
        self._doubt(begin, [n for n, a in about if a.type != "conversation"])
        if not SESSIONS.isdisjoint(kinds):
            self.sessions = True
            self._flag(ODD, begin, [n for n, t in enumerate(types) if t in SESSIONS])

    def _revs(self, c: Rows, begin: int, moved: Any, attributes: Any, inner: Any, relations: Any) -> None:
        """REV, BEFORE, and MARK with `NAMED`."""
        revs = [a.rev for a in attributes]
        marks = [a.resourceRev for a in attributes]
        told = [m.rev or _SAME for m in moved]
        after = [t.after for t in told]
        if after != revs:
            odd = [n for n, (a, r) in enumerate(zip(after, revs, strict=True)) if a != r and a is not UNSET]
            self._flag(ODD, begin, odd)
        for n, said in [(n, r) for n, i in enumerate(inner) if (r := i.routingReasons)]:
            read = [v for r in said if r.meta is not None and (v := r.meta.conversationRev) is not None]
            if read:
                self._flag(NAMED, begin, [n])
                marks[n] = max(-1 if marks[n] is None else marks[n], *read)
                if relations[n].resource is None:
                    self._doubt(begin, [n])
        columns: list[tuple[int, list[Any]]] = [(REV, revs), (BEFORE, [t.before for t in told]), (MARK, marks)]
        for n, values in columns:
            try:
                c[n] = np.fromiter(values, _NUMBER, len(values))
            except (OverflowError, TypeError):
                c[n] = [_bounded(v) for v in values]

    def _unit(self, c: Rows, attributes: Any, relations: Any) -> None:
        """Users, queue and status as the resource shows them."""
        count = len(attributes)
        c[USERS_AT] = np.fromiter(map(self._users, [a.assignedUsers for a in attributes]), _NUMBER, count)
        c[STATUS_AT] = np.fromiter(map(self._statuses, [a.status for a in attributes]), _NUMBER, count)
        c[QUEUE_AT] = NOT_SHOWN
        for n, link in [(n, link) for n, r in enumerate(relations) if (link := r.queue) is not UNSET]:
            c[QUEUE_AT, n] = _link_code(link)
        for n, link in [(n, link) for n, r in enumerate(relations) if (link := r.assignedTo) is not UNSET]:
            if attributes[n].assignedUsers is UNSET:
                c[USERS_AT, n] = _link_code(link)

    def _moved(self, begin: int, moved: Any, linked: Any, data: Any) -> None:
        """What an event says of its changes of the unit, of the rev that it had seen, and of the rule."""
        for word, code, moves in (
            (0, self._users, [(n, m) for n, c in enumerate(moved) if (m := c.assignedUsers) is not None]),
            (2, self._statuses, [(n, m) for n, c in enumerate(moved) if (m := c.status) is not None]),
            (1, _link_code, [(n, m) for n, c in enumerate(linked) if (m := c.queue) is not None]),
            (0, _link_code, [(n, m) for n, c in enumerate(linked) if (m := c.assignedTo) is not None]),
        ):
            at, before, after = self._moves[word]
            at += [begin + n for n, _ in moves]
            before += [NOBODY if m.before is UNSET and m.op == "add" else code(m.before) for _, m in moves]
            after += [NOBODY if m.after is UNSET and m.op == "remove" else code(m.after) for _, m in moves]
            self._doubt(begin, [n for n, m in moves if m.op not in _OPS])
        for n, m in [(n, m) for n, c in enumerate(moved) if (m := c.resourceRev) is not None]:
            self._flag(NAMED, begin, [n])
            if m.after is not UNSET and m.after != data[n].attributes.resourceRev:
                self._flag(ODD, begin, [n])
        for n, m in [(n, m) for n, c in enumerate(linked) if (m := c.rule) is not None]:
            shown = data[n].relationships.rule
            if m.op not in _OPS or (shown is not UNSET and shown != m.after):
                self._flag(ODD, begin, [n])

    def _further(self, begin: int, moved: Any, linked: Any, inner: Any) -> None:
        """Fields beyond the unit, and syncs that moved nothing."""
        for changed, names in ((moved, self._names.noted[0]), (linked, self._names.noted[1])):
            for name in names:
                get = attrgetter(name)
                self._flag(FURTHER, begin, [n for n, m in enumerate(changed) if get(m) is not None])
        syncs = [n for n, i in enumerate(inner) if i.isSync]
        self._flag(EMPTY, begin, [n for n in syncs if _only_bookkeeping(moved[n], linked[n])])

    def audits(self, lines: Sequence[Any]) -> None:
        """Some audit lines, as the incident has them, with or without the peer that was read."""
        room = self._room(len(lines))
        c = self._laid[:, room]
        patches = [said.updatedConversation or said.updatedWorkItem or _NO_PATCH for said in lines]
        ids = [said.conversationId if said.updatedConversation else said.workItemId for said in lines]
        self._doubt(room.start, [
            n for n, (said, id, patch) in enumerate(zip(lines, ids, patches, strict=True))
            if patch is _NO_PATCH or not id or not said.conversationId or type(said.time) is not str
            or (patch.assignedUsers is not UNSET and patch.assignedTo is not UNSET)
        ])  # fmt: skip
        revs = [_bounded(patch.rev) for patch in patches]
        c[GROUP] = [hash(said.conversationId) for said in lines]
        c[ID] = [*map(hash, ids)]
        c[REV] = [rev + 1 for rev in revs]
        c[BEFORE] = revs
        c[FLAGS] = [ITEMISED if said.workItemId else 0 for said in lines]
        c[MARK] = [-1 if said.peer is None else _bounded(said.peer.rev) for said in lines]
        c[USERS_AT] = [self._users(p.assignedTo if p.assignedUsers is UNSET else p.assignedUsers) for p in patches]
        c[QUEUE_AT] = NOT_SHOWN
        c[STATUS_AT] = [self._statuses(p.status) for p in patches]
        c[CLIENT] = [hash(said.dd.service or said.name) for said in lines]
        c[TRACE] = [hash(said.dd.trace_id) for said in lines]
        c[ORG] = [hash(said.org) for said in lines]
        c[_TYPE] = [_CONVERSATION if said.updatedConversation else _WORK_ITEM for said in lines]
        self._times += [str(said.time) for said in lines]


_TYPE = DIGEST
"""Where the hash of a record's type stands until it is part of its ID."""

_AT_FIRST = 4_096
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
