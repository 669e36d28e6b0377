"""SQL from files: named statements and numbered migrations, one folder per engine below `sql/`."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def folder(engine: str) -> Traversable:
    """The folder with the SQL of one engine."""
    return files("interlock.store") / "sql" / engine


def named(engine: str) -> dict[str, str]:
    """The statements of an engine's queries.sql by name, without comments."""
    _, *parts = _NAME.split((folder(engine) / "queries.sql").read_text(encoding="utf-8"))
    return {name: _plain(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _plain(body: str) -> str:
    return "\n".join(line for line in body.strip().splitlines() if not line.startswith("--"))
