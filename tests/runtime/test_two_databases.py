"""A process on two databases: which it refuses to start on, and that divided roles find their way in both."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from interlock.domain.errors import Unavailable
from interlock.runtime.assemble import assemble
from interlock.runtime.server import bind, listening
from interlock.runtime.settings import Settings

KEY = "ilk_" + "2" * 64
LOOKS = 400


def settings(folder: Path, **more: object) -> Settings:
    """Two files."""
    two = {f"{side}_db": f"sqlite:///{folder}/{side}.db" for side in ("records", "routing")}
    return Settings(bootstrap_key=KEY, **{**two, **more})  # type: ignore[arg-type]


async def route_one(given: Settings) -> str:
    """Make a conversation over HTTP and wait until its item waits in a queue; its id."""
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "one"}
    async with (
        assemble(given) as house,
        listening(house, bind("127.0.0.1", 0)) as url,
        aiohttp.ClientSession(url, headers=headers) as http,
    ):
        async with http.post("/v1/conversations", json={"name": "first"}) as made:
            assert made.status == 201
            id = (await made.json())["data"]["id"]
        for _ in range(LOOKS):
            async with http.get(f"/v1/routing/conversations/{id}/work-items") as answer:
                items = (await answer.json())["data"]
            if items and items[0]["attributes"]["status"] == "queued":
                async with http.get("/readyz?verbose") as ready:
                    assert "the collector keeps up" in await ready.text()
                return id
            with contextlib.suppress(TimeoutError):  # news or not, look again
                await asyncio.wait_for(house.world.bus.receive("witness", 1), 0.05)
    raise AssertionError("its item never came into a queue")


@pytest.mark.parametrize("shares", [0, 2])
async def test_a_conversation_is_routed(tmp_path: Path, shares: int) -> None:
    """By roles as a whole, and by roles that are divided under leases of which both databases know."""
    await route_one(settings(tmp_path, shares=shares, lease_seconds=1.0))


async def test_it_starts_again_where_it_was(tmp_path: Path) -> None:
    """The two know each other."""
    first = await route_one(settings(tmp_path))
    async with assemble(settings(tmp_path)) as house:
        rows = await house.world.store.changes(0, 1_000)
        assert sum(any(c.id == first and c.rev == 1 for c in row.changes) for row in rows) == 1


async def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    """The wrong way round, half of two, two of two installations, and a database that was one before."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        async with assemble(settings(tmp_path / name)):
            pass
    a, b = settings(tmp_path / "a"), settings(tmp_path / "b")
    swapped = settings(tmp_path, records_db=a.routing_db, routing_db=a.records_db)
    mixed = settings(tmp_path, records_db=a.records_db, routing_db=b.routing_db)
    async with assemble(Settings(db=f"sqlite:///{tmp_path}/one.db", bootstrap_key=KEY)):  # type: ignore[arg-type]
        pass
    single = settings(tmp_path, routing_db=f"sqlite:///{tmp_path}/one.db")
    half = [Settings(db=url, bootstrap_key=KEY) for url in a.databases]  # type: ignore[arg-type]
    for given, said in [
        (swapped, "do not belong together"), (mixed, "do not belong together"), (single, "a store of its own already"),
        (half[0], "the records database of two"), (half[1], "the routing database of two"),
    ]:  # fmt: skip
        with pytest.raises(Unavailable, match=said):
            async with assemble(given):
                pass


async def test_records_from_an_earlier_time_are_refused(tmp_path: Path) -> None:
    """Routing has taken in a row that they do not have: what was decided on it would have no ground."""
    async with assemble(settings(tmp_path)):
        pass
    earlier = (tmp_path / "records.db").read_bytes()
    await route_one(settings(tmp_path))
    (tmp_path / "records.db").write_bytes(earlier)
    for left in ("records.db-wal", "records.db-shm"):
        (tmp_path / left).unlink(missing_ok=True)
    with pytest.raises(Unavailable, match="put back to an earlier time"):
        async with assemble(settings(tmp_path)):
            pass
