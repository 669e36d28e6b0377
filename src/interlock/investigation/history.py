"""One conversation's history put in order: versions of each record, holes, what each write had seen, who wrote it.

Everything that several detectors need is worked out here once, so that a detector is only its rule. What arrives
twice is recognised: the same event (also under a new envelope id) is a redelivery, other contents under one rev are a
twin. Nothing is decided by a clock where the log has an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.finding import History, Limits
from interlock.investigation.observation import Audit, Moved, Observation, RecordRef
from interlock.investigation.vocabulary import QUEUE, STATUS, UNIT, USERS

_GRADES = "ABC"
REFUSED = frozenset({"noop", "duplicate", "declined", "stale-refused", "refused", "parked", "fenced"})
"""Outcomes of an audit that mean that nothing was written."""


def key_of(record: RecordRef) -> tuple[str, str]:
    """What names a record across entries; entries do not all say its org."""
    return record.type, record.id


class Version:
    """One rev of one record, with the first entry that told of it.

    again     the same event once more                 twins   other contents under the same rev
    at        when it was committed, as near as the log says (ms)
    moves     what it changed, by shared word: (before, after), comparable, `UNSET` where the log does not say
    derived   a sync wrote it: it carries somebody's wish, if anybody's
    """

    __slots__ = ("_shown", "again", "at", "audit", "derived", "first", "moves", "rev", "track", "twins")

    def __init__(self, track: Track, rev: int, first: Observation) -> None:
        self.track = track
        self.rev = rev
        self.first = first
        self.again: list[Observation] = []
        self.twins: list[Observation] = []
        self.audit: Audit | None = None
        self.moves = _moves(first)
        self.derived = first.is_sync or "sync" in first.client
        self.at: int | None = first.times.best
        self._shown: dict[str, Any] = {}

    @property
    def before_rev(self) -> int | None:
        """The rev that it replaced: as said, else the one before."""
        return self.first.before_rev

    @property
    def order(self) -> tuple[int, int, int]:
        """Its place in the input, which nobody's clock has set; the earliest delivery counts."""
        return min((o.place.input, o.place.line, o.place.offset) for o in (self.first, *self.again))

    @property
    def previous(self) -> Version | None:
        """The version before it, if the log shows it."""
        return self.track.revs.get(self.rev - 1)

    def shows(self, word: str) -> Any:
        """The value of a shared word at this rev: as shown, else as changed; `UNSET` if the log does not say."""
        known = self._shown.get(word, self)
        if known is not self:
            return known
        seen = words.shown(self.first, words.names_of(word))
        if seen is not UNSET:
            seen = words.value_of(word, seen)
        elif word in self.moves:
            seen = self.moves[word][1]
        self._shown[word] = seen
        return seen

    def name_of(self, word: str) -> str:
        """The name under which this write changed a shared word."""
        return next((words.bare(n) for n in self.first.changes if words.word_of(n) == word), word)

    def author(self) -> str:
        """Who is behind the write, as one text: actor, source or client."""
        o = self.first
        return o.actor or o.source_id or o.client


def _moves(o: Observation) -> dict[str, tuple[Any, Any]]:
    found: dict[str, tuple[Any, Any]] = {}
    for name, moved in o.changes.items():
        bare = words.bare(name)
        if bare in words.BOOKKEEPING or name in o.unknown or bare in o.unknown:
            continue
        if name is not bare and bare in o.changes and bare in words.OPAQUE:
            continue
        word = words.word_of(name)
        before, after = words.said(moved)
        found[word] = (words.value_of(word, before), words.value_of(word, after))
    return found


class Track:
    """One record: its versions by rev, and what the log shows of it beside them.

    side      "conversation" (the group's own record), "item" (a record that is about it), "other"
    loose     entries without a rev, in order
    """

    def __init__(self, record: RecordRef, side: str) -> None:
        self.record = record
        self.side = side
        self.versions: list[Version] = []
        self.revs: dict[int, Version] = {}
        self.loose: list[Observation] = []
        self._superseded: dict[int, int] = {}

    def add(self, o: Observation) -> None:
        """One entry more about this record."""
        if o.rev is None:
            self.loose.append(o)
            return
        known = self.revs.get(o.rev)
        if known is None:
            self.revs[o.rev] = version = Version(self, o.rev, o)
            if self.versions and self.versions[-1].rev > o.rev:
                self.versions.append(version)
                self.versions.sort(key=lambda v: v.rev)
            else:
                self.versions.append(version)
        elif is_again(known.first, o):
            known.again.append(o)
        else:
            known.twins.append(o)

    @property
    def first(self) -> Version:
        """The earliest version in the log. Raises `IndexError` for a record without revs."""
        return self.versions[0]

    @property
    def last(self) -> Version:
        """The latest version in the log."""
        return self.versions[-1]

    @property
    def starts_late(self) -> bool:
        """Whether earlier versions exist that the log does not show."""
        first = self.versions[0]
        if first.first.verb == "create":
            return False
        return first.rev > 1 or bool(first.before_rev)

    def missing(self, after: int, before: int) -> list[int]:
        """Revs strictly between two that the log does not show."""
        return [n for n in range(after + 1, before) if n not in self.revs]

    def committed(self, rev: int) -> int | None:
        """When a rev was committed; of a rev that is not in the log, what its successor says of it (`updatedAt`)."""
        version = self.revs.get(rev)
        if version is not None:
            return version.at
        following = self.revs.get(rev + 1)
        return _updated_before(following.first) if following is not None else None

    def replaced_at(self, rev: int) -> int | None:
        """The earliest known time at which a later rev stood in place of this one."""
        for later in range(rev + 1, self.versions[-1].rev + 1):
            at = self.committed(later)
            if at is not None:
                return at
        return None

    def mark_on(self, other: RecordRef, upto: int) -> int | None:
        """The newest rev of another record that this one's versions, up to this rev, say to have seen."""
        key, best = key_of(other), None
        for version in self.versions:
            if version.rev > upto:
                break
            for mark in version.first.marks:
                if key_of(mark.record) == key and (best is None or mark.rev > best):
                    best = mark.rev
        return best

    def last_change(self, word: str, before: Version) -> Version | None:
        """The last version before this one that changed a word, as far as the log shows."""
        found = None
        for version in self.versions:
            if version.rev >= before.rev:
                break
            if word in version.moves or version.first.verb == "create":
                found = version
        return found

    def ever_shows(self, word: str) -> bool:
        """Whether any entry of this record speaks of the word at all."""
        names = words.names_of(word)
        return any(word in v.moves or words.shown(v.first, names) is not UNSET for v in self.versions)


def is_again(a: Observation, b: Observation) -> bool:
    """Whether two entries under one rev are one event: equal, under one inner id or of one writer and time."""
    if a.changes != b.changes or a.snapshot != b.snapshot:
        return False
    if a.event_id and a.event_id == b.event_id:
        return True
    return a.client == b.client and a.times.commit == b.times.commit


def _updated_before(o: Observation) -> int | None:
    moved: Moved | None = o.changes.get("updatedAt") or o.changes.get("updated_at")
    return _ms(moved.before) if moved is not None else None


def _ms(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if not isinstance(value, str) or len(value) < 16:
        return None
    from datetime import UTC, datetime, timedelta

    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


class Chronicle:
    """A group's history, prepared.

    end     the last moment that the whole log shows (ms); `None` where that is not known: nothing is said at rest
    """

    def __init__(self, history: History, end: int | None = None) -> None:
        self.group = history.group
        self.limits: Limits = history.limits
        self.end = end
        self.audits: Sequence[Audit] = history.audits
        self.observations = history.observations
        self.tracks = _tracks(history)
        self.conversation = next((t for t in self.tracks if t.side == "conversation" and t.versions), None)
        self.items = [t for t in self.tracks if t.side == "item" and t.versions]
        self.unmatched: list[Audit] = []
        self._match()

    def track(self, record: RecordRef) -> Track | None:
        """The record of this name, if the log shows it."""
        key = key_of(record)
        return next((t for t in self.tracks if key_of(t.record) == key), None)

    def peers(self, track: Track) -> list[Track]:
        """The records that this one is kept in agreement with."""
        if track.side == "conversation":
            return self.items
        return [self.conversation] if track.side == "item" and self.conversation is not None else []

    def versions(self) -> Iterator[Version]:
        """Every version of every record, record by record."""
        for track in self.tracks:
            yield from track.versions

    @cached_property
    def in_order(self) -> bool:
        """Whether the input's order is the order of the writes: wherever a record shows it, it agrees with the revs."""
        told = False
        for track in self.tracks:
            places = [v.order for v in track.versions]
            if len(places) > 1:
                told = True
                if any(b < a for a, b in pairwise(places)):
                    return False
        return told

    @cached_property
    def derived(self) -> list[Version]:
        """What syncs wrote."""
        return [v for t in self.tracks for v in t.versions if v.derived]

    @cached_property
    def by_event(self) -> dict[str, Version]:
        """Versions by the ids of their events."""
        found: dict[str, Version] = {}
        for v in self.versions():
            for name in (v.first.event_id, v.first.outer_id):
                if name:
                    found.setdefault(name, v)
        return found

    @cached_property
    def traces(self) -> dict[str, list[Version]]:
        """Versions by trace."""
        found: dict[str, list[Version]] = {}
        for v in self.versions():
            if v.first.trace:
                found.setdefault(v.first.trace, []).append(v)
        return found

    def _match(self) -> None:
        """Each audit to the write that it tells of; a write that has one is a sync's."""
        for audit in self.audits:
            version = self._written_by(audit)
            if version is None:
                self.unmatched.append(audit)
            elif version.audit is None:
                version.audit = audit
                version.derived = True

    def _written_by(self, audit: Audit) -> Version | None:
        if audit.outcome in REFUSED:
            return None
        track = self.track(audit.record)
        if track is None:
            return None
        beside = next((v for v in track.versions if v.first.place == audit.place), None)
        if beside is not None:
            return beside
        if audit.guard is not None:
            version = track.revs.get(audit.guard + 1)
            return version if version is not None and _fits(audit, version) else None
        return next((v for v in track.versions if v.audit is None and audit.trace and _fits(audit, v)), None)


def _fits(audit: Audit, version: Version) -> bool:
    if audit.trace and version.first.trace:
        return audit.trace == version.first.trace
    return _agrees(audit, version) and (version.derived or bool(audit.patch))


def _agrees(audit: Audit, version: Version) -> bool:
    """Whether what an audit says it wrote is what the version shows."""
    for name, value in audit.patch.items():
        word = words.word_of(name)
        seen = version.shows(word)
        if word in UNIT and seen is not UNSET and word != STATUS and seen != words.value_of(word, value):
            return False
    return True


def _tracks(history: History) -> list[Track]:
    found: dict[tuple[str, str], Track] = {}
    for o in history.observations:
        key = key_of(o.record)
        track = found.get(key)
        if track is None:
            track = found[key] = Track(o.record, _side(o, history.group))
        track.add(o)
    return list(found.values())


def _side(o: Observation, group: str) -> str:
    if o.resource is not None and o.resource.id == group and o.record.id != group:
        return "item" if o.record.type in ITEM_TYPES or "item" in o.record.type or "task" in o.record.type else "other"
    return "conversation" if o.record.id == group else "other"


ITEM_TYPES = frozenset({"work_item", "work-item", "workItem"})


def worst(grades: Iterable[str]) -> str:
    """The least trustworthy of several grades."""
    return max(grades, key=_GRADES.index, default="A")


__all__ = ["QUEUE", "STATUS", "UNIT", "USERS", "Chronicle", "Track", "Version", "is_again", "key_of", "worst"]
