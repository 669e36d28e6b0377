"""Where results go: standard output as a table for people, tab-separated in a pipe, or one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
"""The flag that every command has."""


def document(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False, default=str)
    sys.stdout.write("\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """One line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def hint(text: str) -> None:
    """One line of progress, warning or advice, beside the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows: aligned on a terminal, tab-separated and without heads in a pipe."""
    plain = [[_cell(c) for c in row] for row in rows]
    if not sys.stdout.isatty():
        for row in plain:
            line("\t".join(row))
        return
    widths = [max([len(head), *(len(row[n]) for row in plain)]) for n, head in enumerate(heads)]
    line("  ".join(head.upper().ljust(w) for head, w in zip(heads, widths, strict=True)).rstrip())
    for row in plain:
        line("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
