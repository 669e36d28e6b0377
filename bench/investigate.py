"""The investigator beside what limits it and what else one would use, in one run.

    python bench/investigate.py [--quick] [--log FILE | --megabytes N] [--rounds N] [--races N] [--duckdb PYTHON]

    bare        typed msgspec decode of the fields that a rule needs, by two workers: the limit
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
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parent))

from generate_logs import generate_day, generate_races, true_overwrites
from interlock.investigation.big.lines import Share, blocks_of, shares
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
    """Bare decode of a share: how many lines were events."""
    decode = msgspec.json.Decoder(_Line).decode
    found = 0
    for block in blocks_of(share):
        for line in block.lines:
            try:
                found += decode(line).body is not None
            except msgspec.DecodeError:
                continue
    return found


def bare(log: Path) -> float:
    """Seconds of the bare decode by two workers."""
    begun = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(_decoded, shares(0, str(log), log.stat().st_size, 2))
    return time.perf_counter() - begun


def catalogue(log: Path) -> tuple[float, Any]:
    """Seconds of the whole catalogue by two workers, and what came of it."""
    begun = time.perf_counter()
    done = investigate([log])
    return time.perf_counter() - begun, done


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


def jq(log: Path) -> tuple[float, int] | None:
    """Seconds and hits of jq | sort | awk on two parts side by side; `None` without jq."""
    if not shutil.which("jq"):
        return None
    begun = time.perf_counter()
    select = f"fromjson? | {JQ}"
    command = f"jq -rR {_quoted(select)} {_quoted(str(log))} | sort -t'\t' -k1,1 -k2,2n | awk -F'\t' {_quoted(AWK)}"
    hits = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    return time.perf_counter() - begun, int(hits)


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
    """Every figure about one log."""
    seconds: dict[str, list[float]] = {"bare": [], "catalogue": [], "duckdb": []}
    out: dict[str, Any] = {"log_MB": round(log.stat().st_size / 1e6), "rounds": rounds}
    done: Any = None
    for _ in range(rounds):
        seconds["bare"].append(bare(log))
        took, done = catalogue(log)
        seconds["catalogue"].append(took)
        if sql:
            took, out["duckdb_hits"], out["duckdb_peak_MiB"] = duckdb(log, sql)
            out["duckdb_peak_MiB"] >>= 20
            seconds["duckdb"].append(took)
    median = {name: statistics.median(s) for name, s in seconds.items() if s}
    asked = jq(log)
    if asked is not None:
        median["jq"], out["jq_hits"] = asked
    out["seconds"] = {name: round(s, 2) for name, s in median.items()}
    out["GB_per_s"] = {name: round(log.stat().st_size / 1e9 / s, 3) for name, s in median.items()}
    out["catalogue_to_bare"] = round(median["bare"] / median["catalogue"], 3)
    out["catalogue_to_others"] = {n: round(median[n] / median["catalogue"], 2) for n in ("jq", "duckdb") if n in median}
    out["peak_MiB"] = max(done.peaks) >> 20
    out["groups"], out["examined"] = done.tally.groups, done.tally.examined
    out["R1_day"] = against_truth(log, done.report.findings)
    out["skipped"] = [name for name, have in (("jq", asked), ("duckdb", sql)) if not have]
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
