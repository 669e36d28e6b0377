"""The examples that the project ships are what their README says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from interlock.investigation.mapping import load
from interlock.investigation.observation import Audit, Entry, Moved, Observation
from interlock.investigation.readers import Reading, open_inputs
from interlock.investigation.scalars import id_second

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
AGENT = "658dc20f4740350830d74e8d"


@pytest.fixture(scope="module")
def reading() -> Reading:
    return open_inputs(EXAMPLES / "incident.md")


@pytest.fixture(scope="module")
def entries(reading: Reading) -> list[Entry]:
    return list(reading)


def test_it_is_damaged_and_read(reading: Reading, entries: list[Entry]) -> None:
    report = reading.inputs[0]
    assert (report.format, report.observations, report.audits, report.refused) == ("incident-document", 4, 1, [])
    assert Counter(r.kind for r in report.repairs) == {
        "EMPTY_SLOT": 44, "STRIPPED_LIST": 5, "KEYLESS_VALUE": 1, "MISSING_CLOSE": 1
    }  # fmt: skip
    assert {r.kind for r in report.repairs if r.proof != "proven"} == {"MISSING_CLOSE"}
    assert [e.grade for e in entries] == ["B", "A", "A", "A", "A"]


def test_it_tells_the_race(entries: list[Entry]) -> None:
    audit = next(e for e in entries if isinstance(e, Audit))
    versions = {(e.record.type, e.rev): e for e in entries if isinstance(e, Observation)}
    lost, write = versions["conversation", 10], versions["conversation", 11]
    assert lost.changes["assignedUsers"] == Moved("replace", [], [AGENT])
    assert write.changes["assignedUsers"] == Moved("replace", [AGENT], [])
    assert (write.is_sync, write.before_rev, audit.guard, audit.patch) == (True, 10, 10, {"assignedUsers": []})
    assert write.times.commit is not None
    assert lost.times.commit is not None
    assert write.times.commit - lost.times.commit == 113
    assert {m.rev for e in versions.values() for m in e.marks} == {8}
    assert {e.group for e in entries} == {lost.record.id}
    assert audit.trace == write.trace != versions["work_item", 2].trace


def test_its_ids_hold_the_second_of_their_event(entries: list[Entry]) -> None:
    for entry in entries:
        if isinstance(entry, Observation):
            assert entry.times.event is not None
            assert id_second(entry.event_id) == entry.times.event // 1000


def test_the_map_is_a_map() -> None:
    mapping = load(EXAMPLES / "servicenow.map.yaml")
    assert (mapping.id, mapping.rev) == ("number", "sys_mod_count")
    assert "assigned_to" in mapping.fields
