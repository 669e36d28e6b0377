"""The house rules hold for the project, and each of them bites on a tree that is wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests import house

PROJECT = Path(__file__).resolve().parent.parent
Rule = Callable[[Path], list[str]]

CONTRIBUTING = "| rule | checked by |\n|---|---|\n"
GLOSSARY = "| word | meaning | not |\n|---|---|---|\n| work item | a piece of work | `ticket`, `work order` |\n"
PYPROJECT = """
[tool.ruff]
line-length = 120
[tool.ruff.lint]
select = ["TID", "E"]
ignore = ["E501"]
[tool.pyright]
strict = ["src/interlock/domain"]
[tool.pytest.ini_options]
asyncio_mode = "auto"
[[tool.importlinter.contracts]]
id = "layers"
"""
LONG = "def long():\n" + "    pass\n" * 60
ADR = "# 1\n\n## Status\n\n## Context\n\n## Decision\n\n## Consequences\n"
CHECKS = {"pyproject.toml": PYPROJECT, "Makefile": "check: lint\n", "tests/test_a.py": "def test_a():\n    pass\n"}

# Rule, the file that breaks it, its text, and what the finding says.
WRONG: list[tuple[Rule, str, str, str]] = [
    (house.long_functions, "src/interlock/a.py", LONG, "long has 61 lines"),
    (house.long_functions, "tests/a.py", LONG.replace("def", "async def"), "long has 61 lines"),
    (house.long_modules, "src/interlock/a.py", "x = 1\n" * 501, "501 lines"),
    (house.vague_modules, "src/interlock/helpers.py", "", "a module named helpers"),
    (house.vague_modules, "tests/common/a.py", "", "a module named common"),
    (house.vague_modules, "src/interlock/_util.py", "", "a module named util"),
    (house.modules_without_docstring, "bench/a.py", "x = 1\n", "no docstring"),
    (house.async_in_domain, "src/interlock/domain/a.py", "async def a(): pass\n", "a.py:1: async"),
    (house.async_in_domain, "src/interlock/domain/a.py", "x = [y async for y in z]\n", "async in domain"),
    (house.environment_and_clocks, "src/interlock/api/a.py", "import os\nx = os.environ['A']\n", "a.py:2: os.environ"),
    (house.environment_and_clocks, "src/interlock/api/a.py", "from os import getenv\n", "os.getenv"),
    (house.environment_and_clocks, "src/interlock/store/a.py", "import time\nx = time.monotonic()\n", "time.monotonic"),
    (house.environment_and_clocks, "src/interlock/bus/a.py", "x = datetime.datetime.now(UTC)\n", "datetime.now"),
    (house.environment_and_clocks, "src/interlock/ports.py", "x = date.today()\n", "date.today"),
    (house.sleeping_tests, "tests/a.py", "import time\ntime.sleep(0.1)\n", "a.py:2: a test that sleeps"),
    (house.sleeping_tests, "tests/b/a.py", "from asyncio import sleep\nsleep(1)\n", "a test that sleeps"),
    (house.sleeping_tests, "tests/a.py", "import asyncio\nasyncio.sleep(pause)\n", "a test that sleeps"),
    (house.commits_elsewhere, "src/interlock/api/a.py", "store.commit([])\n", "commit outside service"),
    (house.foreign_imports, "src/interlock/domain/a.py", "import httpx\n", "domain imports httpx"),
    (house.foreign_imports, "src/interlock/service/a.py", "from rich.table import Table\n", "service imports rich"),
    (house.foreign_imports, "src/interlock/api/a.py", "import sqlite3\n", "sqlite3 is for store only"),
    (house.synonyms, "src/interlock/domain/a.py", "class OpenTicket: pass\n", "says ticket; the word is work item"),
    (house.synonyms, "src/interlock/domain/a.py", "def close_work_orders(): pass\n", "says work order"),
    (house.synonyms, "src/interlock/api/tickets.py", "", "says ticket"),
    (house.addresses, "docs/a.md", "see " + house.REGISTRY_HOSTS[0], "names " + house.REGISTRY_HOSTS[0]),
    (house.addresses, "a.lock", "-e /" + "home/ana/x", "names /" + "home/"),
    (house.broken_links, "docs/a.md", "one [b](b.md)", "the link b.md leads nowhere"),
    (house.broken_links, "docs/a.md", "# One\n[b](#two)", "the link #two leads nowhere"),
    (house.broken_links, "docs/a.md", '<img src="a.png">', "the link a.png leads nowhere"),
    (house.broken_links, "docs/a.md", "[b]: b.md", "the link b.md leads nowhere"),
    (house.unchecked_rules, "CONTRIBUTING.md", "Be good.\n", "no table of rules"),
    (house.unchecked_rules, "CONTRIBUTING.md", CONTRIBUTING + "| be good | everybody |\n", "nothing checks the rule"),
    (house.unchecked_rules, "CONTRIBUTING.md", CONTRIBUTING + "| x | `make tea` |\n", "no check make tea"),
    (house.unchecked_rules, "CONTRIBUTING.md", CONTRIBUTING + "| x | `ruff: D100` |\n", "no check ruff: D100"),
    (house.unchecked_rules, "CONTRIBUTING.md", CONTRIBUTING + "| x | `ruff: E501` |\n", "no check ruff: E501"),
    (
        house.unchecked_rules,
        "CONTRIBUTING.md",
        CONTRIBUTING + "| x | `import-linter: y` |\n",
        "no check import-linter: y",
    ),
    (house.unchecked_rules, "CONTRIBUTING.md", CONTRIBUTING + "| x | `pyright: src` |\n", "no check pyright: src"),
    (house.unchecked_rules, "CONTRIBUTING.md", CONTRIBUTING + "| x | `pytest: y` |\n", "no check pytest: y"),
    (house.unchecked_rules, "CONTRIBUTING.md", CONTRIBUTING + "| x | `tests/test_a.py::test_b` |\n", "no check tests/"),
    (house.untidy_decisions, "docs/adr/0002-b.md", ADR, "the numbers are [2]"),
    (house.untidy_decisions, "docs/adr/0001-b.md", ADR.replace("Context", "Background"), "the headings are"),
    (house.untidy_decisions, "docs/adr/one.md", ADR, "the name is not"),
]

# Rule, a file that looks like a breach of it and is none, and its text.
RIGHT: list[tuple[Rule, str, str]] = [
    (house.long_functions, "src/interlock/a.py", LONG.replace("    pass\n", "", 1)),
    (house.long_modules, "src/interlock/a.py", "x = 1\n" * 500),
    (house.vague_modules, "src/interlock/store/baseline.py", ""),
    (house.async_in_domain, "src/interlock/service/a.py", "async def a(): pass\n"),
    (house.environment_and_clocks, "src/interlock/runtime/a.py", "import os\nx = os.environ['A']\n"),
    (house.environment_and_clocks, "src/interlock/api/a.py", "x = clock.now()\ny = os.path.join('a')\n"),
    (house.sleeping_tests, "tests/a.py", "import asyncio\nasyncio.sleep(0)\nclock.sleep(5)\n"),
    (house.commits_elsewhere, "src/interlock/service/transact.py", "store.commit([])\n"),
    (house.foreign_imports, "src/interlock/domain/a.py", "import msgspec, zoneinfo\nfrom interlock.domain import b\n"),
    (house.foreign_imports, "src/interlock/store/a.py", "import apsw\n"),
    (house.synonyms, "src/interlock/domain/a.py", "def work_item(): pass\n"),
    (
        house.addresses,
        "docs/a.md",
        "GET /v1/work-items, /homeward, {base}/" + "work/x, https://example.org/" + "home/x",
    ),
    (
        house.broken_links,
        "docs/a.md",
        "# One two\n[b](#one-two) [c](https://example.org) `[d](d.md)`\n```\n[e](e.md)\n```",
    ),
    (house.unchecked_rules, "CONTRIBUTING.md", CONTRIBUTING + "| x | `make check`, `tests/test_a.py::test_a` |\n"),
    (
        house.unchecked_rules,
        "CONTRIBUTING.md",
        CONTRIBUTING
        + "| x | `ruff: TID251`, `ruff: line-length`, `import-linter: layers`, `pytest: asyncio_mode` |\n"
        + "| y | `pyright: src/interlock/domain` |\n",
    ),
    (house.untidy_decisions, "docs/adr/0001-b.md", ADR),
]


def plant(root: Path, name: str, text: str) -> None:
    """A small tree with the one file in it, and with what the rules look up elsewhere."""
    for path, content in {**CHECKS, "docs/glossary.md": GLOSSARY, name: text}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")


@pytest.mark.parametrize("rule", house.RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    assert rule(PROJECT) == []


@pytest.mark.parametrize(("rule", "name", "text", "says"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_bites(rule: Rule, name: str, text: str, says: str, tmp_path: Path) -> None:
    plant(tmp_path, name, text)
    assert any(says in finding for finding in rule(tmp_path)), rule(tmp_path)


@pytest.mark.parametrize(("rule", "name", "text"), RIGHT, ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_bites_only_what_is_wrong(rule: Rule, name: str, text: str, tmp_path: Path) -> None:
    plant(tmp_path, name, text)
    assert rule(tmp_path) == []


def test_every_rule_is_shown_to_bite() -> None:
    assert {rule for rule, *_ in WRONG} == set(house.RULES)


def test_a_gap_in_the_numbers_is_found(tmp_path: Path) -> None:
    for name in ("0001-a.md", "0003-c.md"):
        plant(tmp_path, f"docs/adr/{name}", ADR)
    assert house.untidy_decisions(tmp_path) == ["docs/adr:1: the numbers are [1, 3]"]


def test_the_glossary_is_read() -> None:
    refused = house.glossary(PROJECT)
    assert refused["ticket"] == "conversation"
    assert len(refused) > 20
