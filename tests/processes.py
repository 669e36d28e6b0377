"""Which processes there are, by the system's own account (Linux)."""

from __future__ import annotations

from pathlib import Path


def children_of(pid: int) -> set[int]:
    """The processes that a process has started and that still run."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def runs(pid: int) -> bool:
    """Whether there is such a process, not counting one that only waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
