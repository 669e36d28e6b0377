"""The interleavings that every build explores, each a file with its own words."""

from __future__ import annotations

from interlock.simulation.play import Scenario
from interlock.simulation.scenarios import (
    bulk,
    claims,
    crash,
    crossing,
    duplicates,
    floor,
    incident,
    lost_deliveries,
    one_free_place,
    partition,
    reassign,
    reopen,
    reordered,
    restore,
    skew,
    snooze,
    stale_reads,
    takes_away,
    touch,
    transfer,
    zombie,
)

SCENARIOS: tuple[Scenario, ...] = tuple(
    each.SCENARIO
    for each in (
        incident,
        crossing,
        reassign,
        reopen,
        transfer,
        duplicates,
        reordered,
        zombie,
        crash,
        skew,
        partition,
        restore,
        bulk,
        touch,
        takes_away,
        snooze,
        claims,
        one_free_place,
        stale_reads,
        lost_deliveries,
        floor,
    )
)
"""In the order in which people read them."""


def named(name: str) -> Scenario | None:
    """The scenario of this name."""
    return next((s for s in SCENARIOS if s.name == name), None)
