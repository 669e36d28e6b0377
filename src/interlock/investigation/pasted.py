"""An investigation of texts that somebody has at hand: bounded, repeatable, with repairs that can be taken back."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from interlock.investigation.explain import explain
from interlock.investigation.finding import History, Input, Limits, Refused
from interlock.investigation.investigate import USUAL, Report, examine, grouped, last_moment, report
from interlock.investigation.observation import Entry
from interlock.investigation.readers.reading import FORMATS, Reading, UnknownFormat
from interlock.investigation.readers.source import Named, Stream
from interlock.investigation.report import emit_test, json, markdown
from interlock.investigation.report.redact import Redactor
from interlock.investigation.report.timeline import Timeline, timeline_of
from interlock.investigation.report.words import headline, hole_text, input_text

ENTRIES_MAX = 50_000
"""More than that is for the command line, which reads a gigabyte in bounded memory."""
PLAIN_BYTES_MAX = 32 << 20
TIMELINES_MAX = 20
LINES_MAX = 2_000
"""Rows of one timeline that are told."""


class Text(NamedTuple):
    """One input: its name, and its bytes as they lie (plain, gzip or zstd)."""

    name: str
    data: bytes


class Investigated(msgspec.Struct, frozen=True):
    """What it came to: the report, the timelines of the worst conversations, and how many are left out."""

    report: Report
    timelines: tuple[Timeline, ...]
    left_out: int = 0

    def told(self) -> dict[str, Any]:
        """All of it as data: the contract's document, and what a page shows beside it."""
        out = json.document(self.report, explain)
        out["headline"] = headline(self.report)
        out["holeTexts"] = [hole_text(h) for h in self.report.holes]
        out["inputTexts"] = [input_text(i) for i in self.report.inputs]
        out["timelines"] = [_told(t) for t in self.timelines]
        out["timelinesLeftOut"] = self.left_out
        return json.plain(out)

    def markdown(self) -> str:
        """The report for an issue."""
        return markdown.page(self.report, self.timelines, explain)

    def test(self) -> tuple[str, str, str] | None:
        """A test that replays the worst loss: its mark, its text, its history; `None` if nothing can be replayed."""
        try:
            return emit_test.texts(self.report.findings)
        except emit_test.NothingToReplay:
            return None


def _told(t: Timeline) -> dict[str, Any]:
    out = msgspec.to_builtins(t)
    out["lines"] = out["lines"][:LINES_MAX]
    out["linesLeftOut"] = max(0, len(t.lines) - LINES_MAX)
    return out


def investigate(
    texts: Sequence[Text], *, format: str | None = None, undone: frozenset[tuple[int, int]] = frozenset(),
    redactor: Redactor | None = None,
) -> Investigated:  # fmt: skip
    """The report over these inputs. `undone`: (input, line) of repairs not believed: their entries are refused.

    Raises `UnknownFormat` for a format that there is not.
    """
    if format is not None and format not in FORMATS:
        raise UnknownFormat(f"There is no format {format}; there are {', '.join(FORMATS)}.")
    if redactor is not None:
        texts = [_redacted(t, redactor) for t in texts]
    reading = Reading([Named(t.name, lambda t=t: io.BytesIO(t.data)) for t in texts], format)
    entries: list[Entry] = list(islice(reading, ENTRIES_MAX))
    cut = len(entries) == ENTRIES_MAX
    entries, refused = _without(entries, undone)
    inputs = [_undone(i, undone, [r for r in refused if r.place.input == n]) for n, i in enumerate(reading.inputs)]
    return of_entries(entries, inputs, partial=cut)


def _undone(read: Input, undone: frozenset[tuple[int, int]], refused: list[Refused]) -> Input:
    """The input without the repairs that were undone, and with the entries that are refused for it."""
    repairs = [r for r in read.repairs if (r.place.input, r.place.line) not in undone]
    return msgspec.structs.replace(
        read, repairs=repairs, repaired=read.repaired - len(read.repairs) + len(repairs),
        refused=[*read.refused, *refused], refusals=read.refusals + len(refused),
    )  # fmt: skip


def of_entries(
    entries: Sequence[Entry], inputs: Iterable[Input] = (), *, limits: Limits = USUAL, partial: bool = False,
    end: int | None = None,
) -> Investigated:  # fmt: skip
    """The same over entries that are read already. `end`: the last moment that they show (ms)."""
    inputs = list(inputs)
    histories = grouped(entries, limits)
    last = end if end is not None else last_moment(entries)
    said = report([examine(h, last) for h in histories], inputs, partial=partial)
    chosen = _worst_first(said, histories)
    repairs = [r for i in inputs for r in i.repairs]
    shown = [timeline_of(h.group, h.observations, h.audits, said.findings, repairs) for h in chosen[:TIMELINES_MAX]]
    return Investigated(said, tuple(shown), max(0, len(chosen) - TIMELINES_MAX))


def _worst_first(said: Report, histories: Sequence[History]) -> list[History]:
    rank = {record: n for n, record in reversed(list(enumerate(f.record for f in said.findings)))}
    return sorted(
        histories, key=lambda h: min((rank.get(o.record, len(rank)) for o in h.observations), default=len(rank))
    )


def _without(entries: list[Entry], undone: frozenset[tuple[int, int]]) -> tuple[list[Entry], list[Refused]]:
    """The entries that rest on no repair that was undone, and those that do, as refused."""
    if not undone:
        return entries, []
    begins = sorted({(e.place.input, e.place.line) for e in entries})
    hit: set[tuple[int, int]] = set()
    for at in undone:
        n = bisect_right(begins, at)
        if n and begins[n - 1][0] == at[0]:
            hit.add(begins[n - 1])
    kept = [e for e in entries if (e.place.input, e.place.line) not in hit]
    gone = {(e.place.input, e.place.line): e.place for e in entries if (e.place.input, e.place.line) in hit}
    return kept, [Refused(place, "its repair was undone") for place in gone.values()]


def _redacted(text: Text, redactor: Redactor) -> Text:
    plain = io.BufferedReader(Stream(io.BytesIO(text.data))).read(PLAIN_BYTES_MAX)
    said = redactor.text(plain.decode("utf-8", "surrogateescape"))
    return Text(text.name, said.encode("utf-8", "surrogateescape"))
