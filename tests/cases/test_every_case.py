"""Every case that we hold to has its test: the list of cases against the numbers that the tests name."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from tests.cases.shop import CASES

LIST = Path(__file__).parents[2].parent / "shared" / "cases" / "routing_cases.md"
MODULES = ("test_sync_and_bulk", "test_order_and_choice", "test_capacity_and_offers")


def numbers(text: str) -> set[str]:
    """The numbers of the cases marked A; `S-08..S-14` are seven."""
    found: set[str] = set()
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) < 6 or not re.match(r"A\b", cells[-1]):
            continue
        first, _, last = cells[0].partition("..")
        letter, _, n = first.partition("-")
        until = int(last.partition("-")[2]) if last else int(n)
        found |= {f"{letter}-{i:02d}" for i in range(int(n), until + 1)}
    return found


def test_every_case_has_its_test() -> None:
    if not LIST.exists():
        pytest.skip("the list of cases is not part of the project, and not on this machine")
    for module in MODULES:
        importlib.import_module(f"tests.cases.{module}")
    wanted = numbers(LIST.read_text(encoding="utf-8"))
    assert len(wanted) > 80
    assert wanted - CASES.keys() == set()
