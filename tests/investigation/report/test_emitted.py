"""The test that `--emit-test` writes: it runs, our sync passes it, and the incident's fault fails it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.investigation.report.investigated import investigated

from interlock.investigation.finding import Finding, Lost, SeenBasis
from interlock.investigation.observation import RecordRef
from interlock.investigation.report import emit_test


def test_the_emitted_test_is_green_on_ours_and_red_on_the_fault(tmp_path: Path) -> None:
    test, history = emit_test.write(tmp_path, investigated()[0].findings)
    assert json.loads(history.read_text("utf-8"))["schema"] == "interlock.history/1"
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-p", "no:asyncio", str(test)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "1 passed, 1 xfailed" in ran.stdout


def overwrite(*, lost: int, rev: int, saw: int | None, field: str = "assignedUsers") -> Finding:
    record = RecordRef("conversation", "c")
    basis = SeenBasis(RecordRef("work_item", "w"), 2, saw)
    return Finding(
        rule="R1", severity="high", certainty="proven", record=record, field=field, rev=rev,
        lost=Lost(["u"], lost, "workflow", "", 1), basis=basis,
    )  # fmt: skip


def test_the_history_tells_what_the_sync_had_not_seen() -> None:
    told = emit_test.history_of(overwrite(lost=6, rev=8, saw=4))
    assert told["basis"] == 4
    assert [(step["rev"], step["kind"]) for step in told["unseen"]] == [(5, "touch"), (6, "assign"), (7, "touch")]
    assert told["overwrite"] == 8


def test_high_revs_are_brought_down() -> None:
    told = emit_test.history_of(overwrite(lost=1002, rev=1003, saw=1000))
    assert told["basis"] == emit_test.BASIS_MAX
    assert told["overwrite"] == emit_test.BASIS_MAX + 3
    assert told["revs_in_the_log_are_higher_by"] == 980


def test_what_is_no_lost_assignment_is_not_replayed(tmp_path: Path) -> None:
    with pytest.raises(emit_test.NothingToReplay):
        emit_test.write(tmp_path / "none", [overwrite(lost=6, rev=7, saw=4, field="priority")])
    assert not (tmp_path / "none").exists()
