"""A scenario, ready to be explored: its stage, its faults, and the policy under which it is played."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from interlock.ports import Commit
from interlock.simulation import explore
from interlock.simulation.explore import UNBOUNDED, Bounds, Report
from interlock.simulation.faults import Faults
from interlock.simulation.scheduler import Contact, Mind, Run
from interlock.simulation.stage import TABLE, Stage
from interlock.simulation.verdicts import Broken, Judge
from interlock.simulation.world import Memory, Room


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One of the interleavings that every build explores: who does what, in words, and how it is set up.

    crashes  tasks that are also let die, once, at each of their calls    heals   the sweep runs at the end
    whole    the log is complete (a restored side has forgotten rows)     rules   the queue rules are among the parts
    small    it is small enough to be explored to its end                 faults  what may go wrong in each run
    excused  invariants that what happens here breaks by its nature; the scenario's words say why
    """

    name: str
    words: str
    build: Callable[[], Stage]
    faults: Faults = Faults()
    crashes: tuple[str, ...] = ()
    heals: bool = False
    whole: bool = True
    rules: bool = False
    small: bool = True
    excused: frozenset[str] = frozenset()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What takes the place of production's own code while a scenario is played: a known-bad variant, or nothing.

    swaps  (module or class, name, value) put there for the time     replaced  (reaction, function) in the table
    guard  stands at the store's commit                              batch     in place of `relay.run_once`
    echo   the replaced reaction hears its own copies, too           by_hand   no outbox: who commits also publishes
    """

    name: str = ""
    words: str = ""
    scenario: str = ""
    caught_by: frozenset[str] = frozenset()
    swaps: tuple[tuple[Any, str, Any], ...] = ()
    replaced: tuple[tuple[Any, Any], ...] = ()
    guard: Callable[[Commit, Memory], Commit] | None = None
    batch: Any = None
    by_hand: bool = False
    each: bool = True
    echo: bool = False
    crashes: tuple[str, ...] | None = None
    heals: bool | None = None


OURS = Policy()


@contextmanager
def in_force(policy: Policy) -> Iterator[None]:
    """The policy's variants in place of production's functions, and everything as it was afterwards."""
    kept = [(owner, name, owner.__dict__[name]) for owner, name, _ in policy.swaps]
    for owner, name, value in policy.swaps:
        setattr(owner, name, value)
    try:
        with _table(policy):
            yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)


@contextmanager
def _table(policy: Policy) -> Iterator[None]:
    """Its reactions alone: the stage is set up by production's functions, and knows already who will listen to what."""
    for do, by in policy.replaced:
        TABLE.replace(do, by, each=policy.each, echo=policy.echo)
    if policy.batch is not None:
        TABLE.batch = policy.batch
    try:
        yield
    finally:
        TABLE.restore()


class Play:
    """One scenario under one policy and one set of faults, as the explorer takes it.

    To be made before the policy is `in_force`, and explored while it is. `absent`: parts that are left out.
    """

    def __init__(
        self, scenario: Scenario, policy: Policy = OURS, faults: Faults | None = None, *, absent: Sequence[str] = ()
    ) -> None:
        self.scenario, self.policy = scenario, policy
        self.faults = scenario.faults if faults is None else faults
        with _table(policy):
            self.stage = scenario.build()
        self.stage.parts = [p for p in self.stage.parts if p.name not in absent]
        self.contact = Contact()
        self.room = Room(
            self.contact.places,
            self.stage.store,
            self.stage.clock,
            self.stage.channels,
            self.faults,
            by_hand=policy.by_hand,
        )
        self.minds: dict[tuple[str, int], Mind] = {}
        self.remembers = True
        self.judge = Judge(self.stage, whole=scenario.whole, places_items=scenario.rules, excused=scenario.excused)
        self.heals = scenario.heals if policy.heals is None else policy.heals

    def begin(self) -> Run:
        """A new run."""
        if not self.remembers:
            self.forget()
        self.stage.store.guard = self.policy.guard
        return Run(self.stage, self.room, self.contact, self.minds, remembers=self.remembers)

    def forget(self) -> None:
        """Let go of what the tasks did in former runs."""
        for mind in self.minds.values():
            mind.close()
        self.minds.clear()

    def end(self, run: Run, *, rests: bool = True) -> list[Broken]:
        """What does not hold, once everything has come to rest; or, if it does not rest, what is broken already."""
        if self.heals and rests:
            run.heal()
        return self.judge.verdict(run, rests=rests)

    def learnt(self) -> bool:
        """Whether more is shared than was known."""
        return self.contact.learn()


def crash_points(scenario: Scenario, policy: Policy = OURS) -> list[Faults]:
    """The scenario without a crash, and with one before and after each call of each task that may die."""
    out = [scenario.faults]
    tasks = scenario.crashes if policy.crashes is None else policy.crashes
    if tasks:
        play = Play(scenario, policy)
        with in_force(policy):
            run, _ = explore.follow(play, ())
        out += [
            msgspec.structs.replace(scenario.faults, crash=(task, n, after))
            for task in tasks
            for n in range(1, run.calls.get(task, 0) + 1)
            for after in (False, True)
        ]
        run.close()
    return out


def search(scenario: Scenario, policy: Policy = OURS, bounds: Bounds = UNBOUNDED) -> Report:
    """Every interleaving, for every crash point; cut by the bounds, which are shared among the crash points."""
    total = Report()
    points = crash_points(scenario, policy)
    for n, faults in enumerate(points):
        left = None if bounds.seconds is None else max(0.0, bounds.seconds - total.seconds) / (len(points) - n)
        play = Play(scenario, policy, faults)
        with in_force(policy), _quiet():
            report = explore.explore(play, msgspec.structs.replace(bounds, seconds=left))
        _add(total, report, play)
        if bounds.stop_at and not bounds.stop_at.isdisjoint(total.violations):
            break
    return total


def draw(scenario: Scenario, seeds: Sequence[int], bounds: Bounds = UNBOUNDED) -> Report:
    """One random run for each seed: of even ones any task goes next, of odd ones by ranks that change three times."""
    total = Report()
    for changes in (0, 3):
        mine = [s for s in seeds if (s % 2 == 1) == bool(changes)]
        play = Play(scenario)
        with _quiet():
            report = explore.walk(play, mine, bounds, changes=changes)
        _add(total, report, play)
    return total


def _add(total: Report, report: Report, play: Play) -> None:
    for found in report.found.values():
        found.crash, found.shared = play.faults.crash, play.contact.names()
    total.add(report)
    play.forget()


@contextmanager
def _quiet() -> Iterator[None]:
    """What tasks have thought is kept for long; the collector need not look through it again and again."""
    kept = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*kept)
