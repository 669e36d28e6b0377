"""The investigator beside what limits it and what else one would use, in one run.

    python bench/investigate.py [--quick] [--log FILE | --megabytes N] [--rounds N] [--races N] [--duckdb PYTHON]

    bare        typed msgspec decode of the fields that a rule needs, by two workers: the limit; `by_line`: the same
                with the catalogue's reader
    catalogue   `interlock investigate`, every rule, by two workers; and its peak memory in any one process
    jq          jq | sort | awk: users taken off by a sync right after they were set, without the stale read
    duckdb      the rule as SQL, by somebody who knows it (needs an interpreter with duckdb: --duckdb PYTHON)

Runs take turns; each figure is the median of the rounds. Trust the ratios; seconds are the machine's. `jq` runs once:
it takes minutes. Recall and false alarms of R1 are counted against the generator's truth, on the day and on the races.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

sys.path.insert(0, str(Path(__file__).parent))

from generate_logs import generate_day, generate_races, true_overwrites
from interlock.investigation.big.lines import BLOCK_BYTES, Share, blocks_of, first_offset, shares
from interlock.investigation.big.run import investigate

QUICK_MB, WHOLE_MB = 50, 1_000
RACES_AT_ONCE = 10_000
HERE = Path(__file__).parent


class _Dd(msgspec.Struct, gc=False):
    trace_id: str | int = ""


class _Attributes(msgspec.Struct, gc=False):
    rev: int
    updatedAt: str = ""  # noqa: N815
    resourceRev: int | None = None  # noqa: N815


class _Data(msgspec.Struct, gc=False):
    id: str
    type: str
    attributes: _Attributes


class _Meta(msgspec.Struct, gc=False):
    conversationRev: int | None = None  # noqa: N815


class _Reason(msgspec.Struct, gc=False):
    meta: _Meta | None = None


class _Inner(msgspec.Struct, gc=False):
    id: str
    data: _Data
    org: str = ""
    createdAt: str = ""  # noqa: N815
    changes: msgspec.Raw = msgspec.Raw(b"")
    client: str = ""
    isSync: bool = False  # noqa: N815
    routingReasons: list[_Reason] = []  # noqa: N815


class _Outer(msgspec.Struct, gc=False):
    body: _Inner
    publishedAt: str = ""  # noqa: N815


class _Line(msgspec.Struct, gc=False):
    body: _Outer | None = None
    dd: _Dd | None = None
    time: str | int = ""


def _decoded(share: Share) -> int:
    """Bare decode of a share, read in blocks that are split: how many lines were events."""
    decode = msgspec.json.Decoder(_Line).decode
    found = 0
    for line in _split(share):
        try:
            found += decode(line).body is not None
        except msgspec.DecodeError:
            continue
    return found


def _split(share: Share) -> Iterator[bytes]:
    """The lines of a share, give or take one at its edges."""
    with Path(share.path).open("rb", buffering=0) as file:
        file.seek(share.begin)
        left, rest = share.end - share.begin, b""
        while left > 0:
            data = file.read(min(BLOCK_BYTES, left))
            left -= len(data)
            lines = (rest + data).split(b"\n")
            rest = lines.pop()
            yield from lines


def _decoded_by_line(share: Share) -> int:
    """Bare decode with the reader that the catalogue has: the stricter measure, since splitting blocks costs more."""
    decode = msgspec.json.Decoder(_Line).decode
    found = 0
    for block in blocks_of(share, first_offset(share)):
        for line in block.lines:
            try:
                found += decode(line).body is not None
            except msgspec.DecodeError:
                continue
    return found


class Took(NamedTuple):
    """Seconds by the clock, and of processor time in this process and those that it ended."""

    wall: float
    cpu: float


def timed(work: Callable[[], Any]) -> tuple[Took, Any]:
    """How long something takes, and what comes of it."""

    def spent() -> float:
        return sum(os.times()[:4])

    wall, cpu = time.perf_counter(), spent()
    done = work()
    return Took(time.perf_counter() - wall, spent() - cpu), done


def bare(log: Path, decoded: Callable[[Share], int]) -> int:
    """The bare decode by two workers; how many events."""
    pool = multiprocessing.get_context("fork").Pool(2)
    try:
        return sum(pool.map(decoded, shares(0, str(log), log.stat().st_size, 2)))
    finally:
        pool.close()
        pool.join()


def against_truth(log: Path, findings: Any) -> dict[str, int]:
    """R1 held against the truth, apart where the audit names what was read."""
    truth = {(t.conversation, t.rev): t.named for t in true_overwrites(log)}
    found = {(f.record.id, f.rev): f.certainty for f in findings if f.rule == "R1"}
    return {
        "true, named": sum(truth.values()),
        "missed, named": sum(named and key not in found for key, named in truth.items()),
        "true, not named": sum(not named for named in truth.values()),
        "missed, not named": sum(not named and key not in found for key, named in truth.items()),
        "false alarms": sum(key not in truth for key in found),
        "called proven and not true": sum(key not in truth and how == "proven" for key, how in found.items()),
    }


JQ = (
    'select(.body.name=="kustomer.conversation.update") | .body.body | select(.changes.attributes.assignedUsers) | '
    "[.data.id, .data.attributes.rev, (.isSync // false), (.changes.attributes.assignedUsers.before|tostring), "
    "(.changes.attributes.assignedUsers.after|tostring)] | @tsv"
)
AWK = '$1==id && $3=="true" && w=="false" && $4==v && $5!=v {hits++} {id=$1; w=$3; v=$5} END {print hits+0}'


def jq(log: Path) -> int:
    """Hits of jq | sort | awk."""
    select = f"fromjson? | {JQ}"
    command = f"jq -rR {_quoted(select)} {_quoted(str(log))} | sort -t'\t' -k1,1 -k2,2n | awk -F'\t' {_quoted(AWK)}"
    hits = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    return int(hits)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def duckdb(log: Path, python: str) -> tuple[float, int, int]:
    """Seconds, hits and peak memory (bytes) of the SQL, in a process of its own."""
    command = [python, str(HERE / "investigate_sql.py"), str(log)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return told["seconds"], told["hits"], told["peak"]


def raced(count: int, folder: Path) -> dict[str, int]:
    """R1 on so many interleavings, in portions, each with a seed of its own."""
    total: Counter[str] = Counter()
    for n in range(0, count, RACES_AT_ONCE):
        log = folder / "races.log"
        generate_races(log, min(RACES_AT_ONCE, count - n), seed=1_000 + n)
        total.update(against_truth(log, investigate([log]).report.findings))
    return dict(total)


def measured(log: Path, rounds: int, sql: str) -> dict[str, Any]:
    """Every figure about one log; the works take turns."""
    works: dict[str, Callable[[], Any]] = {
        "bare": lambda: bare(log, _decoded),
        "bare_by_line": lambda: bare(log, _decoded_by_line),
        "catalogue": lambda: investigate([log]),
    }
    spent: dict[str, list[Took]] = {name: [] for name in works}
    out: dict[str, Any] = {"log_MB": round(log.stat().st_size / 1e6), "rounds": rounds}
    done: Any = None
    seconds: list[float] = []
    for _ in range(rounds):
        for name, work in works.items():
            took, done = timed(work)
            spent[name].append(took)
        if sql:
            second, out["duckdb_hits"], peak = duckdb(log, sql)
            seconds.append(second)
            out["duckdb_peak_MiB"] = peak >> 20
    wall = {name: statistics.median(t.wall for t in took) for name, took in spent.items()}
    cpu = {name: statistics.median(t.cpu for t in took) for name, took in spent.items()}
    if seconds:
        wall["duckdb"] = statistics.median(seconds)
    if shutil.which("jq"):
        took, out["jq_hits"] = timed(lambda: jq(log))
        wall["jq"], cpu["jq"] = took
    out["seconds"] = {name: round(s, 2) for name, s in wall.items()}
    out["processor_seconds"] = {name: round(s, 2) for name, s in cpu.items()}
    out["GB_per_s"] = {name: round(log.stat().st_size / 1e9 / s, 3) for name, s in wall.items()}
    out["catalogue_to"] = {name: round(s / wall["catalogue"], 3) for name, s in wall.items() if name != "catalogue"}
    out["catalogue_to_by_processor"] = {
        name: round(s / cpu["catalogue"], 3) for name, s in cpu.items() if name != "catalogue"
    }
    out["peak_MiB"] = [peak >> 20 for peak in done.peaks]
    out["conversations"] = {"all": done.tally.groups, "walked": done.tally.walked, "examined": done.tally.examined}
    out["R1_day"] = against_truth(log, done.report.findings)
    out["skipped"] = [name for name in ("jq", "duckdb") if name not in wall]
    return out


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_MB} MB, 3 rounds, 2,000 races")
    parser.add_argument("--log", type=Path, help="a log of generate_logs.py, with its truth beside it")
    parser.add_argument("--megabytes", type=float, default=WHOLE_MB)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--races", type=int, default=200_000)
    parser.add_argument("--duckdb", default="", metavar="PYTHON", help="an interpreter that has duckdb")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.quick:
        given.megabytes, given.rounds, given.races = QUICK_MB, 3, 2_000
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        log = given.log or Path(folder) / "day.log"
        if given.log is None:
            generate_day(log, given.megabytes)
        figures = measured(log, given.rounds, given.duckdb)
        figures["R1_races"] = {"races": given.races, **raced(given.races, Path(folder))}
    _tell(figures, as_json=given.json)


def _tell(figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        said = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name:22} {said}")


if __name__ == "__main__":
    main()
