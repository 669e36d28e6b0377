"""The forecast: honest where the past says something, unknown where it does not, and never made from the future."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.forecast import AT_ONCE_MS, SAMPLE_MIN, Past, forecast

MINUTE = 60_000


def line(takes: int, pace_ms: int = MINUTE, ahead: int = 3, seed: int = 0) -> list[Past]:
    """A queue in which always `ahead` + 1 wait and one is taken every `pace_ms` or so."""
    chance = random.Random(seed)
    ends, at = [], 0
    for _ in range(takes):
        at += round(chance.uniform(0.6, 1.4) * pace_ms)
        ends.append(at)
    begins = [0] * (ahead + 1) + ends
    return [Past(begins[n], max(begins[n], left - 5_000), left, True) for n, left in enumerate(ends)]


def test_the_middle_is_so_many_ahead_at_the_pace_of_late() -> None:
    stays = line(60)
    now = stays[-1].left or 0
    told = forecast(stays, now, 3, free=0, eligible=4)
    assert told.low is not None
    assert told.middle is not None
    assert told.high is not None
    assert told.low < told.middle < told.high
    assert told.middle == pytest.approx(4 * MINUTE, rel=0.15)
    assert told.takes_per_hour == pytest.approx(60, rel=0.15)
    assert told.because == ""
    assert told.position == 3
    assert told.eligible == 4


def test_who_meets_a_free_agent_waits_as_those_did() -> None:
    stays = [Past(n * MINUTE, n * MINUTE + 100, n * MINUTE + 4_000 + n % 5 * 1_000, True) for n in range(50)]
    told = forecast(stays, 51 * MINUTE, 0, free=1, eligible=1)
    assert (told.low, told.middle, told.high) == (4_000, 6_000, 8_000)
    assert told.sample == 50


def test_too_little_to_go_on_is_said() -> None:
    stays = line(60)
    now = stays[-1].left or 0
    assert forecast(stays[: SAMPLE_MIN - 1], now, 0, free=0, eligible=2).because == "TOO_FEW"
    assert forecast([], 0, 0, free=3, eligible=3).because == "TOO_FEW"
    assert forecast(stays, now, 0, free=0, eligible=0).because == "NOBODY_THERE"
    far = forecast(stays, now, 40, free=0, eligible=2)
    assert (far.because, far.low) == ("TOO_FEW", None), "nobody ever stood so far back"


def test_items_that_left_without_an_agent_are_no_waits() -> None:
    stays = line(60)
    now = stays[-1].left or 0
    gone = [Past(s.entered, None, s.entered + 1_000, False) for s in stays]
    assert forecast([*stays, *gone], now, 3, free=0, eligible=4).sample <= 60
    assert forecast(gone, now, 0, free=0, eligible=4).because == "TOO_FEW"


STAYS = st.lists(
    st.tuples(st.integers(0, 10**7), st.integers(0, 10**6), st.booleans(), st.booleans()), max_size=60
).map(
    lambda xs: [
        Past(e, e + min(w, AT_ONCE_MS // 2), None if open_ else e + w, t and not open_) for e, w, t, open_ in xs
    ]
)


@given(stays=STAYS, now=st.integers(0, 2 * 10**7), position=st.integers(0, 50), waiting=st.booleans())
def test_whatever_the_past_the_interval_is_in_order(stays: list[Past], now: int, position: int, waiting: bool) -> None:
    told = forecast(stays, now, position, free=position % 3, eligible=3, waiting=waiting)
    known = (told.low, told.middle, told.high)
    if told.because:
        assert known == (None, None, None)
    else:
        low, middle, high = (v for v in known if v is not None)
        assert 0 <= low <= middle <= high


@given(stays=STAYS, now=st.integers(0, 10**7), later=STAYS)
def test_what_comes_later_changes_nothing(stays: list[Past], now: int, later: list[Past]) -> None:
    """Stays that begin after now are not known now."""
    after = [s._replace(entered=s.entered + now + 1, left=s.left and s.left + now + 1) for s in later]
    one = forecast(stays, now, 1, free=0, eligible=2, waiting=True)
    assert forecast([*stays, *after], now, 1, free=0, eligible=2, waiting=True) == one


@pytest.mark.parametrize("seed", range(3))
def test_four_of_five_true_waits_are_held_where_the_future_is_like_the_past(seed: int) -> None:
    """A floor that does not change: the share held is what the interval claims, within what 300 cases can tell."""
    chance = random.Random(seed)
    stays: list[Past] = []
    free_at = [0.0, 0.0, 0.0]
    at = 0.0
    for _ in range(500):
        at += chance.expovariate(1 / 62_000)
        agent = min(range(3), key=lambda n: free_at[n])
        begun = max(at, free_at[agent])
        taken = begun + chance.uniform(3_000, 9_000)
        free_at[agent] = taken + chance.expovariate(1 / 160_000)
        stays.append(Past(round(at), round(begun), round(taken), True))
    held = asked = 0
    for n in range(200, 500):
        now = stays[n].entered
        known = [
            s._replace(left=s.left if s.left and s.left <= now else None, taken=bool(s.left and s.left <= now),
                       offered=s.offered if s.offered and s.offered <= now else None)
            for s in stays[:n]
        ]  # fmt: skip
        ahead = sum(s.left is None for s in known)
        free = int(stays[n].offered == now)
        told = forecast(known, now, ahead, free=free + ahead if free else 0, eligible=3)
        if told.low is not None and told.high is not None:
            asked += 1
            held += told.low <= (stays[n].left or 0) - now <= told.high
    assert asked > 200
    assert 0.7 < held / asked < 0.93
