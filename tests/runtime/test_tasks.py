"""A task that once swallows its cancellation ends all the same; what went wrong in one is not lost with it."""

from __future__ import annotations

import asyncio

import pytest

from interlock.domain.errors import Fenced, Unavailable
from interlock.runtime.tasks import end, ended


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


async def test_every_task_is_over_before_the_first_failure_that_counts_is_raised() -> None:
    async def fails(why: Exception) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise why

    tasks = [asyncio.create_task(fails(why)) for why in (Fenced("expected", epoch=1), Unavailable("told"), OSError())]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="told"):
        await ended(tasks, Fenced)
    assert all(task.done() for task in tasks)
    await ended(tasks, Fenced, Unavailable, OSError)
