"""Every rule against its smallest witness and against what must not fool it; and every witness without its rule."""

from __future__ import annotations

import pytest
from tests.histories.notation import Expected, Witness, witnesses

from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.compact import compact_of
from interlock.investigation.detectors.table import DETECTORS
from interlock.investigation.explain import explain
from interlock.investigation.finding import Finding
from interlock.investigation.investigate import USUAL, examine, grouped, last_moment, report
from interlock.investigation.screen import screen

ALL = witnesses()
FIRING = [w for w in ALL if w.expected]


def found(w: Witness, without: frozenset[str] = frozenset()) -> list[Finding]:
    """What the catalogue says of a history."""
    end = w.end if w.end is not None else last_moment(w.entries)
    examined = [examine(h, end, without=without) for h in grouped(w.entries)]
    return list(report(examined, without=without).findings)


def of_rule(w: Witness, findings: list[Finding]) -> list[Expected]:
    """The findings of the rule that the file is about."""
    rules = {w.rule, *(e.rule for e in w.expected)}
    return sorted(Expected(f.rule, f.certainty, f.record.id, f.rev or 0) for f in findings if f.rule in rules)


@pytest.mark.parametrize("w", ALL, ids=lambda w: w.name)
def test_the_rule_says_what_is_expected(w: Witness) -> None:
    """Fires where it has to, and only there."""
    assert of_rule(w, found(w)) == sorted(w.expected)


@pytest.mark.parametrize("w", FIRING, ids=lambda w: w.name)
def test_without_its_rule_the_witness_fails(w: Witness) -> None:
    """No other rule stands in for it, so a detector that is broken is noticed."""
    assert not [f for f in found(w, frozenset({w.rule})) if f.rule == w.rule]
    assert of_rule(w, found(w, frozenset({w.rule}))) != sorted(w.expected)


@pytest.mark.parametrize("w", FIRING, ids=lambda w: w.name)
def test_it_is_told_in_a_sentence(w: Witness) -> None:
    """Every finding of a witness can be explained from its facts, and says of which rev it speaks."""
    for f in found(w):
        text = explain(f)
        assert text.endswith(".")
        assert "UNSET" not in text
        assert (f.certainty == "proven") == (
            "inferred" not in text.lower() and "possible" not in text.lower()
        ) or f.rule == "R21"


@pytest.mark.parametrize("w", ALL, ids=lambda w: w.name)
def test_the_screen_misses_nothing(w: Witness) -> None:
    """What compact rows call boring has no finding of weight, gaps apart, which the screen itself reports."""
    end = w.end if w.end is not None else last_moment(w.entries) or 0
    for h in grouped(w.entries):
        grave = {f.rule for f in examine(h, end).findings if f.severity != "low"}
        screened = screen([compact_of(e) for e in (*h.observations, *h.audits)], USUAL, end)
        if screened.gaps:
            grave.discard("R5")
        assert screened.suspect or not grave


def test_every_rule_has_a_witness_and_a_twin() -> None:
    """The catalogue, the table of detectors and the histories speak of the same rules."""
    assert {*DETECTORS, "R26"} == set(CATALOGUE)
    for rule in CATALOGUE:
        of_it = [w for w in ALL if w.rule == rule]
        assert any(w.expected for w in of_it), f"{rule} has no witness"
        assert any(not w.expected for w in of_it), f"{rule} has no twin"


def test_the_severities_are_those_of_the_catalogue() -> None:
    """A finding is of its rule's severity, or of its lesser form's."""
    for w in ALL:
        for f in found(w):
            anomaly = CATALOGUE[f.rule]
            assert f.severity in (anomaly.severity, anomaly.lesser)
