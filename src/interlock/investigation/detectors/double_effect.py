"""R17 double-effect."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import found
from interlock.investigation.detectors.order import source_of
from interlock.investigation.finding import Finding
from interlock.investigation.history import Chronicle, Version, key_of


def double_effect(c: Chronicle) -> Iterator[Finding]:
    """One effect key stands behind two writes; or two sync writes of X, caused by one version of the peer, both put the
    same value there, the second after somebody had changed it.

    Silent if: the second event is the first one delivered again; the two writes carry different fields.
    """
    keys: dict[str, Version] = {}
    done: dict[tuple[object, ...], Version] = {}
    for v in c.versions():
        key = v.first.effect_key
        if key:
            other = keys.setdefault(key, v)
            if other is not v:
                yield found("R17", v, proofs=(other,), facts={"key": key, "other_rev": other.rev})
        source = source_of(c, v) if v.derived else None
        if source is None:
            continue
        peer, rev = source
        for word, (_, after) in v.moves.items():
            if after is UNSET or not words.says_something(word):
                continue
            name = (key_of(v.track.record), key_of(peer.record), rev, word, repr(after))
            other = done.setdefault(name, v)
            if other is not v:
                facts = {"source_rev": rev, "other_rev": other.rev, "peer": peer.record}
                yield found("R17", v, field=v.name_of(word), proofs=(other,), facts=facts)
                break
