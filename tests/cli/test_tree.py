"""The whole command tree: every command has help with an example, and --json prints what parses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from interlock.cli.main import run
from interlock.cli.overview import COMMANDS, GROUPS, text
from interlock.cli.tree import build
from interlock.runtime.assemble import assemble
from interlock.runtime.server import bind, listening
from interlock.runtime.settings import Settings

KEY = "ilk_test"
PATHS = (
    [[name] for name, _, _ in COMMANDS]
    + [["config", "show"], ["rule", "dry-run"], ["rule", "evaluate"]]
    + [["db", name] for name in ("copy", "compare", "backup", "restored")]
)
HEAVY = ("litestar", "uvicorn", "apsw", "aiohttp", "httpx", "pydantic", "structlog", "cyclopts", "rich", "msgspec")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("INTERLOCK_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_says_what_it_does_and_gives_an_example(path: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of each command."""
    assert run([*path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Usage: interlock" in shown
    assert "Example: " in shown
    assert "--json" in shown


@pytest.mark.parametrize(("name", "place", "line"), COMMANDS, ids=lambda v: v)
def test_the_first_page_says_what_the_commands_say(name: str, place: str, line: str) -> None:
    """The overview is written apart, so that it imports nothing; here it is held against the commands."""
    module, _, function = place.partition(":")
    first = getattr(__import__(module, fromlist=[function]), function).__doc__.splitlines()[0]
    assert first.startswith(line)
    assert f"  {name}" in text()


def test_the_first_page_names_every_command() -> None:
    """And no other."""
    known = {n for n in build() if not n.startswith("-")}
    assert known == {name for name, _, _ in COMMANDS} | {name for name, _ in GROUPS}


def imported_by(*arguments: str) -> set[str]:
    """The modules that a command loads, in a process of its own."""
    code = f"import sys; from interlock.cli.main import run; run({list(arguments)!r})"
    code += "; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_the_first_page_imports_none_of_the_heavy_packages() -> None:
    """`interlock --help` answers before anything is read but the page itself."""
    code = (
        "import sys; from interlock.cli.main import run; run(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(eval(done.stderr))
    assert not loaded & set(HEAVY)


def test_help_of_one_command_imports_no_server() -> None:
    """Only the parser and the command's own file."""
    assert not imported_by("serve", "--help") & {"litestar", "uvicorn", "apsw", "aiohttp", "pydantic"}


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """A server in this process; its URL and the id of a conversation on it that waits."""
    settings = Settings(db=f"sqlite://{folder}/t.db", bootstrap_key=KEY, stop_seconds=3)  # type: ignore[arg-type]
    bound = bind("127.0.0.1", 0)
    async with assemble(settings) as house, listening(house, bound) as url:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
            made = await session.post(f"{url}/v1/conversations", json={"channels": ["chat"]})
            id = (await made.json(content_type=None))["data"]["id"]
        async with asyncio.timeout(10):
            placed = False
            while not placed:
                batch = await house.world.bus.receive("test", 100)
                placed = any(row.why.direction == "reverse" and row.changes for row in batch.rows)
                await house.world.bus.acknowledge(batch)
        yield url, id


async def called(*arguments: str) -> int:
    """One command, in a thread: it opens connections of its own."""
    return await asyncio.to_thread(run, list(arguments))


async def test_json_parses_wherever_there_is_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against a server, and against its file."""
    async with serving(tmp_path) as (url, id):
        monkeypatch.setenv("INTERLOCK_URL", url)
        monkeypatch.setenv("INTERLOCK_KEY", KEY)
        db = f"sqlite://{tmp_path}/t.db"
        link = f"{url}/v1/conversations/{id}"
        for command in (
            "version", "config show", "openapi", "completion bash", "events", f"explain {id}", f"explain {link}",
            f"explain {id} --db {db}", "doctor", f"doctor --db {db}",
        ):  # fmt: skip
            assert await called(*command.split(), "--json") == 0, command
            assert json.loads(capsys.readouterr().out), command


async def test_the_same_commands_speak_to_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sentences, lines and tables."""
    async with serving(tmp_path) as (url, id):
        monkeypatch.setenv("INTERLOCK_KEY", KEY)
        assert await called("explain", id, "--url", url) == 0
        assert "waits" in capsys.readouterr().out
        assert await called("explain", id, "--db", f"sqlite://{tmp_path}/t.db") == 0
        assert "waits" in capsys.readouterr().out
        assert await called("doctor", "--url", url) == 0
        assert "ok    the server is ready: ok" in capsys.readouterr().out
        assert await called("events", "--url", url, "--topic", "conversation", "--limit", "1") == 0
        event: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert event["type"] == "interlock.conversation.create.v1"
        assert await called("events", "--url", url, "--follow", "--topic", "work-item", "--limit", "2") == 0
        assert len(capsys.readouterr().out.splitlines()) == 2


async def test_a_refusal_says_what_why_and_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the exit code of its kind."""
    async with serving(tmp_path) as (url, _):
        monkeypatch.setenv("INTERLOCK_KEY", "ilk_wrong")
        assert await called("events", "--url", url) == 4
        assert "next  INTERLOCK_KEY must hold a key of this server" in capsys.readouterr().err
        monkeypatch.setenv("INTERLOCK_KEY", KEY)
        assert await called("explain", "0" * 24, "--url", url) == 1
        assert "no record or decision of this id" in capsys.readouterr().err
