"""R2 authorless-value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from interlock.investigation.detectors.build import found, lowered, one_for_the_unit
from interlock.investigation.detectors.reading import is_settled, read_by, was_before
from interlock.investigation.finding import Certainty, Finding
from interlock.investigation.history import QUEUE, UNIT, USERS, Chronicle, Track, Version


def authorless_value(c: Chronicle) -> Iterator[Finding]:
    """A sync wrote users or queue, and no event of the record that it copies from ever set that value.

    Silent if: the peer's log starts late; the write creates its record; the value is nobody and the peer does show the
    field elsewhere (its null is hidden); the author of the peer's state had seen what is replaced, so that its state as
    a whole says it; the settled conflict is on record. A value that somebody must have chosen is *possible* only: a
    version of the peer is missing from the log. *Proven* is that absent was taken for empty: a complete peer that never
    speaks of the field.
    """
    for d in c.derived:
        if d.first.verb == "create" or is_settled(d):
            continue
        yield from one_for_the_unit(
            f for word in (USERS, QUEUE) if word in d.moves for f in _judge(c, d, word, d.moves[word][1])
        )


def _judge(c: Chronicle, d: Version, word: str, value: Any) -> Iterator[Finding]:
    peers = [p for p in c.peers(d.track) if p.versions]
    if value is UNSET or not peers or any(p.starts_late for p in peers):
        return
    speaks = any(p.ever_shows(word) for p in peers)
    if speaks and (not value or any(_set(p, word, value) for p in peers)):
        return
    if any(_means_all(c, p, d, word) for p in peers):
        return
    read = read_by(c, d)
    gaps = [n for p in peers for n in p.missing(0, p.last.rev)]
    certainty: Certainty = "possible" if value else "proven"
    yield found(
        "R2",
        d,
        certainty=lowered(certainty, bool(gaps) or bool(read and read.hidden)),
        field=d.name_of(word),
        proofs=(*(v for p in peers for v in p.versions[-3:]), d.audit),
        facts={
            "value": list(value) if isinstance(value, tuple) else value,
            "peer": peers[0].record,
            "versions": sum(len(p.versions) for p in peers),
            "never_shown": not speaks,
            "gaps": gaps,
            "to_conversation": d.track.side == "conversation",
        },
    )


def _set(peer: Track, word: str, value: Any) -> bool:
    return any(v.shows(word) == value or v.moves.get(word, (UNSET, UNSET))[0] == value for v in peer.versions)


def _means_all(c: Chronicle, peer: Track, d: Version, word: str) -> bool:
    """Whether an intent on the peer, which had seen the value that is replaced, spoke of the unit as a whole."""
    replaced = d.track.last_change(word, d)
    if replaced is None:
        return False
    return any(
        not v.derived
        and any(part in v.moves for part in UNIT)
        and (peer.mark_on(d.track.record, v.rev) or 0) >= replaced.rev
        and was_before(c, v, d)
        for v in peer.versions
    )
