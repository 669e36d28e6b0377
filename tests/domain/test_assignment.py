"""The laws of the coupled unit, on states that histories of two sites reach: intents, copies in any order, restores.

A history is a list of steps. Copies may be of any state that a site ever had, so messages are lost, doubled, late and
reordered. A restore puts a site back to one of its own earlier states and begins a new epoch there.
"""

from __future__ import annotations

import doctest
import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interlock.domain import assignment as unit
from interlock.domain.assignment import (
    NOTHING,
    Actor,
    ActorClass,
    Assigned,
    Coupled,
    Done,
    Intent,
    Nothing,
    Origin,
    Queued,
    Site,
    State,
    Unit,
)
from interlock.domain.errors import StaleBasis
from interlock.domain.record import Ref

SITES: tuple[Site, ...] = ("conversation", "routing")
CLASSES: tuple[ActorClass, ...] = ("system", "rule", "workflow", "person")
VALUES: tuple[Unit, ...] = (
    NOTHING, Queued("q1"), Queued("q2"), Queued("vendor", external=True), Assigned(("u1",)),
    Assigned(("u2", "u1"), "q1"), Done(), Done(("u1",), "q2"),
)  # fmt: skip

site_of = st.integers(0, 1)
index = st.integers(0, 30)
step_of = st.one_of(
    st.tuples(st.just("intend"), site_of, st.sampled_from(CLASSES), st.sampled_from(VALUES)),
    st.tuples(st.just("copy"), site_of, index),
    st.tuples(st.just("restore"), site_of, index),
)
STEPS_MAX = 18
steps_of = st.lists(step_of, max_size=STEPS_MAX)
LATER = 1 + STEPS_MAX
"""An epoch that no history of steps decides in: what somebody writes in it is nobody else's."""


class History:
    """What became of each site, step by step, and every intent that was ever made."""

    def __init__(self, steps: list[tuple[Any, ...]], *, epochs: bool = True) -> None:
        self.sites: list[list[State[Unit]]] = [[State()], [State()]]
        self.minted: list[Intent[Unit]] = []
        self.copies: list[tuple[State[Unit], State[Unit], State[Unit]]] = []
        self._epoch = [1, 1]
        self._epochs = epochs
        for what, site, *how in steps:
            getattr(self, what)(site, *how)

    def intend(self, site: int, cls: ActorClass, value: Unit) -> None:
        """Somebody decides at a site, on what it has."""
        states = self.sites[site]
        origin = Origin(SITES[site], self._epoch[site], Actor(cls, "x", "x"), Ref("r", "r"), len(states), 0)
        after = unit.intend(states[-1], origin, value, states[-1].ctx)
        self.minted += after.slots
        states.append(after)

    def copy(self, site: int, which: int) -> None:
        """A site takes some earlier or present state of the other."""
        theirs = self.sites[1 - site]
        mine, other = self.sites[site][-1], theirs[max(0, len(theirs) - 1 - which)]
        after = unit.merge(mine, other)
        self.copies.append((mine, other, after))
        self.sites[site].append(after)

    def restore(self, site: int, which: int) -> None:
        """A site is put back to an earlier state of its own."""
        states = self.sites[site]
        states.append(states[max(0, len(states) - 1 - which)])
        self._epoch[site] += self._epochs

    @property
    def states(self) -> list[State[Unit]]:
        """Every state that any site ever had."""
        return [*self.sites[0], *self.sites[1]]


@st.composite
def three(draw: st.DrawFn) -> tuple[State[Unit], State[Unit], State[Unit]]:
    """Three states of one history."""
    states = History(draw(steps_of)).states
    return draw(st.sampled_from(states)), draw(st.sampled_from(states)), draw(st.sampled_from(states))


@settings(max_examples=150, deadline=None)
@given(three())
def test_copies_meet_in_any_order_and_any_number(found: tuple[State[Unit], State[Unit], State[Unit]]) -> None:
    a, b, c = found
    assert unit.merge(a, b) == unit.merge(b, a)
    assert unit.merge(unit.merge(a, b), c) == unit.merge(a, unit.merge(b, c))
    assert unit.merge(a, a) == a
    assert unit.merge(a, unit.merge(a, b)) == unit.merge(a, b)
    assert unit.includes(unit.merge(a, b).ctx, a.ctx)
    assert unit.includes(unit.merge(a, b).ctx, b.ctx)


@settings(max_examples=100, deadline=None)
@given(steps_of)
def test_everybody_ends_with_the_same_however_the_states_travel(steps: list[tuple[Any, ...]]) -> None:
    states = History(steps).states
    forwards, backwards = State[Unit](), State[Unit]()
    for s in states:
        forwards = unit.merge(forwards, s)
    for s in reversed(states):
        backwards = unit.merge(s, backwards)
    assert forwards == backwards


@settings(max_examples=150, deadline=None)
@given(steps_of)
def test_i1_a_copy_retires_nothing_that_nobody_replaced(steps: list[tuple[Any, ...]]) -> None:
    history = History(steps)
    for mine, theirs, after in history.copies:
        for x in (*mine.slots, *theirs.slots):
            if x not in after.slots:
                covering = [y for y in history.minted if unit.covers(y.seen, x.dot) and unit.covers(after.ctx, y.dot)]
                assert covering, f"{x.dot} is gone, and nothing that is known here had seen it"
        for x in after.slots:
            assert x in mine.slots or x in theirs.slots, "a copy brings nothing of its own"


@settings(max_examples=150, deadline=None)
@given(steps_of)
def test_i2_what_a_context_means_does_not_depend_on_where_it_is(steps: list[tuple[Any, ...]]) -> None:
    known: dict[unit.Context, tuple[Intent[Unit], ...]] = {}
    for state in History(steps).states:
        assert known.setdefault(state.ctx, state.slots) == state.slots
        assert list(state.ctx) == sorted(state.ctx)
        assert len({(d.site, d.epoch) for d in state.ctx}) == len(state.ctx)
        assert len({(x.dot.site, x.dot.epoch) for x in state.slots}) == len(state.slots)
        assert all(unit.covers(state.ctx, x.dot) for x in state.slots)
        assert bool(state.slots) == bool(state.ctx), "once somebody has decided, something is always in force"


@settings(max_examples=150, deadline=None)
@given(steps_of)
def test_no_two_intents_have_one_name(steps: list[tuple[Any, ...]]) -> None:
    dots = [x.dot for x in History(steps).minted]
    assert len(set(dots)) == len(dots)


def test_a_restore_without_a_new_epoch_breaks_the_laws() -> None:
    """The tests above see it: the second intent after the restore bears the name of the first one before it."""
    steps: list[tuple[Any, ...]] = [
        ("intend", 0, "person", Assigned(("u1",))), ("copy", 1, 0), ("restore", 0, 1),
        ("intend", 0, "person", Assigned(("u2",))), ("copy", 1, 0),
    ]  # fmt: skip
    careless, careful = History(steps, epochs=False), History(steps)
    assert len({x.dot for x in careless.minted}) == 1
    assert careless.sites[0][-1].ctx == careless.sites[1][-2].ctx
    assert careless.sites[0][-1].slots != careless.sites[1][-2].slots
    both = careful.sites[1][-1]
    assert {x.value for x in both.slots} == {Assigned(("u1",)), Assigned(("u2",))}
    assert unit.resolve(both, NOTHING).value == Assigned(("u2",)), "of two, the later epoch"


@settings(max_examples=150, deadline=None)
@given(steps_of)
@example([("restore", 1, 0)] * 8 + [("intend", 1, "system", NOTHING)])
def test_an_intent_replaces_what_its_author_had_seen_and_nothing_else(steps: list[tuple[Any, ...]]) -> None:
    history = History(steps)
    for state in history.states:
        origin = Origin("routing", LATER, Actor("system", "x", "x"), Ref("r", "r"), 1, 0)
        after = unit.intend(state, origin, NOTHING, state.ctx)
        [mine] = after.slots
        assert mine.seen == state.ctx
        assert after.ctx == unit.join(state.ctx, (mine.dot,))
        assert not unit.covers(state.ctx, mine.dot)
        for other in history.states:
            kept = [x for x in other.slots if x in unit.merge(after, other).slots]
            assert kept == [x for x in other.slots if not unit.covers(state.ctx, x.dot)]
            assert unit.unseen(other, state.ctx) == tuple(kept)


@settings(max_examples=100, deadline=None)
@given(three())
def test_an_author_who_has_not_seen_it_all_decides_nothing(found: tuple[State[Unit], State[Unit], State[Unit]]) -> None:
    state, other, _ = found
    origin = Origin("conversation", LATER, Actor("person", "x", "x"), Ref("r", "r"), 1, 0)
    if other.ctx != state.ctx:
        with pytest.raises(StaleBasis):
            unit.intend(state, origin, NOTHING, other.ctx)


RANK = {"system": 0, "rule": 1, "workflow": 2, "person": 3}


@settings(max_examples=150, deadline=None)
@given(steps_of)
def test_i5_the_strongest_live_intent_is_in_force_and_every_other_is_named(steps: list[tuple[Any, ...]]) -> None:
    for state in History(steps).states:
        outcome = unit.resolve(state, NOTHING)
        if not state.slots:
            assert (outcome.value, outcome.winner, outcome.losers) == (NOTHING, None, ())
            continue
        winner = outcome.winner
        assert winner is not None
        assert {winner.dot, *(x.dot for x in outcome.losers)} == unit.live_dots(state)
        assert len(outcome.losers) == len(state.slots) - 1
        for x in outcome.losers:
            mine, theirs = RANK[winner.actor.cls], RANK[x.actor.cls]
            assert mine > theirs or (mine == theirs and (winner.dot.site == "routing" or x.dot.site != "routing"))
        check_value(outcome.value, winner.value, [x.value for x in outcome.losers])


def check_value(shown: Unit, wished: Unit, others: list[Unit]) -> None:
    """What is in force is what the winner wished; a queue that a loser named may stand beside it, as context."""
    word, users, queue, external = unit.shape(shown)
    assert unit.valid(shown)
    assert (word, users) == unit.shape(wished)[:2]
    if (queue, external) == unit.shape(wished)[2:]:
        return
    assert isinstance(wished, Assigned | Done)
    assert wished.queue is None
    assert (queue, external) in [(v.queue, v.external) for v in others if isinstance(v, Queued)]


@pytest.mark.parametrize(("strong", "weak"), list(itertools.combinations(reversed(CLASSES), 2)))
@pytest.mark.parametrize("strong_site", [0, 1])
def test_policy_1_ranks_concurrent_intents_by_class(strong: ActorClass, weak: ActorClass, strong_site: int) -> None:
    steps: list[tuple[Any, ...]] = [
        ("intend", strong_site, strong, Assigned(("strong",))), ("intend", 1 - strong_site, weak, Assigned(("weak",))),
        ("copy", 0, 0), ("copy", 1, 0),
    ]  # fmt: skip
    for states in History(steps).sites:
        outcome = unit.resolve(states[-1], NOTHING)
        assert outcome.value == Assigned(("strong",))
        assert [x.value for x in outcome.losers] == [Assigned(("weak",))]


@pytest.mark.parametrize("weak", CLASSES)
def test_class_does_not_matter_where_one_had_seen_the_other(weak: ActorClass) -> None:
    steps: list[tuple[Any, ...]] = [
        ("intend", 0, "person", Assigned(("u1",))), ("copy", 1, 0), ("intend", 1, weak, Queued("q1")), ("copy", 0, 0),
    ]  # fmt: skip
    for states in History(steps).sites:
        assert unit.resolve(states[-1], NOTHING).value == Queued("q1")


def test_of_one_class_routing_has_the_last_word() -> None:
    steps: list[tuple[Any, ...]] = [
        ("intend", 0, "person", Done()), ("intend", 1, "person", Assigned(("u1",), "q1")),
        ("copy", 0, 0), ("copy", 1, 0),
    ]  # fmt: skip
    for states in History(steps).sites:
        assert unit.resolve(states[-1], NOTHING).value == Assigned(("u1",), "q1")


def test_registers_merge_each_alone() -> None:
    def said(site: Site, value: bool) -> State[bool]:
        origin = Origin(site, 1, Actor("person", "x", "x"), Ref("r", "r"), 1, 0)
        return unit.intend(State[bool](), origin, value, ())

    a, b = Coupled(ended=said("conversation", True)), Coupled(paused=said("routing", True))
    both = a.merge(b)
    assert both == b.merge(a)
    assert (both.is_ended, both.is_paused, both.outcome.value) == (True, True, NOTHING)
    assert both.includes(a)
    assert both.includes(b)
    assert not a.includes(both)
    assert len({x.digest() for x in (a, b, both, Coupled())}) == 4
    assert both.digest() == b.merge(a).digest()


@pytest.mark.parametrize("value", VALUES)
def test_what_takes_a_case_up_again(value: Unit) -> None:
    assert not unit.takes_up(value, Done(("u1",)))
    assert unit.takes_up(value, Assigned(("u1",)))
    assert unit.takes_up(value, Queued("q1")) == (value != Queued("q1"))
    assert unit.takes_up(value, NOTHING) == (not isinstance(value, Nothing))


@pytest.mark.parametrize("value", [Queued(""), Assigned(())])
def test_what_may_never_be_shown(value: Unit) -> None:
    assert not unit.valid(value)


def test_the_examples_in_the_module_run() -> None:
    result = doctest.testmod(unit)
    assert result.attempted > 0
    assert result.failed == 0
