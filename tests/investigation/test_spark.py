"""The cluster says what one process says: the same findings, holes, verdict and counts, with two local workers."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.generate_logs import generate_day, generate_races
from tests.investigation.shared_cases import shared

from interlock.cli.spark import cluster
from interlock.investigation import spark
from interlock.investigation.finding import History, Input
from interlock.investigation.investigate import Report, examine, grouped, last_moment, report
from interlock.investigation.readers import open_inputs

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def context() -> Iterator[Any]:
    """Two workers, each a process of its own."""
    with cluster("local[2]") as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> Iterator[None]:
    """So that a small log is many pieces, and line numbers have something to get wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spark, "PIECE_BYTES", 1 << 20)
        yield


def in_memory(paths: list[Path]) -> tuple[Report, list[History]]:
    reading = open_inputs(paths)
    entries = list(reading)
    histories = grouped(entries)
    return report((examine(h, last_moment(entries)) for h in histories), ()), histories


def same(here: Report, there: Report) -> None:
    assert Counter(map(repr, there.findings)) == Counter(map(repr, here.findings))
    holes = [Counter((h.record, h.revs, len(h.matters_to)) for h in r.holes) for r in (here, there)]
    assert holes[0] == holes[1]
    assert there.verdict == here.verdict


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("logs")
    day, races = folder / "day.log", folder / "races.log"
    generate_day(day, 8, seed=5)
    generate_races(races, 200, seed=5)
    packed = folder / "races.log.gz"
    packed.write_bytes(gzip.compress(races.read_bytes()))
    races.unlink()
    return [day, packed]


def test_a_day_in_pieces_and_a_packed_log_give_the_findings_of_one_process(context: Any, logs: list[Path]) -> None:
    here, _ = in_memory(logs)
    assert {f.rule for f in here.findings} >= {"R1", "R5"}
    done = spark.investigate(context, logs, histories_max=3)
    same(here, done.report)
    assert [i.format for i in done.report.inputs] == ["json-lines", "json-lines"]
    assert done.report.inputs[0].bytes == logs[0].stat().st_size
    assert sum(i.entries for i in done.report.inputs) == sum(i.entries for i in read_all(logs))
    assert 1 <= len(done.histories) <= 3


def read_all(paths: list[Path]) -> list[Input]:
    reading = open_inputs(paths)
    assert sum(1 for _ in reading)
    return reading.inputs


def test_what_a_file_system_of_the_cluster_holds_is_read_by_it(context: Any, logs: list[Path]) -> None:
    done = spark.investigate(context, [logs[0].as_uri()])
    here, _ = in_memory([logs[0]])
    same(here, done.report)


def test_damage_is_refused_where_it_stands_and_the_rest_is_read(context: Any, logs: list[Path], tmp_path: Path) -> None:
    lines = logs[0].read_bytes().split(b"\n")
    lines[-9] = b"\0\0\0" + lines[-9]
    lines[20] = b'{"a":' + b"[" * 10_000
    log = tmp_path / "damaged.log"
    log.write_bytes(b"\n".join(lines))
    done = spark.investigate(context, [log])
    here = read_all([log])[0]
    assert len(here.refused) == 2
    assert [r.place.line for r in done.report.inputs[0].refused] == [r.place.line for r in here.refused]


def test_the_incident_document_reaches_its_verdict(context: Any) -> None:
    document = shared("incident/reverse-sync-of-dequeue.md")
    done = spark.investigate(context, [document])
    same(in_memory([document])[0], done.report)
    assert done.report.verdict == "broken"
    assert len(done.report.inputs[0].repairs) == 63
