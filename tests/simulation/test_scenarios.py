"""The scenarios on production's own code: nothing breaks; and the machinery of the search changes nothing about it."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.domain.record import Record
from interlock.simulation import explore
from interlock.simulation.explore import Bounds
from interlock.simulation.play import Play, Scenario, crash_points, draw, search
from interlock.simulation.scenarios import SCENARIOS, named
from interlock.simulation.scheduler import Run
from interlock.simulation.verdicts import Broken

TO_THE_END = (
    "crossing", "reassign", "reopen", "transfer", "skew", "partition", "restore", "touch", "takes-away", "snooze",
    "one-free-place",
)  # fmt: skip
"""Those that are over in a second; the others are cut here and go on in `make seeds` and `make soak`."""


def scenario(name: str) -> Scenario:
    """A scenario that there is."""
    found = named(name)
    assert found is not None
    return found


@pytest.mark.parametrize("each", SCENARIOS, ids=lambda s: s.name)
def test_nothing_breaks(each: Scenario) -> None:
    report = search(each, bounds=Bounds(runs=None if each.name in TO_THE_END else 120))
    assert report.violations == {}, report.found
    assert report.complete == (each.name in TO_THE_END)
    assert report.runs > 0


@pytest.mark.parametrize("each", SCENARIOS, ids=lambda s: s.name)
def test_nothing_breaks_at_random(each: Scenario) -> None:
    assert draw(each, range(20)).violations == {}


@pytest.mark.parametrize("each", SCENARIOS, ids=lambda s: s.name)
def test_each_says_what_it_is_about(each: Scenario) -> None:
    title, _, words = each.words.strip().partition("\n\n")
    assert title.endswith(".")
    assert words


class _Watched(Play):
    """A play that keeps how each run ended: every record, and the log of each record in its order."""

    def __init__(self, scenario: Scenario, *, remembers: bool = True) -> None:
        super().__init__(scenario)
        self.remembers = remembers
        self.ends: set[Any] = set()

    def end(self, run: Run, *, rests: bool = True) -> list[Broken]:
        """As it is, and remember it."""
        store = run.room.store
        records: list[Record] = [r for t in ("conversation", "work_item", "work_session") for r in store.all(t)]
        logs: dict[tuple[str, str], list[str]] = {}
        for row in store.rows[run.room.began :]:
            for c in row.changes:
                logs.setdefault((c.type, c.id), []).append(f"{c.rev} {row.why.kind}")
        self.ends.add((repr(sorted(map(repr, records))), repr(sorted(logs.items()))))
        return super().end(run, rests=rests)

    def learnt(self) -> bool:
        """What came before is run again."""
        again = super().learnt()
        if again:
            self.ends.clear()
        return again


@pytest.mark.parametrize("name", ["one-free-place", "touch", "takes-away"])
def test_the_reduction_loses_no_end_of_a_scenario(name: str) -> None:
    reduced, every = _Watched(scenario(name)), _Watched(scenario(name))
    some, all_of_them = explore.explore(reduced), explore.explore(every, Bounds(runs=3_500), reduce=False)
    assert every.ends <= reduced.ends
    if all_of_them.complete:
        assert every.ends == reduced.ends
        assert some.runs < all_of_them.runs


def test_to_remember_what_tasks_did_changes_nothing() -> None:
    kept, anew = _Watched(scenario("crossing")), _Watched(scenario("crossing"), remembers=False)
    first, second = explore.explore(kept), explore.explore(anew)
    assert kept.ends == anew.ends
    assert (first.runs, first.pruned, first.states) == (second.runs, second.pruned, second.states)


def test_every_call_of_a_task_is_a_crash_point() -> None:
    each = scenario("crash")
    points = [p.crash for p in crash_points(each)]
    assert points[0] is None
    for task in each.crashes:
        mine = [p for p in points if p is not None and p[0] == task]
        assert [p[1] for p in mine if p[2]] == list(range(1, len(mine) // 2 + 1))
    report = explore.explore(Play(each, faults=crash_points(each)[6]), Bounds(runs=60))
    assert report.violations == {}
