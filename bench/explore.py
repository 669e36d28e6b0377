"""Complete runs a second of the explorer, beside the model's. One command: `python bench/explore.py [--json]`.

    model      ../shared/model/explore.py on its own cast of the incident, without the touch: 488 interleavings
    decisions  our explorer on the same cast, with production's intend, merge and resolve in it: the same 488
    services   our explorer on scenario `incident`, without the touch: the whole stack of production's services
    anew       the same, and no task remembers what it did in former runs

No reduction anywhere: what is counted is complete runs, each executed to its end and judged. The runs take turns; each
figure is the median of the rounds, in processor time. Trust the ratios; absolute figures are the machine's. Where the
model is not to be found, it is left out by name.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from interlock.domain import assignment as unit
from interlock.domain.assignment import Actor, Assigned, Done, Nothing, Origin, Queued, State
from interlock.domain.record import Ref
from interlock.simulation import explore
from interlock.simulation.explore import Bounds
from interlock.simulation.play import Play
from interlock.simulation.scenarios import named
from interlock.simulation.scheduler import Choice
from interlock.simulation.verdicts import Broken
from interlock.simulation.world import Step

MODEL = Path(__file__).resolve().parents[2] / "shared" / "model"
CLASSES = {0: "system", 1: "rule", 2: "workflow", 3: "person"}
SITES = {"A": ("conversation", Ref("conversation", "a")), "B": ("routing", Ref("work_item", "b"))}
START = State((), ())


def with_our_decisions(race: ModuleType) -> None:
    """Production's decision functions in place of the model's, behind the names that the model's cast calls."""
    values: dict[str, Callable[..., Any]] = {
        "none": Nothing, "queued": Queued, "assigned": Assigned, "done": Done,
    }  # fmt: skip

    def intent(state: Any, site: str, value: tuple[Any, ...], prio: int, tag: str, basis: Any) -> Any:
        where, record = SITES[site]
        actor = Actor(CLASSES[prio], tag, tag)  # type: ignore[arg-type]
        origin = Origin(where, 1, actor, record, 1, 0)  # type: ignore[arg-type]
        made = unit.intend(State(*state), origin, values[value[0]](*value[1:]), basis)
        return made.slots, made.ctx

    def merge(mine: Any, theirs: Any) -> Any:
        met = unit.merge(State(*mine), State(*theirs))
        return met.slots, met.ctx

    def resolve(slots: Any) -> Any:
        outcome = unit.resolve(State(slots, ()), unit.NOTHING)
        return outcome.value, outcome.winner, outcome.losers

    def project(value: Any) -> dict[str, Any]:
        word, users, queue, _ = unit.shape(value)
        return {"status": word, "users": users, "queue": queue}

    vars(race).update(intent=intent, merge=merge, resolve=resolve, project=project, NONE=unit.NOTHING)


class Cast:
    """The model's actors as our explorer takes them: each of its operations a step."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.at: dict[str, Step] = {}
        self._coroutines = dict(world.tasks)
        for name in list(self._coroutines):
            self._on(name, None)

    def options(self) -> list[Choice]:
        """Every actor that can go on."""
        able = [(n, s) for n, s in self.at.items() if s.ready is None or s.ready()]
        return [Choice(n, k) for n, s in able for k in range(s.choices() if s.choices else 1)]

    def take(self, choice: Choice) -> None:
        """One operation."""
        step = self.at.pop(choice.task)
        self._on(choice.task, step.do(choice.outcome))

    def close(self) -> None:
        """Nobody goes on."""
        for coroutine in self._coroutines.values():
            coroutine.close()

    def _on(self, name: str, answer: Any) -> None:
        try:
            op = self._coroutines[name].send(answer)
        except StopIteration:
            return
        do = op.fn if op.alts is not None else lambda _: op.fn()
        self.at[name] = Step(op.label, do, ready=op.on, choices=op.alts)


class Scene:
    """The cast, made anew for each run, and judged by the model's own oracle."""

    def __init__(self, race: ModuleType) -> None:
        self._race = race

    def begin(self) -> Cast:
        """A new run. The start is production's empty state."""
        world = self._race.World("ours", touch=False)
        world.A.f["unit"] = (START.slots, START.ctx)
        return Cast(world)

    def end(self, run: Cast) -> list[Broken]:
        """What the model says of it."""
        return [Broken(name, "") for name in run.world.check_end() or ()]

    def learnt(self) -> bool:
        """Nothing."""
        return False


def timed(work: Callable[[], tuple[int, int]]) -> tuple[float, float]:
    """Runs a second of processor time, and steps a run."""
    began = time.process_time()
    runs, steps = work()
    return runs / (time.process_time() - began), steps / runs


def of_the_model(race: ModuleType, model: ModuleType) -> tuple[int, int]:
    """Every interleaving of the model's cast by the model."""
    told = model.explore_all(lambda: race.World("ours", touch=False))
    assert not told["bad"], told["kinds"]
    return told["runs"], told["steps"]


def of_decisions(race: ModuleType) -> tuple[int, int]:
    """The same by our explorer, with production's decisions."""
    report = explore.explore(Scene(race), reduce=False)
    assert report.complete
    assert not report.violations, report.violations
    return report.runs, report.steps


def of_services(runs: int, *, remembers: bool) -> tuple[int, int]:
    """So many interleavings of the scenario; which places are shared is learnt before the clock starts."""
    scenario = named("incident")
    assert scenario is not None
    play = Play(scenario, absent=("touch",))
    play.remembers = remembers
    report = explore.explore(play, Bounds(runs=runs), reduce=False)
    assert not report.violations, report.violations
    return report.runs, report.steps


def load() -> tuple[ModuleType, ModuleType, ModuleType] | None:
    """The model's race and explorer, and its race once more to put production's decisions into; `None` without them."""
    if not (MODEL / "explore.py").exists():
        return None
    sys.path.insert(0, str(MODEL))
    sys.modules.pop("explore", None)
    model, race = importlib.import_module("explore"), importlib.import_module("race")
    del sys.modules["race"]
    ours = importlib.import_module("race")
    sys.path.remove(str(MODEL))
    with_our_decisions(ours)
    return race, model, ours


def main() -> None:
    """Take turns, print the medians and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3000, help="runs of the services in each round")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = load()
    todo: dict[str, Callable[[], tuple[int, int]]] = {
        "services": lambda: of_services(given.runs, remembers=True),
        "anew": lambda: of_services(max(100, given.runs // 10), remembers=False),
    }
    if found is not None:
        race, model, ours = found
        both = {"model": lambda: of_the_model(race, model), "decisions": lambda: of_decisions(ours)}
        todo = both | todo
    rounds = [{name: timed(work) for name, work in todo.items()} for _ in range(given.rounds)]
    told: dict[str, dict[str, float]] = {}
    for name in todo:
        speeds, steps = [r[name][0] for r in rounds], rounds[0][name][1]
        told[name] = {"runs_per_s": round(statistics.median(speeds)), "steps": round(steps, 1)}
    if found is not None:
        for name in todo:
            told[name]["ratio"] = round(statistics.median(r[name][0] / r["model"][0] for r in rounds), 2)
    if given.json:
        print(json.dumps(told))
        return
    for name, figures in told.items():
        print(f"{name:<10} {figures['runs_per_s']:>7,} runs/s  {figures['steps']:>5} steps a run"
              + (f"  {figures['ratio']:.2f} of the model" if "ratio" in figures else ""))  # fmt: skip
    if found is None:
        print("model      left out: there is no ../shared/model here")


if __name__ == "__main__":
    main()
