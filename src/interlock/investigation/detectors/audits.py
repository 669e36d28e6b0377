"""R19 missing-audit, R20 insufficient-audit, R21 broken-trace: what the log owes its reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import about, between, found, known
from interlock.investigation.detectors.reading import said_by
from interlock.investigation.finding import Finding
from interlock.investigation.history import REFUSED, STATUS, Chronicle, Version

EDGE_MS = 5_000
"""So near to the end of a log, the other line may come after it."""


def missing_audit(c: Chronicle) -> Iterator[Finding]:
    """A sync write that no audit of its record, value and trace tells of; or an audit whose write is not there, though
    the log shows the rev that it must have made.

    Silent if: the log has no audits (they are elsewhere); it ends before the audit could come; the audit says that
    nothing was written; the rev in question is not in the log.
    """
    if not c.audits:
        return
    last = max((t for t in (*(v.at for v in c.versions()), *(a.at for a in c.audits)) if t is not None), default=0)
    end = max(last, c.end or 0)
    for v in c.derived:
        if v.track.side == "other" or not v.first.is_sync:
            continue
        if v.audit is None:
            if v.at is None or end - v.at >= EDGE_MS or last > v.at:
                yield found("R19", v, facts={"missing": "audit"})
            continue
        for name, told, shown in _differs(v):
            facts = {"missing": "value", "told": told, "shown": shown}
            yield found("R19", v, field=name, proofs=(v.audit,), facts=facts)
    for audit in c.unmatched:
        track = c.track(audit.record)
        if audit.outcome in REFUSED or audit.guard is None or track is None:
            continue
        there = track.revs.get(audit.guard + 1)
        if there is not None and there.audit is not audit:
            facts = {"missing": "write", "by": there.first.client}
            yield about("R19", audit, certainty="inferred", rev=audit.guard + 1, proofs=(there,), facts=facts)


def _differs(v: Version) -> Iterator[tuple[str, Any, Any]]:
    assert v.audit is not None
    for name, told in v.audit.patch.items():
        word = words.word_of(name)
        shown = v.shows(word)
        if word != STATUS and shown is not UNSET and not words.same(word, told, shown):
            yield name, told, list(shown) if isinstance(shown, tuple) else shown


def insufficient_audit(c: Chronicle) -> Iterator[Finding]:
    """An audit that names neither the peer's rev nor a basis, or that was written after the effect it tells of.

    Silent if: the write needed no peer.
    """
    writes = {id(v.audit): v for v in c.versions() if v.audit is not None}
    for audit in c.audits:
        write = writes.get(id(audit))
        needs_peer = audit.item is not None or (write is not None and bool(c.peers(write.track)))
        blind = audit.peer is None and not audit.basis and needs_peer
        late = between(audit.at, write.at) if write is not None else None
        if blind or (late is not None and late > 0):
            facts = {"blind": blind, "late_ms": late or 0}
            yield about("R20", audit, rev=write.rev if write else None, proofs=(write,), facts=facts)


def broken_trace(c: Chronicle) -> Iterator[Finding]:
    """Neither cause nor trace of a sync write leads to an event of the peer: what caused it is inferred.

    Silent if: the log shows no peer; the write or its audit names the version that it read.
    """
    for d in c.derived:
        peers = c.peers(d.track)
        if not peers or d.first.cause or said_by(d, peers) is not None:
            continue
        if d.first.trace and any(v.track in peers for v in c.traces.get(d.first.trace, ())):
            continue
        newest = max(
            (v for p in peers for v in p.versions if v.at is not None and d.at is not None and v.at <= d.at),
            key=lambda v: v.at or 0,
            default=None,
        )
        facts: dict[str, Any] = {"trace": d.first.trace}
        if newest is not None:
            facts |= {"peer": newest.first.record, "peer_rev": newest.rev, "peer_trace": newest.first.trace}
        yield found(
            "R21",
            d,
            proofs=(newest, d.audit),
            intervals=known(after=between(d.at, newest.at if newest else None)),
            facts=facts,
        )
