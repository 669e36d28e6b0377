"""People in configuration files: who is in a team, by mail address or name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.served import KEY, served

PEOPLE = [{"name": "Ana", "email": "ana@example.com"}, {"name": "Bo"}, {"name": "Cy"}, {"name": "Cy"}]


@pytest.fixture
def say(tmp_path: Path) -> Callable[[str], str]:
    """Write a file in which a team has these members; where it is."""

    def write(members: str) -> str:
        (tmp_path / "teams.yaml").write_text(f"teams:\n  - {{name: Support{members}}}\n")
        return str(tmp_path / "teams.yaml")

    return write


async def test_members_of_a_team_by_mail_address_or_name(
    say: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INTERLOCK_KEY", KEY)
    async with served(tmp_path) as server:
        ids = [(await server.send("POST", "/v1/users", p))["data"]["id"] for p in PEOPLE]
        both = say(", members: [Bo, ana@example.com]")
        assert await server.call("apply", "-f", both) == 0
        assert 'members: ["Bo", "ana@example.com"]' in capsys.readouterr().out
        (team,) = (await server.send("GET", "/v1/teams"))["data"]
        assert team["attributes"]["members"] == [ids[1], ids[0]]
        assert await server.call("apply", "-f", both) == 0
        assert capsys.readouterr().out == "nothing to do\n"
        assert await server.call("apply", "-f", say(", members: [ana@example.com]")) == 0
        assert 'members: ["Bo", "ana@example.com"] → ["ana@example.com"]' in capsys.readouterr().out
        assert await server.call("diff", "-f", say("")) == 0, "a team that lists nobody keeps its people"
        for wrong, said in (("ann@example.com", "Did you mean ana@example.com?"), ("Cy", "there is no user Cy.")):
            assert await server.call("apply", "-f", say(f", members: [{wrong}]")) == 2
            told = capsys.readouterr().err
            assert "teams.yaml:2: there is no user" in told
            assert said in told
        await server.call("export")
        assert "ana@example.com" not in capsys.readouterr().out, "an export names nobody"
