"""Route end to end, in one run beside what limits it. One command: `python bench/route.py [--json] [--peer PYTHON]`.

    http      created, accepted and done over HTTP, queued by rule, offered, both syncs: `interlock demo --rate max`
    inside    the same services and workers in this process, without HTTP
    bare      the five stages' statements, 65 conversations to a COMMIT, no objects: the limit of the store
    peer      procrastinate on PostgreSQL: five chained jobs that do nothing, each durable (optional)

The runs take turns; each figure is the median of the rounds. Trust the ratios; absolute figures are the machine's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from bare import Loop

HERE = Path(__file__).parent
BARE_CONVERSATIONS = 6_500
PEER_CONVERSATIONS = 300


def http(seconds: float, under_way: int) -> float:
    """Conversations a second over HTTP, by the demonstration's own summary; raises if the story went wrong."""
    command = [
        sys.executable,
        "-m",
        "interlock.cli.main",
        "demo",
        "--headless",
        "--rate",
        "max",
        "--json",
        "--port",
        "0",
    ]
    command += ["--seconds", str(seconds), "--under-way", str(under_way)]
    summary = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return float(summary["conversations_per_s"])


def inside(seconds: float, under_way: int) -> float:
    """Conversations a second without HTTP, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        command = [sys.executable, str(HERE / "inside.py"), folder, str(seconds), str(under_way)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def bare() -> float:
    """Conversations a second of the bare loop."""
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        loop = Loop(Path(folder))
        try:
            return loop.run(BARE_CONVERSATIONS)
        finally:
            loop.close()


def peer(python: str) -> dict[str, Any]:
    """What the peer comes to, or why it was left out."""
    command = [python, str(HERE / "peer.py"), str(PEER_CONVERSATIONS)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        return {"skipped": answer.stderr.strip().splitlines()[-1]}
    return json.loads(answer.stdout.strip().splitlines()[-1])


def measure(rounds: int, seconds: float, under_way: int) -> dict[str, list[float]]:
    """Every loop once a round, in turns."""
    loops: dict[str, Callable[[], float]] = {
        "http": lambda: http(seconds, under_way),
        "inside": lambda: inside(seconds, under_way),
        "bare": bare,
    }
    found: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            found[name].append(loop())
    return found


def main() -> None:
    """Measure, and print the medians and their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each round of http and inside runs")
    parser.add_argument("--under-way", type=int, default=64, help="conversations under way at once")
    parser.add_argument("--peer", default=sys.executable, metavar="PYTHON", help="an interpreter that has the peer")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    found = measure(given.rounds, given.seconds, given.under_way)
    rates = {name: statistics.median(values) for name, values in found.items()}
    other = peer(given.peer)
    if "conversations_per_s" in other:
        rates["peer"] = other["conversations_per_s"]
    ratios = {f"{name}/bare": rate / rates["bare"] for name, rate in rates.items() if name != "bare"}
    ratios["http/inside"] = rates["http"] / rates["inside"]
    if "peer" in rates:
        ratios["http/peer"] = rates["http"] / rates["peer"]
    if given.json:
        document = {"conversations_per_s": rates, "ratios": ratios, "rounds": found, "skipped": {}}
        if "skipped" in other:
            document["skipped"] = {"peer": other["skipped"]}
        print(json.dumps(document))
        return
    for name, rate in rates.items():
        print(f"{name:8} {rate:10.1f} conversations/s")
    for name, ratio in ratios.items():
        print(f"{name:12} {ratio:8.3f}")
    if "skipped" in other:
        print(f"peer      skipped: {other['skipped']}")


if __name__ == "__main__":
    main()
