"""A pytest file and a history file that replay a stale overwrite: kept by Interlock's own sync, lost by the faulty one.

Only what the interleaving needs goes into the history: revs, kinds of writes and their places in the log; no names, no
ids. Interlock numbers its revs alike, so the revs of the test are those of the log, up to a basis of 20.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from interlock.investigation.finding import Finding
from interlock.investigation.report.sarif import fingerprint

HISTORY = "interlock.history/1"
BASIS_MAX = 20
UNSEEN_MAX = 50
_PROSE = {"assign": "it was assigned here, and lost at the end", "touch": "something unrelated, or not seen in the log"}


class NothingToReplay(Exception):
    """No finding is of the kind that can be replayed: an assignment, lost to a stale reverse sync."""


def chosen(findings: Sequence[Finding]) -> Finding:
    """The finding that becomes a test. Raises `NothingToReplay`."""
    for f in findings:
        fits = f.rule == "R1" and f.lost is not None and f.rev is not None and f.lost.value and "ssign" in f.field
        if fits and f.lost is not None and f.rev is not None and f.lost.rev < f.rev <= f.lost.rev + UNSEEN_MAX:
            return f
    raise NothingToReplay("no finding is an assignment that a stale sync has overwritten (R1)")


def history_of(f: Finding) -> dict[str, Any]:
    """The interleaving as data: what the sync had seen (`basis`), and every rev that it had not (`unseen`)."""
    assert f.lost is not None
    assert f.rev is not None
    saw = f.basis.saw_rev if f.basis is not None and f.basis.saw_rev is not None else f.lost.rev - 1
    saw = max(1, saw, f.lost.rev - UNSEEN_MAX)
    shift = max(0, saw - BASIS_MAX)
    unseen = [
        {"rev": rev - shift, "kind": kind, "is": _PROSE[kind]}
        for rev in range(saw + 1, f.rev)
        for kind in ["assign" if rev == f.lost.rev else "touch"]
    ]
    return {
        "schema": HISTORY,
        "finding": fingerprint(f),
        "basis": saw - shift,
        "unseen": unseen,
        "overwrite": f.rev - shift,
        "revs_in_the_log_are_higher_by": shift,
    }


def texts(findings: Sequence[Finding]) -> tuple[str, str, str]:
    """Mark of the finding, text of the test file, text of the history file. Raises `NothingToReplay`."""
    finding = chosen(findings)
    mark = fingerprint(finding)[:8]
    packed = msgspec.json.format(msgspec.json.encode(history_of(finding)), indent=2)
    template = files("interlock.investigation.report").joinpath("emitted_test.template").read_text("utf-8")
    return mark, template.replace("@HISTORY@", f"incident_{mark}.history.json"), packed.decode() + "\n"


def write(folder: Path, findings: Sequence[Finding]) -> tuple[Path, Path]:
    """Test file and history file in `folder`, which is made. Raises `NothingToReplay`, `OSError`."""
    mark, test_text, history_text = texts(findings)
    folder.mkdir(parents=True, exist_ok=True)
    history, test = folder / f"incident_{mark}.history.json", folder / f"test_incident_{mark}.py"
    history.write_text(history_text, encoding="utf-8")
    test.write_text(test_text, encoding="utf-8")
    return test, history
