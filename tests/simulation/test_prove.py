"""`interlock prove`: the document, the exit code, and the page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from interlock.cli.main import run as interlock
from interlock.simulation import core, prove
from interlock.simulation.prove import Caught, Proof, Proven


def test_the_core_has_no_bad_state() -> None:
    one, two, restored = core.search(1), core.search(2), core.search(1, restore=True)
    for space in (one, two, restored):
        assert space.complete
        assert space.broken == {}
    assert one.states < restored.states < two.states


def test_a_bad_merge_is_found_in_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    from interlock.domain import assignment as unit
    from interlock.simulation import bad_merges

    monkeypatch.setattr(unit, "merge", bad_merges.by_priority)
    assert {"I1", "I2"} <= set(core.search(2).broken)
    monkeypatch.setattr(unit, "merge", bad_merges.by_lamport)
    assert core.search(2).broken


def test_without_a_new_epoch_the_core_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = core._Copies.wish
    monkeypatch.setattr(core._Copies, "wish", lambda self, copy, site, epoch, wish: kept(self, copy, site, 1, wish))
    assert core.search(2, restore=True, wishes=2).broken


def test_json_has_the_promised_members(capsys: pytest.CaptureFixture[str]) -> None:
    assert interlock(["prove", "--scenario", "crossing", "--json", "--mutants"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    (told,) = document["scenarios"]
    assert {"name", "complete", "runs", "states", "pruned", "violations", "seconds"} <= set(told)
    assert (told["name"], told["complete"], told["violations"]) == ("crossing", True, 0)
    for one in document["mutants"]:
        assert {"name", "caught_by", "runs_to_catch", "counterexample"} <= set(one)
        assert one["caught_by"]


def test_a_scenario_may_be_drawn_at_random(capsys: pytest.CaptureFixture[str]) -> None:
    assert interlock(["prove", "--scenario", "touch", "--random", "10", "--seed", "7", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["scenarios"][0]["drawn"] == 10
    assert document["seed"] == 7


def test_what_does_not_exist_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert interlock(["prove", "--scenario", "nothing"]) == 2
    assert "incident" in capsys.readouterr().err
    assert interlock(["prove", "--budget", "long"]) == 2


def test_something_broken_is_exit_3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bad = Proof([Proven("touch", True, 1, 1, 0, 1, 0.1, broken={"I1": 1})])
    monkeypatch.setattr(prove, "prove", lambda *_, **__: bad)
    assert interlock(["prove"]) == 3
    escaped = Proof([], [Caught("rev-only", "", 5, None)])
    monkeypatch.setattr(prove, "prove", lambda *_, **__: escaped)
    assert interlock(["prove", "--mutants"]) == 3
    assert "something broke" in capsys.readouterr().out


class _Links(HTMLParser):
    """What a page asks for from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.runs = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at what it refers to."""
        given = dict(attrs)
        self.runs += "data-run" in given
        self.outside += [v for n, v in attrs if n in ("src", "href") and v and not v.startswith("#")]


def test_the_page_needs_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "proof"
    assert interlock(["prove", "--scenario", "crossing", "--mutants", "--report", str(folder)]) == 0
    page = (folder / "index.html").read_text(encoding="utf-8")
    links = _Links()
    links.feed(page)
    files = sorted(f.name for f in folder.glob("*.json"))
    assert links.outside == []
    assert links.runs == len(files) > 0
    assert "Two syncs cross" in page
    assert interlock(["replay", str(folder / files[0])]) == 3
    capsys.readouterr()


@pytest.mark.soak
def test_three_intents_a_side() -> None:
    space = core.search(3)
    assert space.complete
    assert space.broken == {}


@pytest.mark.soak
def test_every_scenario_to_its_end() -> None:
    """The nightly budget; what is still cut then says so."""
    proof = prove.prove(budget_s=3600, random=2000, mutants=True)
    assert proof.holds, [s for s in proof.scenarios if s.violations]
