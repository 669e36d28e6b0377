"""The digest of a coupled state: equal for equal states, however they came to be."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain import assignment as unit
from interlock.domain.assignment import Actor, Assigned, Coupled, Done, Origin, Queued, State
from interlock.domain.record import Ref

ORIGIN = Origin("routing", 1, Actor("rule", "queue-rule", "q"), Ref("work_item", "w"), 2, 5)
VALUES = st.sampled_from(
    [Queued("q"), Queued("x", True), Assigned(("u",)), Assigned(("u",), "q"), Done(), unit.NOTHING]
)


def test_an_empty_register_is_an_empty_register() -> None:
    """One that was made, one that is the default and one that was read again: the sweep compares their digests."""
    made, default = Coupled(State((), ()), State((), ()), State((), ())), Coupled()
    assert made == default
    assert made.digest() == default.digest()


@given(VALUES, st.booleans(), st.booleans())
def test_to_be_stored_and_read_changes_no_digest(value: unit.Unit, ended: bool, empty: bool) -> None:
    state = unit.intend(State(), ORIGIN, value, ())
    register = State((), ()) if empty else unit.intend(State[bool](), ORIGIN, ended, ())
    coupled = Coupled(state, register, State((), ()))
    again = msgspec.json.decode(msgspec.json.encode(coupled), type=Coupled)
    assert again == coupled
    assert again.digest() == coupled.digest()
