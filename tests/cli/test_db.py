"""`interlock db …` and the commands that look into a PostgreSQL store, as somebody types them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from interlock.cli.main import run
from interlock.domain.access import Org
from interlock.runtime.assemble import assemble
from interlock.runtime.clock import SystemClock
from interlock.runtime.settings import Settings
from interlock.service import orgs
from interlock.store.opening import open_store


def away(work: Coroutine[Any, Any, Any]) -> Any:
    """Run in a loop of its own: commands bring theirs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def begun(url: str) -> list[Org]:
    """A store with its first org, made by a server that runs no role."""
    async with assemble(Settings(db=url, role=(), bootstrap_key="ilk_x", detect=False)) as house:  # type: ignore[arg-type]
        return await orgs.all_orgs(house.world)


async def epochs(url: str) -> list[int]:
    """The epoch of each org, and how many rows say that it was raised."""
    store = open_store(url, SystemClock())
    rows = [r for r in await store.changes(0, 10_000) if r.why.kind == "restored"]
    await store.close()
    return [c.after for row in rows for s in row.changes for name, c in s.attributes.items() if name == "epoch"]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of each engine that has an org."""
    url = f"sqlite://{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    away(begun(url))
    return url


def said(capsys: pytest.CaptureFixture[str], *given: str, code: int = 0) -> Any:
    """What a command printed, with --json."""
    assert run([*given, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_restored_raises_the_epoch_and_says_so_in_the_log(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for epoch in (2, 3):
        assert [o["epoch"] for o in said(capsys, "db", "restored", "--db", url)["orgs"]] == [epoch]
    assert away(epochs(url)) == [2, 3]


def test_a_store_moves_there_and_back(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = f"sqlite://{tmp_path}/there.db"
    assert said(capsys, "db", "copy", "--from", url, "--to", there)["finished"]
    found = said(capsys, "db", "compare", "--from", url, "--to", there)
    assert found["differences"] == []
    assert found["records"] > 5
    away(begun(there))
    assert said(capsys, "db", "restored", "--db", there)["orgs"]
    found = said(capsys, "db", "compare", "--from", url, "--to", there, code=3)
    assert any("row" in d for d in found["differences"])


def test_doctor_looks_into_it(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The servers of tests keep nothing through a power loss: doctor must say so, and of nothing else."""
    postgres = url.startswith("postgresql")
    checks = said(capsys, "doctor", "--db", url, code=3 if postgres else 0)["checks"]
    assert [c["name"] for c in checks if not c["ok"]] == (["answers are durable"] if postgres else [])
    assert ("connections are free" in {c["name"] for c in checks}) == postgres


def test_a_backup_is_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite://{tmp_path}/t.db"
    away(begun(url))
    assert run(["db", "backup", "--db", url, "--to", f"{tmp_path}/b.db"]) == 0
    assert run(["db", "backup", "--db", url, "--to", f"{tmp_path}/b.db"]) == 5
    assert "never overwrites" in capsys.readouterr().err
    assert said(capsys, "db", "compare", "--from", url, "--to", f"sqlite://{tmp_path}/b.db")["rows"] == 1


def test_what_cannot_be(postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    away(begun(postgres_url))
    assert run(["db", "backup", "--db", postgres_url, "--to", f"{tmp_path}/b.db"]) == 2
    assert run(["db", "copy", "--from", postgres_url, "--to", postgres_url]) == 2
    assert run(["db", "copy", "--from", f"sqlite://{tmp_path}/none.db", "--to", postgres_url]) == 2
    assert run(["db", "copy", "--from", postgres_url, "--to", "mysql://x"]) == 4
    assert "no store for mysql" in capsys.readouterr().err


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("INTERLOCK_DB", "postgresql://me:geheim@db.example.org/x")
    assert run(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert "me:***@db.example.org" in shown
    assert "geheim" not in shown


def test_migrate_says_whose_schema_it_has(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A store that is up to date stays as it is; a database that holds none is not made into one."""
    assert said(capsys, "db", "migrate", "--db", url)["migrated"].startswith(url.partition(":")[0])
    assert run(["db", "migrate", "--db", f"sqlite:{tmp_path}/none.db"]) == 2
    assert not (tmp_path / "none.db").exists()
