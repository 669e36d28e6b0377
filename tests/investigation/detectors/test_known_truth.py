"""Generated logs whose truth is known: interleavings of the race, and a day with incidents and decoys.

The generators of `bench/` were frozen before the detectors were tuned. Small here; the benches run them large.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interlock.investigation.compact import compact_of
from interlock.investigation.finding import Finding
from interlock.investigation.investigate import USUAL, examine, grouped, last_moment
from interlock.investigation.observation import Entry, Place
from interlock.investigation.readers.audit import audit_of
from interlock.investigation.readers.event import observation_of
from interlock.investigation.screen import screen

sys.path.append(str(Path(__file__).resolve().parents[3] / "bench"))

RACES, DAY = 500, 240
START_MS = 1_772_442_000_000


def entries_of(lines: Iterable[str]) -> list[Entry]:
    """The lines as the reader of JSON lines gets them."""
    found: list[Entry] = []
    for number, line in enumerate(lines, 1):
        try:
            told = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        place = Place(0, number, number)
        entry = audit_of(told, place) or observation_of(told, place)
        if entry is not None:
            found.append(entry)
    return found


class Judged:
    """A generated log, its truth, and what the catalogue says of it."""

    def __init__(self, portions: Iterable[tuple[list[str], list[Any]]]) -> None:
        lines: list[str] = []
        self.truth: dict[tuple[str, int], Any] = {}
        for said, lost in portions:
            lines += said
            self.truth |= {(x.conversation, x.rev): x for x in lost}
        entries = entries_of(lines)
        self.end = last_moment(entries) or 0
        self.histories = grouped(entries)
        self.findings = {h.group: examine(h, self.end).findings for h in self.histories}

    def stale(self) -> dict[tuple[str, int], Finding]:
        """Every R1, by conversation and rev."""
        return {(f.record.id, f.rev or 0): f for found in self.findings.values() for f in found if f.rule == "R1"}


@pytest.fixture(scope="module")
def many_races() -> Judged:
    from log_races import races  # type: ignore[import-not-found]

    return Judged(races(RACES, 11, START_MS))


@pytest.fixture(scope="module")
def a_day() -> Judged:
    from log_day import day  # type: ignore[import-not-found]

    return Judged(day(DAY, 11, START_MS, 12))


@pytest.fixture(params=["many_races", "a_day"])
def judged(request: pytest.FixtureRequest) -> Judged:
    return request.getfixturevalue(request.param)


def test_no_overwrite_is_missed_where_the_audit_names_what_was_read(judged: Judged) -> None:
    named = {key for key, x in judged.truth.items() if x.named}
    assert named
    assert named <= set(judged.stale())


def test_nothing_is_called_an_overwrite_that_is_none(judged: Judged) -> None:
    assert set(judged.stale()) <= set(judged.truth)


def test_it_names_the_intent_that_was_lost(judged: Judged) -> None:
    for key, finding in judged.stale().items():
        assert finding.lost is not None
        assert finding.lost.rev == judged.truth[key].lost_rev


def test_of_a_day_every_incident_is_found(a_day: Judged) -> None:
    """Also where the audit names nothing, among reverts, un-assignments, gaps, duplicates and skewed clocks."""
    assert set(a_day.truth) == set(a_day.stale())
    assert len(a_day.truth) == 12


def test_of_the_unnamed_most_are_found(many_races: Judged) -> None:
    unnamed = {key for key, x in many_races.truth.items() if not x.named}
    assert len(unnamed & set(many_races.stale())) >= 0.6 * len(unnamed)


def test_the_screen_misses_nothing_and_suspects_little(judged: Judged) -> None:
    """What it calls boring has nothing of weight; of an ordinary day it has little to be looked at again."""
    suspects = 0
    for h in judged.histories:
        screened = screen([compact_of(e) for e in (*h.observations, *h.audits)], USUAL, judged.end)
        grave = {f.rule for f in judged.findings[h.group] if f.severity != "low"}
        if screened.gaps:
            grave.discard("R5")
        assert screened.suspect or not grave, grave
        suspects += bool(screened.suspect)
    if len(judged.histories) < RACES:
        assert suspects <= 0.1 * len(judged.histories) + len(judged.truth)
