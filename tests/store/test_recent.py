"""The newest rows in memory: never a row left out, whatever was committed in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.assignment import Actor
from interlock.domain.decision import Provenance, Why
from interlock.domain.log import Row
from interlock.store.recent import Recent


def row(position: int, org: str = "a") -> Row:
    """A row without changes."""
    by = Provenance(org, Actor("system", "system", "system"), "system")
    return Row(position, f"r{position}", org, "p", 0, by, Why(direction="system", kind="noop"))


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ab")), min_size=1, max_size=60),
    st.integers(0, 70),
    st.integers(0, 9),
    st.sampled_from(["", "a", "b"]),
)
def test_what_is_answered_is_what_the_log_has(steps: list[tuple[int, str]], after: int, limit: int, org: str) -> None:
    """Positions with gaps (another process's rows): an answer begins right behind the position, and is whole."""
    recent, log, position = Recent(8), [], 0
    for gap, of in steps:
        position += gap
        log.append(row(position, of))
        recent.take([log[-1]])
    answer = recent.after(after, limit, org)
    if not answer:
        return
    assert answer[0].position >= after + 1
    whole = [r for r in log if after < r.position <= answer[-1].position]
    assert [r.position for r in whole] == list(range(after + 1, answer[-1].position + 1)), "no gap was passed over"
    assert answer == [r for r in whole if not org or r.org == org][: len(answer)]
    assert len(answer) <= limit


def test_the_newest_are_answered_from_memory() -> None:
    """Without gaps it holds at least what it promises."""
    recent = Recent(8)
    recent.take([row(n) for n in range(1, 101)])
    assert [r.position for r in recent.after(92, 100, "")] == list(range(93, 101))
    assert recent.after(100, 10, "") == []
    assert recent.after(3, 10, "") == [], "too far back: the store has it"
