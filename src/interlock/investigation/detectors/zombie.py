"""R23 zombie-write."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from interlock.investigation.detectors.build import between, found, known
from interlock.investigation.detectors.reading import said_by
from interlock.investigation.finding import Finding
from interlock.investigation.history import UNIT, Chronicle, Version, key_of


def zombie_write(c: Chronicle) -> Iterator[Finding]:
    """A worker wrote under a lease epoch lower than one already seen for that record; or what it says to have read of
    the peer had been replaced longer ago than a lease lasts.

    Silent if: it was slow but right: what it wrote is what the peer says at that time. Marks that an item merely
    carries along are no reading.
    """
    for track in c.tracks:
        highest: Version | None = None
        for v in track.versions:
            epoch = v.first.lease_epoch
            if epoch is not None:
                had = highest.first.lease_epoch if highest is not None else None
                if had is not None and epoch < had:
                    yield found("R23", v, proofs=(highest,), facts={"epoch": epoch, "seen": had})
                else:
                    highest = v
            if v.derived:
                yield from _old_basis(c, v)


def _old_basis(c: Chronicle, d: Version) -> Iterator[Finding]:
    peers = c.peers(d.track)
    mark = said_by(d, peers)
    if mark is None:
        return
    peer = next(p for p in peers if key_of(p.record) == key_of(mark.record))
    replaced = peer.replaced_at(mark.rev) if peer.last.rev > mark.rev else None
    age = between(d.at, replaced)
    if age is None or age <= c.limits.lease_ms:
        return
    now = max(
        (v for v in peer.versions if v.at is not None and d.at is not None and v.at <= d.at),
        key=lambda v: v.rev,
        default=None,
    )
    if now is not None and all(now.shows(w) in (UNSET, d.moves[w][1]) for w in UNIT if w in d.moves):
        return
    facts = {"read_rev": mark.rev, "peer": peer.record}
    yield found(
        "R23", d, proofs=(now, d.audit), intervals=known(basis_replaced=age, lease=c.limits.lease_ms), facts=facts
    )
