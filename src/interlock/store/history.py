"""What was, out of rows of the log as an engine hands them over: runs of the queue rules, records at earlier revs."""

from __future__ import annotations

from collections.abc import Iterable

from interlock.domain.log import RuleRun, decode_run, decode_versions
from interlock.domain.record import Address, Record


def runs_of(rows: Iterable[tuple[int, int, bytes]]) -> list[RuleRun]:
    """Runs from rows (run, position, body), each run's own row last of its partition's."""
    out: list[RuleRun] = []
    earlier: list[tuple[int, bytes]] = []
    for run, position, body in rows:
        earlier.append((position, body))
        if position == run:
            out.append(decode_run(run, body, earlier[0][1], earlier))
            earlier = []
    return out


def version_in(rows: Iterable[tuple[bytes]], address: Address, rev: int) -> Record | None:
    """The record as it was at `rev`, from the bodies of rows of its partition, read as far as the one that has it."""
    type, _, id = address
    for (body,) in rows:
        for version in decode_versions(body):
            if version.rev == rev and version.id == id and version.type == type:
                return version.record()
    return None
