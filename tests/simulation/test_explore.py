"""The explorer against what can be counted: every schedule without reduction, every outcome with it."""

from __future__ import annotations

from itertools import product
from math import factorial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulation.toys import Game, Task, Toy

from interlock.simulation.explore import Bounds, explore, shrink, walk
from interlock.simulation.scheduler import Choice


def writes(*cells: str) -> Task:
    """A task that writes its own name into cells."""

    async def task(toy: Toy) -> None:
        for cell in cells:
            await toy.write(cell, cells)

    return task


async def increment(toy: Toy) -> None:
    """Read, then write one more: the classic race."""
    await toy.write("n", await toy.read("n") + 1)


def test_without_reduction_every_schedule_is_run() -> None:
    report = explore(Game(a=writes("x", "y"), b=writes("x", "y"), c=writes("z")), reduce=False)
    assert report.runs == factorial(5) // (2 * 2)
    assert report.complete
    assert report.pruned == 0


def test_independent_tasks_are_one_class() -> None:
    report = explore(Game(a=writes("x", "x", "x"), b=writes("y", "y"), c=writes("z", "z")))
    assert (report.runs, report.pruned, report.complete) == (1, 0, True)


def test_every_order_of_conflicting_writes_is_one_class() -> None:
    report = explore(Game(a=writes("x"), b=writes("x"), c=writes("x")))
    assert report.runs == factorial(3)


def test_additions_to_one_list_commute_and_reading_it_does_not() -> None:
    async def add(toy: Toy) -> None:
        await toy.add("x", 1)

    async def look(toy: Toy) -> None:
        await toy.write("seen", await toy.read("x"))

    assert explore(Game(a=add, b=add, c=add)).runs == 1
    game = Game(a=add, b=add, look=look)
    assert explore(game).runs == 4, "before both, after either, after both"
    assert {dict(e)["seen"] for e in game.ends} == {0, 1, 2}


def test_the_lost_increment_is_found_and_shrunk() -> None:
    game = Game(lambda toy: ["lost"] if toy.cells["n"] < 3 else [], a=increment, b=increment, c=increment)
    report = explore(game)
    found = report.found["lost"]

    def still(wanted: Any) -> list[Choice] | None:
        run = game.begin()
        for choice in wanted:
            if choice not in run.options():
                return None
            run.take(choice)
        return list(wanted) if not run.options() and run.cells["n"] < 3 else None

    assert report.complete
    assert len(shrink(found.schedule, still)) == 6, "every task has to end"


def test_a_step_that_takes_away_what_another_waits_for_is_tried_after_it_too() -> None:
    async def grab(toy: Toy) -> None:
        await toy.wait("gift", 0)
        await toy.write("gift", 1)
        await toy.write("got", "grab")

    async def take(toy: Toy) -> None:
        await toy.wait("gift", 0)
        await toy.write("mine", 1)

    game = Game(grab=grab, take=take)
    explore(game)
    assert {"mine" in dict(e) for e in game.ends} == {True, False}


def test_every_outcome_of_a_toss_is_run() -> None:
    async def toss(toy: Toy) -> None:
        await toy.toss("coin", 3)

    game = Game(a=toss)
    assert explore(game).runs == 3
    assert {dict(e)["coin"] for e in game.ends} == {0, 1, 2}


def test_a_cut_search_says_so() -> None:
    assert not explore(Game(a=writes("x"), b=writes("x"), c=writes("x")), Bounds(runs=2)).complete


def test_a_random_search_is_repeatable_and_never_complete() -> None:
    ends = []
    for _ in range(2):
        game = Game(a=increment, b=increment)
        report = walk(game, range(20))
        ends.append((report.runs, report.steps, game.ends))
        assert not report.complete
    assert ends[0] == ends[1]
    assert len(ends[0][2]) == 2, "both outcomes in twenty seeds"


CELLS = "xyz"
OPERATIONS = [f"{kind}{cell}" for kind, cell in product("rwa", CELLS)]


def program(operations: tuple[str, ...], me: int) -> Task:
    """A task from a list of operations; what it reads decides what it writes."""

    async def task(toy: Toy) -> None:
        seen = me
        for kind, cell in operations:
            if kind == "r":
                seen = seen * 7 + int(await toy.read(cell))
            elif kind == "w":
                await toy.write(cell, seen)
            else:
                await toy.add(cell, me)
        await toy.write(f"seen{me}", seen)

    return task


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=2).map(tuple), min_size=2, max_size=3))
def test_the_reduction_loses_no_outcome(programs: list[tuple[str, ...]]) -> None:
    """On random programs: the ends that the reduced search sees are exactly those of all schedules."""
    tasks: dict[str, Any] = {f"t{n}": program(p, n + 1) for n, p in enumerate(programs)}
    every, reduced = Game(**tasks), Game(**tasks)
    all_of_them, some = explore(every, reduce=False), explore(reduced)
    assert reduced.ends == every.ends
    assert some.runs <= all_of_them.runs


@pytest.mark.parametrize("changes", [0, 2])
def test_random_walks_end_where_schedules_end(changes: int) -> None:
    every, drawn = Game(a=increment, b=increment), Game(a=increment, b=increment)
    explore(every, reduce=False)
    walk(drawn, range(50), changes=changes)
    assert drawn.ends <= every.ends
