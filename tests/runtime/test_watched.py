"""Who stands still while the log goes on is stopped, whatever it hangs in; who has nothing to do is left alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

import pytest

from interlock.domain.errors import Unavailable
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
