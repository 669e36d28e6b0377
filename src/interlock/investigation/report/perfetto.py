"""The timelines as a trace for the Perfetto viewer (Trace Event JSON), for logs of more than 10,000 events.

One process per conversation, one thread per record and one for the decisions. A rev lasts until the next one; a finding
is a flow arrow from what was lost to the write that took its place, and an instant where it happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

import msgspec

from interlock.investigation.finding import Finding, History
from interlock.investigation.observation import Observation, RecordRef
from interlock.investigation.report.json import plain
from interlock.investigation.report.timeline import value_text, word_for

_DECISIONS = 1
_LAST_US = 1_000


def write(stream: TextIO, histories: Iterable[History], findings: Sequence[Finding]) -> int:
    """Write the trace, one event a line; how many events. Memory: one conversation at a time."""
    stream.write('{"displayTimeUnit":"ms","traceEvents":[\n')
    count = 0
    for number, history in enumerate(histories, 1):
        mine = [f for f in findings if any(f.record == o.record for o in history.observations)]
        for event in _events(number, history, mine):
            stream.write((",\n" if count else "") + msgspec.json.encode(plain(event), enc_hook=str).decode())
            count += 1
    stream.write("\n]}\n")
    return count


def _events(pid: int, history: History, findings: Sequence[Finding]) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": f"conversation {history.group}"}}
    yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": _DECISIONS, "args": {"name": "decisions"}}
    by_record: dict[RecordRef, list[Observation]] = {}
    for o in history.observations:
        by_record.setdefault(o.record, []).append(o)
    threads = {record: n for n, record in enumerate(by_record, _DECISIONS + 1)}
    for record, versions in by_record.items():
        tid = threads[record]
        name = f"{word_for(record.type)} {record.id}"
        yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}
        yield from _revs(pid, tid, sorted(versions, key=lambda o: (o.rev or 0, o.place)))
    for audit in history.audits:
        if audit.at is not None:
            facts = {
                "guard": audit.guard,
                "record": audit.record.id,
                "patch": {k: value_text(v) for k, v in audit.patch.items()},
            }
            yield _instant(pid, _DECISIONS, audit.at, audit.outcome or "audit", facts)
    for n, f in enumerate(findings):
        if f.at is None:
            continue
        tid = threads.get(f.record, _DECISIONS)
        yield _instant(pid, tid, f.at, f"{f.rule} {f.severity} {f.certainty}", {"field": f.field, "rev": f.rev})
        if f.lost is not None and f.lost.at is not None:
            arrow = {"name": f.rule, "cat": "finding", "id": f"{pid}.{n}", "pid": pid, "tid": tid}
            yield {**arrow, "ph": "s", "ts": f.lost.at * 1000}
            yield {**arrow, "ph": "f", "bp": "e", "ts": f.at * 1000}


def _revs(pid: int, tid: int, versions: Sequence[Observation]) -> Iterator[dict[str, Any]]:
    for o, after in zip(versions, [*versions[1:], None], strict=True):
        at = o.times.best
        if at is None:
            continue
        until = after.times.best if after is not None else None
        last = _LAST_US if until is None else max(1, (until - at) * 1000)
        moves = {name: value_text(m.after) for name, m in o.changes.items()}
        yield {
            "ph": "X", "name": f"rev {o.rev}" + (" (sync)" if o.is_sync else ""),
            "cat": "sync" if o.is_sync else "write", "pid": pid, "tid": tid, "ts": at * 1000, "dur": last,
            "args": {"client": o.client, "changes": moves, "line": o.place.line},
        }  # fmt: skip


def _instant(pid: int, tid: int, at: int, name: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "i", "s": "t", "name": name, "cat": "finding", "pid": pid, "tid": tid, "ts": at * 1000, "args": facts}
