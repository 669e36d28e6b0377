"""Sentences that the terminal, the page and Markdown share: the verdict, a place, a hole, an input."""

from __future__ import annotations

from itertools import groupby

from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.finding import Hole, Input
from interlock.investigation.investigate import Report
from interlock.investigation.observation import Place
from interlock.investigation.report.json import input_name
from interlock.investigation.report.timeline import short, word_for


def headline(report: Report) -> str:
    """The verdict in a sentence."""
    grave = [f for f in report.findings if f.severity != "low"]
    if report.verdict == "broken":
        first = report.findings[0]
        name = CATALOGUE[first.rule].name.replace("-", " ") if first.rule in CATALOGUE else first.rule
        more = f", and {len(grave) - 1} more of weight" if len(grave) > 1 else ""
        return f"Broken: {name}, {first.certainty}{more}"
    if report.verdict == "sound":
        return "Sound: nothing was lost, and the log shows enough to say so"
    if grave:
        return f"Unknown: {len(grave)} findings of weight, none of which is proof by itself"
    return "Unknown: no evidence of harm, and not enough in the log to exclude it"


def place_text(names: list[str], place: Place) -> str:
    """`file:line`."""
    return f"{input_name(names, place.input)}:{place.line}"


def hole_text(hole: Hole) -> str:
    """What the log does not show of a record."""
    what = f"{word_for(hole.record.type)} {short(hole.record.id)}"
    matters = f"; matters to {count(len(hole.matters_to), 'finding')}" if hole.matters_to else ""
    if not hole.revs:
        return f"{what}: anything {hole.open_ended or 'between'}{matters}"
    said = f"rev{'s' if len(hole.revs) > 1 else ''} {ranges(hole.revs)}"
    if hole.open_ended:
        said += " and " + ("earlier" if hole.open_ended == "before" else "later")
    return f"{what}: {said}{matters}"


def ranges(revs: tuple[int, ...]) -> str:
    """1, 2, 3, 7 as `1–3, 7`."""
    parts: list[str] = []
    for _, run in groupby(enumerate(sorted(set(revs))), key=lambda pair: pair[1] - pair[0]):
        members = [rev for _, rev in run]
        parts.append(str(members[0]) if len(members) == 1 else f"{members[0]}–{members[-1]}")
    return ", ".join(parts)


def input_text(i: Input) -> str:
    """What an input was, and what it came to."""
    said = f"{i.name}: {i.format or 'unknown format'}, {i.bytes:,} bytes, "
    said += f"{i.entries:,} {'entry' if i.entries == 1 else 'entries'}, {count(i.told, 'observation')}"
    if i.repairs:
        proven = sum(r.proof == "proven" for r in i.repairs)
        of = "" if i.repaired == len(i.repairs) else f" of the first {len(i.repairs):,}"
        said += f", {count(i.repaired, 'repair')} ({proven}{of} proven by length)"
    return said + (f", {i.refusals:,} not readable" if i.refused else "")


def read_text(report: Report) -> list[str]:
    """What was read; of a big log, also what is only counted."""
    said = [input_text(i) for i in report.inputs]
    screened = report.screened
    if screened is None:
        return said
    said.append(
        f"{count(screened.conversations, 'conversation')} without a finding of weight: not listed, only counted"
    )
    low = ", ".join(f"{rule} {n:,}" for rule, n in screened.low.items() if n)
    said.append(f"of low severity in them: {low or 'nothing'}; not counted: {', '.join(screened.not_counted)}")
    if screened.left_out:
        said.append("too many to be listed: " + ", ".join(f"{rule} {n:,}" for rule, n in screened.left_out.items()))
    return said


def count(n: int, word: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"
