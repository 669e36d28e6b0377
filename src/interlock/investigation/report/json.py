"""The report as JSON: the contract `interlock.investigation/1`, to the letter. Its schema stands beside this file."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import UNSET

from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.finding import Evidence, Finding, Input, Repair
from interlock.investigation.investigate import Report
from interlock.investigation.observation import RecordRef

CONTRACT = "interlock.investigation/1"
SCHEMA_FILE = "investigation-1.schema.json"

Explain = Callable[[Finding], str]
"""A finding in plain sentences."""


def schema() -> dict[str, Any]:
    """The JSON schema of the contract."""
    return msgspec.json.decode(files("interlock.investigation.report").joinpath(SCHEMA_FILE).read_bytes())


def document(report: Report, explain: Explain) -> dict[str, Any]:
    """The contract's document. `partial` is there only where the investigation was interrupted, `screened`
    only where the log was too big to look at every conversation in full."""
    names = [i.name for i in report.inputs]
    out: dict[str, Any] = {
        "schema": CONTRACT,
        "verdict": report.verdict,
        "inputs": [_input(i) for i in report.inputs],
        "records": [
            {**_record(r.record), "first_rev": r.first_rev, "last_rev": r.last_rev, "observations": r.observations}
            for r in report.records
        ],
        "findings": [_finding(f, names, explain) for f in report.findings],
        "holes": [
            {"record": _record(h.record), "revs": list(h.revs), "matters_to": list(h.matters_to)}
            | ({"open_ended": h.open_ended} if h.open_ended else {})
            for h in report.holes
        ],
        "ask_for": list(report.ask_for),
    }
    if report.partial:
        out["partial"] = True
    if report.screened is not None:
        out["screened"] = msgspec.to_builtins(report.screened)
    return out


def text(report: Report, explain: Explain) -> str:
    """The document on one line."""
    return msgspec.json.encode(plain(document(report, explain)), enc_hook=str).decode()


def finding_text(f: Finding, names: list[str], explain: Explain) -> str:
    """One finding of the contract, on one line."""
    return msgspec.json.encode(plain(_finding(f, names, explain)), enc_hook=str).decode()


def plain(value: Any) -> Any:
    """A value of a log as JSON has it: absent is null, a lone surrogate its escape, a number beyond 64 bits text."""
    if value is UNSET:
        return None
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value


def _input(i: Input) -> dict[str, Any]:
    return {
        "name": i.name,
        "format": i.format,
        "bytes": i.bytes,
        "entries": i.entries,
        "observations": i.told,
        "repairs": [_repair(r) for r in i.repairs],
        "refused": [{"line": r.place.line, "why": r.why} for r in i.refused],
    }


def _repair(r: Repair) -> dict[str, Any]:
    return {"line": r.place.line, "kind": r.kind, "assumed": r.assumed, "proof": r.proof}


def _record(r: RecordRef) -> dict[str, Any]:
    return {"type": r.type, "id": r.id, "org": r.org}


def _finding(f: Finding, names: list[str], explain: Explain) -> dict[str, Any]:
    return {
        "id": f.rule,
        "anomaly": CATALOGUE[f.rule].name if f.rule in CATALOGUE else f.rule,
        "severity": f.severity,
        "certainty": f.certainty,
        "record": _record(f.record),
        "field": f.field,
        "rev": f.rev,
        "at": f.at,
        "client": f.client,
        "guard": f.guard,
        "grade": f.grade,
        "lost": None if f.lost is None else {
            "value": f.lost.value, "rev": f.lost.rev, "client": f.lost.client, "source_id": f.lost.source_id,
            "at": f.lost.at,
        },
        "basis": None if f.basis is None else {
            "record": {"type": f.basis.record.type, "id": f.basis.record.id}, "rev": f.basis.rev,
            "saw_rev": f.basis.saw_rev,
        },
        "intervals_ms": dict(f.intervals_ms),
        "evidence": [_evidence(e, names) for e in f.evidence],
        "explanation": explain(f),
    }  # fmt: skip


def _evidence(e: Evidence, names: list[str]) -> dict[str, Any]:
    return {"input": input_name(names, e.place.input), "line": e.place.line, "event_id": e.event_id}


def input_name(names: list[str], number: int) -> str:
    """The name of an input by its number, from 0; a number where there is none."""
    return names[number] if 0 <= number < len(names) else f"input {number}"
