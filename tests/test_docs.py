"""Documents that stay true: the files they name, flags and settings in the reference, a tutorial that runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from interlock.cli.overview import COMMANDS, GROUPS
from interlock.cli.serve import Flags
from interlock.cli.tree import build
from interlock.runtime.server import bind
from interlock.runtime.settings import SECRETS, Settings

PROJECT = Path(__file__).parent.parent
DOCS = PROJECT / "docs"


def read(name: str) -> str:
    """A document."""
    return (PROJECT / name).read_text(encoding="utf-8")


def test_architecture_names_files_that_are_there() -> None:
    """Every path in a code span, below src/interlock or the project."""
    named = re.findall(r"`([\w/]+(?:\.py|/))`", read("ARCHITECTURE.md"))
    assert len(named) > 30
    missing = [n for n in named if not (PROJECT / "src/interlock" / n).exists() and not (PROJECT / n).exists()]
    assert missing == []


def test_architecture_names_every_room() -> None:
    """A room that is not described is not to be found."""
    rooms = {p.name for p in (PROJECT / "src/interlock").iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert {room for room in rooms if f"`{room}/`" not in read("ARCHITECTURE.md")} == set()


def test_readme_has_exactly_the_two_commands() -> None:
    """In one block, as they are typed."""
    block = re.findall(r"```\n(.*?)```", read("README.md"), re.DOTALL)
    assert block == ["make demo\nmake test\n"]


def test_every_command_is_in_the_reference_and_no_other() -> None:
    """By its name."""
    text = read("docs/reference/command-line.md")
    listed = set(re.findall(r"^\| `interlock (\w+)", text, re.MULTILINE))
    assert listed == {name for name, _, _ in COMMANDS} | {name for name, _ in GROUPS}


def test_every_flag_of_the_demonstration_is_in_the_reference() -> None:
    """And no flag that is not there."""
    text = read("docs/reference/command-line.md")
    shown = set(re.findall(r"^\| `--([\w-]+)` \|", text, re.MULTILINE))
    arguments = build()["demo"].assemble_argument_collection()
    known = {name.removeprefix("--") for a in arguments for name in a.names if name.startswith("--")}
    assert shown == {k for k in known if not k.startswith("no-")} - {"json"}


def test_every_setting_is_in_the_reference_with_its_default() -> None:
    """And no setting that is not there."""
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", read("docs/reference/settings.md"), re.MULTILINE)
    listed = {name: default or "" for name, default in rows if name.islower()}
    shown = {name: field.get_default() for name, field in Settings.model_fields.items()}
    assert listed == {name: written(default) for name, default in shown.items()}


def written(default: object) -> str:
    """A default, as the reference has it."""
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None else f"{default:g}" if isinstance(default, float) else str(default)


def test_every_setting_but_the_secrets_is_a_flag() -> None:
    """Of the same name, with the same default: the setting's own."""
    flags = {f.name: f.default for f in fields(Flags)}
    assert set(flags) == set(Settings.model_fields) - SECRETS
    assert set(flags.values()) == {None}


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_the_tutorial_runs(tmp_path: Path) -> None:
    """Every block of it, one after the other, as a reader would type it; but in a folder and on a port of its own."""
    text = read("docs/tutorial/first-conversation.md")
    script = "set -eu\n" + "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    bound.close()
    script = script.replace("8080", str(port)).replace("/tmp/first", str(tmp_path / "first"))
    script = script.replace("$PWD/.venv/bin", str(Path(sys.executable).parent)).replace(
        "kill %1; wait", "kill %1; wait || true"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")}
    done = subprocess.run(
        ["bash", "-c", f"trap 'kill %1 2>/dev/null || true' EXIT\n{script}"],
        capture_output=True, text=True, timeout=90, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "waits" in done.stdout
    assert "Ana" in done.stdout
    assert "FAIL" not in done.stdout
