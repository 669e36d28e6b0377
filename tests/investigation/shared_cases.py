"""Logs that are no part of the project and may lie beside the checkout; tests that need them skip where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SHARED = PROJECT.parent / "shared"


def shared(name: str) -> Path:
    """The path of one of them; skips the test, by name, where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/{name} is not here; it is no part of the project")
    return path
