"""R5 rev-gap and R6 unseen-rev: what the log does not show."""

from __future__ import annotations

from collections.abc import Iterator

from interlock.investigation.detectors.build import found
from interlock.investigation.finding import Finding
from interlock.investigation.history import Chronicle, Track, Version, key_of


def rev_gap(c: Chronicle) -> Iterator[Finding]:
    """Two neighbours in the log of one record are rev n and a rev beyond n + 1.

    Silent if: the later one says that it replaced exactly n (the system counts in larger steps); revs are missing only
    at the edge of the log.
    """
    for track in c.tracks:
        for earlier, later in gaps(track):
            facts = {"from": earlier.rev + 1, "to": later.rev - 1, "after": earlier.rev}
            yield found("R5", later, proofs=(earlier,), facts=facts)


def gaps(track: Track) -> Iterator[tuple[Version, Version]]:
    """Neighbours between which revs are missing."""
    earlier: Version | None = None
    for later in track.versions:
        if earlier is not None and later.rev > earlier.rev + 1 and later.before_rev != earlier.rev:
            yield earlier, later
        earlier = later


def unseen_rev(c: Chronicle) -> Iterator[Finding]:
    """A before-rev, a read mark or an audit's guard names a rev of a record that the log does not show: one finding for
    each run of such revs. A hole, no anomaly: what spans it is less certain.

    Silent if: nothing of that record is in the log at all (it is another log's).
    """
    for track in c.tracks:
        if not track.versions:
            continue
        named = named_revs(c, track)
        for low, high in unseen_runs(track, max(named, default=0)):
            here = {rev: v for rev, v in named.items() if low <= rev <= high}
            if not here:
                continue
            proof = here[min(here)]
            at = track.revs.get(high + 1) or track.last
            yield found("R6", at, proofs=(proof,), facts={"from": low, "to": high, "named": sorted(here)})


def named_revs(c: Chronicle, track: Track) -> dict[int, Version]:
    """Revs that something names and the log does not show, with the version that names each first."""
    key = key_of(track.record)
    named: dict[int, Version] = {}
    for v in track.versions:
        if v.before_rev and v.before_rev not in track.revs:
            named.setdefault(v.before_rev, v)
    for v in c.versions():
        for mark in (*v.first.marks, *((v.audit.peer,) if v.audit and v.audit.peer else ())):
            if mark.rev > 0 and mark.rev not in track.revs and key_of(mark.record) == key:
                named.setdefault(mark.rev, v)
    return named


def unseen_runs(track: Track, newest_named: int = 0) -> Iterator[tuple[int, int]]:
    """Runs of revs that the log does not show: before the first (unless it was created there), between, and beyond the
    last as far as something names them."""
    first = track.first
    if first.rev > 1 and first.first.verb != "create":
        yield 1, first.rev - 1
    for earlier, later in gaps(track):
        yield earlier.rev + 1, later.rev - 1
    if newest_named > track.last.rev:
        yield track.last.rev + 1, newest_named
