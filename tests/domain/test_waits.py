"""Figures of waiting: three ways to count one wait, and what a step of time holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.waits import Waits, series, waits_of
from interlock.domain.work_item import QueuePass


def stay(entered: int, left: int, **more: Any) -> QueuePass:
    fields: dict[str, Any] = {"left_because": "accepted", **more}
    return QueuePass(id="p", org="a", work_item="w", queue="q", entered_queue_at=entered, left_at=left, **fields)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, Waits(100, 100, 100)),
        ({"paused_at": 40, "woken_at": 70}, Waits(100, 40, 40)),
        ({"paused_at": 40}, Waits(100, 100, 30)),
        ({"paused_at": 80, "woken_at": 50}, Waits(100, 60, 70)),
    ],
    ids=["never snoozed", "woken", "left while snoozed", "woken and snoozed again"],
)
def test_the_wait_of_a_pass_is_counted_in_three_ways(more: dict[str, int], expected: Waits) -> None:
    assert waits_of(stay(10, 110, **more)) == expected


moments = st.integers(0, 200)


@given(moments, moments, st.none() | moments, st.none() | moments)
def test_no_figure_is_negative_or_longer_than_the_whole(
    entered: int, left: int, paused: int | None, woken: int | None
) -> None:
    found = waits_of(stay(entered, left, paused_at=paused, woken_at=woken))
    assert 0 <= found.lately <= found.whole


def test_a_step_holds_what_came_and_went_in_it() -> None:
    left = [stay(5, 12), stay(15, 29), stay(11, 19, left_because="left"), stay(1, 40)]
    steps = series(left, [18, 99], 10, 10, 2, 7)
    assert [(s.at, s.entered, s.left, s.taken, s.in_target, s.longest, s.total) for s in steps] == [
        (10, 3, 2, 1, 1, 8, 15),
        (20, 0, 1, 1, 0, 14, 14),
    ]


@given(st.lists(st.tuples(moments, st.integers(0, 100)), max_size=20), st.lists(moments, max_size=10))
def test_nothing_inside_the_span_is_forgotten_or_counted_twice(stays: list[tuple[int, int]], still: list[int]) -> None:
    steps = series([stay(at, at + wait) for at, wait in stays], still, 50, 10, 10, None)
    inside = range(50, 150)
    assert sum(s.entered for s in steps) == sum(at in inside for at, _ in stays) + sum(at in inside for at in still)
    assert sum(s.left for s in steps) == sum(at + wait in inside for at, wait in stays)
    assert sum(s.in_target for s in steps) == sum(s.taken for s in steps)
