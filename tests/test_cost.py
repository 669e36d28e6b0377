"""The sizing page says what the figures say; and a cost that grows faster than a logarithm is found out."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

import cost_model  # pyright: ignore[reportMissingImports]
from cost_model import fits, limits, page_with, picture, sizes  # pyright: ignore[reportMissingImports]


@pytest.fixture
def document() -> dict[str, Any]:
    """The figures that are kept."""
    return json.loads(cost_model.FIGURES.read_text(encoding="utf-8"))


def test_page_and_picture_are_made_from_the_figures(document: dict[str, Any]) -> None:
    """Stale? `python bench/cost_model.py --write`."""
    page = cost_model.PAGE.read_text(encoding="utf-8")
    assert page == page_with(page, cost_model.figures(document, 10_000, 100e6))
    assert cost_model.PICTURE.read_text(encoding="utf-8") == picture(document)


def test_every_dimension_is_at_most_logarithmic(document: dict[str, Any]) -> None:
    for dimension, line in fits(document).items():
        assert line.logarithmic, (dimension, line)
        assert len(document["points"][dimension]) >= 3
        for p in document["points"][dimension]:
            assert p["cadences_core"] < 0.25, "five cadences with a twentieth of the time each"


@pytest.mark.parametrize(("power", "holds"), [(0.0, True), (0.05, True), (0.25, False), (1.0, False)])
def test_a_power_is_told_from_a_logarithm(power: float, *, holds: bool) -> None:
    ns = [10.0**k for k in (3, 4, 5, 6)]
    assert cost_model.fit(ns, [0.004 * n**power for n in ns]).logarithmic is holds
    assert cost_model.fit(ns, [0.004 + 0.0001 * k for k in (3, 4, 5, 6)]).logarithmic


def test_sizes_follow_from_the_figures(document: dict[str, Any]) -> None:
    """By hand, for figures that are easy."""
    document["bytes"] |= {"log_rows": 10.0, "log_bytes": 1024.0, "wal_bytes": 2048.0, "relay_ms_per_row": 0.06}
    document["apart"]["processor_ms"] = {"routing-1": 2.0, "api-1": 4.0, "postgres": 9.6, "load": 99.0, "all": 1.0}
    document["points"]["orgs"] = [{"n": n, "routed_s": 0.01, "unit_s": 1.0} for n in (1_000, 10_000, 100_000)]
    assert limits(document) == pytest.approx({"PostgreSQL primary": 1_000.0, "relay": 1_000.0})
    found = {s.what: s.result for s in sizes(document, 100, 86_400 * 2_000 / cost_model.PEAK)}
    assert found["conversations a second, peak"] == "2,000"
    assert found["rows of the log a second, peak"] == "20,000"
    assert found["cores for Interlock's roles and API"] == "20: 2 machines of 16"
    assert found["and a second, peak"] == "3.9 MiB"
    assert found["cells: stores and streams, each with whole orgs"].startswith("2, of 50 orgs each")


def test_the_picture_is_for_light_and_dark_and_has_every_point(document: dict[str, Any]) -> None:
    drawn = picture(document)
    assert "prefers-color-scheme: dark" in drawn
    assert "<desc" in drawn
    assert len(re.findall("<circle", drawn)) == sum(map(len, document["points"].values()))
