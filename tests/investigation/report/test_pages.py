"""The reports for people: the page is safe and self-contained, the terminal obeys no log, words carry the meaning."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re

import pytest
from rich.console import Console
from tests.investigation.report.investigated import hostile, investigated, timelines

from interlock.investigation.explain import explain
from interlock.investigation.investigate import Report, Screened
from interlock.investigation.report import html, markdown, terminal
from interlock.investigation.report.timeline import INFERRED, NOT_SEEN, REPAIRED, WRONG

SAID, HISTORIES = investigated()
LINES = timelines(SAID, HISTORIES)


def the_terminal(said=SAID, lines=LINES) -> str:
    page = io.StringIO()
    terminal.write(Console(file=page, width=140, color_system=None), said, lines, explain)
    return page.getvalue()


def test_the_terminal_says_in_words_what_the_timeline_marks() -> None:
    text = the_terminal()
    assert "Broken: stale overwrite, proven" in text
    for word in (REPAIRED, INFERRED, NOT_SEEN, WRONG):
        assert f"[{word}]" in text or f"({word})" in text, word
    assert re.search(r"incident\.md:\d+", text)
    assert "Ask for next" in text
    assert "Not shown by the log" in text


def test_a_log_cannot_steer_the_terminal() -> None:
    text = the_terminal(*hostile())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]", text)
    assert "\\u001b" in text


def test_the_page_asks_nobody_for_anything() -> None:
    page = html.page(SAID, LINES, explain)
    assert not re.search(r"(?:src|href)\s*=|@import|url\(|fetch\(|XMLHttpRequest|https?://", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    for kind in ("script", "style"):
        inside = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]


def test_a_log_cannot_bring_markup_into_the_page() -> None:
    page = html.page(*hostile(), explain)
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert "<" not in data[1]
    assert "hacked" in json.dumps(json.loads(data[1])), "the text is still there, as text"


def test_the_page_script_sets_text_and_never_markup() -> None:
    script = html._asset("page.js")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)


def test_a_page_of_ten_thousand_events_is_one_of_batches() -> None:
    said, lines = hostile(10_000)
    page = html.page(said, lines, explain)
    assert len(lines[0].lines) == 10_000
    assert page.count("<tr") < 10, "rows are made as they come into view"
    assert len(page) < 20e6


def test_timelines_beyond_the_limit_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "ROWS_MAX", 3)
    page = html.page(SAID, [*LINES, *LINES], explain)
    assert "1 conversations more are not in this file" in page


def test_markdown_escapes_what_a_log_says() -> None:
    text = markdown.page(*hostile(), explain)
    assert "<script" not in text
    assert "\x1b" not in text
    plain = markdown.page(SAID, LINES, explain)
    assert plain.startswith("# Broken")
    assert "| clock (UTC) |" in plain


def test_a_long_timeline_shows_the_rows_around_findings() -> None:
    _, (line,) = hostile(500)
    rows = terminal.shown_rows(line.lines)
    assert len(rows) < 50
    assert sum(r for r in rows if isinstance(r, int)) + sum(not isinstance(r, int) for r in rows) == 500
    assert any(not isinstance(r, int) and r.severity == "high" for r in rows)


def test_what_is_only_counted_stands_in_every_report() -> None:
    """A big log's report lists what has weight; a reader has to see that the rest was only counted."""
    counted = Screened(conversations=1_786, low={"R20": 1_871, "R4": 0}, not_counted=("R18",), left_out={"R1": 12})
    said = Report(verdict="unknown", screened=counted)
    pages = [html.page(said, [], explain), markdown.page(said, [], explain), the_terminal(said, [])]
    for page in pages:
        page = page.replace("\\", "")  # noqa: PLW2901 - Markdown's escapes
        assert "1,786 conversations without a finding of weight" in page
        assert "R20 1,871; not counted: R18" in page
        assert "too many to be listed: R1 12" in page
