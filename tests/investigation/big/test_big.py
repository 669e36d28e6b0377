"""Big logs: rows as the slow way makes them, the same report as in memory, and bounded memory."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bench.generate_logs import generate_day, generate_one, generate_races, true_overwrites
from hypothesis import given
from hypothesis import strategies as st

from interlock.investigation.big import lines as big_lines
from interlock.investigation.big import run as big
from interlock.investigation.big import take as big_take
from interlock.investigation.big import worker
from interlock.investigation.big.lines import SIZE_BITS, Places, Share, blocks_of, first_offset, lines_of, shares
from interlock.investigation.big.spill import (
    ROW_BYTES,
    Entries,
    Rows,
    Spill,
    batches,
    counts_of,
    entry_at,
    partitions_for,
    read_back,
)
from interlock.investigation.big.take import Took, take
from interlock.investigation.big.times import moments
from interlock.investigation.compact import DIGEST, GROUP, ORDER, PLACE, WIDTH, compact_of
from interlock.investigation.investigate import investigate_groups
from interlock.investigation.readers import open_inputs
from interlock.investigation.scalars import ms_of


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


class Collected:
    """Takes the place of a spill."""

    def __init__(self) -> None:
        self.parts: list[Rows] = []

    def add(self, rows: Rows) -> None:
        self.parts.append(rows)

    def rows(self) -> list[list[int]]:
        return np.concatenate(self.parts).tolist() if self.parts else []


def taken(path: Path, count: int = 1) -> tuple[list[list[int]], list[Took]]:
    spill = Collected()
    took = [take(share, spill, lambda _: True) for share in shares(0, str(path), path.stat().st_size, count)]  # type: ignore[arg-type]
    return spill.rows(), took


def test_the_parser_makes_the_rows_that_the_slow_way_makes(day: Path, raced: Path) -> None:
    for path in (day, raced):
        slow = {row[ORDER]: row for row in map(compact_of, open_inputs(path))}
        rows, took = taken(path, 3)
        assert len(rows) == len(slow) == sum(t.observations for t in took)
        parsed = [row for row in rows if not row[DIGEST]]
        assert len(parsed) >= 0.97 * len(slow)
        for row in parsed:
            if row[ORDER]:
                assert tuple(row[:DIGEST]) == slow[row[ORDER]][:DIGEST]


EVENT = (
    '{"dd":{"trace_id":"7"},"body":{"id":"o","body":{"id":"e","name":"x.work-item.update","org":"5c09","partition":"5c09",'
    '"data":{"type":"work_item","id":"i","attributes":{"status":"queued","updatedAt":"2022-03-02T19:13:26.510Z",'
    '"resourceRev":4,"rev":3},"relationships":{"resource":{"data":{"type":"conversation","id":"c"}},'
    '"queue":{"data":{"type":"queue","id":"q"}}}},"createdAt":"2022-03-02T19:13:26.511Z","changes":{"attributes":'
    '{"status":{"op":"replace","before":"ivr","after":"queued"},"rev":{"op":"replace","before":2,"after":3}},'
    '"relationships":{}},"routingReasons":[],"client":"routing-worker"},"publishedAt":"2022-03-02T19:13:26.512Z"}}'
)
"""A line that the parser knows. Each edit makes it one whose row comes from the readers, or is as theirs."""

EDITS: list[tuple[str, str]] = [
    ('"client":"routing-worker"', '"client":"routing-worker","actor":{"id":"u","class":"person"}'),
    ('"client":"routing-worker"', '"client":"routing-worker","effectKey":"k"'),
    ('"client":"routing-worker"', '"client":"routing-worker","leaseEpoch":3'),
    ('"client":"routing-worker"', '"client":"routing-worker","cause":"e9"'),
    ('"client":"routing-worker"', '"client":"routing-worker","basis":[{"type":"conversation","id":"c","rev":4}]'),
    ('"client":"routing-worker"', '"client":"web","isSync":true,"sourceType":"user"'),
    ('"client":"routing-worker"', '"client":"sync"'),
    ('"op":"replace","before":"ivr","after":"queued"', '"op":"replace","before":"ivr","after":"assigned"'),
    ('"op":"replace","before":"ivr","after":"queued"', '"before":"ivr","after":"queued"'),
    ('"op":"replace","before":"ivr","after":"queued"', '"op":"add","after":"queued"'),
    ('"before":2,"after":3', '"before":2,"after":9'),
    ('"before":2,"after":3', '"before":null,"after":3'),
    ('"before":2', '"before":"2"'),
    ('"rev":3}', '"rev":99999999999999999999}'),
    ('"rev":3}', '"rev":"3"}'),
    ('"rev":3}', '"rev":3,"assignedTo":"u"}'),
    ('"rev":3}', '"rev":3,"assignedTo":null}'),
    ('"rev":3}', '"rev":3,"queue":"other"}'),
    ('"rev":3}', '"rev":3,"routedTo":"u"}'),
    ('"rev":3}', '"rev":3,"assignedUsers":["v","u"]}'),
    ('"rev":3}', '"rev":3,"assignedUsers":"u"}'),
    ('"resourceRev":4', '"resourceRev":null'),
    ('"routingReasons":[]', '"routingReasons":[{"meta":{"conversationRev":6}},{"meta":null},{}]'),
    ('"routingReasons":[]', '"routingReasons":{"meta":{"conversationRev":6}}'),
    ('"relationships":{}', '"relationships":{"assignedTo":{"op":"add","after":{"data":{"type":"user","id":"u"}}}}'),
    ('"relationships":{}', '"relationships":{"assignedTo":{"op":"remove","before":{"data":null}}}'),
    ('"relationships":{}', '"relationships":{"queue":{"op":"replace","before":null,"after":{"data":{"id":"q"}}}}'),
    ('"relationships":{}', '"relationships":{"queue":{"op":"replace","after":{"links":{"self":"x"}}}}'),
    ('"attributes":{"status":{', '"attributes":{"priority":{"op":"replace","before":1,"after":2},"status":{'),
    ('"attributes":{"status":{', '"attributes":{"resourceRev":{"op":"replace","before":2,"after":4},"status":{'),
    ('"attributes":{"status":{', '"attributes":{"resourceRev":{"op":"replace","before":2,"after":7},"status":{'),
    ('"attributes":{"status":{', '"attributes":{"owner":{"op":"replace","before":"u","after":"v"},"status":{'),
    ('"type":"conversation","id":"c"', '"type":"ticket","id":"c"'),
    ('"type":"conversation","id":"c"', '"type":"conversation","id":"i"'),
    ('"type":"work_item"', '"type":"work_session"'),
    ('"type":"work_item"', '"type":"note"'),
    ('"partition":"5c09"', '"partition":"5c08"'),
    ('"partition":"5c09"', '"partition":"c"'),
    ('"partition":"5c09",', ""),
    ('"org":"5c09",', ""),
    ("x.work-item.update", "x.work-item.create"),
    ("x.work-item.update", "x.work-item.delete"),
    ("x.work-item.update", "x.work-item.create.retried"),
    ("2022-03-02T19:13:26.510Z", "2022-03-02T19:13:26Z"),
    ("2022-03-02T19:13:26.510Z", "2022-13-02T19:13:26.510Z"),
    ("2022-03-02T19:13:26.510Z", "2022-02-29T19:13:26.510Z"),
    ("2022-03-02T19:13:26.511Z", "2022-03-02T19:13:26.509Z"),
    ("2022-03-02T19:13:26.512Z", "2022-03-02T20:13:26.5+01:00"),
    ('"trace_id":"7"', '"trace_id":7'),
    ('"dd":{"trace_id":"7"}', '"trace_id":"8"'),
    ('{"dd"', '{"fullBodyLength":900,"dd"'),
    ('"status":"queued","updatedAt"', '"status":null,"updatedAt"'),
    ('"status":"queued","updatedAt"', '"status":7,"updatedAt"'),
    ('"status":"queued","updatedAt"', '"updatedAt"'),
]


@pytest.mark.parametrize(("old", "new"), [("", ""), *EDITS])
def test_whatever_a_line_says_its_row_is_that_of_the_readers(old: str, new: str, tmp_path: Path) -> None:
    assert not old or EVENT.count(old) == 1 or old.startswith('"attributes')
    log = tmp_path / "log"
    line = EVENT.replace(old, new, 1)
    log.write_text(f"health\n{line}\n{EVENT}\n")
    rows, _ = taken(log)
    slow = {row[ORDER]: row for row in map(compact_of, open_inputs(log, format="json-lines"))}
    assert sorted(row[ORDER] for row in rows) == sorted(slow)
    trace = slice(0, DIGEST)
    for row in rows:
        known = list(slow[row[ORDER]])
        if '"trace_id":7' in line:  # A number's hash: alike for all that write it so, which is all that counts.
            known[16] = row[16] = 0
        assert row[trace] == known[trace]


def test_names_are_learnt_so_that_only_the_first_lines_are_read_slowly(tmp_path: Path) -> None:
    line = EVENT.replace(
        '"attributes":{"status":{', '"attributes":{"priority":{"op":"add","after":2},"fooCount":{"op":"add"},"status":{'
    )
    log = tmp_path / "log"
    log.write_text(f"{line}\n" * 1_000)
    rows, _ = taken(log)
    assert len(rows) == 1_000
    assert 0 < sum(row[DIGEST] != 0 for row in rows) <= big_lines.AT_FIRST_BYTES // len(line)
    assert {row[7] for row in rows} == {compact_of(next(iter(open_inputs(log))))[7]}


@given(
    st.lists(st.datetimes().map(lambda t: f"{t:%Y-%m-%dT%H:%M:%S}.{t.microsecond // 1000:03d}Z") | st.text(max_size=26))
)
def test_moments_are_those_of_one_by_one(texts: list[str]) -> None:
    texts = [t.zfill(24) if t.endswith("Z") else t for t in texts]
    if not texts:
        return
    ms, bad = moments(texts)
    for text, value, wrong in zip(texts, ms.tolist(), bad.tolist(), strict=True):
        assert wrong or value == ms_of(text)
        if len(text) == 24 and ms_of(text) is not None and text[10:11] == "T" and text.endswith("Z"):
            assert wrong == (text[19] != ".")


def test_a_line_that_the_parser_does_not_know_is_left_to_the_readers(tmp_path: Path) -> None:
    log = tmp_path / "log"
    said = ["text", "{", '{"a":1}', '{"body":{"body":{"id":"x"}}}', '{"msg":"CONVERSATION_SYNC_AUDIT"}', EVENT]
    log.write_text("\n".join(said))
    rows, took = taken(log)
    assert len(rows) == 1
    assert took[0].lines == len(said)
    assert took[0].entries == 5


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


def test_what_is_only_counted_is_counted_right(day: Path, raced: Path) -> None:
    for log in (day, raced):
        whole = Counter(f.rule for f in investigate_groups(open_inputs(log)).findings if f.severity == "low")
        said = big.investigate([log]).report
        assert said.screened is not None
        listed = Counter(f.rule for f in said.findings if f.severity == "low")
        counted = said.screened.low
        assert {rule: whole[rule] for rule in counted} == {rule: listed[rule] + n for rule, n in counted.items()}
        assert log is raced or counted["R20"] > 100
        assert {r for r in whole if whole[r] > listed[r]} <= {*counted, *said.screened.not_counted}


def test_of_very_many_findings_the_rest_is_counted(raced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = big.investigate([raced]).report
    monkeypatch.setattr(worker, "FINDINGS_MAX", 50)
    said = big.investigate([raced]).report
    assert said.screened is not None
    grave = [Counter(f.rule for f in r.findings if f.severity != "low") for r in (whole, said)]
    assert grave[0] == grave[1] + Counter(said.screened.left_out)
    assert len(said.findings) < 200 < len(whole.findings)
    assert said.verdict == whole.verdict


def test_an_audit_that_contradicts_its_write_in_any_field_is_found(tmp_path: Path) -> None:
    """The parser knows three fields of an audit; the others send it to the readers."""
    lines, _ = generate_one("plain", 3)
    wrong = next(n for n, line in enumerate(lines) if '"updatedConversation":{' in line)
    lines[wrong] = lines[wrong].replace('"updatedConversation":{', '"updatedConversation":{"priority":9,')
    for text in ("\n".join(lines), "\n".join([*lines, *many_others(600)])):
        log = tmp_path / "log"
        log.write_text(text.replace('"channels":["voice"]', '"channels":["voice"],"priority":3'))
        found = {(f.rule, f.field) for f in big.investigate([log]).report.findings if f.severity != "low"}
        assert found == {("R19", "priority")}


def many_others(count: int) -> list[str]:
    return [line for seed in range(100, 100 + count // 10) for line in generate_one("by_workflow", seed)[0]]


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


def test_a_packed_log_that_ends_early_is_read_as_far_as_it_goes(day: Path, tmp_path: Path) -> None:
    packed = tmp_path / "day.log.gz"
    packed.write_bytes(gzip.compress(day.read_bytes(), 1)[:300_000])
    read = big.investigate([packed]).report.inputs[0]
    whole = open_inputs([packed])
    assert len(list(whole)) == read.observations > 100
    assert read.format == "json-lines"
    assert read.refused[-1].why == whole.inputs[0].refused[-1].why == "the gzip data ends early"


def test_standard_input_is_read_like_a_file(day: Path) -> None:
    program = (
        "import sys; from interlock.investigation.big import run as big; done = big.investigate(['-']);"
        "i = done.report.inputs[0]; print(i.name, i.entries, i.bytes, len(done.report.findings), done.tally.examined)"
    )
    with day.open("rb") as file:
        piped = subprocess.run([sys.executable, "-c", program], stdin=file, capture_output=True, text=True, check=True)
    done = big.investigate([day])
    read = done.report.inputs[0]
    told = ["-", *map(str, (read.entries, read.bytes, len(done.report.findings), done.tally.examined))]
    assert piped.stdout.split() == told


def test_memory_stays_below_160_mib_in_every_process(day: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from interlock.investigation.big import run as big;"
        "print(*big.investigate([Path(sys.argv[1])], memory=16 << 20).peaks)"
    )
    told = subprocess.run([sys.executable, "-c", program, str(day)], capture_output=True, text=True, check=True)
    peaks = [int(peak) for peak in told.stdout.split()]  # of a process of its own: a fork has its parent's memory
    assert len(peaks) == 2
    assert max(peaks) < 160 << 20


def test_memory_stays_bounded_with_lines_of_megabytes(tmp_path: Path) -> None:
    """Events are read however long they are; other lines that would become millions of objects are passed over."""
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.write(EVENT.encode() + b"\n")
        file.write(EVENT.replace('"client"', f'"text":"{"x" * (12 << 20)}","client"').encode() + b"\n")
        file.write(b'{"attributes":[' + b"1," * (6 << 20) + b"1]}\n" + b'{"attributes":[' + b"1," * (6 << 20) + b"\n")
        file.write(b"x" * (40 << 20) + b"\n" + EVENT.encode() + b"\n")
    program = (
        "import sys; from interlock.investigation.big import run as big; done = big.investigate([sys.argv[1]]);"
        "i = done.report.inputs[0]; print(i.observations, [r.place.line for r in i.refused], *done.peaks, sep=';')"
    )
    told = subprocess.run([sys.executable, "-c", program, str(log)], capture_output=True, text=True, check=True)
    observations, refused, *peaks = told.stdout.split(";")
    assert (observations, refused) == ("3", "[3, 4, 5]")
    assert max(map(int, peaks)) < 160 << 20


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_shares_cut_no_line_and_lose_none(count: int, tmp_path: Path) -> None:
    said = [b"x" * (n * 7 % 97) + b"\n" for n in range(200)]
    log = tmp_path / "log"
    log.write_bytes(b"".join(said))
    parts = shares(0, str(log), log.stat().st_size, count)
    assert all(a.end == b.begin for a, b in pairwise(parts))
    seen: list[bytes] = []
    for share in parts:
        with lines_of(share) as (lines, offset):
            for line in lines:
                if offset >= share.end:
                    break
                assert log.read_bytes()[offset:].startswith(line)
                seen.append(line)
                offset += len(line)  # noqa: PLW2901
    assert seen == said
    cut = [(bytes(line), end) for part in parts for line, end in _lines_of_blocks(part)]
    assert [line + b"\n" for line, _ in cut] == said
    assert [end for _, end in cut] == np.cumsum([len(line) for line in said]).tolist()
    assert sum(t.lines for t in taken(log, count)[1]) == 200


def _lines_of_blocks(share: Share) -> list[tuple[bytes, int]]:
    blocks = blocks_of(share, first_offset(share))
    return [(bytes(line), end) for block in blocks for line, end in zip(block.lines, block.ends, strict=True)]


@given(st.lists(st.integers(0, 90)), st.booleans(), st.integers(1, 4), st.integers(1, 40), st.integers(1, 40))
def test_blocks_of_any_size_hold_every_line_and_pass_over_those_that_are_too_long(
    lengths: list[int], ended: bool, count: int, first: int, at_once: int
) -> None:
    lines = [bytes([97 + n % 26]) * length for n, length in enumerate(lengths)]
    with tempfile.NamedTemporaryFile() as log, pytest.MonkeyPatch.context() as patch:
        patch.setattr(big_lines, "LINE_BYTES_MAX", 60)
        patch.setattr(big_lines, "AT_FIRST_BYTES", first)
        patch.setattr(big_lines, "AT_ONCE_BYTES", at_once)
        whole = b"".join(line + b"\n" for line in lines)
        whole = whole if ended else whole[:-1]
        log.write(whole)
        log.flush()
        cut = [told for share in shares(0, log.name, len(whole), count) for told in _lines_of_blocks(share)]
    expected = whole.splitlines(keepends=True)
    assert [end for _, end in cut] == np.cumsum([len(line) for line in expected]).tolist()
    assert [line for line, _ in cut] == [line.rstrip(b"\n") if len(line) <= 60 else b"" for line in expected]


def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(big_take, "LINE_BYTES_MAX", 2_000)
    monkeypatch.setattr(big_lines, "LINE_BYTES_MAX", 2_000)
    log = tmp_path / "log"
    log.write_bytes(EVENT.encode() + b"\n" + b"x" * 10_000 + b"\n" + EVENT.encode() + b"\n")
    rows, (took,) = taken(log)
    assert sorted(row[PLACE] >> SIZE_BITS for row in rows) == [1, 3]
    assert [(r.place.line, r.why) for r in took.refused] == [(2, "the line is 10,001 bytes long; it is passed over")]
    assert took.lines == 3


def test_a_line_stands_where_its_row_says(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{'x' * (n % 7)}\n{EVENT}\n" for n in range(150)))
    rows, took = taken(log, 3)
    before = np.cumsum([0, *(t.lines for t in took)]).tolist()
    places = Places(str(log), [(t.begin, n) for t, n in zip(took, before, strict=False)])
    assert [places.number(row[ORDER], row[PLACE]) for row in sorted(rows, key=lambda r: r[ORDER])] == [
        *range(2, 301, 2)
    ]
    assert {places.read(row[ORDER], row[PLACE]) for row in rows} == {EVENT.encode()}
    places.close()


def laid(groups: list[int], first: int = 0) -> Rows:
    rows = np.zeros((len(groups), WIDTH), np.int64)
    rows[:, GROUP] = groups
    rows[:, ORDER] = range(first, first + len(groups))
    return rows


def test_a_conversation_comes_back_whole_from_the_spill(tmp_path: Path) -> None:
    spills = [Spill(tmp_path / str(n), 16, 1 << 16) for n in range(2)]
    names = [hash(f"g{n}") for n in range(50)]
    for n in range(40):
        spills[n % 2].add(laid([names[(n + m) % 50] for m in range(100)], n * 100))
    for spill in spills:
        spill.close()
    puts = [spill.puts for spill in spills]
    assert len(puts[0]) > 1
    seen: dict[int, list[int]] = {}
    for first, last in batches(counts_of(puts), 500):
        rows = read_back([tmp_path / "0", tmp_path / "1"], puts, first, last)
        here = {group: rows[rows[:, GROUP] == group, ORDER].tolist() for group in set(rows[:, GROUP].tolist())}
        assert not set(here) & set(seen), "a conversation is in one partition"
        seen |= here
    wanted: dict[int, list[int]] = {}
    for n in range(40):
        for m in range(100):
            wanted.setdefault(names[(n + m) % 50], []).append(n * 100 + m)
    assert {group: sorted(orders) for group, orders in seen.items()} == wanted
    assert (tmp_path / "0").stat().st_size == 2_000 * ROW_BYTES


def test_partitions_are_looked_at_together_up_to_a_bound() -> None:
    assert batches(np.array([3, 3, 3, 9, 0, 1, 1]), 6) == [(0, 2), (2, 3), (3, 4), (4, 7)]
    assert batches(np.zeros(3, np.int64), 6) == []


def test_partitions_grow_with_the_input_and_not_without_bound() -> None:
    assert partitions_for(10_000, 64 << 20) == 16
    assert partitions_for(10**9, 64 << 20) < partitions_for(10**11, 64 << 20) <= 4_096


def test_packed_entries_come_back(tmp_path: Path) -> None:
    entries = Entries(tmp_path / "e", 0)
    at = [entries.add(b"x" * n) for n in (0, 7, 70_000)]
    entries.close()
    with (tmp_path / "e").open("rb") as file:
        assert [entry_at(file, n) for n in reversed(at)] == [b"x" * 70_000, b"x" * 7, b""]


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
