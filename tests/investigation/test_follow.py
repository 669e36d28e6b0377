"""A growing file: a finding comes with the write that makes it, once, and no earlier."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from bench.generate_logs import generate_one

from interlock.investigation import follow
from interlock.investigation.finding import Finding
from interlock.investigation.follow import Follower, Watch
from interlock.investigation.mapping import load
from interlock.investigation.readers.reading import shapes_of


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_the_finding_comes_with_the_line_that_makes_it(tmp_path: Path) -> None:
    log = tmp_path / "growing.log"
    lines, lost = generate_one("planted", 3)
    follower = Follower(log)
    assert follower.run_once() == [], "the file may come later"
    seen: list[tuple[int, str, int | None]] = []
    for n, line in enumerate(lines):
        append(log, line + "\n")
        seen += [(n, f.rule, f.rev) for f in follower.run_once()]
    overwrites = [(n, rev) for n, rule, rev in seen if rule == "R1"]
    write = next(n for n, line in enumerate(lines) if f'"rev":{lost[0].rev}}}' in line and '"isSync":true' in line)
    assert overwrites == [(write, lost[0].rev)], "at once, and once"


def test_a_line_counts_when_its_end_is_written(tmp_path: Path) -> None:
    log = tmp_path / "growing.log"
    lines, _ = generate_one("planted", 3)
    follower = Follower(log)
    append(log, "\n".join(lines[:-1]) + "\n" + lines[-1][:100])
    follower.run_once()
    assert follower.lines == len(lines) - 1
    append(log, lines[-1][100:])
    follower.run_once()
    assert follower.lines == len(lines) - 1
    append(log, "\n")
    follower.run_once()
    assert follower.lines == len(lines)
    assert follower.refused == []


def test_a_decoy_gives_no_finding_of_the_overwrite(tmp_path: Path) -> None:
    log = tmp_path / "growing.log"
    follower = Follower(log)
    for line in generate_one("honest_revert", 3)[0]:
        append(log, line + "\n")
        assert [f for f in follower.run_once() if f.rule == "R1"] == []


def test_evidence_names_the_line_of_the_file(tmp_path: Path) -> None:
    log = tmp_path / "growing.log"
    lines, _ = generate_one("planted", 3)
    append(log, "2026-03-02 worker started\n\n" + "\n".join(lines) + "\n")
    (overwrite,) = [f for f in Follower(log).run_once() if f.rule == "R1"]
    text = log.read_text("utf-8").split("\n")
    assert all(e.event_id in text[e.place.line - 1] for e in overwrite.evidence)


def test_a_file_that_is_replaced_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "growing.log"
    lines, _ = generate_one("planted", 3)
    follower = Follower(log)
    append(log, "".join(line + "\n" for line in lines))
    assert [f.rule for f in follower.run_once() if f.rule == "R1"] == ["R1"]
    log.unlink()
    append(log, "".join(line + "\n" for line in generate_one("planted", 4)[0]))
    assert [f.rule for f in follower.run_once() if f.rule == "R1"] == ["R1"]


def test_old_conversations_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "GROUPS_MAX", 2)
    log = tmp_path / "growing.log"
    watch = Watch()
    for seed in range(5):
        append(log, "".join(line + "\n" for line in generate_one("planted", seed)[0]))
    found = [f for f in Follower(log, watch).run_once() if f.rule == "R1"]
    assert len(found) <= 5
    assert len(watch._groups) == 2


def test_a_change_stream_is_followed_in_its_own_shape(tmp_path: Path) -> None:
    """Debezium's events, one after the other: a rev is missing."""
    log = tmp_path / "growing.log"
    follower = Follower(log)
    follower.run_once()
    rows = [(1, None), (2, "u1"), (4, "u2")]
    found: list[Finding] = []
    for n, (rev, user) in enumerate(rows):
        after = {"id": "c1", "rev": rev, "assigned_user": user}
        source = {"table": "conversation", "ts_ms": 1_772_442_000_000 + 1_000 * n, "db": "crm", "lsn": 100 + n}
        before = {**after, "rev": rev - 1, "assigned_user": "u0"} if n else None
        change = {"op": "u" if n else "c", "before": before, "after": after, "source": source, "ts_ms": 1}
        append(log, json.dumps(change) + "\n")
        found += follower.run_once()
    assert [(f.rule, f.record.id, f.rev) for f in found if f.rule == "R5"] == [("R5", "c1", 4)]


def test_a_map_says_what_a_growing_file_means(tmp_path: Path) -> None:
    log = tmp_path / "growing.log"
    written = tmp_path / "map.yaml"
    written.write_text("id: key\nrev: version\nrecord: kind\n", encoding="utf-8")
    mapping = load(written)
    follower = Follower(log, shapes=partial(shapes_of, mapping=mapping))
    for version in (1, 2, 5):
        append(log, json.dumps({"key": "t7", "version": version, "kind": "ticket"}) + "\n")
    assert [(f.rule, f.record.id, f.rev) for f in follower.run_once() if f.rule == "R5"] == [("R5", "t7", 5)]
