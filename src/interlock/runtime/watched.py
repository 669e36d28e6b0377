"""Work that must get on: whoever stands still while the log goes on is stopped, so that another process takes over.

A lease alone does not see it: a process whose role hangs (a client library that waits for an answer nobody will give)
goes on renewing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from interlock.domain.errors import Unavailable
from interlock.runtime.tasks import ended


class StandsStill(Exception):
    """Work that did not get on; its text says since when."""


async def watched(
    work: Coroutine[Any, Any, None], reached: Callable[[], Awaitable[int]], newest: Callable[[], Awaitable[int]],
    every_s: float,
) -> None:  # fmt: skip
    """Do `work` until it ends; whatever it raises is raised.

    Raises `StandsStill` when it is at the same position (`reached`) in two looks, `every_s` apart, although the log was
    further on (`newest`) in the first of them already. A look that an outage prevents does not count.
    """
    task = asyncio.create_task(work)
    at, was_newest = -1, 0
    try:
        while not (await asyncio.wait([task], timeout=every_s))[0]:
            before, was_newest_before = at, was_newest
            try:
                at, was_newest = await reached(), await newest()
            except Unavailable:
                at = -1
            if at == before and -1 < at < was_newest_before:
                raise StandsStill(f"It stands still at row {at} for {every_s:g} s; the log is at row {was_newest}.")
        task.result()
    finally:
        await ended([task], Exception)  # raised above, or of no interest any more
