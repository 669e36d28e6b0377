"""R7 before-mismatch and R8 snapshot-mismatch: an event against its neighbour, and against itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import found
from interlock.investigation.detectors.lost_update import unseen_words
from interlock.investigation.finding import Finding
from interlock.investigation.history import Chronicle, Version
from interlock.investigation.observation import Observation


def before_mismatch(c: Chronicle) -> Iterator[Finding]:
    """What rev n + 1 says a field was before is not what rev n left there.

    Silent if: the field is computed; the values are equal as numbers, times or unordered lists; rev n is not shown, or
    shown twice; rev n does not show the field; it is a lost update (R3), which says more.
    """
    for track in c.tracks:
        for v in track.versions:
            previous = v.previous
            if previous is None or previous.twins or v.before_rev not in (None, previous.rev):
                continue
            for word, (before, _) in v.moves.items():
                left = previous.shows(word)
                if before is UNSET or left is UNSET or not words.says_something(word):
                    continue
                if not words.same(word, before, left) and word not in unseen_words(previous, v):
                    facts = {"said": _outward(before), "left": _outward(left)}
                    yield found("R7", v, field=v.name_of(word), proofs=(previous,), facts=facts)


def snapshot_mismatch(c: Chronicle) -> Iterator[Finding]:
    """What an event says a field became is not what the resource in the same event shows.

    Silent if: the resource does not carry the field; the field is computed; the values are equal as numbers or
    unordered lists.
    """
    for v in c.versions():
        for o in (v.first, *v.twins):
            if o.snapshot is not None:
                yield from _against_itself(v, o)


def _against_itself(v: Version, o: Observation) -> Iterator[Finding]:
    snapshot = o.snapshot or {}
    for name, moved in o.changes.items():
        if moved.after is not UNSET and name in snapshot and (name[0] == "→" or not moved.relationship):
            seen = snapshot[name]
            if seen == moved.after and type(seen) is type(moved.after):
                continue  # as in nearly every event: nothing to say, whatever is known of the field
        if name in o.unknown or words.bare(name) in o.unknown or words.is_computed(name):
            continue
        _, after = words.said(moved)
        shown = _shown(o, name, moved.relationship)
        if after is UNSET or shown is UNSET:
            continue
        if not words.same(words.word_of(name), after, shown):
            yield found(
                "R8", v, field=words.bare(name), proofs=(o,), facts={"said": _outward(after), "shown": _outward(shown)}
            )


def _shown(o: Observation, name: str, relationship: bool) -> Any:
    snapshot = o.snapshot or {}
    bare = words.bare(name)
    for candidate in ("→" + bare, bare) if relationship or name != bare else (bare, "→" + bare):
        if candidate in snapshot:
            return snapshot[candidate]
    return UNSET


def _outward(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
