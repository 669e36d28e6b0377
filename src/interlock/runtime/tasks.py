"""Ending tasks, surely."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

AGAIN_S = 5.0


async def end(tasks: Iterable[asyncio.Task[Any]], *, again_s: float = AGAIN_S) -> None:
    """Cancel tasks and wait until all are over, whatever came of them.

    Asked again every `again_s`: before Python 3.12 a time limit that runs out in the same moment swallows a
    cancellation, and a task that loops would go on for ever.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)


async def ended(tasks: Iterable[asyncio.Task[Any]], *quietly: type[Exception]) -> None:
    """`end`, then raise the first failure that is none of `quietly`: what went wrong in a task is not lost with it."""
    over = list(tasks)
    await end(over)
    for task in over:
        with contextlib.suppress(asyncio.CancelledError, *quietly):
            await task
