"""A store moved to another engine: row by row the same, killed and resumed at any moment, and never half believed."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.builders import A, B, Hands, commit_of, conversation, item, marks_only, next_of, user
from tests.postgres import Databases

from interlock.domain.decision import birth
from interlock.domain.errors import Unavailable
from interlock.domain.record import Record
from interlock.ports import Mark, Store
from interlock.runtime.assemble import assemble
from interlock.runtime.settings import Settings
from interlock.store.copying import SPACE, compare, copy, unfinished_copy
from interlock.store.opening import OpenStore, open_store

NAME = "sqlite:the-source"
Opener = Callable[[str], OpenStore]


@pytest.fixture
async def opened(tmp_path: Path, databases: Databases) -> AsyncIterator[Opener]:
    """Opens stores by the name of their engine; each name is another store."""
    stores: list[OpenStore] = []
    urls: dict[str, str] = {}

    def opening(name: str) -> OpenStore:
        if name not in urls:
            urls[name] = f"sqlite:{tmp_path}/{name}.db" if name.startswith("sqlite") else databases.new()
        stores.append(open_store(urls[name], Hands(), in_order=True))
        return stores[-1]

    yield opening
    for store in stores:
        await store.close()


async def filled(store: Store, moves: int, seed: int = 1) -> dict[str, Record]:
    """Records of two orgs that move and pass their names on, several in a commit, and marks beside them."""
    rng = random.Random(seed)
    made: dict[str, Record] = {}
    for n in range(moves):
        org = rng.choice([A, B])
        kind = rng.choice([conversation, user, item])
        id = f"{seed}.{kind.__name__}{rng.randrange(12)}"
        key = f"{org}{id}"
        known = made.get(key)
        fields: dict[str, Any] = {"updated_at": n}
        if kind is user:
            fields["email"] = rng.choice([None, f"{id}@x", f"{id}@y"])
        if kind is conversation:
            fields["name"] = rng.choice(["Grüße 🙂", "x", None])
        write = birth(kind(id, org, **fields)) if known is None else next_of(known, n, **fields)
        marks = (Mark(space="s", org=org, key=f"k{n % 7}", value=b"%d" % n),) if n % 3 == 0 else ()
        await store.commit(commit_of(write, org=org, marks=marks, at=n))
        made[key] = write.after
        if n % 11 == 0:
            await store.commit(commit_of(org=org, partition="p", at=n))
    await store.commit(marks_only(Mark(space="position", org="", key="sync", value=b"7")))
    return made


@pytest.mark.parametrize(
    ("one", "other"), [("sqlite", "postgres"), ("postgres", "sqlite"), ("sqlite", "sqlite-2"), ("postgres", "pg-2")]
)
async def test_a_copy_is_the_same_store(opened: Opener, one: str, other: str) -> None:
    source, target = opened(one), opened(other)
    made = await filled(source, 400)
    done = await copy(source, target, NAME)
    last = await source.last_position()
    assert done.finished
    assert (done.rows, done.behind, done.compared.rows, done.compared.records) == (last, 0, last, len(made))
    assert done.compared.names > 0
    assert await target.changes(0, 10_000) == await source.changes(0, 10_000)
    addresses = [r.address for r in made.values()]
    assert await target.load(addresses) == list(made.values())
    copied = [m for m in await target.all_marks(("", "", ""), 99) if m.space != SPACE]
    assert copied == await source.all_marks(("", "", ""), 99)
    assert len(copied) > 7
    assert await unfinished_copy(target) is None
    again = await opened(other).load(addresses)
    assert again == list(made.values())


async def test_a_source_in_use_is_followed_and_the_copy_waits_for_its_rest(opened: Opener) -> None:
    source, target = opened("sqlite"), opened("postgres")
    await filled(source, 100)
    writes = iter(range(10))

    def meanwhile(_done: int, _all: int) -> None:
        n = next(writes, None)
        if n is not None:
            tasks.append(asyncio.ensure_future(source.commit(commit_of(birth(conversation(f"late{n}"))))))

    tasks: list[Any] = []
    first = await copy(source, target, NAME, told=meanwhile)
    await asyncio.gather(*tasks)
    if not first.behind:  # the row came before the last look: then it is in the copy
        assert await target.last_position() == await source.last_position()
    await source.commit(commit_of(birth(conversation("last"))))
    online = await compare(source, target)
    assert online.differences == ()
    assert online.rows == await target.last_position()


async def test_a_copy_that_is_behind_is_not_finished(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source wrote while the two were compared."""
    source, target = opened("sqlite"), opened("postgres")
    await filled(source, 50)
    real = compare

    async def slow(*stores: Any) -> Any:
        found = await real(*stores)
        await source.commit(commit_of(birth(conversation("late"))))
        return found

    monkeypatch.setattr("interlock.store.copying.compare", slow)
    first = await copy(source, target, NAME)
    assert (first.finished, first.behind) == (False, 1)
    assert await unfinished_copy(target) == NAME
    monkeypatch.undo()
    second = await copy(source, target, NAME)
    assert (second.finished, second.rows) == (True, 1)
    assert await unfinished_copy(target) is None


async def test_marks_that_are_gone_are_gone_in_the_copy(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = opened("sqlite"), opened("postgres")
    await filled(source, 20)

    async def killed(*_: Any) -> Any:
        raise Unavailable("killed before the comparison")

    monkeypatch.setattr("interlock.store.copying.compare", killed)
    with pytest.raises(Unavailable):
        await copy(source, target, NAME)
    monkeypatch.undo()
    await source.commit(marks_only(Mark(space="position", org="", key="sync", value=None)))
    assert (await copy(source, target, NAME)).finished
    assert await target.mark("position", "", "sync") is None


async def test_a_target_that_is_something_else_is_left_alone(opened: Opener) -> None:
    source, target, third = opened("sqlite"), opened("postgres"), opened("pg-2")
    await filled(source, 20)
    await target.commit(commit_of(birth(conversation("mine"))))
    with pytest.raises(Unavailable, match="a store of its own"):
        await copy(source, target, NAME)
    assert await target.last_position() == 1
    await third.commit(marks_only(Mark(space=SPACE, org="", key="unfinished", value=b"sqlite:another")))
    with pytest.raises(Unavailable, match="unfinished copy of sqlite:another"):
        await copy(source, third, NAME)


@pytest.mark.parametrize("what", ["row", "record", "name", "mark"])
async def test_a_difference_is_found(opened: Opener, what: str) -> None:
    """One thing in the copy is changed behind its back."""
    source, target = opened("postgres"), opened("sqlite")
    await filled(source, 60)
    await source.commit(commit_of(birth(user("u", email="only@x"))))
    assert (await copy(source, target, NAME)).finished
    write = target._write.execute  # pyright: ignore[reportAttributeAccessIssue]
    change = {
        "row": "UPDATE log SET body = replace(CAST(body AS TEXT), 'api', 'cli') WHERE position = 5",
        "record": "UPDATE record SET body = replace(CAST(body AS TEXT), 'only@x', 'other@x') WHERE id = 'u'",
        "name": f"DELETE FROM claim WHERE name = '{A}/user-email/only@x'",
        "mark": "UPDATE mark SET value = x'00' WHERE space = 'position'",
    }[what]
    write(change)
    await target.close()
    found = await compare(source, opened("sqlite"))
    assert len(found.differences) == (3 if what == "record" else 1), found.differences
    assert what == "record" or what in found.differences[0]


def command(*given: str) -> list[str]:
    """An `interlock` of its own."""
    return [sys.executable, "-m", "interlock.cli.main", *given]


def killed_after(given: list[str], seconds: float) -> bool:
    """Run it and kill it after so long; whether it was still running."""
    with subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    return False


def run(given: list[str]) -> dict[str, Any]:
    """Run it to its end: what it said."""
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["to postgres", "to sqlite"])
async def test_a_copy_that_is_killed_goes_on(tmp_path: Path, databases: Databases, direction: str) -> None:
    """Killed with ever more time to work, until one life has got somewhere; the next ones go on from there."""
    file, server = f"sqlite:{tmp_path}/s.db", databases.new()
    source_url, target_url = (file, server) if direction == "to postgres" else (server, file)
    source, target = open_store(source_url, Hands()), open_store(target_url, Hands())
    made: dict[str, Record] = {}
    for each in await asyncio.gather(*(filled(source, 300, seed=n) for n in range(10))):
        made |= each
    last = await source.last_position()
    given = command("db", "copy", "--from", source_url, "--to", target_url, "--json")
    lives, rng, reached = 0, random.Random(7), {0}
    while len(reached) < 3 and lives < 12:
        lives += 1
        await asyncio.to_thread(killed_after, given, rng.uniform(0.5, 0.8) + lives / 4)
        reached.add(await target.last_position())
        if 0 < max(reached) < last:
            assert await unfinished_copy(target) is not None
    said = await asyncio.to_thread(run, given)
    assert said["finished"]
    assert said["compared"]["rows"] == last > 3_000
    assert len(reached) > 1, "it never got anywhere before it was killed: the test would prove nothing"
    assert await target.changes(0, 10_000) == await source.changes(0, 10_000)
    assert await target.load([r.address for r in made.values()]) == list(made.values())
    assert (await asyncio.to_thread(run, given))["rows"] == 0
    await source.close()
    await target.close()


async def test_a_finished_copy_that_was_used_is_left_alone(opened: Opener) -> None:
    source, target = opened("sqlite"), opened("postgres")
    await filled(source, 20)
    assert (await copy(source, target, NAME)).finished
    assert (await copy(source, target, NAME)).finished
    await target.commit(commit_of(birth(conversation("mine"))))
    with pytest.raises(Unavailable, match="was used since"):
        await copy(source, target, NAME)
    await source.commit(commit_of(birth(conversation("theirs"))))
    with pytest.raises(Unavailable, match="was used since"):
        await copy(source, target, NAME)


async def test_no_server_starts_on_an_unfinished_copy(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/s.db", Hands())
    await store.commit(marks_only(Mark(space=SPACE, org="", key="unfinished", value=b"sqlite:old.db")))
    await store.close()
    with pytest.raises(Unavailable, match=r"unfinished copy of sqlite:old\.db"):
        async with assemble(Settings(db=f"sqlite:{tmp_path}/s.db")):
            pass
