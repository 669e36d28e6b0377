"""The day of the demonstration: the same for one seed, and believable in its figures."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise, takewhile

import pytest

from interlock.cli.demo.traffic import DAY_BEGINS_S, STAFF, TEAMS, Arrival, Day


def hour(at_s: float) -> float:
    """The hour of the day."""
    return (at_s + DAY_BEGINS_S) / 3600 % 24


def until(day: Day, at_s: float) -> list[Arrival]:
    """Everybody who comes before a time."""
    return list(takewhile(lambda a: a.at_s < at_s, day.arrivals()))


def test_one_seed_is_one_day() -> None:
    """Docs, pictures and tests tell one story."""
    assert list(islice(Day(7).arrivals(), 500)) == list(islice(Day(7).arrivals(), 500))
    assert Day(7).agents() == Day(7).agents()
    assert Day(7).answer("Ana", 3, "chat") == Day(7).answer("Ana", 3, "chat")
    assert list(islice(Day(7).arrivals(), 50)) != list(islice(Day(8).arrivals(), 50))


def test_customers_come_in_order_on_every_channel_and_in_both_languages() -> None:
    """A tenth writes French, some have a person of their own, some come back."""
    arrivals = list(islice(Day(7).arrivals(), 3_000))
    assert all(a.at_s <= b.at_s for a, b in pairwise(arrivals))
    channels = Counter(a.channel for a in arrivals)
    assert channels["chat"] > channels["voice"] > 500
    assert 0.08 < sum(a.language == "fr" for a in arrivals) / len(arrivals) < 0.16
    assert 0.10 < sum(a.special for a in arrivals) / len(arrivals) < 0.20
    assert 0.06 < sum(a.returns_after_s is not None for a in arrivals) / len(arrivals) < 0.14


def test_the_day_has_two_hills_and_a_night() -> None:
    """More before lunch than at lunch, next to nobody at night."""
    by_hour = Counter(int(hour(a.at_s)) for a in until(Day(7), 24 * 3600))
    assert by_hour[10] > by_hour[12] < by_hour[14]
    assert by_hour[3] < by_hour[10] / 10


def test_there_are_bursts() -> None:
    """Some minutes bring twice what is usual at that hour."""
    day = Day(7)
    rates = [day.rate(at) for at in range(0, 3_000, 10)]
    assert max(rates) > 1.6 * min(rates)


def test_agents_come_go_and_return() -> None:
    """Twelve in three teams, each with breaks, French a little later than the rest."""
    agents = Day(7).agents()
    assert len(agents) == len(STAFF) == 12
    assert {a.team for a in agents} == set(TEAMS)
    assert all(a.breaks for a in agents)
    assert any(leaves for a in agents for _, _, leaves in a.breaks)
    assert all(a.begins_s < begins < ends for a in agents for begins, ends, _ in a.breaks)
    assert min(a.begins_s for a in agents if a.team == "Paris") > max(a.begins_s for a in agents if a.team != "Paris")


def test_agents_mostly_accept() -> None:
    """Now and then they decline, and now and then they do not hear it."""
    says = Counter(Day(7).answer(name, n, "chat").says for name, _ in STAFF for n in range(200))
    assert says["accept"] > 0.8 * says.total()
    assert says["decline"] > says["nothing"] > 0


@pytest.mark.parametrize(
    "lines",
    [
        ["time,channel", "09:00,chat", "09:01:30,voice"],
        ["2026-03-02T09:00:00Z,chat", "2026-03-02T09:01:30Z,voice"],
        ["0,chat", "90,voice", ""],
    ],
)
def test_a_recorded_day_is_played_from_its_first_customer(lines: list[str]) -> None:
    """In any of three ways to write a time."""
    assert [(a.at_s, a.channel) for a in Day(7).from_file(lines)] == [(0.0, "chat"), (90.0, "voice")]


@pytest.mark.parametrize("line", ["09:00", "09:00,carrier pigeon", "soon,chat"])
def test_a_line_that_cannot_be_read_is_named(line: str) -> None:
    """By its number."""
    with pytest.raises(ValueError, match="line 1"):
        list(Day(7).from_file([line]))
