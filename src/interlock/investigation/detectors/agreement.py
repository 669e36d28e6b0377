"""R13 divergence-at-rest and R24 never-synced: what should have crossed and did not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import between, found, known, lowered
from interlock.investigation.detectors.holes import unseen_runs
from interlock.investigation.finding import Certainty, Finding
from interlock.investigation.history import QUEUE, STATUS, USERS, Chronicle, Track, Version, key_of


def divergence_at_rest(c: Chronicle) -> Iterator[Finding]:
    """The last projections of a conversation and its open item differ, nothing has moved on either for the window, and
    the log goes on. That both agree proves nothing.

    Silent if: the log ends before that; one side never shows the field; the item is closed; the last value came by a
    sync from a version of the peer that the log does not show (R2 says so). Whether both are done is compared only
    where the log shows that both sides have a word for it.
    """
    conversation, item = c.conversation, open_item(c)
    if conversation is None or item is None or c.end is None or any(a.outcome == "parked" for a in c.audits[-2:]):
        return
    moments = [v.at for t in (conversation, item) for v in t.versions if v.at is not None]
    quiet_since = max(moments, default=None)
    if quiet_since is None or c.end - quiet_since < c.limits.rest_ms:
        return
    differences = list(_differences(c, conversation, item))
    if not differences:
        return
    certainty: Certainty = "inferred" if hidden_tail(c, conversation) or hidden_tail(c, item) else "proven"
    word, a, b = differences[0]
    yield found(
        "R13",
        max((conversation.last, item.last), key=lambda v: v.at or 0),
        certainty=certainty,
        field=word,
        proofs=(conversation.last, item.last),
        intervals=known(rest=c.end - quiet_since),
        facts={
            "fields": [d[0] for d in differences], "conversation": _outward(a), "item": _outward(b),
            "conversation_rev": conversation.last.rev, "item_rev": item.last.rev,
        },
    )  # fmt: skip


def open_item(c: Chronicle) -> Track | None:
    """The newest item that is not finished, as last seen."""
    for item in reversed(c.items):
        if latest(item, STATUS) not in words.FINAL:
            return item
    return None


def latest(track: Track, word: str) -> Any:
    """The last value that the log shows of a word."""
    for v in reversed(track.versions):
        value = v.shows(word)
        if value is not UNSET:
            return value
        if v.first.snapshot is not None and track.ever_shows(word):
            return () if word == USERS else None
    return UNSET


def hidden_tail(c: Chronicle, track: Track) -> bool:
    """Whether something says that this record has later revs than the log shows."""
    key, last = key_of(track.record), track.last.rev
    if any(a.guard is not None and a.guard >= last and key_of(a.record) == key for a in c.unmatched):
        return True
    return any(m.rev > last and key_of(m.record) == key for v in c.versions() for m in v.first.marks)


def _differences(c: Chronicle, conversation: Track, item: Track) -> Iterator[tuple[str, Any, Any]]:
    status, state = latest(conversation, STATUS), latest(item, STATUS)
    if status in words.FINAL:
        if knows_final(c):
            yield STATUS, status, state
        return
    users, owner = latest(conversation, USERS), latest(item, USERS)
    if owner is UNSET and state in words.WAITING:
        owner = ()
    from_nowhere = any(_came_unseen(t, p) for t, p in ((conversation, item), (item, conversation)))
    if UNSET not in (users, owner):
        one_is_empty = bool(users) != bool(owner) and not from_nowhere
        if one_is_empty or (users and owner and not set(owner) <= set(users)):
            yield USERS, users, owner
    queue, waits_in = latest(conversation, QUEUE), latest(item, QUEUE)
    if state in words.WAITING and not users and UNSET not in (queue, waits_in) and queue != waits_in:
        yield QUEUE, queue, waits_in


def knows_final(c: Chronicle) -> bool:
    """Whether both sides have a word for "done": an item has reached it, or the log is one that states its policy."""
    return any(a.policy is not None for a in c.audits) or any(
        v.shows(STATUS) in words.FINAL for t in c.items for v in t.versions
    )


def _came_unseen(track: Track, peer: Track) -> bool:
    """Whether the last users came by a sync from a value that the peer, as the log shows it, never had."""
    writer = next((v for v in reversed(track.versions) if USERS in v.moves), None)
    if writer is None or not writer.derived:
        return False
    value = writer.moves[USERS][1]
    return bool(value) and not any(v.shows(USERS) == value for v in peer.versions)


def never_synced(c: Chronicle) -> Iterator[Finding]:
    """An intent moved users or queue of one record, and within the window the other neither took it nor said why not.

    Silent if: the log ends before the window does; it shows no syncs at all; the peer does not show the field, is
    closed, or has that value anyway; another intent came in its place.
    """
    if c.end is None or not (c.derived or c.audits):
        return
    for track in c.tracks:
        for peer in c.peers(track) if track.versions else ():
            yield from _untaken(c, track, peer, c.end - c.limits.rest_ms)


def _untaken(c: Chronicle, track: Track, peer: Track, before: int) -> Iterator[Finding]:
    for v in track.versions:
        if v.derived or v.at is None or v.at > before or v.first.verb != "update":
            continue
        for word in (USERS, QUEUE):
            if word in v.moves and peer.ever_shows(word) and not _answered(c, track, peer, v, word):
                facts = {"value": _outward(v.moves[word][1]), "peer": peer.record}
                certainty = lowered("proven", hidden_tail(c, peer) or any(True for _ in unseen_runs(peer)))
                waited = known(waited=between(c.end, v.at))
                yield found("R24", v, certainty=certainty, field=v.name_of(word), intervals=waited, facts=facts)


def _answered(c: Chronicle, track: Track, peer: Track, v: Version, word: str) -> bool:
    """Whether the peer took it, said why not, needs nothing, or something newer came."""
    assert v.at is not None
    until = v.at + c.limits.rest_ms
    first = peer.first.at
    if first is None or first > until:
        return True
    key = key_of(peer.record)
    if any(key_of(a.record) == key and a.at is not None and v.at - c.limits.skew_ms <= a.at <= until for a in c.audits):
        return True
    now: Version = peer.first
    for x in peer.versions:
        if x.at is None or x.at > until:
            break
        now = x
        if x.at >= v.at - c.limits.skew_ms and (x.derived or word in x.moves or STATUS in x.moves):
            return True
    if now.shows(STATUS) in words.FINAL:
        return True
    value = now.shows(word)
    if value is UNSET or value == v.moves[word][1] or (not value and not v.moves[word][1]):
        return True
    return any(x.rev > v.rev and word in x.moves and x.at is not None and x.at <= until for x in track.versions)


def _outward(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
