"""The report as Markdown, for an issue or a post-mortem. Text of a log stands in it as text, not as markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.investigate import Report
from interlock.investigation.report.json import Explain
from interlock.investigation.report.timeline import Card, Cell, Timeline, word_for
from interlock.investigation.report.words import headline, hole_text, place_text, read_text

ROWS_MAX = 200
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~])")


def page(report: Report, timelines: Sequence[Timeline], explain: Explain) -> str:
    """The file. Timelines are cut at 200 rows each, and say so."""
    names = [i.name for i in report.inputs]
    out = [f"# {_text(headline(report))}", ""]
    if report.partial:
        out += ["**Partial**: it was interrupted; what follows holds for what was read.", ""]
    for timeline in timelines:
        out += _table(timeline)
    out += ["## Findings", ""]
    for f in report.findings:
        name = CATALOGUE[f.rule].name if f.rule in CATALOGUE else ""
        rev = f" rev {f.rev}" if f.rev is not None else ""
        what = f"{_text(word_for(f.record.type))} `{_code(f.record.id)}`{rev}"
        places = ", ".join(f"`{_code(place_text(names, e.place))}`" for e in f.evidence)
        out += [
            f"- **{f.rule} {name}** ({f.severity}, {f.certainty}, grade {f.grade}), {what}  ",
            f"  {_text(explain(f))}  ",
        ]
        out += [f"  {places}"] if places else []
    out += [] if report.findings else ["None."]
    out += _list("Not shown by the log", map(hole_text, report.holes))
    repairs = ((n, r) for n, i in enumerate(report.inputs) for r in i.repairs)
    out += _list("Repairs", (f"{names[n]}:{r.place.line} {r.kind}: {r.assumed} ({r.proof})" for n, r in repairs))
    out += _list("Ask for next", report.ask_for)
    out += _list("Read", read_text(report))
    refused = (f"{place_text(names, r.place)} {r.why}" for i in report.inputs for r in i.refused)
    out += _list("Not readable", refused)
    return "\n".join(out) + "\n"


def _text(text: str) -> str:
    plain = text.encode("utf-8", "backslashreplace").decode()
    said = "".join(c if c.isprintable() else " " for c in plain)
    return _MARKUP.sub(r"\\\1", said).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    plain = "".join(c if c.isprintable() and c not in "`|" else " " for c in text)
    return plain.replace("<", "‹").replace(">", "›")


def _table(timeline: Timeline) -> list[str]:
    head = f"| clock (UTC) | {_text(timeline.left)} | decision | {_text(timeline.right)} |"
    out = [f"## {_text(timeline.left)}, {timeline.day}", "", head, "|---|---|---|---|"]
    for line in timeline.lines[:ROWS_MAX]:
        out.append(f"| {line.clock}<br>{line.delta} | {_cell(line.left)} | {_card(line.card)} | {_cell(line.right)} |")
    if len(timeline.lines) > ROWS_MAX:
        out.append(f"| … | {len(timeline.lines) - ROWS_MAX} rows more | | |")
    return [*out, ""]


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    parts = [f"**rev {cell.rev}** {_text(cell.head)}" if cell.rev is not None else _text(cell.head)]
    parts += [f"*{tag}*" for tag in cell.tags]
    parts += [
        f"{_text(name)} {_text(before) + ' → ' if before else ''}{_text(after)}" for name, before, after in cell.moves
    ]
    return "<br>".join([*parts, *map(_text, cell.notes)])


def _card(card: Card | None) -> str:
    if card is None:
        return ""
    return "<br>".join([f"*{card.outcome}*: {_text(card.title)}", *(f"{_text(k)}: {_text(v)}" for k, v in card.facts)])


def _list(title: str, said: Iterable[str]) -> list[str]:
    lines = [f"- {_text(line)}" for line in said]
    return ["", f"## {title}", "", *lines] if lines else []
