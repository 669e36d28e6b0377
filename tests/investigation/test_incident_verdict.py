"""The incident's right verdict, line by line: what is proven, what follows, what stays silent, what is not known."""

from __future__ import annotations

import msgspec
import pytest
from tests.investigation.shared_cases import shared

from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.explain import explain
from interlock.investigation.finding import Finding
from interlock.investigation.investigate import Report, examine, grouped, investigate_groups
from interlock.investigation.observation import Audit, Entry, Observation
from interlock.investigation.readers import open_inputs

USER = "61a6a83fdf1e2d21501a77c1"
CONVERSATION, ITEM = "621fc1d36a39b4aa389cb72b", "621fc1d5cb4ca800935aa935"
FIRED = {"R1", "R2", "R6", "R12", "R14", "R20", "R21"}


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return list(open_inputs(shared("incident/reverse-sync-of-dequeue.md")))


@pytest.fixture(scope="module")
def report(entries: list[Entry]) -> Report:
    return investigate_groups(entries)


def only(report: Report, rule: str) -> Finding:
    """The one finding of a rule."""
    (finding,) = (f for f in report.findings if f.rule == rule)
    return finding


def test_it_is_broken(report: Report) -> None:
    assert report.verdict == "broken"
    assert [f.rule for f in report.findings] == ["R1", "R2", "R12", "R6", "R14", "R20", "R21"]


def test_r1_is_proven(report: Report) -> None:
    """Conversation rev 7, by the reverse sync, guard 6, basis 4, replaced the workflow's assignment by nobody."""
    f = only(report, "R1")
    assert (f.severity, f.certainty) == ("high", "proven")
    assert (f.record.type, f.record.id, f.rev, f.field, f.client) == (
        "conversation", CONVERSATION, 7, "assignedUsers", "routing-worker",
    )  # fmt: skip
    assert f.guard == 6
    assert f.grade in ("A", "B")
    assert f.lost is not None
    assert (f.lost.value, f.lost.rev, f.lost.client, f.lost.source_id) == (
        [USER],
        6,
        "workflow",
        "60ff0f884538c70019739bb5",
    )
    assert f.basis is not None
    assert (f.basis.record.id, f.basis.rev, f.basis.saw_rev) == (ITEM, 2, 4)
    assert f.facts["value"] == []


def test_r1_knows_how_long_everything_took(report: Report) -> None:
    assert only(report, "R1").intervals_ms == {
        "lived": 105,
        "lived_from_publication": 99,
        "basis_age_at_least": 352,
        "peer_stale_when_written": 24,
        "peer_to_write": 328,
        "audit_after_write": 24,
    }


def test_r1_is_told_in_plain_sentences(report: Report) -> None:
    assert explain(only(report, "R1")) == (
        "Conversation rev 7 (reverse sync, client routing-worker, guard 6, basis 4) replaced the workflow's assignment "
        f"of {USER} (rev 6) by nobody. It lived 105 ms (commit to commit), 99 ms from its publication. The newest it "
        "can have read is work item rev 2, which had seen rev 4 of the conversation. That basis was at least 352 ms "
        "old at the write; work item rev 2 was already 24 ms stale when it was written; work item rev 2 → conversation "
        "rev 7 took 328 ms; the audit line came 24 ms after the write."
    )


def test_r1_rests_on_the_write_the_intent_the_peer_and_the_audit(report: Report, entries: list[Entry]) -> None:
    lines = {e.place.line: e for e in entries}
    rests_on = [lines[e.place.line] for e in only(report, "R1").evidence]
    assert [e.rev for e in rests_on if isinstance(e, Observation)] == [7, 6, 2]
    assert sum(isinstance(e, Audit) for e in rests_on) == 1


def test_r2_is_proven(report: Report) -> None:
    """No work-item event carries users, as attribute or change; the sync wrote an empty list."""
    f = only(report, "R2")
    assert (f.severity, f.certainty, f.rev, f.field) == ("high", "proven", 7, "assignedUsers")
    assert f.facts["never_shown"] is True
    assert f.facts["value"] == []


def test_r12_went_back_within_105_ms(report: Report) -> None:
    f = only(report, "R12")
    assert (f.rev, f.intervals_ms["lived"]) == (7, 105)


def test_r6_revs_1_to_5_are_absent(report: Report) -> None:
    """4 is the basis, 5 lies between."""
    f = only(report, "R6")
    assert f.severity == "low"
    assert (f.facts["from"], f.facts["to"], f.facts["named"]) == (1, 5, [4, 5])


def test_r20_the_audit_names_no_basis_and_came_late(report: Report) -> None:
    f = only(report, "R20")
    assert (f.facts["blind"], f.facts["late_ms"]) == (True, 24)


def test_r21_that_item_rev_2_triggered_it_is_inferred(report: Report) -> None:
    f = only(report, "R21")
    assert (f.rev, f.facts["peer_rev"]) == (7, 2)
    assert f.facts["trace"] != f.facts["peer_trace"]
    assert "inferred" in explain(f)


def test_r14_was_in_flight_for_105_ms(report: Report) -> None:
    f = only(report, "R14")
    assert (f.severity, f.intervals_ms["lasted"], f.facts["at_rest"]) == ("low", 105, False)


@pytest.mark.parametrize("rule", [r for r in CATALOGUE if r not in FIRED])
def test_every_other_rule_is_silent(report: Report, rule: str) -> None:
    """Both records say nobody and the same queue (R13), the rev chain held (R3), no clock is wrong (R18) …"""
    assert not [f for f in report.findings if f.rule == rule]


def test_what_the_log_does_not_show(report: Report) -> None:
    (hole,) = report.holes
    assert (hole.record.id, hole.revs, hole.open_ended) == (CONVERSATION, (1, 2, 3, 4, 5), "before")
    assert 0 in hole.matters_to, "the overwrite spans it"


def test_what_to_ask_for(report: Report) -> None:
    assert set(report.ask_for) == {
        f"Revs 1–5 of conversation {CONVERSATION}, and any after 7.",
        f"Any rev of work_item {ITEM} after 2.",
        "The log of routing-worker for the traces 728527378439499336 and 8537697789045891976.",
    }


def test_the_records_are_listed(report: Report) -> None:
    assert {(r.record.id, r.first_rev, r.last_rev, r.observations) for r in report.records} == {
        (CONVERSATION, 6, 7, 2),
        (ITEM, 1, 2, 2),
    }


def test_agreement_would_not_have_shown_it(entries: list[Entry]) -> None:
    """An hour later both records still agree: R13 stays silent, R1 does not."""
    last = max(e.times.best or 0 for e in entries if isinstance(e, Observation))
    (history,) = grouped(entries)
    rules = {f.rule for f in examine(history, last + 3_600_000).findings}
    assert "R13" not in rules
    assert "R1" in rules


def test_had_the_item_seen_rev_6_it_would_be_sound(entries: list[Entry]) -> None:
    """The same lines with a fresh mark and an agent who gave it back: no overwrite."""
    honest: list[Entry] = []
    for e in entries:
        if isinstance(e, Observation) and e.resource is not None and e.rev == 2:
            marks = tuple(msgspec.structs.replace(m, rev=6) for m in e.marks)
            honest.append(msgspec.structs.replace(e, marks=marks))
        else:
            honest.append(e)
    assert "R1" not in {f.rule for f in investigate_groups(honest).findings}
