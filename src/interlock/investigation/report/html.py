"""The report as one HTML file that asks nobody for anything: a picture of the two records, with zoom and filter.

Text of a log goes in as text: into the static part escaped, into the timeline as JSON that the page's one script sets
with `textContent`. A content security policy allows that script and that style by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib.resources import files

import msgspec

from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.finding import Finding
from interlock.investigation.investigate import Report
from interlock.investigation.report.json import Explain, input_name, plain
from interlock.investigation.report.timeline import Timeline, short, word_for
from interlock.investigation.report.words import headline, hole_text, place_text, read_text

ROWS_MAX = 20_000
FINDINGS_MAX = 500


def page(report: Report, timelines: Sequence[Timeline], explain: Explain) -> str:
    """The file. Timelines beyond 20,000 rows in all are left out, and the page says how many."""
    kept, left_out = _fitting(timelines)
    style, script = _asset("page.css"), _asset("page.js")
    allowed = f"script-src '{_hash(script)}'; style-src '{_hash(style)}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    names = [i.name for i in report.inputs]
    data = _embedded({"inputs": names, "timelines": kept})
    title = f"{report.verdict}: {', '.join(names[:3])}"
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{style}</style></head><body>",
        _head(report, kept),
        "<main>",
        _verdict(report, explain),
        _story(left_out),
        _findings(report, names, kept, explain),
        _rest(report),
        "</main>",
        f'<script type="application/json" id="data">{data}</script><script>{script}</script></body></html>',
    ]
    return "\n".join(parts) + "\n"


def _fitting(timelines: Sequence[Timeline]) -> tuple[list[Timeline], int]:
    kept: list[Timeline] = []
    rows = 0
    for timeline in timelines:
        rows += len(timeline.lines)
        if kept and rows > ROWS_MAX:
            break
        kept.append(timeline)
    return kept, len(timelines) - len(kept)


def _asset(name: str) -> str:
    return files("interlock.investigation.report").joinpath(name).read_text("utf-8").strip()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(value: object) -> str:
    """JSON that cannot end the element it stands in."""
    said = msgspec.json.encode(plain(msgspec.to_builtins(value)), enc_hook=str).decode()
    return said.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _text(value: object) -> str:
    return escape(str(value).encode("utf-8", "backslashreplace").decode().replace("\0", "\ufffd"), quote=True)


def _head(report: Report, timelines: Sequence[Timeline]) -> str:
    entries, repairs = sum(i.entries for i in report.inputs), sum(len(i.repairs) for i in report.inputs)
    what = timelines[0].left if len(timelines) == 1 else f"{len(report.records)} records"
    partial = '<span class="tag b">partial: it was interrupted</span>' if report.partial else ""
    return (
        f"<header><h1>{_text(what)}</h1><span class=mut>{entries} entries read, {repairs} repairs</span>"
        f"<span class=mut>interlock investigate</span>{partial}</header>"
    )


def _verdict(report: Report, explain: Explain) -> str:
    first = report.findings[0] if report.findings else None
    sentence = _text(explain(first)) if first else ""
    return (
        f'<section class="verdict {report.verdict}" aria-labelledby="v"><h2 id="v">{_text(headline(report))}</h2>'
        f"{sentence}</section>"
    )


def _story(left_out: int) -> str:
    said = f"{left_out} conversations more are not in this file; the JSON report has their findings."
    note = f"<p class=mut>{said}</p>" if left_out else ""
    return _asset("page.html") + note + "</section>"


def _findings(report: Report, names: list[str], timelines: Sequence[Timeline], explain: Explain) -> str:
    if not report.findings:
        return "<h2>Findings</h2><p>None.</p>"
    at = {n: i for i, t in enumerate(timelines) for line in t.lines for n in line.findings}
    shown = [_finding(n, f, names, at.get(n), explain) for n, f in enumerate(report.findings[:FINDINGS_MAX])]
    more = len(report.findings) - len(shown)
    rest = f"<p class=mut>{more} findings more are in the JSON report.</p>" if more else ""
    return f"<h2>Findings</h2>{''.join(shown)}{rest}"


def _finding(number: int, f: Finding, names: list[str], timeline: int | None, explain: Explain) -> str:
    name = CATALOGUE[f.rule].name if f.rule in CATALOGUE else ""
    places = ", ".join(f"<code>{_text(place_text(names, e.place))}</code>" for e in f.evidence)
    jump = f'<button data-timeline="{timeline}">show</button>' if timeline is not None else ""
    intervals = ", ".join(f"{_text(k.replace('_', ' '))} {v} ms" for k, v in f.intervals_ms.items())
    rev = f" rev {f.rev}" if f.rev is not None else ""
    return (
        f'<div class="finding {f.severity}" id="finding-{number}"><p><b>{f.rule} {_text(name)}</b> '
        f"{_tag(f.severity)}{_tag(f.certainty)}{_tag('grade ' + f.grade)}"
        f"{_text(word_for(f.record.type))} <code>{_text(short(f.record.id))}</code>{rev} {jump}</p>"
        f"<p>{_text(explain(f))}</p><p class=mut>{intervals}{' · ' if intervals and places else ''}{places}</p></div>"
    )


def _tag(word: str) -> str:
    return f'<span class="tag q">{_text(word)}</span>'


def _rest(report: Report) -> str:
    names = [i.name for i in report.inputs]
    parts: list[str] = []
    for title, said in (
        ("What the log does not show", [hole_text(h) for h in report.holes]),
        ("What to ask for next", list(report.ask_for)),
        ("Inputs", read_text(report)),
    ):
        if said:
            parts.append(f"<h2>{title}</h2><ul>{''.join(f'<li>{_text(s)}</li>' for s in said[:FINDINGS_MAX])}</ul>")
    repairs = [(n, r) for n, i in enumerate(report.inputs) for r in i.repairs]
    if repairs:
        rows = "".join(
            f"<tr><td><code>{_text(input_name(names, n))}:{r.place.line}</code></td><td>{_text(r.kind)}</td>"
            f"<td>{_text(r.assumed)}</td><td>{_text(r.proof)}</td></tr>"
            for n, r in repairs[:FINDINGS_MAX]
        )
        head = "<tr><th>place</th><th>damage</th><th>read as</th><th>proof by length</th></tr>"
        parts.append(f"<details><summary>Repairs ({len(repairs)})</summary><table>{head}{rows}</table></details>")
    refused = [(n, r) for n, i in enumerate(report.inputs) for r in i.refused]
    if refused:
        rows = "".join(
            f"<li><code>{_text(input_name(names, n))}:{r.place.line}</code> {_text(r.why)}</li>"
            for n, r in refused[:FINDINGS_MAX]
        )
        parts.append(f"<details><summary>Not readable ({len(refused)})</summary><ul>{rows}</ul></details>")
    return "".join(parts)
