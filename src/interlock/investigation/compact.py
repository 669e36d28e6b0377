"""One entry as a small row of whole numbers, for logs too big to keep: what `screen` needs to tell who is boring.

A fast reader (`big.parse`) fills such rows straight from bytes, as columns; `big.sieve` looks at all of them at once,
`screen` at one conversation's. What they suspect is read again in full at the places that its rows name, and goes
through `examine`. `compact_of` is the slow way to the same row, from a full entry: it says what every number means.

    GROUP   the conversation                              SIDE     0 conversation, 1 item, 2 other record, 3 audit
    ID      the record, by type and id                    REV      -1 unknown; audit: guard + 1
    BEFORE  the rev it says it replaced, -1 unknown       AT       commit (audit: log) time in ms, -1 unknown
    ORDER   input << 44 | byte offset of the entry        FLAGS    see below
    MARK    newest rev of the peer it says it has seen (item: of the conversation; audit: the peer rev read), -1 none
    USERS, QUEUE, STATUS          as the resource shows them at this rev (audit: as the patch says), NOT_SHOWN else
    USERS_BEFORE, …               what the event says was there before it changed them, UNCHANGED if it did not
    CLIENT, TRACE, ORG            0 where nothing is said
    DIGEST  equal for equal contents (changes and resource) of one rev; 0: not worked out
    PLACE   where the entry can be read again; for `big` only

Texts stand as hashes: equal for equal texts within one run (and what is forked from it), different for different ones
but for one chance in 2^63. A hash that two conversations share would make them one, which at worst is looked at in
full. Users are hashed by their sorted ids, nobody is `NOBODY`. An `add` without a before comes from nothing: `NOBODY`.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.history import ITEM_TYPES, REFUSED
from interlock.investigation.observation import Audit, Entry, Observation
from interlock.investigation.vocabulary import QUEUE, STATUS, UNIT, USERS

Row = tuple[int, ...]

(
    GROUP, SIDE, ID, REV, BEFORE, AT, ORDER, FLAGS, MARK, USERS_AT, QUEUE_AT, STATUS_AT,
    USERS_BEFORE, QUEUE_BEFORE, STATUS_BEFORE, CLIENT, TRACE, ORG, DIGEST, PLACE,
) = range(20)  # fmt: skip
WIDTH = 20

CONVERSATION, ITEM, OTHER_RECORD, AUDIT = range(4)

SYNC = 1
"""A sync wrote it (`isSync`, or the client is a sync's)."""
CREATE = 2
PERSON = 4
"""A person wrote it: `vocabulary.by_person`."""
EMPTY = 8
"""It changed nothing but rev and time."""
NAMED = 16
"""MARK is what this very write had read, not a mark that it carries along."""
REFUSAL = 64
"""An audit that says that nothing was written."""
ITEMISED = 128
"""An audit that names an item."""
ODD = 256
"""Only the whole entry can tell: a settled conflict, an effect key, a cause, a lease epoch, a deletion, a foreign
partition, a basis on an older rev of the record itself, a snapshot that contradicts its changes, a value that is
repaired by guess, a session, an entry without a rev."""
FURTHER = 512
"""It changed a field beyond the unit that may be somebody's wish (`vocabulary.says_something`)."""
LISTED = 1024
"""It is a sync by the flag `isSync` itself, so that an audit is owed for it."""

STATES_POLICY = 2048
"""An audit of a log that states its policy, so that both sides are known to have a word for "done"."""

NOBODY, NOT_SHOWN, UNCHANGED = 0, 2, 4
"""Values that are no hash: nobody or nothing, not said, not changed. Hashes are even."""

INPUT_SHIFT = 44
NUMBER_MAX = 1 << 62
"""Larger revs and times are not told apart; whoever has one is looked at in full."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def compact_of(entry: Entry) -> Row:
    """The row of an entry."""
    return _audit(entry) if isinstance(entry, Audit) else _observation(entry)


def code_of(word: str, value: Any) -> int:
    """A unit value as it stands in a row."""
    if value is UNSET:
        return NOT_SHOWN
    value = words.value_of(word, value)
    if isinstance(value, tuple):
        return hash(" ".join(map(str, value))) & ~1 if value else NOBODY
    if value is None or value == "":
        return NOBODY
    return hash(value if type(value) is str else f"\0{value!r}") & ~1


def codes_of(texts: frozenset[str]) -> frozenset[int]:
    """The codes of some statuses."""
    return frozenset(code_of(STATUS, text) for text in texts)


def id_code(type: str, id: str) -> int:
    """A record in a row: two types may use one id."""
    return hash(type) ^ hash(id)


def side_of(o: Observation) -> int:
    """Which side a record stands on in its group: the same as `history` decides."""
    if o.resource is not None and o.resource.id == o.group and o.record.id != o.group:
        kind = o.record.type
        return ITEM if kind in ITEM_TYPES or "item" in kind or "task" in kind else OTHER_RECORD
    return CONVERSATION if o.record.id == o.group else OTHER_RECORD


def _observation(o: Observation) -> Row:
    side = side_of(o)
    shown = [code_of(w, words.shown(o, words.names_of(w))) for w in UNIT]
    before = [UNCHANGED] * 3
    flags = _flags(o)
    for name, moved in o.changes.items():
        word = words.word_of(name)
        if word in UNIT:
            old, new = words.said(moved)
            place = UNIT.index(word)
            before[place] = code_of(word, old)
            if shown[place] == NOT_SHOWN:
                shown[place] = code_of(word, new)
        elif words.says_something(name):
            flags |= FURTHER
    mark, named = _mark(o, side)
    return (
        hash(o.group), side, id_code(o.record.type, o.record.id), _or_none(o.rev), _or_none(o.before_rev),
        _or_none(o.times.best), order_of(o), flags | named, mark, *shown, *before, hash(o.client), hash(o.trace),
        hash(o.record.org), zlib.crc32(_encode((o.changes, o.snapshot))) | 1 << 32, 0,
    )  # fmt: skip


def _or_none(n: int | None) -> int:
    return -1 if n is None else max(-1, min(n, NUMBER_MAX))


def order_of(entry: Entry) -> int:
    """Where an entry stands, as one number that grows along the input."""
    return entry.place.input << INPUT_SHIFT | (entry.place.offset or entry.place.line)


def _flags(o: Observation) -> int:
    empty = bool(o.changes) and all(words.bare(n) in words.BOOKKEEPING for n in o.changes)
    return (
        (SYNC if o.is_sync or "sync" in o.client else 0)
        | (LISTED if o.is_sync else 0)
        | (CREATE if o.verb == "create" else 0)
        | (PERSON if words.by_person(o) else 0)
        | (EMPTY if empty else 0)
        | (ODD if is_odd(o) else 0)
    )


def is_odd(o: Observation) -> bool:
    """Whether only the whole entry can tell what it means."""
    if o.rev is None or not 0 <= o.rev < NUMBER_MAX or o.grade == "C" or o.unknown or o.verb == "delete":
        return True
    if o.effect_key or o.lease_epoch is not None or o.cause:
        return True
    replaced = o.rev - 1 if o.before_rev is None else o.before_rev
    if any(m.record.id == o.record.id and m.rev < replaced for m in o.marks):
        return True
    if o.resource is not None and o.resource.org and o.record.org and o.resource.org != o.record.org:
        return True
    if o.partition not in ("", o.record.org, o.group, o.record.id) and len(o.partition) == len(o.record.org):
        return True
    if o.record.type in SESSIONS or words.shown(o, ("workItem", "work_item", "routedTo", "reservation")) not in (
        UNSET,
        None,
    ):
        return True
    return any(_contradicts(o, name) for name in o.changes)


SESSIONS = frozenset({"work_session", "work-session", "agent", "user", "routing_settings"})


def _contradicts(o: Observation, name: str) -> bool:
    if o.snapshot is None or words.is_computed(name):
        return False
    _, after = words.said(o.changes[name])
    bare = words.bare(name)
    shown = o.snapshot.get(name, o.snapshot.get("→" + bare, o.snapshot.get(bare, UNSET)))
    return after is not UNSET and shown is not UNSET and not words.same(words.word_of(name), after, shown)


def _mark(o: Observation, side: int) -> tuple[int, int]:
    """The newest rev of the other side that is named, and `NAMED` if this very write had read it."""
    carried = "resourceRev" not in o.changes and o.verb != "create"
    best, named = -1, 0
    for m in o.marks:
        if (m.record.id == o.group) == (side == CONVERSATION) or m.record.id == o.record.id:
            continue
        best = max(best, _or_none(m.rev))
        if not (carried and m.source == "resourceRev"):
            named = NAMED
    return best, named


def _audit(a: Audit) -> Row:
    patch = {words.word_of(name): value for name, value in a.patch.items()}
    odd = bool(a.winner_class or a.loser_classes) or a.grade == "C" or a.guard is None or bool(a.basis)
    odd = odd or not patch.keys() <= set(UNIT)
    flags = (ODD if odd else 0) | (REFUSAL if a.outcome in REFUSED else 0) | (ITEMISED if a.item is not None else 0)
    flags |= STATES_POLICY if a.policy is not None else 0
    guard = _or_none(a.guard)
    said = (code_of(w, patch.get(w, UNSET)) for w in UNIT)
    return (
        hash(a.group), AUDIT, id_code(a.record.type, a.record.id), guard + 1 if guard >= 0 else -1, guard,
        _or_none(a.at), order_of(a), flags, _or_none(a.peer.rev if a.peer else None), *said, UNCHANGED, UNCHANGED,
        UNCHANGED, hash(a.service), hash(a.trace), hash(a.record.org), 0, 0,
    )  # fmt: skip


__all__ = ["QUEUE", "STATUS", "USERS", "Row", "compact_of"]
