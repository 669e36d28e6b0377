"""R9 sync-loop and R10 empty-sync-write."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import found
from interlock.investigation.detectors.reading import was_before
from interlock.investigation.finding import Finding
from interlock.investigation.history import Chronicle, Track, Version


def sync_loop(c: Chronicle) -> Iterator[Finding]:
    """Syncs change a field of X to a, to b and to a again, with no intent on X between, and have by then written it
    more often than there were intents on the peer to carry.

    Silent if: a person or rule changed it between; the writes are retries under one trace; revs of the peer are
    missing, so that its intents cannot be counted.
    """
    for track in c.tracks:
        peers = c.peers(track)
        if not peers or any(p.starts_late or p.missing(p.first.rev, p.last.rev) for p in peers):
            continue
        for word in {w for v in track.versions for w in v.moves if words.says_something(w)}:
            for run in _runs(track, word):
                carried = _intents(c, peers, word, run[-1])
                if _written(track, word, run[-1]) > carried:
                    values = [_outward(v.moves[word][1]) for v in run]
                    facts = {"values": values, "revs": [v.rev for v in run], "intents": carried}
                    yield found("R9", run[-1], field=run[-1].name_of(word), proofs=run[:-1], facts=facts)
                    break


def _runs(track: Track, word: str) -> Iterator[list[Version]]:
    run: list[Version] = []
    for v in track.versions:
        if word not in v.moves:
            continue
        if not v.derived:
            run = []
            continue
        if run and run[-1].first.trace and run[-1].first.trace == v.first.trace:
            continue
        run.append(v)
        if len(run) >= 3:
            a, b, again = (x.moves[word][1] for x in run[-3:])
            if a == again != b and a is not UNSET:
                yield run[-3:]


def _written(track: Track, word: str, upto: Version) -> int:
    return sum(v.derived and word in v.moves and v.rev <= upto.rev for v in track.versions)


def _intents(c: Chronicle, peers: list[Track], word: str, upto: Version) -> int:
    def counts(v: Version) -> bool:
        return not v.derived and (word in v.moves or v.first.verb == "create") and was_before(c, v, upto)

    return sum(counts(v) for p in peers for v in p.versions)


def _outward(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def empty_sync_write(c: Chronicle) -> Iterator[Finding]:
    """A sync moved nothing but the rev and the time of a record.

    Silent if: something that is kept but not shown moved as well; a value of the event could not be read.
    """
    for v in c.derived:
        o = v.first
        if o.is_sync and o.verb == "update" and o.changes and not v.moves and not o.unknown:
            yield found("R10", v, proofs=(v.audit,))
