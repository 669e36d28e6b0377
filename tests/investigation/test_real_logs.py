"""Real logs that nobody here wrote: counts that are known, and silence where nothing is wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.investigation.shared_cases import PROJECT, shared

from interlock.investigation.investigate import Report, investigate_groups
from interlock.investigation.observation import Entry, Observation
from interlock.investigation.readers import open_inputs

MAP = PROJECT / "examples" / "servicenow.map.yaml"


@pytest.fixture(scope="module")
def incidents() -> list[Entry]:
    return list(open_inputs(shared("cases/real/servicenow_incident_log.csv"), mapping=Path(MAP)))


@pytest.fixture(scope="module")
def report(incidents: list[Entry]) -> Report:
    return investigate_groups(incidents)


def test_707_places_where_a_rev_is_skipped(report: Report) -> None:
    assert sum(f.rule == "R5" for f in report.findings) == 707


def test_5_places_where_the_rev_does_not_increase(report: Report) -> None:
    """Four go back and one repeats: each is a rev that stands in the log twice with other contents."""
    twice = [f for f in report.findings if f.rule == "R4"]
    assert [(f.severity, f.certainty) for f in twice] == [("high", "proven")] * 5
    assert sorted((f.record.id, f.rev) for f in twice) == [
        ("INC0000130", 2), ("INC0000134", 2), ("INC0000135", 7), ("INC0000137", 1), ("INC0000164", 3),
    ]  # fmt: skip


def test_95_cleared_assignees_can_be_counted_and_none_is_called_lost(incidents: list[Entry], report: Report) -> None:
    moves = [e.changes.get("assigned_to") for e in incidents if isinstance(e, Observation)]
    assert sum(m is not None and bool(m.before) and m.after is None for m in moves) == 95
    assert not [f for f in report.findings if f.rule == "R1"]


def test_nothing_else_of_weight_is_claimed(report: Report) -> None:
    """A table without causes, reads and syncs proves no more than that."""
    assert Counter(f.rule for f in report.findings if f.severity != "low") == {"R5": 707, "R4": 5}


def test_what_to_ask_for_is_not_a_flood(report: Report) -> None:
    assert len(report.ask_for) == 21
    assert report.ask_for[-1].startswith("And ")


def test_a_change_stream_without_fault_stays_silent() -> None:
    """Debezium envelopes count no revs: nothing is found, and the verdict does not pretend to know more."""
    report = investigate_groups(open_inputs(shared("cases/real/debezium_flink_postgres.ndjson")))
    assert report.findings == ()
    assert report.verdict == "unknown"
