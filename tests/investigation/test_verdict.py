"""The verdict in three values, the rank of findings, holes that point at them, and what to ask for."""

from __future__ import annotations

import pickle

import pytest
from tests.histories.notation import witness

from interlock.investigation.finding import Certainty, Finding, Input, Refused, Severity
from interlock.investigation.investigate import Report, examine, grouped, investigate_groups, report
from interlock.investigation.observation import Place, RecordRef
from interlock.investigation.verdict import rank, verdict_of

SOUND = "c@1 web create t=0 | c@2 web tags:[]→[x] t=5"
STALE = "i@1 w create mark=4 t=0 | c@6 workflow users:[]→[u] t=400 | c@7 w sync users:[u]→[] t=500"


def said(text: str, inputs: tuple[Input, ...] = ()) -> Report:
    """The report over a history."""
    return investigate_groups(witness(f"x :: {text} => silent", "R1").entries, inputs)


def finding(rule: str, severity: Severity, certainty: Certainty) -> Finding:
    return Finding(rule=rule, severity=severity, certainty=certainty, record=RecordRef("conversation", "c"))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (SOUND, "sound"),
        (STALE, "broken"),
        ("c@1 web create t=0", "unknown"),
        ("c@1 web create t=0 | c@2 web tags:[]→[x] t=5 | c@4 web tags:[x]→[] t=9", "unknown"),
        ("c@1 web create t=0 | c@2 web tags:[]→[x] t=5 grade=C", "unknown"),
        ("c@1 web create t=0 | c@2 workflow users:[]→[u] t=5 | c@3 w sync users:[u]→[] t=9", "unknown"),
        ("c@5 web tags:[]→[x] t=0 | c@6 web tags:[x]→[] t=5", "sound"),
        ("c@1 web create t=0 | c@2 web tags:[]→[x] t=5 | i@1 w sync create read=c:4 t=9", "unknown"),
    ],
    ids=[
        "checked",
        "harm",
        "nothing to check",
        "a gap",
        "a guess",
        "a revert alone",
        "a late start",
        "an unseen basis",
    ],
)
def test_the_verdict(text: str, verdict: str) -> None:
    assert said(text).verdict == verdict


def test_what_could_not_be_read_makes_it_unknown() -> None:
    broken_line = Input(name="a.log", refused=[Refused(Place(0, 3), "no JSON")])
    assert said(SOUND, (broken_line,)).verdict == "unknown"
    assert said(SOUND, (Input(name="a.log"),)).verdict == "sound"


def test_what_was_interrupted_is_not_sound() -> None:
    (history,) = grouped(witness(f"x :: {SOUND} => silent", "R1").entries)
    done = examine(history)
    assert report([done]).verdict == "sound"
    assert (report([done], partial=True).verdict, report([done], partial=True).partial) == ("unknown", True)


def test_the_rank() -> None:
    """High over medium; a proven medium over an inferred high; low comes last."""
    order: list[tuple[Severity, Certainty]] = [
        ("high", "proven"),
        ("medium", "proven"),
        ("high", "inferred"),
        ("medium", "inferred"),
        ("high", "possible"),
        ("medium", "possible"),
        ("low", "proven"),
    ]
    findings = [finding("R3", *x) for x in order]
    backwards = findings[::-1]
    assert sorted(backwards, key=rank) == findings


def test_only_evidence_of_harm_breaks() -> None:
    """A missing audit or a revert alone does not; nor does what is merely possible."""
    for f in (
        finding("R19", "medium", "proven"), finding("R12", "medium", "proven"), finding("R1", "high", "possible"),
    ):  # fmt: skip
        assert verdict_of([f], checked=1, doubtful=False) == "unknown"
    assert verdict_of([finding("R18", "low", "proven")], checked=1, doubtful=False) == "sound"
    assert verdict_of([finding("R14", "medium", "proven")], checked=1, doubtful=False) == "broken"


def test_holes_point_at_the_findings_of_their_own_conversation() -> None:
    """Two conversations in one report: indexes are those of the whole."""
    other = " | ".join(f"x/{e}" for e in STALE.split(" | "))
    both = said(f"{SOUND.replace('c@', 'y/c@')} | {STALE} | {other}")
    assert [f.rule for f in both.findings[:2]] == ["R1", "R1"]
    for hole in both.holes:
        assert hole.matters_to
        for n in hole.matters_to:
            f = both.findings[n]
            assert hole.record in (f.record, f.basis.record if f.basis else None)


def test_a_gap_asks_for_its_revs_and_no_more() -> None:
    gap = said("c@3 web create t=0 | c@5 web tags:[]→[x] t=5")
    assert gap.ask_for == ("Rev 4 of conversation c.",)


def test_a_report_crosses_processes() -> None:
    """What one history comes to is small and survives a pipe."""
    (history,) = grouped(witness(f"x :: {STALE} => silent", "R1").entries)
    examined = examine(history)
    assert pickle.loads(pickle.dumps(examined)) == examined
    assert report([pickle.loads(pickle.dumps(examined))]).findings == examined.findings
