"""What is installed: pinned with hashes, the same to run as to test, and each with its licence written down."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from tests import house

PROJECT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-spark.lock")


def blocks(lock: str) -> dict[str, str]:
    """Package → its lines in the lock file."""
    text = (PROJECT / lock).read_text(encoding="utf-8")
    found = re.findall(r"^([a-z0-9-]+)(==.*(?:\n[ \t]+.*)*)", text, re.MULTILINE)
    return dict(found)


def version(block: str) -> str:
    """The pinned version."""
    return block.split(maxsplit=1)[0].removeprefix("==")


@pytest.fixture(scope="module")
def installer() -> ModuleType:
    """tools/venv.py, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("installer", PROJECT / "tools" / "venv.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    pins = blocks(lock)
    assert len(pins) > 40
    assert [name for name, block in pins.items() if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: str) -> None:
    other = [
        line
        for line in (PROJECT / lock).read_text(encoding="utf-8").splitlines()
        if not re.fullmatch(r"[a-z0-9-]+==[^\s/@]+( ; [^/@]+)? \\| {4}--hash=sha256:[0-9a-f]{64}( \\)?", line)
    ]
    assert other == []


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_what_is_tested_is_what_runs(lock: str) -> None:
    tested = blocks(lock)
    differing = {
        n for n, b in blocks("requirements.lock").items() if n not in tested or version(tested[n]) != version(b)
    }
    assert differing == set()


def test_what_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = project["project"]["dependencies"] + project["build-system"]["requires"]
    names = {re.split(r"[^A-Za-z0-9_.-]", entry)[0] for entry in asked}
    assert names - set(blocks("requirements.lock")) == set()


def test_every_package_has_a_row() -> None:
    rows = {cells[0]: cells[1:] for cells in house.table_rows(PROJECT / "docs" / "dependencies.md")}
    assert {name for lock in LOCKS for name in blocks(lock)} == set(rows)
    assert [name for name, cells in rows.items() if len(cells) != 2 or not all(cells)] == []


def test_only_what_is_missing_is_installed(installer: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    here = importlib.metadata.version("pytest")
    pins = (f"Pytest=={here}", "not-there==1.0", "ruff==0.0.1")
    lock.write_text("".join(f"{pin} \\\n    --hash=sha256:aa\n" for pin in pins))
    assert [block.split("==")[0] for block in installer.missing(lock)] == ["not-there", "ruff"]


def test_a_line_without_a_pin_is_refused(installer: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("pytest>=1\n")
    with pytest.raises(installer.Failed, match="not a pinned package: pytest>=1"):
        installer.missing(lock)
