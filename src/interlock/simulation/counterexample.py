"""A counterexample: a file with everything that is needed to see the same run again, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from interlock.domain.conversation import Conversation
from interlock.domain.log import Row
from interlock.domain.work_item import WorkItem
from interlock.simulation import explore
from interlock.simulation.explore import Found
from interlock.simulation.mutants import mutant
from interlock.simulation.play import OURS, Play, Policy, Scenario, in_force
from interlock.simulation.scenarios import named
from interlock.simulation.scheduler import Choice, Run
from interlock.simulation.world import Memory

FORMAT = "interlock.counterexample/1"


class Counterexample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that breaks something.

    policy    the mutant it was played under; empty: production's own code
    schedule  [task, outcome of its step] in order       shared  the places whose steps are choices
    crash     [task, n-th call, after it], if one dies   broken  [invariant, words]
    absent    parts of the scenario that it needs not    cut     it is broken after its last step, whatever comes later
    """

    format: Literal["interlock.counterexample/1"] = FORMAT
    scenario: str
    policy: str = ""
    crash: tuple[str, int, bool] | None = None
    absent: list[str] = []
    cut: bool = False
    shared: list[list[str]] = []
    schedule: list[tuple[str, int]] = []
    broken: list[tuple[str, str]] = []
    steps: list[str] = []


class Shown(msgspec.Struct, frozen=True):
    """One step of a run and what the records show after it."""

    n: int
    text: str
    records: list[str]


class Replayed(msgspec.Struct, frozen=True):
    """A run that was played again: its steps, the whole log it left, and what broke in it."""

    steps: list[Shown]
    rows: list[Row]
    broken: list[tuple[str, str]]


def of(scenario: Scenario, policy: Policy, found: Found, name: str, *, tries: int = 400) -> Counterexample:
    """The file of a run that was found, shortened for as long as it still breaks `name`.

    Left out is who is not needed, then every step that is not, then everything after the break, unless what breaks is
    that something is missing at rest.
    """
    absent: list[str] = []
    schedule, cut = found.schedule, False
    for part in [p.name for p in scenario.build().parts if not p.again]:
        without = _play(scenario, policy, found.crash, found.shared, [*absent, part])
        with in_force(policy):
            taken = _still(without, name, cut=False)(schedule)
        if taken is not None:
            absent, schedule = [*absent, part], taken
    play = _play(scenario, policy, found.crash, found.shared, absent)
    with in_force(policy):
        if (taken := _still(play, name, cut=True)(schedule)) is not None:
            schedule, cut = taken, True
        schedule = explore.shrink(schedule, _still(play, name, cut=cut), tries=tries)
        run, _ = explore.follow(play, schedule, goes_on=not cut)
        steps, broken = list(run.trail), play.end(run, rests=not cut)
    play.forget()
    return Counterexample(
        scenario=scenario.name, policy=policy.name, crash=found.crash, absent=absent, cut=cut, shared=found.shared,
        steps=steps, schedule=[(c.task, c.outcome) for c in schedule], broken=[(b.name, b.text) for b in broken],
    )  # fmt: skip


def _still(play: Play, name: str, *, cut: bool) -> explore.Try:
    """Whether a schedule still breaks `name`; if it may be cut, only as much of it as is needed."""

    def still(wanted: Sequence[Choice]) -> list[Choice] | None:
        if not cut:
            run, taken = explore.follow(play, wanted)
            return taken if any(b.name == name for b in play.end(run)) else None
        run, taken = play.begin(), []
        for choice in wanted:
            if choice not in run.options():
                continue
            rows = len(run.room.store.rows)
            run.take(choice)
            taken.append(choice)
            if len(run.room.store.rows) > rows and any(b.name == name for b in play.end(run, rests=False)):
                return taken
        return None

    return still


def replay(example: Counterexample, *, until: int | None = None, policy: Policy | None = None) -> Replayed:
    """The same run again; `until`: its first steps only; `policy`: what becomes of the same events under another one.

    Raises `KeyError` if this version knows no such scenario or mutant.
    """
    scenario = named(example.scenario)
    own = mutant(example.policy) if example.policy else OURS
    if scenario is None or own is None:
        raise KeyError(f"{example.scenario}/{example.policy}")
    chosen = own if policy is None else policy
    steps: list[Shown] = []
    play = _play(scenario, chosen, example.crash, example.shared, example.absent)
    with in_force(chosen):
        run = play.begin()
        cut = example.cut and policy is None
        for choice in _choices(run, [Choice(t, n) for t, n in example.schedule], goes_on=not cut):
            if until is not None and len(steps) >= until:
                break
            before = len(run.trail)
            run.take(choice)
            text = "; ".join(run.trail[before:])
            steps.append(Shown(len(steps) + 1, text, list(_records(run.room.store))))
        broken = play.end(run, rests=not cut) if until is None else []
    rows = [r for r in run.room.store.rows if r.id not in run.room.forgotten]
    play.forget()
    return Replayed(steps, rows, [(b.name, b.text) for b in broken])


def _choices(run: Run, wanted: list[Choice], *, goes_on: bool) -> Iterator[Choice]:
    """The wanted choices as far as they can be made, then whatever can go on, in the order of the tasks."""
    for choice in wanted:
        if choice in run.options():
            yield choice
    while goes_on and (options := run.options()):
        yield options[0]


def _play(
    scenario: Scenario, policy: Policy, crash: tuple[str, int, bool] | None, shared: list[list[str]],
    absent: Sequence[str],
) -> Play:  # fmt: skip
    faults = msgspec.structs.replace(scenario.faults, crash=crash)
    play = Play(scenario, policy, faults, absent=absent)
    play.contact.take_over(shared)
    return play


def _records(store: Memory) -> Iterator[str]:
    """What conversations and their items show, one line each."""
    for c in store.all(Conversation.TYPE):
        if isinstance(c, Conversation):
            users = ", ".join(_name(store, u) for u in c.assigned_users) or "nobody"
            yield f"conversation rev {c.rev}: {c.status}, {users}, {_name(store, c.queue) or 'no queue'}"
    for w in store.all(WorkItem.TYPE):
        if isinstance(w, WorkItem):
            owner = _name(store, w.assigned_to) or "nobody"
            queue = _name(store, w.queue) or "no queue"
            yield f"work item {w.work_item_number} rev {w.rev}: {w.status}, {owner}, {queue}"


def _name(store: Memory, id: str | None) -> str:
    found = next((r for t in ("user", "queue") for r in store.all(t) if r.id == id), None)
    return str(getattr(found, "name", "")) or id or ""


def encode(example: Counterexample) -> bytes:
    """The file, indented for people."""
    return msgspec.json.format(msgspec.json.encode(example), indent=2) + b"\n"


def decode(body: bytes) -> Counterexample:
    """A file. Raises `msgspec.ValidationError` or `msgspec.DecodeError` if it is none."""
    return msgspec.json.decode(body, type=Counterexample)
