"""R11 flapping and R12 revert: values that do not stay."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import between, found, known, one_for_the_unit
from interlock.investigation.detectors.reading import is_settled, is_shared, later_intent
from interlock.investigation.finding import Finding
from interlock.investigation.history import STATUS, USERS, Chronicle, Track, Version, key_of

MINUTE_MS = 60_000


def flapping(c: Chronicle) -> Iterator[Finding]:
    """The users of one record changed three times or more within the window, at least twice by different machines.

    Silent if: persons made the changes, or one author did; they are a bulk job's, or a requeue's. Offers are no
    assignments. A sync that carries somebody's intent counts as that somebody.
    """
    for track in c.tracks:
        if track.side == "other":
            continue
        changes = [v for v in track.versions if USERS in v.moves and v.first.client not in words.BULK]
        if len(changes) >= 3:
            yield from _burst(c, track, changes)


def _burst(c: Chronicle, track: Track, changes: list[Version]) -> Iterator[Finding]:
    for n in range(2, len(changes)):
        window = [v for v in changes[: n + 1] if _within(changes[n], v, c.limits.flapping_ms)]
        machines = [a for a in (_machine(c, v) for v in window) if a]
        if len(window) >= 3 and len(machines) >= 2 and len(set(machines)) >= 2:
            values = [list(v.moves[USERS][1]) for v in window if v.moves[USERS][1] is not UNSET]
            yield found(
                "R11",
                changes[n],
                field=changes[n].name_of(USERS),
                proofs=window[:-1],
                intervals=known(within=between(changes[n].at, window[0].at)),
                facts={"values": values, "authors": machines, "side": track.side},
            )
            return


def _within(later: Version, earlier: Version, ms: int) -> bool:
    apart = between(later.at, earlier.at)
    return apart is not None and 0 <= apart <= ms


def _machine(c: Chronicle, v: Version) -> str:
    """The machine behind a change; empty for a person or a requeue."""
    behind = _carried(c, v) or v if v.derived else v
    if words.by_person(behind.first) or (behind.first.actor_class == "system" and not behind.derived):
        return ""
    return behind.author() or "unknown"


def _carried(c: Chronicle, v: Version) -> Version | None:
    """The intent on a peer that a sync write carries."""
    value = v.moves[USERS][1]
    carried: Version | None = None
    for peer in c.peers(v.track):
        for x in peer.versions:
            early = x.at is None or v.at is None or x.at <= v.at + c.limits.skew_ms
            if early and not x.derived and x.moves.get(USERS, (UNSET, UNSET))[1] == value:
                carried = x
    return carried


def revert(c: Chronicle) -> Iterator[Finding]:
    """A field of X went from a to b and, within the window and by another client, back to a.

    On its own never a verdict. Silent if: the log's clock shows whole minutes only; a person took it back; whoever did
    had seen it (its basis says so); it is the copy of a later intent on the peer, or a settled conflict on record.
    """
    for track in c.tracks:
        last: dict[str, Version] = {}
        for v in track.versions:
            yield from one_for_the_unit(_reverts(c, v, last))
            last.update(dict.fromkeys(v.moves, v))


def _reverts(c: Chronicle, v: Version, last: dict[str, Version]) -> Iterator[Finding]:
    for word, (before, after) in v.moves.items():
        p = last.get(word)
        if p is None or word == STATUS or not words.says_something(word):
            continue
        if _goes_back(p, v, word, before, after, c.limits.revert_ms) and not _fair(c, p, v, word):
            value = list(before) if isinstance(before, tuple) else before
            facts = {"value": value, "by": p.first.client, "rev": p.rev, "sync": v.derived}
            lived = known(lived=between(v.at, p.at))
            yield found("R12", v, field=v.name_of(word), proofs=(p,), intervals=lived, facts=facts)


def _goes_back(p: Version, v: Version, word: str, before: object, after: object, ms: int) -> bool:
    old, new = p.moves[word]
    if UNSET in (old, new, after) or p.first.client == v.first.client:
        return False
    if before is not UNSET and not words.same(word, before, new):
        return False
    if ms < MINUTE_MS and not (v.at or 0) % MINUTE_MS and not (p.at or 0) % MINUTE_MS:
        return False
    return words.same(word, after, old) and not words.same(word, old, new) and _within(v, p, ms)


def _fair(c: Chronicle, p: Version, v: Version, word: str) -> bool:
    if words.by_person(v.first) or is_settled(v) or (v.derived and not is_shared(v, word)):
        return True
    own = key_of(v.first.record)
    if not v.derived and any(m.rev >= p.rev and key_of(m.record) == own for m in v.first.marks):
        return True
    return v.derived and later_intent(c, v, word, v.moves[word][1], p, None) is not None
