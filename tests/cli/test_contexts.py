"""Servers by name, and which of several ways to name one counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.cli.connection import Connection, Server
from interlock.cli.failure import USAGE, Failure

TEXT = """
[production]
url = "https://interlock.example.com/"
key_file = "production.key"
[bare]
url = "http://127.0.0.1:9"
[wrong]
url = "http://127.0.0.1:9"
key = "ilk_1"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of contexts, where it is looked for."""
    home = tmp_path / "interlock"
    home.mkdir()
    (home / "contexts.toml").write_text(TEXT)
    (home / "production.key").write_text("ilk_production\n")
    for name in ("URL", "KEY", "KEY_FILE", "CONTEXT", "CONTEXTS"):
        monkeypatch.delenv(f"INTERLOCK_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return home


def way(server: Server) -> tuple[str, str]:
    """URL and key that a command would use."""
    made = Connection(server, needs_key=False)
    return made.url, made._key


def test_a_context_has_a_url_and_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    production = ("https://interlock.example.com", "ilk_production")
    assert way(Server(context="production")) == production
    monkeypatch.setenv("INTERLOCK_CONTEXT", "production")
    assert way(Server()) == production
    assert way(Server(context="bare")) == ("http://127.0.0.1:9", "")
    assert way(Server(url="http://127.0.0.1:6")) == ("http://127.0.0.1:6", ""), "its key is not sent elsewhere"
    monkeypatch.setenv("INTERLOCK_URL", "http://127.0.0.1:8")
    assert way(Server()) == ("http://127.0.0.1:8", "")
    assert way(Server(context="production")) == production


def test_what_is_said_counts_before_the_context(folder: Path) -> None:
    other = folder / "other.key"
    other.write_text("ilk_other")
    given = Server(context="production", url="http://127.0.0.1:7", key_file=other)
    assert way(given) == ("http://127.0.0.1:7", "ilk_other")


def test_a_key_of_the_environment_is_not_sent_to_the_server_of_a_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_KEY", "ilk_elsewhere")
    assert way(Server(context="bare")) == ("http://127.0.0.1:9", "")
    assert way(Server(context="production"))[1] == "ilk_production"


@pytest.mark.parametrize(
    ("name", "says"), [("productoin", "did you mean production?"), ("wrong", "it has key"), ("none", "has bare, ")]
)
def test_a_context_that_is_not_there_says_what_is(name: str, says: str) -> None:
    with pytest.raises(Failure) as caught:
        way(Server(context=name))
    assert says in caught.value.why
    assert caught.value.code == USAGE


def test_a_file_that_is_not_there_says_where_it_would_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_CONTEXTS", str(folder / "none.toml"))
    with pytest.raises(Failure) as caught:
        way(Server(context="production"))
    assert "none.toml" in caught.value.next
