"""Who stands still while the log goes on is stopped, whatever it hangs in; who has nothing to do is left alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from interlock.domain.errors import Unavailable
from interlock.domain.share import share_named
from interlock.runtime import divided
from interlock.runtime.assemble import assemble
from interlock.runtime.settings import Settings
from interlock.runtime.watched import StandsStill, watched


def say(numbers: Iterable[int | None], *, then: asyncio.Event | None = None) -> Callable[[], Awaitable[int]]:
    """One after the other, the last again and again; `None`: an outage. `then` is set when the last was said."""
    left = list(numbers)

    async def answer() -> int:
        number = left.pop(0) if len(left) > 1 else left[0]
        if len(left) == 1 and then is not None:
            then.set()
        if number is None:
            raise Unavailable("away")
        return number

    return answer


async def test_who_stands_still_behind_the_log_is_stopped() -> None:
    stopped = asyncio.Event()

    async def hangs() -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):  # as a client library does that swallows it
                await asyncio.Event().wait()
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with asyncio.timeout(20):
        with pytest.raises(StandsStill, match="row 7"):
            await watched(hangs(), say([7]), say([9]), 0.01)
    assert stopped.is_set()


@pytest.mark.parametrize(
    ("reached", "newest"),
    [
        pytest.param([3, 4, 5, 6, 7, 7], [9, 9, 9, 9, 9, 7], id="it gets on, slowly"),
        pytest.param([9, 9, 9], [9, 9, 9], id="nothing to do"),
        pytest.param([7, 7, 8, 8, 9, 9], [7, 8, 8, 9, 9, 9], id="the rows came only since the last look"),
        pytest.param([7, None, 7, None, 9, 9], [9, 9, 9, 9], id="looks that an outage prevents do not count"),
    ],
)
async def test_who_gets_on_or_has_nothing_to_do_is_left_alone(reached: list[int | None], newest: list[int]) -> None:
    looked = asyncio.Event()
    async with asyncio.timeout(20):
        await watched(_until(looked), say(reached, then=looked), say(newest), 0.01)


async def test_what_the_work_raises_is_raised() -> None:
    async def fails() -> None:
        raise Unavailable("of its own")

    with pytest.raises(Unavailable, match="of its own"):
        await watched(fails(), say([0]), say([0]), 60.0)


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def test_a_role_without_a_place_in_the_log_is_not_watched_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`records` works by the clock only: it never handles a row, and would stand still in the eyes of whoever looks."""
    monkeypatch.setattr(divided, "STILL_LEASES", 0.1)
    more: dict[str, Any] = {"role": ("records", "sync"), "shares": 1, "lease_seconds": 0.5, "detect": False}
    given = Settings(db=f"sqlite:///{tmp_path}/one.db", bootstrap_key="ilk_" + "3" * 64, **more)  # type: ignore[arg-type]
    looks = 0
    looked = divided.watched

    async def counted(work: Any, reached: Any, newest: Any, every_s: float) -> None:
        async def look() -> int:
            nonlocal looks
            looks += 1
            return await reached()

        await looked(work, look, newest, every_s)

    monkeypatch.setattr(divided, "watched", counted)
    with capture_logs() as said:
        async with asyncio.timeout(30), assemble(given) as house:
            assert house.divided is not None
            assert await house.world.store.last_position() > 0
            while looks < 8:  # of sync's, which has a place: several times as many as it takes
                await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=0.05)
            assert house.divided.holdings is not None
            assert sorted(share_named(name).role for name in house.divided.holdings.held) == ["records", "sync"]
    assert [line for line in said if line["event"] == "share_passed_on"] == []
