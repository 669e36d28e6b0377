"""What a sync write had read of its peer, and how sure that is."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.history import UNIT, Chronicle, Track, Version, key_of
from interlock.investigation.observation import ReadMark


class Read(NamedTuple):
    """The peer version behind a write.

    said     the audit or the write itself names the rev; otherwise it is the newest one before the write
    hidden   revs of the peer that the log does not show and that may have been the one read instead
    """

    peer: Track
    rev: int
    said: bool
    hidden: tuple[int, ...] = ()

    @property
    def version(self) -> Version | None:
        """The version, if the log shows it."""
        return self.peer.revs.get(self.rev)


def read_by(c: Chronicle, d: Version) -> Read | None:
    """What a write had read of its peer; `None` where the log shows no peer at all."""
    peers = c.peers(d.track)
    mark = said_by(d, peers)
    if mark is not None:
        peer = next(p for p in peers if key_of(p.record) == key_of(mark.record))
        unseen = mark.rev not in peer.revs
        return Read(peer, mark.rev, True, (mark.rev,) if unseen else ())
    best: Version | None = None
    for peer in peers:
        if (
            d.audit is not None
            and d.audit.item is not None
            and peer.side == "item"
            and peer.record.id != d.audit.item.id
        ):
            continue
        for v in peer.versions:
            if was_before(c, v, d) and (best is None or v.track is peer or was_before(c, best, v)):
                best = v
    if best is None:
        return None
    return Read(best.track, best.rev, False, _hidden_after(c, best))


def said_by(d: Version, peers: list[Track]) -> ReadMark | None:
    """The newest peer rev that the audit, or the write itself, says was read."""
    keys = {key_of(p.record) for p in peers}
    if d.audit is not None and d.audit.peer is not None and key_of(d.audit.peer.record) in keys:
        return d.audit.peer
    marks = [m for m in (d.audit.basis if d.audit else ()) if key_of(m.record) in keys]
    carried = "resourceRev" not in d.first.changes and d.first.verb != "create"
    marks += [m for m in d.first.marks if key_of(m.record) in keys and not (carried and m.source == "resourceRev")]
    return max(marks, key=lambda m: m.rev, default=None)


def own_basis(d: Version) -> int | None:
    """The rev of the written record itself that a write, or its audit, says it was decided on."""
    key = key_of(d.track.record)
    stated = [m.rev for m in (*d.first.marks, *(d.audit.basis if d.audit else ())) if key_of(m.record) == key]
    return max(stated, default=None)


def was_before(c: Chronicle, v: Version, d: Version) -> bool:
    """Whether one version was there before one of another record: by the log's order if it has one, else by time."""
    if c.in_order and v.first.place.input == d.first.place.input:
        return v.order < d.order
    if v.at is None or d.at is None:
        return v.order < d.order
    return v.at <= d.at


def _hidden_after(c: Chronicle, v: Version) -> tuple[int, ...]:
    """Revs that follow this one and are not shown, though a later one or an audit says that they were."""
    later = v.track.last.rev
    if later > v.rev:
        following = min(x.rev for x in v.track.versions if x.rev > v.rev)
        return tuple(range(v.rev + 1, following))
    told = [a.guard + 1 for a in c.unmatched if a.guard is not None and key_of(a.record) == key_of(v.track.record)]
    newest = max(told, default=v.rev)
    return tuple(range(v.rev + 1, newest + 1))


def is_shared(d: Version, word: str) -> bool:
    """Whether a change that a sync made can concern somebody's wish: an item's own fields follow from the unit."""
    return word in UNIT or (d.track.side != "item" and words.says_something(word))


def is_settled(d: Version) -> bool:
    """Whether a write is the recorded settlement of a conflict: winner and losers are named."""
    return d.audit is not None and bool(d.audit.winner_class) and bool(d.audit.loser_classes)


def later_intent(c: Chronicle, d: Version, word: str, value: Any, since: Version, upto: Read | None) -> Version | None:
    """An intent on the peer, later than `since`, that set this value and that the write may have carried.

    The unit is one value: an intent that had seen `since` and moved any part of it means all of it as it then stands.
    """
    for peer in c.peers(d.track):
        for v in peer.versions:
            if v.derived or not was_before(c, v, d):
                continue
            if upto is not None and upto.said and peer is upto.peer and v.rev > upto.rev:
                continue
            has_seen = (peer.mark_on(since.track.record, v.rev) or 0) >= since.rev
            if v.moves.get(word, (UNSET, UNSET))[1] == value:
                if has_seen or is_later(c, v, since):
                    return v
            elif has_seen and word in UNIT and not v.moves.keys().isdisjoint(UNIT) and v.shows(word) == value:
                return v
    return None


def is_later(c: Chronicle, v: Version, other: Version) -> bool:
    """Whether a version is later than one of another record: not if that one had seen it; else by time, within what
    clocks may be off; of one moment, by the log's order."""
    if (other.track.mark_on(v.track.record, other.rev) or 0) >= v.rev:
        return False
    if v.at is None or other.at is None or (v.at == other.at and c.in_order):
        return v.order > other.order
    return v.at + c.limits.skew_ms >= other.at
