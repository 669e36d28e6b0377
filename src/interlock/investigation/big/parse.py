"""From the bytes of a line straight to its compact row, for event and audit lines of the incident's shape.

A typed decode takes from a line what a row needs and skips the rest; nothing else is made of it. Whatever it does not
know for certain (another shape, an unknown member, a repaired or damaged line) is `None`: the caller reads that line
the slow way. A row is what `compact_of` makes of the same entry, but for DIGEST, which is 0 (`big.group` looks again
where a rev comes twice); a test holds the two against each other.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from interlock.investigation import vocabulary as words
from interlock.investigation.compact import (
    AUDIT,
    CONVERSATION,
    CREATE,
    EMPTY,
    FURTHER,
    INPUT_SHIFT,
    ITEM,
    ITEMISED,
    LISTED,
    NAMED,
    NOT_SHOWN,
    ODD,
    OTHER_RECORD,
    PERSON,
    SESSIONS,
    SKEWED,
    SYNC,
    UNCHANGED,
    Row,
    text_of,
)
from interlock.investigation.history import ITEM_TYPES
from interlock.investigation.readers.event import ids_of
from interlock.investigation.scalars import ms_of
from interlock.investigation.vocabulary import QUEUE, STATUS, UNIT, USERS

KNOWN_NAMES = frozenset({"assignedUsers", "assignedTo", "queue", "status"})
"""The names of unit fields that this parser reads. An input that shows others is read the slow way."""

_CACHED_MAX = 50_000
_OPS = frozenset({"add", "replace", "remove"})
_NO_RAW = Raw(b"")
_EMPTY_LIST = b"[]"


class _Dd(Struct, frozen=True, gc=False):
    trace_id: str | int = ""
    service: str = ""


class _Ref(Struct, frozen=True, gc=False):
    id: str
    type: str = ""


class _Resource(Struct, frozen=True, gc=False):
    data: _Ref


class _Attributes(Struct, frozen=True, gc=False):
    rev: int
    updatedAt: str = ""  # noqa: N815 - as it stands in the log
    status: Raw = _NO_RAW
    assignedUsers: Raw = _NO_RAW  # noqa: N815
    assignedTo: Raw = _NO_RAW  # noqa: N815
    queue: Raw = _NO_RAW
    resourceRev: int | UnsetType | None = UNSET  # noqa: N815
    routedTo: Raw = _NO_RAW  # noqa: N815
    reservation: Raw = _NO_RAW
    workItem: Raw = _NO_RAW  # noqa: N815


class _Relationships(Struct, frozen=True, gc=False):
    queue: Raw = _NO_RAW
    assignedTo: Raw = _NO_RAW  # noqa: N815
    assignedUsers: Raw = _NO_RAW  # noqa: N815
    resource: _Resource | None = None
    conversation: Raw = _NO_RAW
    rule: Raw = _NO_RAW
    status: Raw = _NO_RAW
    routedTo: Raw = _NO_RAW  # noqa: N815
    reservation: Raw = _NO_RAW
    workItem: Raw = _NO_RAW  # noqa: N815


_NO_RELATIONSHIPS = _Relationships()


class _Data(Struct, frozen=True, gc=False):
    id: str
    type: str
    attributes: _Attributes
    relationships: _Relationships = _NO_RELATIONSHIPS


class _Moved(Struct, frozen=True, gc=False):
    op: str
    before: Raw = _NO_RAW
    after: Raw = _NO_RAW


class _Changes(Struct, frozen=True, gc=False):
    attributes: dict[str, _Moved] = {}
    relationships: dict[str, _Moved] = {}


_NO_CHANGES = _Changes()


class _Inner(Struct, frozen=True, gc=False):
    id: str
    name: str
    data: _Data
    org: str = ""
    partition: str = ""
    createdAt: str = ""  # noqa: N815
    changes: _Changes = _NO_CHANGES
    client: str = ""
    isSync: bool = False  # noqa: N815
    sourceType: str = ""  # noqa: N815
    sourceId: str = ""  # noqa: N815
    routingReasons: Raw = _NO_RAW  # noqa: N815
    actor: Raw = _NO_RAW
    basis: Raw = _NO_RAW
    effectKey: Raw = _NO_RAW  # noqa: N815
    leaseEpoch: Raw = _NO_RAW  # noqa: N815


class _Outer(Struct, frozen=True, gc=False):
    body: _Inner
    publishedAt: str = ""  # noqa: N815
    partition: str = ""


class _Patch(Struct, frozen=True, gc=False):
    rev: int
    assignedUsers: Raw = _NO_RAW  # noqa: N815
    assignedTo: Raw = _NO_RAW  # noqa: N815
    queue: Raw = _NO_RAW
    status: Raw = _NO_RAW


class _Peer(Struct, frozen=True, gc=False):
    id: str
    rev: int


_NO_DD = _Dd()


class _Line(Struct, frozen=True, gc=False):
    body: _Outer | UnsetType = UNSET
    dd: _Dd = _NO_DD
    msg: str = ""
    name: str = ""
    time: str | int = ""
    org: str = ""
    conversationId: str = ""  # noqa: N815
    workItemId: str = ""  # noqa: N815
    updatedConversation: _Patch | None = None  # noqa: N815
    updatedWorkItem: _Patch | None = None  # noqa: N815
    peer: _Peer | None = None
    record: Raw = _NO_RAW
    guard: Raw = _NO_RAW
    basis: Raw = _NO_RAW
    outcome: Raw = _NO_RAW
    winner: Raw = _NO_RAW
    losers: Raw = _NO_RAW
    policy: Raw = _NO_RAW


class _Reason(Struct, frozen=True, gc=False):
    meta: dict[str, Any] = {}


_IGNORED, _USERS, _QUEUE, _STATUS, _FURTHER, _REV, _RESOURCE_REV, _RULE, _UNKNOWN, _BOOKKEEPING = range(10)
_PLACES = {USERS: _USERS, QUEUE: _QUEUE, STATUS: _STATUS}


def _kind_of(name: str) -> int:
    """What a change of this field means to a row."""
    word = words.word_of(name)
    if word in UNIT:
        return _PLACES[word] if name in KNOWN_NAMES else _UNKNOWN
    special = {"rev": _REV, "resourceRev": _RESOURCE_REV, "rule": _RULE}.get(name)
    if special is not None:
        return special
    if words.says_something(name):
        return _FURTHER
    if not words.is_computed(name):
        return _UNKNOWN
    return _BOOKKEEPING if name in words.BOOKKEEPING else _IGNORED


class Parser:
    """Turns lines into rows; remembers what it has worked out about names, values and minutes."""

    def __init__(self, input: int) -> None:
        self._base = input << INPUT_SHIFT
        self._decode = msgspec.json.Decoder(_Line).decode
        self._kinds: dict[str, int] = {}
        # By field and by whether it is a relationship: the bytes of a value, and how it stands in a row.
        self._texts: tuple[dict[bytes, str], ...] = tuple({} for _ in range(8))
        self._minutes: dict[str, int] = {}
        self._verbs: dict[str, int] = {}

    def row(self, line: bytes, offset: int) -> Row | None:
        """The row of a line, `None` where only the slow way can tell. `()`: it certainly says nothing."""
        try:
            said = self._decode(line)
            if said.body is not UNSET:
                return self._event(said, said.body, offset)
            if said.msg == "CONVERSATION_SYNC_AUDIT":
                return self._audit(said, offset)
        except (msgspec.DecodeError, ValueError, RecursionError, UnicodeDecodeError):
            return None
        return None

    def _event(self, line: _Line, outer: _Outer, offset: int) -> Row | None:
        inner = outer.body
        data = inner.data
        attributes, relationships = data.attributes, data.relationships
        if inner.actor or inner.basis or inner.effectKey or inner.leaseEpoch or relationships.conversation:
            return None
        resource = relationships.resource
        id, type = data.id, data.type
        if resource is not None and not resource.data.type:
            return None
        group, side = _stands(id, type, resource)
        org = inner.org or inner.partition or outer.partition
        verb = self._verb(inner.name)
        if verb is None:
            return None
        client = inner.client
        flags = verb | _writer(inner)
        commit, created, published = attributes.updatedAt, inner.createdAt, outer.publishedAt
        at = self._ms(commit)
        if at is None or not (len(created) == len(published) == 24 and created[23] == published[23] == "Z"):
            return None
        # Fixed-width UTC text orders as the times do.
        if created < commit or published < created:
            flags |= SKEWED
        partition = inner.partition or outer.partition
        foreign = partition not in ("", org, group, id) and len(partition) == len(org)
        if foreign or type in SESSIONS or _holds(attributes, relationships):
            flags |= ODD
        unit = self._unit(attributes, relationships)
        moved = self._moved(inner.changes, attributes, relationships, unit)
        if moved is None:
            return None
        flags |= moved[0]
        before_rev = moved[1]
        mark, named = self._mark(inner, resource, side, not flags & CREATE and not moved[2])
        if mark is None:
            return None
        trace = line.dd.trace_id
        return (
            group, side, id, attributes.rev, before_rev, at, self._base | offset, flags | named, mark, *unit, *moved[3],
            client, trace if isinstance(trace, str) else str(trace), inner.id, org, 0,
        )  # fmt: skip

    def _verb(self, name: str) -> int | None:
        """`CREATE` or 0; `None` for what the slow way has to read: deletions, names it does not know."""
        known = self._verbs.get(name)
        if known is None:
            last = name.rpartition(".")[2]
            known = {"create": CREATE, "update": 0}.get(last, -1)
            if len(self._verbs) < _CACHED_MAX:
                self._verbs[name] = known
        return None if known < 0 else known

    def _unit(self, a: _Attributes, r: _Relationships) -> list[str]:
        """Users, queue and status as the resource shows them: the first name that it has counts."""
        users, related = a.assignedUsers, 0
        if not users:
            users, related = self._first_users(a, r)
        text = self._text
        queue, status = a.queue, a.status
        return [
            text(2 | related, users) if users else NOT_SHOWN,
            text(4, queue) if queue else text(5, r.queue) if r.queue else NOT_SHOWN,
            text(6, status) if status else NOT_SHOWN,
        ]

    def _first_users(self, a: _Attributes, r: _Relationships) -> tuple[Raw, int]:
        """The first of the other names of users that is there and holds a value, and whether it is a relationship."""
        if r.assignedUsers and not _only_links(r.assignedUsers):
            return r.assignedUsers, 1
        if a.assignedTo:
            return a.assignedTo, 0
        if r.assignedTo and not _only_links(r.assignedTo):
            return r.assignedTo, 1
        return _NO_RAW, 0

    def _text(self, place: int, raw: Raw) -> str:
        """A unit value as it stands in a row. `place`: twice the kind of the field, and 1 for a relationship."""
        key = bytes(raw)
        texts = self._texts[place]
        known = texts.get(key)
        if known is None:
            value = msgspec.json.decode(key)
            if place & 1:
                value = ids_of(value)
            known = text_of(UNIT[(place >> 1) - 1], value)
            if len(texts) >= _CACHED_MAX:
                texts.clear()
            texts[key] = known
        return known

    def _moved(
        self, changes: _Changes, a: _Attributes, r: _Relationships, unit: list[str]
    ) -> tuple[int, int, bool, list[str]] | None:
        """Flags, the rev before, whether the mark moved, and what the unit's fields were before."""
        flags, before_rev, marked, busy = 0, -1, False, False
        before = [UNCHANGED, UNCHANGED, UNCHANGED]
        kinds = self._kinds
        for related, moves in ((0, changes.attributes), (1, changes.relationships)):
            for name, m in moves.items():
                kind = kinds[name] if name in kinds else self._learn(name)
                if kind == _BOOKKEEPING:
                    continue
                if kind == _REV:
                    before_rev = _or_none(_int(m.before))
                    if m.after and _int(m.after) != a.rev:
                        flags |= ODD
                    continue
                busy = True
                if kind == _IGNORED:
                    continue
                if kind == _UNKNOWN or m.op not in _OPS:
                    return None
                marked = marked or kind == _RESOURCE_REV
                if kind > _STATUS:
                    flags |= self._flag(kind, m, a, r)
                else:
                    flags |= self._unit_moved(kind, m, related, before, unit)
        if not busy and (changes.attributes or changes.relationships):
            flags |= EMPTY
        return flags, before_rev, marked, before

    def _learn(self, name: str) -> int:
        kind = _kind_of(name)
        if len(self._kinds) < _CACHED_MAX:
            self._kinds[name] = kind
        return kind

    def _flag(self, kind: int, m: _Moved, a: _Attributes, r: _Relationships) -> int:
        """The flag that the move of a field beyond the unit brings."""
        if kind == _FURTHER:
            return FURTHER
        if kind == _RULE:
            return self._rule(m, r)
        return ODD if m.after and _int(m.after) != a.resourceRev else 0

    def _unit_moved(self, kind: int, m: _Moved, related: int, before: list[str], unit: list[str]) -> int:
        """One unit field's move; answers the flags it brings."""
        place = kind - 1
        if m.before:
            before[place] = self._text(kind << 1 | related, m.before)
        else:
            before[place] = _nobody(kind) if m.op == "add" else NOT_SHOWN
        if not m.after and m.op != "remove":
            return 0
        after = self._text(kind << 1 | related, m.after) if m.after else _nobody(kind)
        if unit[place] == NOT_SHOWN:
            unit[place] = after
            return 0
        return ODD if unit[place] != after else 0

    def _rule(self, m: _Moved, r: _Relationships) -> int:
        """The rule that queued an item: odd if the resource shows another."""
        if not m.after or not r.rule:
            return 0
        after, shown = (ids_of(msgspec.json.decode(raw)) for raw in (m.after, r.rule))
        return ODD if UNSET not in (after, shown) and not words.same("rule", after, shown) else 0

    def _mark(self, inner: _Inner, resource: _Resource | None, side: int, carried: bool) -> tuple[int | None, int]:
        """The newest rev of the other side that is named, and `NAMED` if this very write had read it."""
        best, named = -1, 0
        seen = inner.data.attributes.resourceRev
        marked = resource is not None and resource.data.id != inner.data.id and side != CONVERSATION
        if marked and seen is not UNSET and seen is not None:
            best, named = seen, 0 if carried else NAMED
        reasons = inner.routingReasons
        if reasons and bytes(reasons) != _EMPTY_LIST and side != CONVERSATION and resource is not None:
            for reason in msgspec.json.decode(reasons, type=list[_Reason]):
                read = reason.meta.get("conversationRev")
                if read is None:
                    continue
                if not isinstance(read, int) or isinstance(read, bool):
                    return None, 0
                best, named = max(best, read), NAMED
        return best, named

    def _audit(self, line: _Line, offset: int) -> Row | None:
        """An audit line as the incident has it, with or without the peer that was read. Ours goes the slow way."""
        if line.record or line.guard or line.basis or line.outcome or line.winner or line.losers or line.policy:
            return None
        conversation, item = line.conversationId, line.workItemId
        patch, id = line.updatedConversation, conversation
        if patch is None:
            patch, id = line.updatedWorkItem, item
        time = line.time
        at = self._ms(time) if isinstance(time, str) else ms_of(time)
        if patch is None or not conversation or not id or at is None or patch.rev < 0:
            return None
        users = patch.assignedUsers or patch.assignedTo
        if patch.assignedUsers and patch.assignedTo:
            return None
        trace = line.dd.trace_id
        return (
            conversation, AUDIT, id, patch.rev + 1, patch.rev, at, self._base | offset, ITEMISED if item else 0,
            line.peer.rev if line.peer is not None else -1,
            self._text(2, users) if users else NOT_SHOWN,
            self._text(4, patch.queue) if patch.queue else NOT_SHOWN,
            self._text(6, patch.status) if patch.status else NOT_SHOWN,
            UNCHANGED, UNCHANGED, UNCHANGED, line.dd.service or line.name,
            trace if isinstance(trace, str) else str(trace), "", line.org, 0,
        )  # fmt: skip

    def _ms(self, text: str) -> int | None:
        """A time in the one form that costs nothing; any other is left to the slow way."""
        if len(text) != 24 or text[16] != ":" or text[19] != "." or text[23] != "Z":
            return None
        minute = self._minutes.get(text[:16])
        if minute is None:
            minute = ms_of(text[:16] + ":00Z")
            if minute is None:
                return None
            if len(self._minutes) >= _CACHED_MAX:
                self._minutes.clear()
            self._minutes[text[:16]] = minute
        return minute + int(text[17:19]) * 1000 + int(text[20:23])


def _stands(id: str, type: str, resource: _Resource | None) -> tuple[str, int]:
    """The conversation that a record belongs to, and its side in it."""
    if resource is None:
        return id, CONVERSATION
    group = resource.data.id if resource.data.type == "conversation" else id
    if resource.data.id != group or id == group:
        return group, CONVERSATION if id == group else OTHER_RECORD
    return group, ITEM if type in ITEM_TYPES or "item" in type or "task" in type else OTHER_RECORD


def _writer(inner: _Inner) -> int:
    """Flags that say who wrote."""
    flags = SYNC | LISTED if inner.isSync else SYNC if "sync" in inner.client else 0
    return flags | PERSON if inner.client in words.PERSONS or inner.sourceType in words.PERSONS else flags


def _nobody(kind: int) -> str:
    """A unit value of `None`, as it stands in a row."""
    return text_of(UNIT[kind - 1], None)


def _or_none(n: int | None) -> int:
    return -1 if n is None else n


def _int(raw: Raw) -> int | None:
    if not raw:
        return None
    value = bytes(raw)
    return int(value) if value.isdigit() else None


def _holds(a: _Attributes, r: _Relationships) -> bool:
    """Whether the resource names an item or an offer that it holds."""
    if not (a.routedTo or a.reservation or a.workItem or r.routedTo or r.reservation or r.workItem):
        return False
    raws = (a.workItem, r.workItem, a.routedTo, r.routedTo, a.reservation, r.reservation)
    return any(raw and bytes(raw) not in (b"null", b'{"data":null}') for raw in raws)


def _only_links(raw: Raw) -> bool:
    return ids_of(msgspec.json.decode(raw)) is UNSET
