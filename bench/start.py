"""How quick a start is, and how quick a reaction. One command: `python bench/start.py [--json]`. Medians of several.

help_ms      `interlock --help`, the whole process
serve_ms     from `interlock serve` on an empty file to the first answered request
again_ms     the same on a store that is there
reaction_ms  from sending a new conversation to reading in the event stream that a rule has queued its work item
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

KEY = "ilk_bench"
PROGRAM = [sys.executable, "-m", "interlock.cli.main"]
REACTIONS = 40


def timed(work: Callable[[], object]) -> float:
    """How long it took, in ms."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def help_once() -> None:
    """The first page of help."""
    subprocess.run([*PROGRAM, "--help"], check=True, capture_output=True)


@contextlib.contextmanager
def server(folder: str) -> Iterator[int]:
    """A server on a file in this folder; its port, once it has answered a request."""
    environment = {**os.environ, "INTERLOCK_BOOTSTRAP_KEY": KEY, "INTERLOCK_RATE_LIMIT": "0"}
    command = [*PROGRAM, "serve", "--port", "0", "--db", f"sqlite://{folder}/bench.db", "--log-level", "error"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        assert ask(port, "GET", "/readyz") == 200
        yield port
    finally:
        process.terminate()
        process.wait(15)


def ask(port: int, method: str, path: str, body: object = None) -> int:
    """One request on a connection of its own; the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def start_ms(folder: str) -> float:
    """From the command to the first answer."""
    began = time.perf_counter()
    with server(folder):
        return (time.perf_counter() - began) * 1000


def reactions(port: int) -> list[float]:
    """New conversations, one after the other, each until its item is queued."""
    seen: queue.Queue[tuple[float, str]] = queue.Queue()
    threading.Thread(target=_listen, args=(port, seen), daemon=True).start()
    seen.get(timeout=10)
    out: list[float] = []
    for n in range(REACTIONS):
        began = time.perf_counter()
        assert ask(port, "POST", "/v1/conversations", {"channels": ["chat"], "name": f"bench {n}"}) == 201
        while True:
            at, data = seen.get(timeout=10)
            if '"status":"queued"' in data and at >= began:
                out.append((at - began) * 1000)
                break
    return out


def _listen(port: int, seen: queue.Queue[tuple[float, str]]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"}
    connection.request("GET", "/v1/events?topics=work-item.update", headers=headers)
    with contextlib.suppress(OSError, http.client.HTTPException):
        for raw in connection.getresponse():
            if raw.startswith((b"data:", b"retry:")):
                seen.put((time.perf_counter(), raw.decode()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    found: dict[str, list[float]] = {"help_ms": [], "serve_ms": [], "again_ms": [], "reaction_ms": []}
    for _ in range(given.rounds):
        found["help_ms"].append(timed(help_once))
        with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
            found["serve_ms"].append(start_ms(folder))
            found["again_ms"].append(start_ms(folder))
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder, server(folder) as port:
        found["reaction_ms"] = reactions(port)
    medians = {name: round(statistics.median(values), 1) for name, values in found.items()}
    if given.json:
        print(json.dumps({**medians, "rounds": given.rounds, "reactions": REACTIONS}))
        return
    for name, value in medians.items():
        print(f"{name:12} {value:8.1f}")


if __name__ == "__main__":
    main()
