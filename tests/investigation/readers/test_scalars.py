"""Times, whole numbers and ids as logs write them."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.investigation.scalars import id_second, ms_of, text, whole


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2022-03-02T19:13:26.158Z", 1646248406158),
        ("2022-03-02T21:13:26.158999+02:00", 1646248406158),
        ("2022-03-02T19:13:26,158Z", 1646248406158),
        ("2022-03-02 19:13:26", 1646248406000),
        ("1646248406490", 1646248406490),
        (1646248406, 1646248406000),
        (1646248406.49, 1646248406490),
        (1646248406490, 1646248406490),
        (1646248406490999, 1646248406490),
        (1646248406490999999, 1646248406490),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2022-13-02T19:13:26.158Z", None),
        ("yesterday, about noon", None),
        (True, None),
        (7, None),
        (float("nan"), None),
        (None, None),
        ([], None),
    ],
)
def test_times(value: Any, ms: int | None) -> None:
    assert ms_of(value) == ms


def test_words_and_numbers() -> None:
    assert [whole(v) for v in (3, "3", 3.0, "-3", True, 3.5, "x", None, "9" * 30)] == [3, 3, 3, -3] + [None] * 5
    assert [text(v) for v in ("a", 728527378439499336, True, None, 1.5)] == ["a", "728527378439499336", "", "", ""]


def test_the_second_in_an_id() -> None:
    assert id_second("621fc1d36a39b4aa389cb72b") == 1646248403
    assert id_second("f" * 24) is None
    assert id_second("INC0000045") is None
