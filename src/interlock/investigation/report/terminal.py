"""The report for a terminal: verdict, timeline, findings with their places, holes, repairs, and what to ask for next.

Colours only repeat what words say. Text of a log is shown with its control characters made visible: a log cannot move
the cursor, and cannot write from right to left.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.finding import Finding
from interlock.investigation.investigate import Report
from interlock.investigation.report.json import Explain
from interlock.investigation.report.timeline import APPLIED, WRONG, Card, Cell, Line, Timeline, short, word_for
from interlock.investigation.report.words import count, headline, hole_text, place_text, read_text

FINDINGS_MAX = 40
TIMELINES_MAX = 3
ROWS_MAX = 40
ROWS_AROUND = 4
_LISTED_MAX = 12
_STYLE = {"high": "bold red", "medium": "yellow", "low": "dim"}
_VERDICT = {"broken": "bold red", "unknown": "bold yellow", "sound": "bold green"}


def write(console: Console, report: Report, timelines: Sequence[Timeline], explain: Explain) -> None:
    """Everything, for people."""
    names = [i.name for i in report.inputs]
    if report.partial:
        console.print(Text("partial: it was interrupted; what follows holds for what was read", style="bold yellow"))
    console.print(Text(visible(headline(report)), style=_VERDICT[report.verdict]))
    grave = [f for f in report.findings if f.severity != "low"]
    if grave:
        console.print(Padding(Text(visible(explain(grave[0]))), (0, 0, 0, 2)))
    for timeline in timelines[:TIMELINES_MAX]:
        console.print()
        console.print(_timeline(timeline))
    if len(timelines) > TIMELINES_MAX:
        console.print(
            Text(f"{len(timelines) - TIMELINES_MAX} timelines more: --report FILE.html has them", style="dim")
        )
    _findings(console, report.findings, names, explain)
    _list(console, "Not shown by the log", (hole_text(h) for h in report.holes))
    _repairs(console, report, names)
    _list(console, "Ask for next", report.ask_for)
    _list(console, "Read", read_text(report))
    _list(console, "Not readable", (f"{place_text(names, r.place)}  {r.why}" for i in report.inputs for r in i.refused))


def visible(text: str) -> str:
    """Text without anything that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(_shown(c) for c in text)


def _shown(c: str) -> str:
    if c == "\n":
        return c
    return c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else f"\\u{ord(c):04x}"


def _timeline(timeline: Timeline) -> Table:
    span = f", {timeline.span_ms:,} ms from first to last" if timeline.span_ms is not None else ""
    table = Table(
        title=visible(f"{timeline.left} · {timeline.right} · {timeline.day} UTC{span}"), title_justify="left",
        title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim",
    )  # fmt: skip
    table.add_column("clock, difference", no_wrap=True)
    table.add_column(visible(timeline.left.split()[0] if timeline.left else "record"), ratio=3)
    table.add_column("decision", ratio=4)
    table.add_column(visible(" ".join(timeline.right.split()[:-1]) or "other"), ratio=3)
    rows = shown_rows(timeline.lines)
    for n, line in enumerate(rows):
        if isinstance(line, int):
            table.add_row(Text(f"… {count(line, 'row')}", style="dim"))
            continue
        clock = Text(line.clock + "\n")
        clock.append(line.delta, style="dim")
        table.add_row(clock, _cell(line.left, "blue"), _card(line.card), _cell(line.right, "magenta"))
        if n + 1 < len(rows):
            table.add_row()
    return table


def shown_rows(lines: Sequence[Line]) -> list[Line | int]:
    """All rows of a short timeline; of a long one those around findings, and a number for each run left out."""
    if len(lines) <= ROWS_MAX:
        return list(lines)
    keep: set[int] = set()
    for n in [n for n, line in enumerate(lines) if line.severity in ("high", "medium")][: ROWS_MAX // 4]:
        keep.update(range(max(0, n - ROWS_AROUND), min(len(lines), n + ROWS_AROUND + 1)))
    keep = keep or set(range(ROWS_MAX))
    rows: list[Line | int] = []
    left_out = 0
    for n, line in enumerate(lines):
        if n in keep:
            rows += [left_out, line] if left_out else [line]
            left_out = 0
        else:
            left_out += 1
    return [*rows, left_out] if left_out else rows


def _cell(cell: Cell | None, colour: str) -> Text:
    out = Text()
    if cell is None:
        return out
    if cell.rev is not None:
        out.append(f"rev {cell.rev} ", style=f"bold {colour}")
    out.append(visible(cell.head))
    for tag in cell.tags:
        out.append(f" [{tag}]", style="italic")
    for name, before, after in cell.moves:
        out.append("\n" + visible(name) + " ")
        if before:
            out.append(visible(before), style="red")
            out.append(" → ")
        out.append(visible(after), style="green")
    for note in cell.notes:
        out.append("\n" + visible(note), style="dim")
    return out


def _card(card: Card | None) -> Text | Group:
    if card is None:
        return Text()
    style = "bold red" if card.outcome == WRONG else "green" if card.outcome == APPLIED else "italic"
    head = Text(f"[{visible(card.outcome)}] ", style=style)
    head.append(visible(card.title), style="default")
    if not card.facts:
        return head
    facts = Table.grid(padding=(0, 1, 0, 0))
    for name, text in card.facts:
        facts.add_row(Text(visible(name), style="dim"), Text(visible(text)))
    return Group(head, facts)


def _findings(console: Console, findings: Sequence[Finding], names: list[str], explain: Explain) -> None:
    console.print()
    console.print(Text(count(len(findings), "finding"), style="bold"))
    for f in findings[:FINDINGS_MAX]:
        name = CATALOGUE[f.rule].name if f.rule in CATALOGUE else ""
        head = Text(f"{f.rule} {name}", style=_STYLE[f.severity])
        rev = f" rev {f.rev}" if f.rev is not None else ""
        head.append(f"  {f.severity}, {f.certainty}, grade {f.grade}  ", style="default")
        head.append(visible(f"{word_for(f.record.type)} {short(f.record.id)}{rev}"), style="default")
        console.print(head)
        console.print(Padding(Text(visible(explain(f))), (0, 0, 0, 2)))
        places = list(dict.fromkeys(place_text(names, e.place) for e in f.evidence))
        if places:
            more = f" and {len(places) - _LISTED_MAX} more" if len(places) > _LISTED_MAX else ""
            console.print(
                Padding(Text(visible("at " + ", ".join(places[:_LISTED_MAX]) + more), style="dim"), (0, 0, 0, 2))
            )
    if len(findings) > FINDINGS_MAX:
        console.print(Text(f"{len(findings) - FINDINGS_MAX:,} more: --json has them", style="dim"))


def _repairs(console: Console, report: Report, names: list[str]) -> None:
    said: list[str] = []
    for number, i in enumerate(report.inputs):
        by_kind: dict[tuple[str, str], list[int]] = {}
        for r in i.repairs:
            by_kind.setdefault((r.kind, r.proof), []).append(r.place.line)
        words = {"proven": "proven by length", "unproven": "the length does not fit", "none": "no length to prove it"}
        for (kind, proof), lines in by_kind.items():
            where = f"{names[number]}:{lines[0]}" + (f"–{lines[-1]}" if len(lines) > 1 else "")
            said.append(f"{kind}: {len(lines)}, {words[proof]}, {where}")
    _list(console, "Repaired", said)


def _list(console: Console, title: str, said: Iterable[str]) -> None:
    lines = list(said)
    if not lines:
        return
    console.print()
    console.print(Text(title, style="bold"))
    for line in lines[:_LISTED_MAX]:
        console.print(Padding(Text(visible(line)), (0, 0, 0, 2)))
    if len(lines) > _LISTED_MAX:
        console.print(Padding(Text(f"and {len(lines) - _LISTED_MAX:,} more", style="dim"), (0, 0, 0, 2)))
