"""The proof: every scenario explored within a budget, every mutant caught, and what came of it as one document."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from interlock.simulation import core, counterexample
from interlock.simulation.counterexample import Counterexample
from interlock.simulation.explore import Bounds, Report
from interlock.simulation.mutants import MUTANTS
from interlock.simulation.play import OURS, Policy, Scenario, draw, search
from interlock.simulation.scenarios import SCENARIOS, named

CORE = "core"
"""The name under which the state space of the core is counted among the scenarios."""
CORE_WORDS = core.__doc__ or ""
CATCH_S = 30.0
"""How long a mutant may take to be caught before it counts as missed, if no budget says otherwise."""


class Proven(msgspec.Struct, frozen=True):
    """What one scenario came to.

    runs, states, pruned as in `explore.Report`; of the core `runs` are transitions. `violations`: runs that broke
    something; `broken`: how many broke what. `drawn`: random runs, from `seed` on, beside the exhaustive search.
    """

    name: str
    complete: bool
    runs: int
    states: int
    pruned: int
    violations: int
    seconds: float
    steps: int = 0
    drawn: int = 0
    broken: dict[str, int] = {}
    counterexamples: dict[str, Counterexample] = {}


class Caught(msgspec.Struct, frozen=True):
    """What became of one mutant: the invariant that caught it (empty: nothing did), after how many runs, and how."""

    name: str
    caught_by: str
    runs_to_catch: int
    counterexample: Counterexample | None
    words: str = ""
    scenario: str = ""
    seconds: float = 0.0


class Proof(msgspec.Struct):
    """The whole document. `policy` is the version of the table by which concurrent intents are ranked."""

    scenarios: list[Proven] = []
    mutants: list[Caught] = []
    seed: int = 0
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Nothing broke, and no mutant got away."""
        return not any(s.violations for s in self.scenarios) and all(m.caught_by for m in self.mutants)


Told = Callable[[Proven | Caught], None]


def scenarios_of(name: str = "") -> tuple[Scenario, ...]:
    """All of them, or the one of this name. Raises `KeyError` if there is none."""
    if not name:
        return SCENARIOS
    found = named(name)
    if found is None:
        raise KeyError(name)
    return (found,)


def prove(
    scenario: str = "", *, budget_s: float | None = 60.0, random: int = 0, seed: int = 0, mutants: bool = False,
    told: Told = lambda _: None,
) -> Proof:  # fmt: skip
    """Explore within the budget (seconds of wall clock, for the scenarios; `None`: to the end), then hunt the mutants.

    What one scenario does not use, the next ones have; the small ones come first. Raises `KeyError` for a name that
    does not exist.
    """
    began = time.perf_counter()
    proof = Proof(seed=seed)
    chosen: Sequence[Scenario] = () if scenario == CORE else scenarios_of(scenario)
    if scenario in ("", CORE):
        _add(proof.scenarios, _core(2 if budget_s is not None and budget_s < 600 else 3), told)
    ordered = sorted(chosen, key=lambda s: (not s.small, bool(s.crashes), s.name == "incident"))
    for n, each in enumerate(ordered):
        left = None if budget_s is None else max(0.2, (began + budget_s - time.perf_counter()) / (len(ordered) - n))
        _add(proof.scenarios, _scenario(each, left, random, seed), told)
    for each in MUTANTS if mutants else ():
        if not scenario or each.scenario == scenario:
            _add(proof.mutants, hunt(each), told)
    proof.seconds = round(time.perf_counter() - began, 3)
    return proof


def _add(to: list[Any], what: Proven | Caught, told: Told) -> None:
    to.append(what)
    told(what)


def _core(intents: int) -> Proven:
    """So many intents a side; and a side put back to a backup, with two kinds of intent (in the long search: three)."""
    both = core.search(intents), core.search(2, restore=True, wishes=intents)
    broken = {name: sum(s.broken.get(name, 0) for s in both) for s in both for name in s.broken}
    return Proven(
        CORE, all(s.complete for s in both), sum(s.transitions for s in both), sum(s.states for s in both), 0,
        sum(broken.values()), round(sum(s.seconds for s in both), 3), broken=broken,
    )  # fmt: skip


def _scenario(scenario: Scenario, seconds: float | None, random: int, seed: int) -> Proven:
    report = search(scenario, OURS, Bounds(seconds=seconds))
    complete, drawn = report.complete, Report()
    if random:
        drawn = draw(scenario, range(seed, seed + random))
        report.add(drawn)
    files = {name: counterexample.of(scenario, OURS, f, name) for name, f in report.found.items()}
    return Proven(
        scenario.name, complete, report.runs - drawn.runs, report.states, report.pruned,
        max(report.violations.values(), default=0), round(report.seconds, 3), report.steps, drawn.runs,
        report.violations, files,
    )  # fmt: skip


def hunt(mutant: Policy, *, seconds: float = CATCH_S) -> Caught:
    """Play a mutant until one of its invariants breaks, and shorten the run that broke it."""
    scenario = scenarios_of(mutant.scenario)[0]
    report = search(scenario, mutant, Bounds(seconds=seconds, stop_at=mutant.caught_by))
    name = next((n for n in sorted(mutant.caught_by) if n in report.found), "")
    if not name:
        return Caught(mutant.name, "", report.runs, None, mutant.words, scenario.name, round(report.seconds, 3))
    file = counterexample.of(scenario, mutant, report.found[name], name)
    runs = report.first[name]
    return Caught(mutant.name, name, runs, file, mutant.words, scenario.name, round(report.seconds, 3))


def files(proof: Proof) -> Iterator[tuple[str, Counterexample]]:
    """Every counterexample with the name of its file."""
    for s in proof.scenarios:
        for name, example in s.counterexamples.items():
            yield f"{s.name}-{name}.json", example
    for m in proof.mutants:
        if m.counterexample is not None:
            yield f"{m.name}.json", m.counterexample
