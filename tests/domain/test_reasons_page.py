"""The page of reasons is what routing's own tables say, with a next step for each."""

from __future__ import annotations

from tools.reasons_page import NEXT, PAGE, page

from interlock.domain.routing import WAITING


def test_the_page_is_fresh() -> None:
    """`python tools/reasons_page.py` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_reason_has_a_next_step() -> None:
    assert list(NEXT) == [code for code, _ in WAITING]
