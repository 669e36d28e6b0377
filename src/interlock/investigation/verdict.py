"""What findings and holes come to: their rank, the verdict in three values, and what to ask for next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from interlock.investigation.anomalies import NEVER_ALONE
from interlock.investigation.detectors.holes import named_revs, unseen_runs
from interlock.investigation.finding import Finding, Hole, Verdict
from interlock.investigation.history import Chronicle, Track, key_of

_SEVERITY = {"high": 0, "medium": 1, "low": 2}
_CERTAINTY = {"proven": 0, "inferred": 1, "possible": 2}
REVS_MAX = 1_000
"""A hole names its revs up to so many; beyond it, its first and its last."""

ASKS_MAX = 20


def rank(f: Finding) -> tuple[int, int, int, int, int]:
    """Sorts findings: high over medium over low, except that a proven medium stands over an inferred high; what is
    only possible comes after both. Then by number of the rule, and by time."""
    severity, certainty = _SEVERITY[f.severity], _CERTAINTY[f.certainty]
    worth = 6 if f.severity == "low" else 2 * certainty + severity
    return worth, severity, certainty, int(f.rule[1:]), f.at or 0


def harm(f: Finding) -> bool:
    """Whether a finding by itself says that something went wrong."""
    if f.severity == "low" or f.certainty == "possible":
        return False
    return f.severity == "high" or f.rule not in NEVER_ALONE


def verdict_of(findings: Iterable[Finding], *, checked: int, doubtful: bool) -> Verdict:
    """`broken` if any finding shows harm; `sound` if nothing does and nothing was in the way; else `unknown`.

    checked    how many versions could be held against the one before them
    doubtful   holes that span a decision, entries that were refused, values that were guessed
    """
    unclear = doubtful or checked == 0
    for f in findings:
        if harm(f):
            return "broken"
        unclear = unclear or f.severity != "low"
    return "unknown" if unclear else "sound"


def holes_of(c: Chronicle, findings: Sequence[Finding]) -> list[Hole]:
    """Revs that the log does not show, record by record, and the findings (by index) whose cause spans them."""
    holes: list[Hole] = []
    for track in c.tracks:
        if not track.versions:
            continue
        named = named_revs(c, track)
        for low, high in unseen_runs(track, max(named, default=0)):
            matters = tuple(n for n, f in enumerate(findings) if _spans(f, track, low, high))
            open_ended = "before" if low == 1 else "after" if low > track.last.rev else ""
            holes.append(Hole(track.record, revs_between(low, high), matters, open_ended))
    return holes


def revs_between(low: int, high: int) -> tuple[int, ...]:
    """The revs of a hole; of a huge one its ends."""
    return tuple(range(low, high + 1)) if high - low < REVS_MAX else (low, high)


def _spans(f: Finding, track: Track, low: int, high: int) -> bool:
    if f.severity == "low" or f.rule == "R5":
        return False
    if f.basis is not None and key_of(f.basis.record) == key_of(track.record):
        return f.basis.rev is not None and high >= f.basis.rev
    if key_of(f.record) != key_of(track.record) or f.rev is None:
        return False
    first = f.rev - 1
    if f.basis is not None and f.basis.saw_rev is not None:
        first = f.basis.saw_rev
    elif f.lost is not None:
        first = f.lost.rev
    return low <= f.rev and high >= first


def is_doubtful(c: Chronicle, holes: Sequence[Hole]) -> bool:
    """Whether revs are missing that a decision rests on, or values were guessed."""
    if any(not h.open_ended for h in holes) or any(o.grade == "C" for o in c.observations):
        return True
    unseen = {(key_of(h.record), rev) for h in holes for rev in h.revs}
    return any((key_of(m.record), m.rev) in unseen for d in c.derived for m in d.first.marks)


def asks_of(c: Chronicle, findings: Sequence[Finding]) -> Iterator[str]:
    """What to look for next, in sentences: the missing revs of the records concerned, and the worker's own log."""
    serious = [f for f in findings if f.severity != "low"]
    concerned: dict[tuple[str, str], bool] = {}
    for f in serious:
        for record in (f.record, *((f.basis.record,) if f.basis is not None else ())):
            concerned[key_of(record)] = concerned.get(key_of(record), False) or f.rule != "R5"
    for track in c.tracks:
        if track.versions and key_of(track.record) in concerned:
            yield _revs_wanted(c, track, more=concerned[key_of(track.record)])
    for f in serious:
        if f.rule != "R1":
            continue
        record = c.track(f.record)
        write = record.revs.get(f.rev or 0) if record is not None else None
        if write is None:
            continue
        peer = c.track(f.basis.record) if f.basis is not None else None
        cause = peer.revs.get(f.basis.rev or 0) if peer is not None and f.basis is not None else None
        traces = dict.fromkeys(v.first.trace for v in (write, cause) if v is not None and v.first.trace)
        service = write.audit.service if write.audit is not None and write.audit.service else write.first.client
        if service and traces:
            word = "trace" if len(traces) == 1 else "traces"
            yield f"The log of {service} for the {word} {' and '.join(traces)}."


def _revs_wanted(c: Chronicle, track: Track, *, more: bool) -> str:
    """The revs that are missing, and those after the last, if anything but the gap itself concerns the record."""
    named = max(named_revs(c, track), default=0)
    runs = [span(low, high) for low, high in unseen_runs(track, named) if low <= track.last.rev and (more or low > 1)]
    name = f"{track.record.type} {track.record.id}"
    if not runs:
        return f"Any rev of {name} after {track.last.rev}."
    word = "Rev" if len(runs) == 1 and "–" not in runs[0] else "Revs"
    return f"{word} {', '.join(runs)} of {name}{f', and any after {track.last.rev}' if more else ''}."


def span(low: int, high: int) -> str:
    """Revs in words: `5` or `1–5`."""
    return str(low) if low == high else f"{low}–{high}"
