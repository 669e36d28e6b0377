"""The production layouts of the documents are what they say: they parse, and every setting and role in them is one."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.runtime.settings import gather
from interlock.service.cues import ROLES
from interlock.service.reactions import CADENCES

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "run-several-processes.md"
EVERYTHING = {*ROLES, *(c.role for c in CADENCES), "api", "console", "relay", "webhooks"}


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """What the secrets of a container hold, by the path at which it finds them."""
    found = {"db": "postgresql://interlock:x@postgres/interlock", "key": "ilk_" + "0" * 64}
    for name, text in found.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {f"{folder}/{name}": str(tmp_path / name) for name in found for folder in ("/run/secrets", "/etc/interlock")}


def roles_with(environment: dict[str, str], files: dict[str, str], flags: dict[str, Any]) -> set[str]:
    """The roles of a process with these settings; raises for one that would not start."""
    given = gather(flags, {name: files.get(value, value) for name, value in environment.items()})
    assert given.settings.db.startswith("postgresql://")
    assert given.settings.nats
    assert given.settings.shares == 8
    return set(given.settings.role)


def test_the_compose_file_runs_every_role_with_settings_that_exist(files: dict[str, str]) -> None:
    [compose] = [d for d in map(yaml.safe_load, blocks("yaml")) if "services" in d]
    found: set[str] = set()
    for service in compose["services"].values():
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert {v.partition(":")[0] for v in service.get("volumes", ())} <= set(compose["volumes"])
        assert set(service.get("depends_on", ())) <= set(compose["services"])
        if "command" in service and service["command"][:2] == ["interlock", "serve"]:
            command = service["command"]
            flags = {command[2].removeprefix("--"): command[3]}
            found |= roles_with(service["environment"], files, flags)
    assert found == EVERYTHING


def test_the_units_read_settings_that_exist(files: dict[str, str]) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(blocks("ini")[0])
    assert unit["Service"]["ExecStart"].endswith("interlock serve")
    environment = dict(re.findall(r"^(INTERLOCK_\w+)=(\S+)$", blocks("env")[0], flags=re.MULTILINE))
    assert roles_with(environment, files, {}) == {"routing"}


def test_the_values_of_the_chart_name_settings_and_every_role(files: dict[str, str]) -> None:
    [values] = [d for d in map(yaml.safe_load, blocks("yaml")) if "roles" in d]
    common = {f"INTERLOCK_{name.upper()}": str(value) for name, value in values["settings"].items()}
    secret = {f"INTERLOCK_{name.upper()}_FILE": value for name, value in values["secretFiles"].items()}
    environment = common | {name: value.replace("/secret/", "/") for name, value in secret.items()}
    found = [roles_with(environment, files, {"role": each["role"]}) for each in values["roles"].values()]
    assert set[str]().union(*found) == EVERYTHING
