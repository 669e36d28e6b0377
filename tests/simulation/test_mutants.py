"""A green search says something only if it can be red: every known-bad variant is caught, by the invariant named."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from interlock.cli.main import run as interlock
from interlock.simulation import counterexample
from interlock.simulation.mutants import MUTANTS, mutant
from interlock.simulation.play import OURS, Policy, in_force
from interlock.simulation.prove import Caught, hunt
from interlock.simulation.scenarios import named
from interlock.simulation.stage import TABLE

_caught: dict[str, Caught] = {}


def caught(policy: Policy) -> Caught:
    """The mutant's end, hunted once."""
    if policy.name not in _caught:
        _caught[policy.name] = hunt(policy)
    return _caught[policy.name]


@pytest.mark.parametrize("each", MUTANTS, ids=lambda m: m.name)
def test_each_is_caught_by_its_invariant(each: Policy) -> None:
    end = caught(each)
    assert end.caught_by in each.caught_by
    assert end.counterexample is not None
    assert end.counterexample.schedule
    assert any(name == end.caught_by for name, _ in end.counterexample.broken)


@pytest.mark.parametrize("each", MUTANTS, ids=lambda m: m.name)
def test_its_counterexample_is_a_file_that_replays_exactly(each: Policy) -> None:
    example = caught(each).counterexample
    assert example is not None
    again = counterexample.replay(counterexample.decode(counterexample.encode(example)))
    assert again.broken == example.broken
    assert [text for step in again.steps for text in step.text.split("; ")] == example.steps


@pytest.mark.parametrize("each", MUTANTS, ids=lambda m: m.name)
def test_the_same_events_under_our_policy_break_nothing(each: Policy) -> None:
    """Production's own code, on the schedule that broke the mutant."""
    example = caught(each).counterexample
    assert example is not None
    assert counterexample.replay(example, policy=OURS).broken == []


def test_the_incident_is_shrunk_to_those_who_are_needed() -> None:
    example = caught(MUTANTS[0]).counterexample
    assert example is not None
    assert example.absent == ["touch"]
    assert example.cut
    assert {task for task, _ in example.schedule} == {"forward", "rules", "workflow", "reverse"}
    assert example.steps[-1].startswith("reverse: commit reverse merge: conversation rev")


def test_a_replay_stops_where_it_is_told() -> None:
    example = caught(MUTANTS[0]).counterexample
    assert example is not None
    part = counterexample.replay(example, until=3)
    assert [s.text for s in part.steps] == example.steps[:3]
    assert part.broken == []


def test_everything_is_as_it_was_after_a_mutant() -> None:
    before = [owner.__dict__[name] for m in MUTANTS for owner, name, _ in m.swaps]
    table = TABLE.reactions
    for each in MUTANTS:
        with in_force(each):
            pass
    assert [owner.__dict__[name] for m in MUTANTS for owner, name, _ in m.swaps] == before
    assert TABLE.reactions is table


def test_each_is_played_in_a_scenario_that_there_is() -> None:
    assert len(MUTANTS) >= 12
    assert all(named(m.scenario) for m in MUTANTS)
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)
    assert mutant("rev-only") is MUTANTS[0]


@pytest.mark.parametrize("name", ["rev-only", "blind-write", "payload-trusted"])
def test_the_log_of_a_counterexample_tells_an_investigator_the_same(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The circle: what the proof found, written as a log, is named by who reads only the log: R1, a stale overwrite."""
    policy = mutant(name)
    assert policy is not None
    example = caught(policy).counterexample
    assert example is not None
    file, log = tmp_path / "run.json", tmp_path / "run.jsonl"
    file.write_bytes(counterexample.encode(example))
    assert interlock(["replay", str(file), "--as-log"]) == 3
    log.write_text(capsys.readouterr().out)
    assert interlock(["investigate", str(log), "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "broken"
    found = next(f for f in report["findings"] if f["id"] == "R1")
    assert (found["severity"], found["certainty"]) == ("high", "proven")
    lost = next(words for number, words in example.broken if number == "I1")
    assert f"{found['record']['type']} rev {found['rev']}" in lost


def test_replay_tells_its_steps_and_what_broke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = caught(MUTANTS[0]).counterexample
    assert example is not None
    file = tmp_path / "run.json"
    file.write_bytes(counterexample.encode(example))
    assert interlock(["replay", str(file)]) == 3
    told = capsys.readouterr().out
    assert "reverse: commit reverse merge" in told
    assert "I1: conversation rev" in told
    assert interlock(["replay", str(file), "--policy", "ours", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["broken"] == []
    assert interlock(["replay", str(file), "--policy", "nobody's"]) == 2
    file.write_text("{}")
    assert interlock(["replay", str(file)]) == 2


def test_nothing_of_it_needs_an_event_loop() -> None:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert caught(MUTANTS[0]).caught_by
