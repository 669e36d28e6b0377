"""The incident, played twice: with the guard that the incident's system lacked, and without it. One run, two policies.

It runs in a process of its own (`python -m interlock.simulation.retold`), because a policy takes the place of
production's functions while it is played; what it leaves on standard output is read by the API.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from typing import Any

import msgspec

from interlock.domain.agent import User
from interlock.domain.event import decision_resource, events_of
from interlock.domain.log import Row, snapshot_of
from interlock.domain.queue import Queue
from interlock.domain.workflow import Workflow
from interlock.investigation.explain import explain
from interlock.investigation.finding import Finding
from interlock.investigation.own import COUPLED, entries
from interlock.investigation.pasted import of_entries
from interlock.simulation import counterexample
from interlock.simulation.mutants import mutant
from interlock.simulation.play import OURS, Policy

RUN = "incident.counterexample.json"
"""The shortest run of the scenario `incident` in which a reverse sync under a fresh rev loses an assignment."""


def retold() -> list[dict[str, Any]]:
    """The run under each policy: what broke, every step, and its log as the API would tell it."""
    example = counterexample.decode(files("interlock.simulation").joinpath(RUN).read_bytes())
    without = mutant(example.policy)
    assert without is not None
    return [_told(example, "without", without), _told(example, "with", OURS)]


def _told(example: counterexample.Counterexample, name: str, policy: Policy) -> dict[str, Any]:
    played = counterexample.replay(example, policy=policy if policy is OURS else None)
    partition = next(r.partition for r in reversed(played.rows))
    rows = [r for r in played.rows if r.partition == partition]
    found = of_entries(list(entries(rows, types=COUPLED)))
    return {
        "name": name,
        "policy": policy.name or "ours",
        "words": policy.words,
        "conversation": partition,
        "broken": [{"invariant": n, "words": words} for n, words in played.broken],
        "steps": [s.text for s in played.steps],
        "findings": [_finding(f) for f in found.report.findings],
        "verdict": found.report.verdict,
        "headline": found.told()["headline"],
        "names": _names(played.rows),
        "data": [event for r in rows for event in events_of(r, published_at=r.at)],
        "included": [decision_resource(r) for r in rows],
    }  # fmt: skip


def _finding(f: Finding) -> dict[str, Any]:
    """What a page shows of a finding; `unseen`: how many versions its writer had not seen."""
    saw = f.basis.saw_rev if f.basis is not None else None
    unseen = f.guard - saw if f.guard is not None and saw is not None else None
    told = {"id": f.rule, "severity": f.severity, "certainty": f.certainty, "field": f.field, "rev": f.rev}
    return {**told, "explanation": explain(f), "guard": f.guard, "saw": saw, "unseen": unseen}


def _names(rows: list[Row]) -> dict[str, str]:
    records = (snapshot_of(change) for row in rows for change in row.changes)
    return {r.id: r.name for r in records if isinstance(r, User | Queue | Workflow)} | {
        "assign-caller": "assign caller"
    }


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(retold(), enc_hook=str).decode())
