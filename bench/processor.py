"""Processor time of processes, from the system's own account: what it costs, whoever else is busy on the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def spent_s(pid: int) -> float:
    """Processor seconds of a process and of those it has waited for, 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return sum(int(field) for field in text.rpartition(")")[2].split()[11:15]) / TICKS_PER_S


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return []


class Spent:
    """What named processes have spent since this was made. `families`: name → processes that count together."""

    def __init__(self, families: Mapping[str, Iterable[int]]) -> None:
        self._families = {name: list(pids) for name, pids in families.items()}
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        return {name: sum(map(spent_s, self._with_children(pids))) for name, pids in self._families.items()}

    def _with_children(self, pids: list[int]) -> list[int]:
        return [*pids, *(child for pid in pids for child in children(pid))]

    def seconds(self) -> dict[str, float]:
        """Processor seconds until now."""
        return {name: now - self._before[name] for name, now in self._now().items()}
