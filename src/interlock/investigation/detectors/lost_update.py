"""R3 lost-update and R4 duplicate-rev: two writes that stand on one version."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import between, found, known
from interlock.investigation.finding import Finding, Lost
from interlock.investigation.history import Chronicle, Version


def lost_update(c: Chronicle) -> Iterator[Finding]:
    """Two writes of X say that they replaced the same rev; or D says that f was what it had been before another
    client's write at rev n − 1, so that D took that client's value away without having seen it.

    Silent if: the second event is the first one once more; the two tell of different fields.
    """
    for track in c.tracks:
        by_before: dict[int, Version] = {}
        for v in track.versions:
            if v.before_rev is not None:
                other = by_before.setdefault(v.before_rev, v)
                if other is not v:
                    yield _both(other, v)
                for twin in v.twins:
                    if twin.before_rev == v.before_rev and twin.client != v.first.client:
                        yield found(
                            "R3", v, proofs=(twin,), facts={"before_rev": v.before_rev, "clients": [twin.client]}
                        )
            previous = v.previous
            if previous is not None:
                for word in unseen_words(previous, v):
                    yield _unseen(previous, v, word)


def unseen_words(previous: Version, v: Version) -> Iterator[str]:
    """Words that another client had just changed, of which this write says that they were as before that change."""
    if previous.first.client == v.first.client:
        return
    for word, (before, after) in v.moves.items():
        theirs = previous.moves.get(word)
        if theirs is None or before is UNSET or not words.says_something(word):
            continue
        old, new = theirs
        stale = old is not UNSET and words.same(word, before, old) and not words.same(word, before, new)
        if stale and not words.same(word, after, new):
            yield word


def _both(first: Version, second: Version) -> Finding:
    facts = {
        "before_rev": second.before_rev,
        "other_rev": first.rev,
        "clients": [first.first.client, second.first.client],
    }
    return found("R3", second, proofs=(first,), intervals=known(apart=between(second.at, first.at)), facts=facts)


def _unseen(previous: Version, v: Version, word: str) -> Finding:
    o = previous.first
    value = previous.moves[word][1]
    return found(
        "R3",
        v,
        field=v.name_of(word),
        proofs=(previous,),
        lost=Lost(
            list(value) if isinstance(value, tuple) else value,
            previous.rev,
            o.client,
            o.source_id or o.actor,
            previous.at,
        ),
        intervals=known(lived=between(v.at, previous.at)),
        facts={"before_rev": v.before_rev, "clients": [o.client, v.first.client]},
    )


def duplicate_rev(c: Chronicle) -> Iterator[Finding]:
    """The same rev of the same record stands in the log twice, as two events: high if they say different things, low if
    they say the same under ids of their own.

    Silent if: it is one event, delivered again (same inner id and content, whatever its envelope's id).
    """
    for track in c.tracks:
        for v in track.versions:
            for twin in v.twins:
                yield found("R4", v, proofs=(twin,), facts={"clients": [v.first.client, twin.client], "equal": False})
            for again in v.again:
                if again.event_id != v.first.event_id and again.event_id and v.first.event_id:
                    yield found("R4", v, severity="low", proofs=(again,), facts={"equal": True})
