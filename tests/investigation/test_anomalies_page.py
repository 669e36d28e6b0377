"""The page of anomalies is what the catalogue and the detectors say, with an anchor for each rule."""

from __future__ import annotations

import re

from tools.anomaly_page import PAGE, page

from interlock.investigation.anomalies import CATALOGUE, severity_of


def test_the_page_is_fresh() -> None:
    """`python tools/anomaly_page.py` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_rule_has_its_anchor() -> None:
    headings = re.findall(r"^## (.*)$", page(), re.MULTILINE)
    assert {a.anchor.partition("#")[2] for a in CATALOGUE.values()} == {h.lower().replace(" ", "-") for h in headings}


def test_ids_are_r1_to_r27() -> None:
    assert list(CATALOGUE) == [f"R{n}" for n in range(1, 28)]
    assert severity_of("R1") == "high"
