"""The incident told twice: the same run loses an assignment without the guard, and loses nothing with it."""

from __future__ import annotations

from interlock.simulation import counterexample
from interlock.simulation.retold import retold


def test_without_the_guard_an_assignment_is_lost_and_with_it_none() -> None:
    """The rules that read other people's logs say so, of the log that each run leaves."""
    without, with_ = retold()
    assert next(f["id"] for f in without["findings"] if f["severity"] == "high") == "R1"
    lost = without["findings"][0]
    assert (lost["rev"], lost["guard"], lost["saw"], lost["unseen"]) == (7, 6, 4, 2)
    assert "I1" in {b["invariant"] for b in without["broken"]}
    assert with_["broken"] == []
    assert with_["verdict"] == "sound"
    ends = {e["data"]["data"]["type"]: e["data"]["data"] for e in with_["data"]}
    assert [with_["names"][u] for u in ends["conversation"]["attributes"]["assignedUsers"]] == ["Ann"]
    assert ends["work_item"]["attributes"]["status"] == "assigned"


def test_the_run_is_the_one_that_the_hunt_would_keep() -> None:
    """It is committed: what it broke when it was found, it breaks today."""
    from importlib.resources import files

    from interlock.simulation.retold import RUN

    example = counterexample.decode(files("interlock.simulation").joinpath(RUN).read_bytes())
    played = counterexample.replay(example)
    assert played.broken == example.broken
    assert [s.text for s in played.steps] == example.steps
