"""The report as SARIF 2.1.0, for viewers of code findings: the harmful write is the location, its causes are related.

One thread flow per record tells the steps in order. The fingerprint is made of rule, record and revs, so that the same
finding in a later run, or in another copy of the log, is the same alert.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

import msgspec

from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.finding import Evidence, Finding
from interlock.investigation.investigate import Report
from interlock.investigation.observation import Observation, RecordRef
from interlock.investigation.report.json import Explain, input_name, plain
from interlock.investigation.report.timeline import word_for

LEVEL = {"high": "error", "medium": "warning", "low": "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def document(
    report: Report, explain: Explain, version: str, seen: dict[tuple[int, int], Observation]
) -> dict[str, Any]:
    """The SARIF log. `seen`: (input, line) → the observation there, for the thread flows; may be empty."""
    names = [i.name for i in report.inputs]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "interlock investigate", "version": version, "rules": _rules()}},
                "artifacts": [{"location": {"uri": _uri(n)}} for n in names],
                "invocations": [{"executionSuccessful": not report.partial}],
                "results": [_result(f, names, explain, seen) for f in report.findings],
                "properties": {"verdict": report.verdict},
            }
        ],
    }


def text(report: Report, explain: Explain, version: str, seen: dict[tuple[int, int], Observation]) -> str:
    """The same as text."""
    packed = msgspec.json.encode(plain(document(report, explain, version, seen)), enc_hook=str)
    return msgspec.json.format(packed, indent=1).decode() + "\n"


def fingerprint(f: Finding) -> str:
    """Of rule, record, field and revs; the same wherever the log lies."""
    revs = [f.rev, f.lost.rev if f.lost else None, f.basis.rev if f.basis else None]
    parts = [f.rule, f.record.type, f.record.id, f.record.org, f.field, *map(str, revs)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "id": a.id,
            "name": "".join(part.capitalize() for part in a.name.split("-")),
            "shortDescription": {"text": a.definition},
            "fullDescription": {"text": f"{a.definition} Not to be taken for it: {a.fooled_by}."},
            "defaultConfiguration": {"level": LEVEL[a.severity]},
        }
        for a in CATALOGUE.values()
    ]


def _result(f: Finding, names: list[str], explain: Explain, seen: dict[tuple[int, int], Observation]) -> dict[str, Any]:
    own = [
        e
        for e in f.evidence
        if (o := seen.get((e.place.input, e.place.line))) and o.record == f.record and o.rev == f.rev
    ]
    first = own[0] if own else next(iter(f.evidence), None)
    related = [e for e in f.evidence if e is not first]
    result: dict[str, Any] = {
        "ruleId": f.rule,
        "ruleIndex": list(CATALOGUE).index(f.rule) if f.rule in CATALOGUE else -1,
        "level": LEVEL[f.severity],
        "message": {"text": explain(f)},
        "locations": [_location(first, names, f.record)] if first else [],
        "partialFingerprints": {"interlockFinding/v1": fingerprint(f)},
        "properties": {"certainty": f.certainty, "grade": f.grade, "intervals_ms": dict(f.intervals_ms)},
    }
    if related:
        result["relatedLocations"] = [
            {"id": n, **_location(e, names), "message": {"text": _what(e, f, seen)}} for n, e in enumerate(related, 1)
        ]
    flows = _flows(f, names, seen)
    if flows:
        result["codeFlows"] = [{"threadFlows": flows}]
    return result


def _what(e: Evidence, f: Finding, seen: dict[tuple[int, int], Observation]) -> str:
    o = seen.get((e.place.input, e.place.line))
    if o is None:
        return "audit line"
    what = f"{word_for(o.record.type)} rev {o.rev}"
    if f.lost is not None and o.record == f.record and o.rev == f.lost.rev:
        return f"the write that was lost: {what}"
    if f.basis is not None and o.record == f.basis.record:
        return f"the stale read: {what}"
    return what


def _flows(f: Finding, names: list[str], seen: dict[tuple[int, int], Observation]) -> list[dict[str, Any]]:
    by_record: dict[RecordRef, list[tuple[Evidence, Observation]]] = {}
    for e in f.evidence:
        o = seen.get((e.place.input, e.place.line))
        if o is not None:
            by_record.setdefault(o.record, []).append((e, o))
    flows: list[dict[str, Any]] = []
    for record, steps in sorted(by_record.items()):
        steps.sort(key=lambda step: (step[1].rev or 0, step[0].place))
        flows.append(
            {
                "id": f"{record.type}/{record.id}",
                "locations": [
                    {
                        "location": {
                            **_location(e, names),
                            "message": {"text": f"rev {o.rev} by {o.client or 'unknown'}"},
                        }
                    }
                    for e, o in steps
                ],
            }
        )
    return flows


def _location(e: Evidence, names: list[str], record: RecordRef | None = None) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(input_name(names, e.place.input)), "index": e.place.input},
            "region": {"startLine": max(1, e.place.line)},
        }
    }
    if record is not None:
        location["logicalLocations"] = [
            {"name": record.id, "fullyQualifiedName": f"{record.type}/{record.id}", "kind": "object"}
        ]
    return location


def _uri(name: str) -> str:
    return quote("stdin" if name == "-" else name.replace("\\", "/"))
