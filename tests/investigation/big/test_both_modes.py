"""A log in memory and the same log in files: the same findings, and as many as are only counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from bench.generate_logs import generate_day, generate_one

from interlock.investigation.big import run as big
from interlock.investigation.investigate import investigate_groups
from interlock.investigation.readers import open_inputs


@pytest.mark.parametrize("seed", range(20, 25))
def test_both_modes_say_the_same_of_any_day(seed: int, tmp_path: Path) -> None:
    """Another sixty conversations each time, with incidents, decoys, duplicates, gaps and skewed clocks: the same
    findings of weight, and as many of low severity by rule."""
    log = tmp_path / "day.log"
    generate_day(log, 1, seed=seed)
    whole = investigate_groups(open_inputs(log))
    said = big.investigate([log], memory=4 << 20).report
    assert said.screened is not None
    assert said.verdict == whole.verdict

    def told(report, *, low: bool) -> Counter:
        return Counter(
            (f.rule, f.certainty, f.record.id, f.rev) for f in report.findings if (f.severity == "low") == low
        )

    assert told(said, low=False) == told(whole, low=False)
    assert not told(said, low=True) - told(whole, low=True)
    by_rule = Counter(said.screened.low) + Counter(f.rule for f in said.findings if f.severity == "low")
    for rule in said.screened.low:
        assert by_rule[rule] == sum(f.rule == rule for f in whole.findings if f.severity == "low"), rule


def test_one_event_under_two_ids_is_counted(tmp_path: Path) -> None:
    """R4 of low severity: equal contents, ids of their own; a redelivery under one id is none."""
    lines, _ = generate_one("plain", 3)
    told = next(line for line in lines if "work-item.update" in line)
    own = json.loads(told)["body"]["body"]["id"]
    log = tmp_path / "log"
    for again, count in ((told, 0), (told.replace(own, "f" * len(own)), 1)):
        log.write_text("\n".join([*lines, again]) + "\n")
        said = big.investigate([log]).report
        assert said.screened is not None
        assert not said.findings
        assert said.screened.low["R4"] == count
        assert sum(f.rule == "R4" for f in investigate_groups(open_inputs(log)).findings) == count


def test_entries_without_a_rev_that_come_twice_are_no_trouble(tmp_path: Path) -> None:
    line = (
        '{"body":{"body":{"id":"%s","name":"x.note.update","org":"o","data":{"type":"note","id":"n","attributes":{}}}}}'
    )
    log = tmp_path / "log"
    log.write_text("\n".join([line % "e1", line % "e2", *generate_one("plain", 3)[0]]) + "\n")
    said = big.investigate([log]).report
    assert said.inputs[0].told == len(list(open_inputs(log)))
