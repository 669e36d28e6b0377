"""Logs with a known truth, seeded: `python bench/generate_logs.py races|day OUT [--count N] [--megabytes M]`.

    races   many short logs, each an interleaving of the incident's race, under a right or wrong protocol (log_races.py)
    day     one log of a contact centre's day with planted incidents and decoys (log_day.py); 1,000 MB are about
            340,000 lines of 30,000 conversations with 50 incidents

Beside OUT stands OUT.truth: one JSON line for each true stale overwrite: conversation, record, rev, lost_rev, and
whether the audit names the rev of the peer that was read. The generators were written before the detectors.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import log_day
from log_day import BYTES_PER_LINE, LINES_PER_CONVERSATION, day
from log_races import Lost, races

START_MS = 1_772_442_000_000
CONVERSATIONS_PER_INCIDENT = 600


def written(portions: Iterable[tuple[list[str], list[Lost]]], out: Path) -> tuple[int, int]:
    """Write log and truth; how many lines, and how many true overwrites."""
    lines = overwrites = 0
    with out.open("w", encoding="utf-8") as log, truth_of(out).open("w", encoding="utf-8") as truth:
        for said, lost in portions:
            if said:
                log.write("\n".join(said) + "\n")
            lines += len(said)
            overwrites += len(lost)
            for each in lost:
                truth.write(json.dumps(each._asdict()) + "\n")
    return lines, overwrites


def truth_of(out: Path) -> Path:
    """Where the truth about a log stands."""
    return out.with_name(out.name + ".truth")


def true_overwrites(out: Path) -> Iterator[Lost]:
    """The truth about a log."""
    with truth_of(out).open(encoding="utf-8") as lines:
        for line in lines:
            yield Lost(**json.loads(line))


def generate_races(out: Path, count: int, seed: int = 7) -> tuple[int, int]:
    """`count` short logs in one file; lines and true overwrites."""
    return written(races(count, seed, START_MS), out)


def generate_day(out: Path, megabytes: float, seed: int = 7) -> tuple[int, int]:
    """A day of about so many MB in one file; lines and true overwrites."""
    conversations = max(60, round(megabytes * 1e6 / BYTES_PER_LINE / LINES_PER_CONVERSATION))
    incidents = max(3, conversations // CONVERSATIONS_PER_INCIDENT)
    return written(day(conversations, seed, START_MS, incidents), out)


def generate_one(story: str, seed: int) -> tuple[list[str], list[Lost]]:
    """One conversation of the day by the name of its story (`planted`, `honest_revert` …): its lines, and the truth."""
    rng = random.Random(seed)
    case = log_day.Case(log_day.Floor(rng, START_MS), rng, START_MS)
    getattr(log_day, story)(case)
    return [line for _, line in sorted(case.lines)], case.lost


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("races", "day"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=200_000, help="races: how many logs")
    parser.add_argument("--megabytes", type=float, default=1_000, help="day: about how much")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    if given.kind == "races":
        lines, overwrites = generate_races(given.out, given.count, given.seed)
    else:
        lines, overwrites = generate_day(given.out, given.megabytes, given.seed)
    print(f"{given.out}: {lines} lines, {given.out.stat().st_size / 1e6:.0f} MB, {overwrites} true overwrites")


if __name__ == "__main__":
    main()
