"""kill -9 at any moment: whatever the process had been told, and said on, is there at the next start."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.builders import A
from tests.store.survey import Ack, faults

ROOT = Path(__file__).resolve().parents[2]


def started(path: Path, names: str) -> subprocess.Popen[bytes]:
    """A writer in a process of its own."""
    command = [sys.executable, "-m", "tests.store.writer", str(path), names]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def said(process: subprocess.Popen[bytes], lines: int) -> list[Ack]:
    """So many answers, then the kill, then whatever else it had said by then; half a line is no answer."""
    assert process.stdout is not None
    out = b"".join(process.stdout.readline() for _ in range(lines))
    process.kill()
    rest = process.stdout.read()
    process.wait()
    whole = (out + rest).rpartition(b"\n")[0].decode().splitlines()
    assert len(whole) >= lines, "the writer ended by itself"
    return [Ack(id, int(rev), int(position)) for id, rev, position in (line.split() for line in whole)]


@pytest.mark.parametrize("seed", range(4))
async def test_a_killed_writer_loses_nothing_it_was_told(tmp_path: Path, seed: int) -> None:
    acks: list[Ack] = []
    for life in "ab":
        with started(tmp_path / "s.db", life) as process:
            acks += said(process, random.Random(f"{seed}{life}").randrange(1, 1500))
        assert await faults(tmp_path / "s.db", acks, A) == []


async def test_one_of_two_writers_is_killed_and_the_other_goes_on(tmp_path: Path) -> None:
    """Two processes on one file, as when an old server is still there while the new one starts."""
    path = tmp_path / "s.db"
    with started(path, "a") as one, started(path, "b") as two:
        try:
            acks = said(one, 200) + said(two, 400)
        finally:
            one.kill()
            two.kill()
    assert await faults(path, acks, A) == []
    assert {a.id[0] for a in acks} == {"a", "b"}
