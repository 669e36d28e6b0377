"""From entries to a report. `examine` looks at one history; `report` puts what was found together.

`examine` is the pure function that file, live log and cluster share: its results are small and can cross processes.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from interlock.investigation.detectors.capacity import Held, Limit, holdings, over_capacity
from interlock.investigation.detectors.table import DETECTORS, NEEDS_AUDIT, NEEDS_ITEM, NEEDS_SYNC
from interlock.investigation.finding import Finding, History, Hole, Input, Limits, Verdict
from interlock.investigation.history import Chronicle
from interlock.investigation.observation import Audit, Entry, RecordRef
from interlock.investigation.verdict import ASKS_MAX, asks_of, holes_of, is_doubtful, rank, verdict_of

USUAL = Limits()
"""The windows that hold where nobody says otherwise."""


class RecordSeen(msgspec.Struct, frozen=True):
    """A record that the log tells of: first and last rev seen (`None`: it has no revs), and how many observations."""

    record: RecordRef
    first_rev: int | None
    last_rev: int | None
    observations: int


class Screened(msgspec.Struct, frozen=True, kw_only=True):
    """What a report on a big log does not list: conversations that a screen let pass, since nothing in them has weight.

    low           findings of low severity in them, of the rules that are counted; `not_counted`: the others
    left_out      findings of weight that were too many to be listed, by rule
    """

    conversations: int
    low: dict[str, int]
    not_counted: tuple[str, ...]
    left_out: dict[str, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an investigation says. Findings are ranked; holes refer to them by index.

    partial   it was interrupted: what is said holds for what was read
    screened  of a big log, what is not listed
    """

    verdict: Verdict
    inputs: tuple[Input, ...] = ()
    records: tuple[RecordSeen, ...] = ()
    findings: tuple[Finding, ...] = ()
    holes: tuple[Hole, ...] = ()
    ask_for: tuple[str, ...] = ()
    partial: bool = False
    screened: Screened | None = None


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What one history comes to. `holes` refer to `findings` by index; `rows` are for the second pass (R26).

    checked    versions that could be held against the one before them     doubtful   a decision spans a hole or a guess
    """

    group: str
    findings: tuple[Finding, ...] = ()
    holes: tuple[Hole, ...] = ()
    records: tuple[RecordSeen, ...] = ()
    asks: tuple[str, ...] = ()
    rows: tuple[Held | Limit, ...] = ()
    checked: int = 0
    doubtful: bool = False


def rules(c: Chronicle, *, without: frozenset[str] = frozenset()) -> list[Finding]:
    """Every finding of the rules that look at one history, in rank. Rules that cannot fire on it are not asked."""
    skipped = set(without)
    if not c.derived:
        skipped |= NEEDS_SYNC
    if not c.audits:
        skipped |= NEEDS_AUDIT
    if not c.items:
        skipped |= NEEDS_ITEM
    found = [f for rule, detect in DETECTORS.items() if rule not in skipped for f in detect(c)]
    found.sort(key=rank)
    return found


def examine(history: History, end: int | None = None, *, without: frozenset[str] = frozenset()) -> Examined:
    """One history against the whole catalogue but R26. `end`: the last moment that the whole log shows (ms)."""
    c = Chronicle(history, end)
    findings = rules(c, without=without)
    holes = holes_of(c, findings)
    records = tuple(
        RecordSeen(
            t.record,
            t.first.rev if t.versions else None,
            t.last.rev if t.versions else None,
            sum(1 + len(v.again) + len(v.twins) for v in t.versions) + len(t.loose),
        )
        for t in c.tracks
    )
    checked = sum(v.previous is not None for v in c.versions())
    return Examined(
        group=history.group,
        findings=tuple(findings),
        holes=tuple(holes),
        records=records,
        asks=tuple(asks_of(c, findings)),
        rows=tuple(holdings(c)),
        checked=checked,
        doubtful=is_doubtful(c, holes),
    )


def report(
    examined: Iterable[Examined],
    inputs: Iterable[Input] = (),
    *,
    partial: bool = False,
    without: frozenset[str] = frozenset(),
    over: Iterable[Finding] | None = None,
) -> Report:
    """Everything together: R26 over all histories, findings in rank, holes that point at them, the verdict.

    over   what R26 found, where it was asked already
    """
    parts = list(examined)
    found = [(rank(f), n, i, f) for n, part in enumerate(parts) for i, f in enumerate(part.findings)]
    if over is None:
        rows = (row for part in parts for row in part.rows)
        over = over_capacity(rows) if "R26" not in without else ()
    found += [(rank(f), -1, i, f) for i, f in enumerate(over)]
    found.sort(key=lambda x: x[:3])
    place = {(n, i): index for index, (_, n, i, _) in enumerate(found)}
    findings = tuple(f for *_, f in found)
    holes = tuple(
        msgspec.structs.replace(h, matters_to=tuple(sorted(place[n, i] for i in h.matters_to)))
        for n, part in enumerate(parts)
        for h in part.holes
    )
    read = tuple(inputs)
    unread = any(i.refused for i in read) or partial
    return Report(
        verdict=verdict_of(
            findings, checked=sum(p.checked for p in parts), doubtful=unread or any(p.doubtful for p in parts)
        ),
        inputs=read,
        records=tuple(r for part in parts for r in part.records),
        findings=findings,
        holes=holes,
        ask_for=_asked(parts),
        partial=partial,
    )


def _asked(parts: list[Examined]) -> tuple[str, ...]:
    asks = tuple(dict.fromkeys(a for part in parts for a in part.asks))
    if len(asks) <= ASKS_MAX:
        return asks
    return (*asks[:ASKS_MAX], f"And {len(asks) - ASKS_MAX} more of the same kind: see the holes.")


def grouped(entries: Iterable[Entry], limits: Limits = USUAL) -> list[History]:
    """Entries by conversation, each group in the order of the input."""
    seen: dict[str, tuple[list[Entry], list[Audit]]] = {}
    for entry in entries:
        observations, audits = seen.setdefault(entry.group, ([], []))
        if isinstance(entry, Audit):
            audits.append(entry)
        else:
            observations.append(entry)
    return [History(group, observations, audits, limits) for group, (observations, audits) in seen.items()]  # type: ignore[arg-type]


def last_moment(entries: Iterable[Entry]) -> int | None:
    """The last moment that the log shows (ms): how long something has been at rest is counted to here."""
    moments = (e.at if isinstance(e, Audit) else e.times.best for e in entries)
    return max((m for m in moments if m is not None), default=None)


def investigate_groups(
    entries: Iterable[Entry],
    inputs: Iterable[Input] = (),
    *,
    limits: Limits = USUAL,
    without: frozenset[str] = frozenset(),
) -> Report:
    """The report over entries that fit into memory."""
    known = list(entries)
    end = last_moment(known)
    return report((examine(h, end, without=without) for h in grouped(known, limits)), inputs, without=without)
