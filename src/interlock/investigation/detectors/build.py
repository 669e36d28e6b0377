"""A finding put together from the version it is about and whatever else proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from interlock.investigation.anomalies import severity_of
from interlock.investigation.finding import Certainty, Evidence, Finding, Lost, SeenBasis, Severity
from interlock.investigation.history import Chronicle, Version, worst
from interlock.investigation.observation import Audit, Observation
from interlock.investigation.vocabulary import UNIT, word_of

Detector = Callable[[Chronicle], Iterator[Finding]]
Proof = Version | Observation | Audit | None

_LOWER: dict[Certainty, Certainty] = {"proven": "inferred", "inferred": "possible", "possible": "possible"}


def lowered(certainty: Certainty, times: int = 1) -> Certainty:
    """One step less sure, or several."""
    for _ in range(times):
        certainty = _LOWER[certainty]
    return certainty


def found(
    rule: str,
    version: Version,
    *,
    certainty: Certainty = "proven",
    severity: Severity | None = None,
    field: str = "",
    proofs: Iterable[Proof] = (),
    lost: Lost | None = None,
    basis: SeenBasis | None = None,
    intervals: dict[str, int] | None = None,
    facts: dict[str, Any] | None = None,
) -> Finding:
    """A finding about a version. Its certainty is lowered if it rests on a guessed value."""
    evidence, grade = proven_by((version, *proofs))
    o = version.first
    return Finding(
        rule=rule,
        severity=severity or severity_of(rule),
        certainty=lowered(certainty) if grade == "C" else certainty,
        record=o.record,
        field=field,
        rev=version.rev,
        at=version.at,
        client=o.client,
        guard=version.audit.guard if version.audit else None,
        grade=grade,
        lost=lost,
        basis=basis,
        intervals_ms=intervals or {},
        evidence=evidence,
        facts=facts or {},
    )


def one_for_the_unit(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Of one write's findings about parts of the unit, the first by their order: users, queue, status. The unit is one
    value; the other parts are named in its facts as `also`."""
    parts: list[tuple[int, Finding]] = []
    for f in findings:
        word = word_of(f.field)
        if word in UNIT:
            parts.append((UNIT.index(word), f))
        else:
            yield f
    if parts:
        parts.sort(key=lambda part: part[0])
        first = parts[0][1]
        also = [f.field for _, f in parts[1:]]
        yield msgspec.structs.replace(first, facts={**first.facts, "also": also}) if also else first


def about(
    rule: str,
    entry: Audit | Observation,
    *,
    certainty: Certainty = "proven",
    severity: Severity | None = None,
    rev: int | None = None,
    field: str = "",
    proofs: Iterable[Proof] = (),
    facts: dict[str, Any] | None = None,
) -> Finding:
    """A finding about an entry that is no version of a record: an audit line, or an event without a rev."""
    evidence, grade = proven_by((entry, *proofs))
    is_audit = isinstance(entry, Audit)
    return Finding(
        rule=rule,
        severity=severity or severity_of(rule),
        certainty=lowered(certainty) if grade == "C" else certainty,
        record=entry.record,
        field=field,
        rev=rev,
        at=entry.at if is_audit else entry.times.best,
        client=entry.service if is_audit else entry.client,
        guard=entry.guard if is_audit else None,
        grade=grade,
        evidence=evidence,
        facts=facts or {},
    )


def proven_by(proofs: Iterable[Proof]) -> tuple[tuple[Evidence, ...], str]:
    """Where the proofs stand, each once, and the worst grade among them."""
    places: dict[Evidence, None] = {}
    grades: list[str] = []
    for proof in proofs:
        if proof is None:
            continue
        entry = proof.first if isinstance(proof, Version) else proof
        event = "" if isinstance(entry, Audit) else entry.event_id
        places[Evidence(entry.place, event)] = None
        grades.append(entry.grade)
    return tuple(places), worst(grades)


def between(later: int | None, earlier: int | None) -> int | None:
    """How long from one time to the other (ms), if the log says both."""
    return None if later is None or earlier is None else later - earlier


def known(**intervals: int | None) -> dict[str, int]:
    """The intervals that the log gives."""
    return {name: ms for name, ms in intervals.items() if ms is not None}
