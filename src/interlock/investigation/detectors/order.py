"""R15 out-of-order-publish and R16 out-of-order-apply."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import between, found, known
from interlock.investigation.detectors.reading import said_by
from interlock.investigation.finding import Finding
from interlock.investigation.history import STATUS, Chronicle, Track, Version, key_of


def out_of_order_publish(c: Chronicle) -> Iterator[Finding]:
    """A later rev of X has a smaller position in the log than an earlier one, or (on one host) was published before it.

    Silent if: only clocks of two hosts say so; the later place is a redelivery.
    """
    for track in c.tracks:
        for a, b in pairwise(track.versions):
            x, y = a.first, b.first
            if x.sequence is not None and y.sequence is not None:
                if y.sequence < x.sequence:
                    yield found("R15", b, proofs=(a,), facts={"earlier": a.rev, "by": "position"})
                continue
            early = between(x.times.publish, y.times.publish)
            if early is not None and early > 0 and x.host == y.host:
                facts = {"earlier": a.rev, "by": "time"}
                yield found("R15", b, proofs=(a,), intervals=known(early=early), facts=facts)


def out_of_order_apply(c: Chronicle) -> Iterator[Finding]:
    """A sync write on X caused by peer rev n came after one caused by peer rev m > n, and put back what n says.

    Silent if: rev n says the same as rev m; what caused the writes is not said; the value did not go back.
    """
    for track in c.tracks:
        newest: dict[tuple[str, str], tuple[int, Version]] = {}
        for d in track.versions:
            source = source_of(c, d) if d.derived else None
            if source is None:
                continue
            peer, rev = source
            key = key_of(peer.record)
            m, before = newest.get(key, (0, d))
            if rev < m:
                yield from _back(d, peer, rev, m, before)
            elif rev > m:
                newest[key] = (rev, d)


def source_of(c: Chronicle, d: Version) -> tuple[Track, int] | None:
    """The peer version that a write was caused by, as the write or its audit says."""
    peers = c.peers(d.track)
    cause = c.by_event.get(d.first.cause) if d.first.cause else None
    mark = said_by(d, peers)
    if mark is not None:
        return next(p for p in peers if key_of(p.record) == key_of(mark.record)), mark.rev
    return (cause.track, cause.rev) if cause is not None and cause.track in peers else None


def _back(d: Version, peer: Track, n: int, m: int, earlier: Version) -> Iterator[Finding]:
    old, new = peer.revs.get(n), peer.revs.get(m)
    if old is None:
        return
    for word, (_, after) in d.moves.items():
        if not words.says_something(word):
            continue
        then, later = (_as_shared(word, v.shows(word)) if v is not None else UNSET for v in (old, new))
        now = _as_shared(word, after)
        if (
            then is not UNSET
            and words.same(word, now, then)
            and not (later is not UNSET and words.same(word, then, later))
        ):
            facts = {"source_rev": n, "newer_rev": m, "value": list(after) if isinstance(after, tuple) else after}
            yield found("R16", d, field=d.name_of(word), proofs=(old, new, earlier), facts=facts)


def _as_shared(word: str, value: Any) -> Any:
    """Of a status both sides have words of their own; what they share is whether it is done."""
    return value in words.FINAL if word == STATUS and value is not UNSET else value
