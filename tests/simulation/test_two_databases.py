"""The scenarios over two databases, with the collector among the tasks: nothing breaks, and what would is caught."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from interlock.domain.errors import RevMoved
from interlock.domain.side import collected_up_to, side_of
from interlock.ports import Commit, Store
from interlock.service import collector as production
from interlock.simulation import explore, stage
from interlock.simulation.apart import COLLECTOR, Apart, collector
from interlock.simulation.explore import Bounds, Report
from interlock.simulation.faults import Faults
from interlock.simulation.play import Play, Scenario
from interlock.simulation.scenarios import SCENARIOS, named
from interlock.simulation.scheduler import Run
from interlock.simulation.verdicts import Broken

PLAYED = [s for s in SCENARIOS if s.name != "restore"]
"""A restore puts back one side without the other, which a start on two databases refuses."""


class Apartly(Play):
    """A scenario over two databases: the one log is held to be what it has to be as well."""

    def __init__(self, scenario: Scenario, faults: Faults | None = None, do: Any = None, twice: bool = False) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage, "Memory", Apart)
            super().__init__(scenario, faults=faults)
        self.stage.parts.append(collector(do=do))
        if twice:
            self.stage.parts.append(collector("collector-2", do=do))
        self.remembers = False  # copies are made anew in each run, and so are no answers that are known already

    def end(self, run: Run, *, rests: bool = True) -> list[Broken]:
        """What the scenario is held to, that the log has each row once and in order, and a cause before its effect."""
        found = super().end(run, rests=rests)
        store = run.room.store
        assert isinstance(store, Apart)
        theirs = [r.id for r in store.records.rows]
        wanted = set(theirs)
        if rests and [r.id for r in store.rows if r.id in wanted] != theirs:
            found.append(Broken("collected", "the log has not each row of the records side once, in order"))
        return [*found, *late(store)]


def late(store: Apart) -> list[Broken]:
    """Rows of routing that stand before the row of what they rest on."""
    seen: dict[tuple[str, str], int] = {}
    found: list[Broken] = []
    for row in store.rows:
        own = all(side_of(c.type) == "routing" for c in row.changes)
        for b in row.basis if own else ():
            if side_of(b.type) == "records" and seen.get((b.type, b.id), 0) < b.rev:
                found.append(Broken("cause", f"row {row.position} rests on {b.type} rev {b.rev}, which comes later"))
        for c in row.changes:
            seen[c.type, c.id] = c.rev
    return found


def look(scenario: Scenario, runs: int, **more: Any) -> Report:
    """So many runs in the order of the search, and some at random."""
    report = explore.explore(Apartly(scenario, **more), Bounds(runs=runs))
    report.add(explore.walk(Apartly(scenario, **more), range(10), Bounds(), changes=3))
    return report


def scenario(name: str) -> Scenario:
    """A scenario that there is."""
    found = named(name)
    assert found is not None
    return found


@pytest.mark.parametrize("each", PLAYED, ids=lambda s: s.name)
def test_nothing_breaks(each: Scenario) -> None:
    report = look(each, 40)
    assert report.violations == {}, report.found
    assert report.runs > 10


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 7))
def test_a_collector_that_dies_at_any_call_loses_and_doubles_nothing(call: int, after: bool) -> None:
    faults = msgspec.structs.replace(scenario("crossing").faults, crash=(COLLECTOR, call, after))
    report = look(scenario("crossing"), 40, faults=faults)
    assert report.violations == {}, report.found


def test_two_collectors_at_once_take_each_row_in_once() -> None:
    report = look(scenario("crossing"), 80, twice=True)
    assert report.violations == {}, report.found


async def _position_first(records: Store, routing: Store) -> None:
    """The fault: the position is moved in a commit of its own, before the rows are there."""
    last = (await routing.load([collected_up_to(1).address]))[0]
    position = last.rev if last is not None else 0
    for row in await records.changes(position, 64):
        commit = await production._commit(routing, last, [row])  # type: ignore[arg-type]
        mine = commit.writes[-1:]
        assert commit.entry is not None
        moved = msgspec.structs.replace(commit.entry, id=f"{row.id}-", changes=())
        try:
            await routing.commit(Commit(entry=moved, writes=mine))
        except RevMoved:
            return
        await routing.commit(msgspec.structs.replace(commit, writes=commit.writes[:-1]))
        last = mine[0].after


def test_a_collector_that_moves_its_position_first_is_caught() -> None:
    found: set[str] = set()
    for call in range(1, 7):
        faults = Faults(crash=(COLLECTOR, call, True))
        found |= set(look(scenario("crossing"), 20, faults=faults, do=_position_first).violations)
    assert "collected" in found


def test_routing_that_does_not_wait_for_the_log_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Apart, "has", lambda *_: True)
    assert "cause" in look(scenario("crossing"), 200).violations
