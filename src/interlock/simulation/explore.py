"""All interleavings of a scene, up to the order of steps that commute; or many of them, drawn by a seed.

Stateless: a run cannot be copied, so each begins anew and repeats the choices of the one before up to where it differs.
The reduction is source-set dynamic partial-order reduction with sleep sets (Abdulla, Aronis, Jonsson, Sagonas 2014):
two runs that differ only in the order of independent steps count as one, and of each such class one run is executed.
What was begun and turned out to be a repetition of another class is counted as pruned. A bound cuts the search and says
so: `complete` is then false.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol

import msgspec

from interlock.simulation.scheduler import Choice
from interlock.simulation.verdicts import Broken
from interlock.simulation.world import Step


class Execution(Protocol):
    """What the explorer needs of a run."""

    at: dict[str, Step]

    def options(self) -> list[Choice]:
        """The choices there are now."""
        ...

    def take(self, choice: Choice) -> None:
        """Perform one."""
        ...

    def close(self) -> None:
        """No more steps."""
        ...


class Scene(Protocol):
    """What is explored: how a run begins, and what its end is held to."""

    def begin(self) -> Execution:
        """A new run, every task at its first step."""
        ...

    def end(self, run: Any) -> list[Broken]:
        """What does not hold, once no task can go on."""
        ...

    def learnt(self) -> bool:
        """Whether the last run taught something that changes which steps are worth a choice; then all begins anew."""
        ...


class Found(msgspec.Struct):
    """A run that broke something: the choices that lead there, what broke, under which crash, and what was shared."""

    schedule: list[Choice]
    broken: list[Broken]
    crash: tuple[str, int, bool] | None = None
    shared: list[list[str]] = []


class Report(msgspec.Struct):
    """What a search came to.

    runs      complete runs, each executed to its end and judged    steps   choices taken in them
    pruned    runs that were broken off: repetitions of others      states  nodes of the tree of choices
    complete  every class of runs was visited                       seconds of wall clock
    """

    runs: int = 0
    steps: int = 0
    pruned: int = 0
    states: int = 0
    complete: bool = True
    seconds: float = 0.0
    violations: dict[str, int] = {}
    found: dict[str, Found] = {}
    first: dict[str, int] = {}

    def record(self, schedule: Sequence[Choice], broken: Sequence[Broken]) -> None:
        """One run's end. Of each thing that broke, the shortest way there is kept."""
        self.runs += 1
        for name in {b.name for b in broken}:
            self.violations[name] = self.violations.get(name, 0) + 1
            self.first.setdefault(name, self.runs)
            known = self.found.get(name)
            if known is None or _length(schedule) < _length(known.schedule):
                self.found[name] = Found(list(schedule), list(broken))

    def add(self, other: Report) -> None:
        """Another search of the same scenario, with other crash points or faults."""
        before = self.runs
        for field in ("runs", "steps", "pruned", "states", "seconds"):
            setattr(self, field, getattr(self, field) + getattr(other, field))
        self.complete = self.complete and other.complete
        for name, n in other.violations.items():
            self.violations[name] = self.violations.get(name, 0) + n
            self.first.setdefault(name, before + other.first.get(name, other.runs))
            self.found.setdefault(name, other.found[name])


def _length(schedule: Sequence[Choice]) -> tuple[int, int]:
    return len(schedule), sum(a.task != b.task for a, b in pairwise(schedule))


class Bounds(msgspec.Struct, frozen=True):
    """Where a search is cut: wall-clock seconds, complete runs, and as soon as one of these things has broken."""

    seconds: float | None = None
    runs: int | None = None
    stop_at: frozenset[str] = frozenset()


UNBOUNDED = Bounds()


class _Node:
    """One choice point of the present path."""

    __slots__ = (
        "adds",
        "chosen",
        "done",
        "enabled",
        "left",
        "outcomes",
        "reads",
        "sleep",
        "todo",
        "upstream",
        "writes",
    )

    def __init__(self, options: Sequence[Choice], sleep: dict[str, Step]) -> None:
        self.enabled: dict[str, int] = {}
        for task, outcome in options:
            self.enabled[task] = outcome + 1
        self.sleep = sleep
        self.done: dict[str, Step] = {}
        self.todo: set[str] = set()
        self.chosen = ""
        self.outcomes = self.left = 0
        self.reads = self.writes = self.adds = self.upstream = 0


def dependent(a: Any, b: Any) -> bool:
    """Whether the order of two steps can matter: one writes what the other touches; but two additions commute."""
    return bool(
        a.writes & (b.reads | b.writes | b.adds)
        or b.writes & (a.reads | a.adds)
        or a.reads & b.adds
        or b.reads & a.adds
    )


def explore(scene: Scene, bounds: Bounds = UNBOUNDED, *, reduce: bool = True) -> Report:
    """Every class of runs (`reduce=False`: every single run), depth first. Begins anew when a run taught something."""
    began = time.perf_counter()
    while True:
        search = _Search(scene, reduce)
        if not search.all(began, bounds):
            continue
        search.report.seconds = time.perf_counter() - began
        return search.report


class _Search:
    """One depth-first search. The path is a stack of nodes; a run goes down it and beyond."""

    def __init__(self, scene: Scene, reduce: bool) -> None:
        self.scene, self.reduce = scene, reduce
        self.path: list[_Node] = []
        self.report = Report()

    def all(self, began: float, bounds: Bounds) -> bool:
        """False if what was learnt makes the search so far worthless."""
        report = self.report
        while True:
            run = self.scene.begin()
            ended = self._down(run)
            if ended:
                schedule = [Choice(n.chosen, n.outcomes - n.left - 1) for n in self.path]
                report.record(schedule, self.scene.end(run))
                report.steps += len(self.path)
            else:
                report.pruned += 1
            run.close()
            if self.scene.learnt():
                return False
            self._up()
            if not self.path:
                return True
            if _cut(report, began, bounds):
                report.complete = False
                return True

    def _down(self, run: Execution) -> bool:
        """Repeat the path, then go on to the end. False if all that is left to do was done elsewhere."""
        path = self.path
        step: Any = None
        for node in path:
            step = run.at[node.chosen]
            node.reads, node.writes, node.adds = step.reads, step.writes, step.adds
            run.take(Choice(node.chosen, node.outcomes - node.left - 1))
        if path and self.reduce:
            path[-1].done[path[-1].chosen] = step
            self._order(len(path) - 1)
        while True:
            options = run.options()
            if path and self.reduce:
                self._disabled(path[-1], options)
            if not options:
                return True
            sleep = self._asleep(run) if self.reduce and path else {}
            node = _Node(options, sleep)
            awake = [t for t in node.enabled if t not in sleep]
            if not awake:
                return False
            self.report.states += 1
            last = path[-1].chosen if path else ""
            first = last if last in awake else awake[0]
            node.todo = {first} if self.reduce else set(awake)
            path.append(node)
            self._choose(node, first)
            step = run.at[first]
            node.reads, node.writes, node.adds = step.reads, step.writes, step.adds
            run.take(Choice(first, 0))
            if self.reduce:
                node.done[first] = step
                self._order(len(path) - 1)

    def _asleep(self, run: Execution) -> dict[str, Step]:
        """Tasks whose next step was tried at the node before and commutes with what was chosen there."""
        before = self.path[-1]
        out = {t: s for t, s in before.sleep.items() if t != before.chosen and not dependent(s, before)}
        tried = before.done.items()
        return out | {t: s for t, s in tried if t != before.chosen and not dependent(s, before)}

    @staticmethod
    def _choose(node: _Node, task: str) -> None:
        node.chosen = task
        node.outcomes = node.enabled[task]
        node.left = node.outcomes - 1

    def _up(self) -> None:
        """The next choice of the deepest node that has one left."""
        path = self.path
        while path:
            node = path[-1]
            if node.left:
                node.left -= 1
                return
            node.todo.discard(node.chosen)
            left = [t for t in node.enabled if t in node.todo and t not in node.sleep and t not in node.done]
            if not self.reduce:
                left = [t for t in node.enabled if t in node.todo]
            if left:
                self._choose(node, left[0])
                return
            path.pop()

    @staticmethod
    def _disabled(node: _Node, options: Sequence[Choice]) -> None:
        """Whom the step just taken keeps from going on: their step may never come again, so it is tried before, too."""
        able = {o.task for o in options}
        for task in node.enabled:
            if task not in able and task != node.chosen and task not in node.sleep and task not in node.done:
                node.todo.add(task)

    def _order(self, last: int) -> None:
        """Which earlier steps the newest one rests on; for each it races with, the other order is put on the list."""
        path, new = self.path, self.path[last]
        upstream = 0
        races: list[int] = []
        for i in range(last - 1, -1, -1):
            if upstream >> i & 1:
                continue
            old = path[i]
            if old.chosen == new.chosen:
                upstream |= old.upstream | 1 << i
            elif dependent(old, new):
                races.append(i)
                upstream |= old.upstream | 1 << i
        new.upstream = upstream
        for i in races:
            self._reverse(i, last)

    def _reverse(self, i: int, last: int) -> None:
        """The step at `last` could come before the one at `i`: somebody has to begin that at node `i`."""
        path = self.path
        after = [k for k in range(i + 1, last) if not path[k].upstream >> i & 1] + [last]
        seen = 0
        initials: list[str] = []
        for k in after:
            if not path[k].upstream & seen:
                initials.append(path[k].chosen)
            seen |= 1 << k
        node = path[i]
        if any(t in node.todo or t in node.done or t in node.sleep for t in initials):
            return
        able = [t for t in initials if t in node.enabled]
        if able:
            node.todo.add(able[0])


def _cut(report: Report, began: float, bounds: Bounds) -> bool:
    if bounds.runs is not None and report.runs >= bounds.runs:
        return True
    if bounds.stop_at and not bounds.stop_at.isdisjoint(report.violations):
        return True
    return bounds.seconds is not None and time.perf_counter() - began > bounds.seconds


def walk(scene: Scene, seeds: Sequence[int], bounds: Bounds = UNBOUNDED, *, changes: int = 0) -> Report:
    """Runs drawn at random, one for each seed. `changes` (PCT): so often a run lets another task go first; 0: any goes.

    A random search is never complete.
    """
    report = Report(complete=False)
    began = time.perf_counter()
    for seed in seeds:
        chance = random.Random(seed)
        run = scene.begin()
        pick = _by_rank(chance, changes) if changes else chance.choice
        schedule: list[Choice] = []
        while options := run.options():
            choice = pick(options)
            schedule.append(choice)
            run.take(choice)
        report.states += len(schedule)
        report.steps += len(schedule)
        report.record(schedule, scene.end(run))
        run.close()
        scene.learnt()
        if _cut(report, began, bounds):
            break
    report.seconds = time.perf_counter() - began
    return report


def _by_rank(chance: random.Random, changes: int) -> Callable[[list[Choice]], Choice]:
    """By rank: the highest task that can go on does; at a few random points the highest becomes the lowest."""
    ranks: dict[str, float] = {}
    points = {chance.randrange(1, 60) for _ in range(changes)}
    taken = 0

    def pick(options: list[Choice]) -> Choice:
        nonlocal taken
        taken += 1
        for option in options:
            ranks.setdefault(option.task, chance.random())
        best = max({o.task for o in options}, key=lambda t: ranks[t])
        if taken in points:
            ranks[best] = -chance.random()
        return chance.choice([o for o in options if o.task == best])

    return pick


def follow(scene: Scene, wanted: Sequence[Choice], *, goes_on: bool = True) -> tuple[Any, list[Choice]]:
    """Take these choices where they can be taken, then go on in the order of the tasks. The run, and what was taken."""
    run = scene.begin()
    taken: list[Choice] = []
    for choice in wanted:
        if choice in run.options():
            run.take(choice)
            taken.append(choice)
    while goes_on and (options := run.options()):
        run.take(options[0])
        taken.append(options[0])
    return run, taken


Try = Callable[[Sequence[Choice]], list[Choice] | None]


def shrink(schedule: list[Choice], still: Try, *, tries: int = 400) -> list[Choice]:
    """A shorter schedule: choices are left out, many at once and then one by one, for as long as it `still` breaks.

    `still` plays a schedule and answers with what was taken of it, or `None` if nothing breaks any more.
    """
    best, size = schedule, max(1, len(schedule) // 2)
    while size and tries > 0:
        shorter = None
        for start in range(len(best) - size, -1, -1):
            tries -= 1
            taken = still([*best[:start], *best[start + size :]])
            if taken is not None and _length(taken) < _length(best):
                shorter = taken
                break
            if tries <= 0:
                break
        if shorter is None:
            size //= 2
        else:
            best, size = shorter, min(size, max(1, len(shorter) // 2))
    return best
