"""A task that once swallows its cancellation ends all the same."""

from __future__ import annotations

import asyncio

from interlock.runtime.tasks import end


async def test_a_swallowed_cancellation_is_asked_again() -> None:
    swallowed = 0

    async def loops() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed += 1

    task = asyncio.create_task(loops())
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await end([task], again_s=0.01)
    assert task.cancelled()
    assert swallowed == 1
