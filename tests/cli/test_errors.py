"""What the command line says when something is wrong: what, why, what to type next, and an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.cli.main import run


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("INTERLOCK_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["srve"], 2, "there is no command srve. Did you mean serve?"),
        (["qqqq"], 2, "there is no command qqqq."),
        (["serve", "--prot", "1"], 2, "Did you mean --port?"),
        (["serve", "--port", "x"], 2, "--port"),
        (["config", "shw"], 2, 'Did you mean "show"?'),
        (["explain"], 2, "id"),
        (["explain", "zzz"], 1, "'zzz' holds no id"),
        (["explain", "0" * 24, "--db", "sqlite:nowhere.db"], 2, "there is no store sqlite:nowhere.db"),
        (["doctor", "--db", "mysql://x"], 2, "there is no store mysql://x"),
        (["doctor", "--db", "postgresql://u:pw@127.0.0.1:1/x"], 4, "postgresql://u:***@127.0.0.1:1/x"),
        (["doctor", "--url", "http://127.0.0.1:1"], 4, "no answer from http://127.0.0.1:1"),
        (["events", "--url", "http://127.0.0.1:1"], 2, "a key is needed"),
        (["events", "--url", "ftp://x"], 2, "is no URL of a server"),
        (["demo", "--speed", "0"], 2, "positive"),
        (["demo", "--arrivals", "nowhere.csv"], 2, "there is no file nowhere.csv"),
        (["demo", "--rate", "slow"], 2, "slow"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes(given: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with the code of its kind, and never a traceback."""
    assert run(given) == code
    told = capsys.readouterr().err
    assert told.startswith("interlock: ")
    assert said in told
    assert "Traceback" not in told


def test_a_wrong_setting_stops_the_server_before_it_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the name that was meant."""
    monkeypatch.setenv("INTERLOCK_PROT", "9")
    assert run(["serve"]) == 2
    assert "Did you mean INTERLOCK_PORT?" in capsys.readouterr().err


def test_a_store_that_cannot_be_opened_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And what to do about it."""
    assert run(["serve", "--port", "0", "--db", f"sqlite://{tmp_path}/no/such/folder/x.db"]) == 4
    assert "the store cannot be used" in capsys.readouterr().err


def test_errors_are_documents_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the message stands on standard output as well."""
    assert run(["explain", "zzz", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["exit"] == 1


def test_a_fault_of_ours_is_called_that(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --debug no traceback; with it the fault itself."""
    from interlock.cli import version

    def broken() -> str:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(version.platform, "platform", broken)
    assert run(["version"]) == 1
    assert "a fault of ours" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        run(["version"], debug=True)


def test_the_program_itself_ends_with_the_code() -> None:
    """Through the door that the shell uses."""
    done = subprocess.run(
        [sys.executable, "-m", "interlock.cli.main", "srve"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "  next  interlock serve --help"


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`interlock openapi | head -1`."""
    command = f"{sys.executable} -m interlock.cli.main openapi | head -c 10"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
