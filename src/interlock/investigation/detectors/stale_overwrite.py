"""R1 stale-overwrite: the incident's anomaly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import between, found, known, lowered, one_for_the_unit
from interlock.investigation.detectors.reading import (
    Read,
    is_later,
    is_settled,
    is_shared,
    later_intent,
    own_basis,
    read_by,
    was_before,
)
from interlock.investigation.finding import Certainty, Finding, Lost, SeenBasis
from interlock.investigation.history import STATUS, Chronicle, Version

CLOCKS_MS = 1_000
"""Two hosts' clocks are not held to be nearer than this where only they tell the order."""


def stale_overwrite(c: Chronicle) -> Iterator[Finding]:
    """A derived write D on X at n changed f, decided from a version of the peer whose mark of X is b (or, as it says
    itself, from X at b); an intent I on X had changed f at r with b < r < n, and D replaced what I had set by something
    else.

    *Proven* if the audit names the rev that was read, or if every version of the peer before the write carries a mark
    below r; *inferred* where that rests on clocks, on a guessed value, or crosses revs of X that the log does not show;
    *possible* where a version of the peer that the log does not show may have been the one that was read.

    Silent if: I's author asked for the undo on the peer; D equals a later intent on the peer; the settled conflict is
    on record with winner and losers; nothing says which version of X the peer had seen; f is an item's own, or its
    status where nothing is finished or begun anew: these follow from users and queue.
    """
    for d in c.derived:
        if d.moves and not is_settled(d):
            yield from one_for_the_unit(
                f for word, (a, b) in d.moves.items() if is_shared(d, word) for f in _judge(c, d, word, a, b)
            )


def _judge(c: Chronicle, d: Version, word: str, before: Any, after: Any) -> Iterator[Finding]:
    i = d.track.last_change(word, d)
    if i is None or i.derived or after is UNSET:
        return
    stood = i.shows(word) if word not in i.moves else i.moves[word][1]
    if before is UNSET:
        before = stood
    if stood is UNSET or not words.same(word, before, stood) or words.same(word, after, stood):
        return
    if word == STATUS and d.track.side == "item" and not {stood, after} & words.FINAL:
        return
    stated = own_basis(d)
    read = Read(d.track, stated, True) if stated is not None and stated < i.rev else read_by(c, d)
    if read is None:
        return
    b = stated if read.peer is d.track else read.peer.mark_on(d.track.record, read.rev)
    if b is None or b >= i.rev:
        return
    if later_intent(c, d, word, after, i, read) or _asked_elsewhere(c, d, word, after, i):
        return
    crossed = d.track.missing(i.rev, d.rev)
    certainty = lowered(_certainty(c, d, i, read), bool(crossed))
    yield _tell(d, i, word, (stood, after), read, b, certainty, crossed)


def _certainty(c: Chronicle, d: Version, i: Version, read: Read) -> Certainty:
    """How sure it is that the version that was read had not seen the intent."""
    if read.hidden and not (read.said and _a_later_one_is_blind(read, i)):
        return "possible"
    if read.said:
        return "proven"
    slack = 0 if c.in_order else max(c.limits.skew_ms, CLOCKS_MS)
    fresh = [v for v in read.peer.versions if v.rev > read.rev and _mark(v, i) >= i.rev]
    return "inferred" if any(_within(v, d, slack) for v in fresh) else "proven"


def _within(v: Version, d: Version, ms: int) -> bool:
    """Whether a version may have been there before the write, if clocks are off by so much."""
    return v.at is None or d.at is None or v.at <= d.at + ms


def _mark(v: Version, i: Version) -> int:
    return v.track.mark_on(i.track.record, v.rev) or 0


def _a_later_one_is_blind(read: Read, i: Version) -> bool:
    """Marks only grow: if a later version of the peer had not seen the intent, the unseen one had not either."""
    return any(v.rev > read.rev and 0 < _mark(v, i) < i.rev for v in read.peer.versions)


def _asked_elsewhere(c: Chronicle, d: Version, word: str, after: Any, i: Version) -> bool:
    """Whether whoever set the lost value then asked for this one on the peer."""
    author = i.first.actor or i.first.source_id
    return bool(author) and any(
        not v.derived
        and author == (v.first.actor or v.first.source_id)
        and v.moves.get(word, (UNSET, UNSET))[1] == after
        and was_before(c, v, d)
        and is_later(c, v, i)
        for peer in c.peers(d.track)
        for v in peer.versions
    )


def _tell(
    d: Version,
    i: Version,
    word: str,
    values: tuple[Any, Any],
    read: Read,
    b: int,
    certainty: Certainty,
    crossed: list[int],
) -> Finding:
    track, peer = d.track, read.version
    stale_since = track.replaced_at(b)
    stale = between(peer.at, stale_since) if peer is not None else None
    o = i.first
    return found(
        "R1",
        d,
        certainty=certainty,
        field=d.name_of(word),
        proofs=(i, peer, d.audit),
        lost=Lost(_outward(values[0]), i.rev, o.client, o.source_id or o.actor, i.at),
        basis=SeenBasis(read.peer.record, read.rev, b),
        intervals=known(
            lived=between(d.at, i.at),
            lived_from_publication=between(d.at, o.times.publish),
            basis_age_at_least=between(d.at, stale_since),
            peer_stale_when_written=stale if stale is not None and stale > 0 else None,
            peer_to_write=between(d.at, peer.at) if peer is not None else None,
            audit_after_write=between(d.audit.at, d.at) if d.audit is not None else None,
        ),
        facts={
            "value": _outward(values[1]),
            "is_sync": d.first.is_sync,
            "to_conversation": track.side == "conversation",
            "named": read.said,
            "lost_source": o.source_type or o.client,
            "hidden": list(read.hidden),
            "crossed": crossed,
            "before_rev": d.before_rev,
        },
    )


def _outward(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
