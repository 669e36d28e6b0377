"""The sorted line against a list that is sorted anew each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain import line as module
from interlock.domain.line import Line

KEYS = st.tuples(st.integers(0, 5), st.text("abc", max_size=3))


@given(st.lists(st.tuples(st.booleans(), KEYS), max_size=200))
def test_it_is_a_sorted_list(steps: list[tuple[bool, tuple[int, str]]]) -> None:
    line: Line[tuple[int, str]] = Line()
    model: set[tuple[int, str]] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE", 3)
        for add, key in steps:
            if add and key not in model:
                line.add(key)
                model.add(key)
            elif not add and key in model:
                line.remove(key)
                model.remove(key)
            elif not add:
                with pytest.raises(KeyError):
                    line.remove(key)
            ordered = sorted(model)
            assert list(line) == ordered
            assert (len(line), line.first()) == (len(ordered), ordered[0] if ordered else None)
            assert list(line.after(key)) == [k for k in ordered if k > key]
            assert line.before(key) == sum(k < key for k in ordered)
