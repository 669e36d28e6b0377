"""Skills: what is asked for after how long, who is out, who goes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.skill import Relax, Requirement, combined, next_step, preferred, requirements_at, unfit

GERMAN = Requirement("german", 4, "required", (Relax(30, level=2), Relax(60, mode="preferred"), Relax(90, drop=True)))
CHESS = Requirement("chess", 3)

levels = st.integers(1, 5)
steps = st.one_of(
    st.builds(Relax, st.integers(1, 300), level=levels),
    st.builds(Relax, st.integers(1, 300), mode=st.sampled_from(["required", "preferred"])),
    st.builds(Relax, st.integers(1, 300), drop=st.just(True)),
)
requirements = st.builds(
    Requirement,
    st.sampled_from(["a", "b", "c"]),
    levels,
    st.sampled_from(["required", "preferred"]),
    st.lists(steps, max_size=4, unique_by=lambda s: s.after_seconds).map(tuple),
)
lists = st.lists(requirements, max_size=3, unique_by=lambda r: r.skill)


def asked(waited_s: float) -> list[tuple[str, int, str]]:
    """What is asked of an agent, in short."""
    return [(r.skill, r.level, r.mode) for r in requirements_at((GERMAN, CHESS), waited_s)]


def test_steps_are_applied_when_they_are_due_and_not_a_moment_before() -> None:
    chess = ("chess", 3, "required")
    assert asked(29.999) == [("german", 4, "required"), chess]
    assert asked(30) == [("german", 2, "required"), chess]
    assert asked(60) == [("german", 2, "preferred"), chess]
    assert asked(90) == [chess]


def test_the_next_step_is_named_until_there_is_none() -> None:
    assert [next_step((GERMAN, CHESS), s) for s in (0, 30, 89.9, 90)] == [30, 60, 90, None]


@given(lists, st.floats(0, 400))
def test_between_two_steps_nothing_changes(given_: list[Requirement], waited_s: float) -> None:
    due = next_step(given_, waited_s)
    assert due is None or due > waited_s
    until = 500.0 if due is None else due - 0.001
    bare = [(r.skill, r.level, r.mode) for r in requirements_at(given_, waited_s)]
    assert bare == [(r.skill, r.level, r.mode) for r in requirements_at(given_, max(waited_s, until))]


@given(lists, st.floats(0, 400), st.floats(0, 400))
def test_softening_goes_on_from_what_is_left(given_: list[Requirement], a: float, b: float) -> None:
    """What is shown at one moment says all that is needed for a later one."""
    early, late = sorted((a, b))
    assert requirements_at(requirements_at(given_, early), late) == requirements_at(given_, late)


def test_who_is_out_and_why() -> None:
    wanted = (Requirement("a", 2), Requirement("b", 3), Requirement("c", 5, "preferred"))
    assert unfit({"a": 2, "b": 3}, wanted) == ""
    assert unfit({"a": 1, "b": 3}, wanted) == "SKILL_LEVEL"
    assert unfit({"a": 1}, wanted) == "SKILL_MISSING"
    assert unfit({}, ()) == ""


def test_preferred_is_who_reaches_all_that_is_preferred() -> None:
    wanted = (Requirement("a", 5), Requirement("b", 3, "preferred"))
    assert preferred({"b": 3}, wanted)
    assert not preferred({"a": 5, "b": 2}, wanted)
    assert preferred({}, ())


@given(st.lists(lists, max_size=4), st.dictionaries(st.sampled_from(["a", "b", "c"]), levels))
def test_of_several_rules_the_highest_level_wins(given_: list[list[Requirement]], skills: dict[str, int]) -> None:
    made = combined(given_)
    flat = [r for each in given_ for r in each]
    assert {r.skill: r.level for r in made} == {
        s: max(r.level for r in flat if r.skill == s) for s in {r.skill for r in flat}
    }
    assert set(made) <= set(flat)
    assert all(r in made for r in flat if [f.skill for f in flat].count(r.skill) == 1)


def test_of_two_of_one_level_the_required_one_wins() -> None:
    soft, hard = Requirement("a", 3, "preferred"), Requirement("a", 3)
    assert combined([[soft], [hard]]) == combined([[hard], [soft]]) == (hard,)
