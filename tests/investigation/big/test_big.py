"""Big logs: rows as the slow way makes them, the same report as in memory, and bounded memory."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from bench.generate_logs import generate_day, generate_races, true_overwrites

from interlock.investigation.big import lines as big_lines
from interlock.investigation.big import run as big
from interlock.investigation.big.lines import Numbers, Share, blocks_of, shares
from interlock.investigation.big.parse import Parser
from interlock.investigation.big.spill import Spill, groups_of, partitions_for
from interlock.investigation.compact import DIGEST, GROUP, ORDER, compact_of
from interlock.investigation.investigate import investigate_groups
from interlock.investigation.readers import open_inputs


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("logs") / "day.log"
    generate_day(out, 20, seed=11)
    return out


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("logs") / "races.log"
    generate_races(out, 2_000, seed=11)
    return out


def offsets(path: Path) -> Iterator[tuple[int, bytes]]:
    at = 0
    for line in path.read_bytes().split(b"\n"):
        yield at, line
        at += len(line) + 1


def test_the_parser_makes_the_rows_that_the_slow_way_makes(day: Path, raced: Path) -> None:
    for path in (day, raced):
        parser = Parser(0)
        rows = {at: parser.row(line, at) for at, line in offsets(path)}
        fast = {at: row for at, row in rows.items() if row is not None}
        slow = {row[ORDER]: row for row in map(compact_of, open_inputs(path))}
        assert len(fast) >= 0.97 * len(slow)
        for at, row in fast.items():
            if at:
                assert row[:DIGEST] == slow[at][:DIGEST]


def test_a_line_that_the_parser_does_not_know_is_left_to_the_readers() -> None:
    parser = Parser(0)
    for line in (b"", b"text", b"{", b'{"a":1}', b'{"body":{"body":{"id":"x"}}}', b'{"msg":"CONVERSATION_SYNC_AUDIT"}'):
        assert parser.row(line, 7) is None


def judged(path: Path) -> dict[tuple[str, int | None], str]:
    done = big.investigate([path])
    return {(f.record.id, f.rev): f.certainty for f in done.report.findings if f.rule == "R1"}


def test_every_planted_incident_is_found_and_no_decoy(day: Path) -> None:
    truth = {(t.conversation, t.rev) for t in true_overwrites(day)}
    assert truth
    assert set(judged(day)) == truth


def test_the_races_are_told_apart(raced: Path) -> None:
    truth = {(t.conversation, t.rev): t.named for t in true_overwrites(raced)}
    named = {key for key, says in truth.items() if says}
    found = judged(raced)
    assert len(named) > 200
    assert named <= set(found), "where the audit names what was read, none is missed"
    assert set(found) <= set(truth), "no false alarm, named or not"
    assert {key for key, certainty in found.items() if certainty == "proven"} <= set(truth)


def test_the_report_is_that_of_memory_for_everything_of_weight(day: Path) -> None:
    whole = investigate_groups(open_inputs(day))

    def weighty(findings):
        return sorted(
            (f.rule, f.certainty, f.record.id, f.rev or 0, [(e.place.line, e.event_id) for e in f.evidence])
            for f in findings if f.severity != "low"
        )  # fmt: skip

    assert weighty(big.investigate([day]).report.findings) == weighty(whole.findings)


def test_other_inputs_go_through_their_readers_and_give_the_same(day: Path, tmp_path: Path) -> None:
    packed = tmp_path / "day.log.gz"
    packed.write_bytes(gzip.compress(day.read_bytes(), 1))
    plain, unpacked = big.investigate([day]).report, big.investigate([packed]).report
    assert {(f.rule, f.record.id, f.rev) for f in plain.findings if f.severity != "low"} == {
        (f.rule, f.record.id, f.rev) for f in unpacked.findings if f.severity != "low"
    }
    assert [f.evidence[0].place.line for f in plain.findings if f.rule == "R1"] == [
        f.evidence[0].place.line for f in unpacked.findings if f.rule == "R1"
    ]


def test_memory_stays_below_160_mib_in_every_process(day: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from interlock.investigation.big import run as big;"
        "print(*big.investigate([Path(sys.argv[1])], memory=16 << 20).peaks)"
    )
    told = subprocess.run([sys.executable, "-c", program, str(day)], capture_output=True, text=True, check=True)
    peaks = [int(peak) for peak in told.stdout.split()]  # of a process of its own: a fork has its parent's memory
    assert len(peaks) == 2
    assert max(peaks) < 160 << 20


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_shares_cut_no_line_and_lose_none(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(big_lines, "BLOCK_BYTES", 64)
    said = [b"x" * (n * 7 % 97) for n in range(200)]
    log = tmp_path / "log"
    log.write_bytes(b"\n".join(said))
    parts = shares(0, str(log), log.stat().st_size, count)
    assert all(a.end == b.begin for a, b in pairwise(parts))
    blocks = [list(blocks_of(share)) for share in parts]
    assert [line for part in blocks for block in part for line in block.lines] == said
    for part in blocks:
        for block in part:
            assert log.read_bytes()[block.offset :].startswith(block.lines[0])


def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(big_lines, "BLOCK_BYTES", 64)
    monkeypatch.setattr(big_lines, "LINE_BYTES_MAX", 200)
    log = tmp_path / "log"
    log.write_bytes(b"first\n" + b"x" * 1_000 + b"\nlast\n")
    blocks = list(blocks_of(Share(0, str(log), 0, log.stat().st_size)))
    assert [line for block in blocks for line in block.lines] == [b"first", b"last"]
    assert [block.over for block in blocks if block.over] == [1_000]
    assert blocks[-1].before == 2


def test_line_numbers_come_from_offsets(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"line %d\n" % n for n in range(1, 500)))
    numbers = Numbers(str(log), [(0, 0), (log.read_bytes().index(b"line 300\n"), 299)])
    for n in (1, 2, 299, 300, 301, 499):
        at = log.read_bytes().index(b"line %d\n" % n)
        assert numbers.line(at) == n
        assert numbers.read(at) == b"line %d" % n
    numbers.close()


def test_a_conversation_comes_back_whole_from_the_spill(tmp_path: Path) -> None:
    spills = [Spill(tmp_path / str(n), n, 16, 1 << 20) for n in range(2)]
    for n in range(2_000):
        spills[n % 2].add((f"g{n % 50}", n))
    for spill in spills:
        spill.close()
    groups: dict[str, list] = {}
    for p in range(16):
        found = groups_of([tmp_path / "0", tmp_path / "1"], [s for spill in spills for s in spill.segments[p]])
        assert not set(found) & set(groups), "a conversation is in one partition"
        groups |= found
    assert {g: sorted(row[1] for row in rows) for g, rows in groups.items()} == {
        f"g{g}": list(range(g, 2_000, 50)) for g in range(50)
    }
    assert all(row[GROUP] == g for g, rows in groups.items() for row in rows)


def test_partitions_grow_with_the_input_and_not_without_bound() -> None:
    assert partitions_for(0, 64 << 20) == 16
    assert partitions_for(10**9, 64 << 20) < partitions_for(10**11, 64 << 20) <= 4_096


def test_ctrl_c_ends_the_reading_and_the_report_says_so(day: Path) -> None:
    main = threading.main_thread().ident
    assert main is not None
    asked = False

    def told(read: int, total: int) -> None:
        nonlocal asked
        if not asked and read > 0:
            asked = True
            os.kill(os.getpid(), signal.SIGINT)

    done = big.investigate([day], progress=told)
    assert asked
    assert done.report.partial
    assert done.report.inputs[0].entries > 0


def test_damage_is_counted_and_the_rest_is_read(day: Path, tmp_path: Path) -> None:
    log = tmp_path / "damaged.log"
    lines = day.read_bytes().split(b"\n")[:400]
    lines[100] = b'{"body": \xff\xfe'
    lines[200] = b"\0" * 50
    log.write_bytes(b"\n".join(lines))
    read = big.investigate([log]).report.inputs[0]
    whole = open_inputs(log)
    assert len(list(whole)) == read.observations
    assert sorted(r.place.line for r in read.refused) == sorted(r.place.line for r in whole.inputs[0].refused)


def test_a_truth_names_a_conversation_of_the_log(day: Path) -> None:
    text = day.read_text("utf-8")
    assert all(t.conversation in text for t in true_overwrites(day))
    assert json.loads(text.split("\n")[0])
