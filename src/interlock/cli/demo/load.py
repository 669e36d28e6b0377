"""The load as a process of its own, so that the server has its own core. It is told what to do in one line of JSON.

The line comes on standard input, which then stays open: when it ends, so does the load. Standard output carries JSON
lines: how many conversations are done, when everybody is there, and in the end how many requests were made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from interlock.cli.demo.client import Client, Refused
from interlock.cli.demo.flood import Flood
from interlock.cli.demo.play import Play
from interlock.cli.demo.traffic import Arrival, Day


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. `rate`: as a day at a speed, or as fast as it goes with so many conversations under way.

    guest  a user who is nobody's part to play: whoever looks at the demonstration can work as them
    """

    url: str
    key: str
    seed: int
    rate: Literal["day", "max"]
    seconds: float
    speed: float = 60.0
    under_way: int = 64
    arrivals: str = ""
    guest: str = ""


class Said:
    """What the load tells its parent."""

    def __init__(self) -> None:
        self.done = 0

    def one_done(self) -> None:
        """One conversation more is done."""
        self.done += 1

    def begin(self) -> None:
        """Everybody is there, and the first conversation begins; what it took until then is told."""
        self.write(begun_cpu_s=round(time.process_time(), 2))

    def write(self, **facts: object) -> None:
        """One line."""
        sys.stdout.write(json.dumps({"done": self.done, **facts}) + "\n")
        sys.stdout.flush()


async def run(orders: Orders, said: Said) -> None:
    """Play until it is through, or until the parent says so."""
    client = Client(orders.url, connections=max(64, orders.under_way * 2))
    day = Day(orders.seed)
    try:
        if orders.rate == "max":
            flood = Flood(
                client, orders.key, day, under_way=orders.under_way, begin=said.begin, tell=said.one_done
            )  # fmt: skip
            await flood.run(orders.seconds)
        else:
            play = Play(client, orders.key, day, speed=orders.speed, tell=said.one_done, guest=orders.guest)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(play.run(arrivals_of(orders, day)), orders.seconds or None)
        said.write(end=True)
    except Exception as broken:
        said.write(broken=_innermost(broken))
        if not isinstance(broken, OSError | ValueError | Refused | BaseExceptionGroup):
            raise
    finally:
        said.write(requests=client.requests, cpu_s=round(time.process_time(), 2))
        await client.close()


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def arrivals_of(orders: Orders, day: Day) -> Iterable[Arrival]:
    """The day's own customers, or those of a recorded day."""
    if not orders.arrivals:
        return day.arrivals()
    return day.from_file(Path(orders.arrivals).read_text(encoding="utf-8").splitlines())


async def main() -> None:
    """Read the orders, follow them, and end with the parent."""
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    said = Said()
    work = asyncio.create_task(run(orders, said))
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), _parent_is_gone, work)
    with contextlib.suppress(asyncio.CancelledError):
        await work


def _parent_is_gone(work: asyncio.Task[None]) -> None:
    if not os.read(sys.stdin.fileno(), 1):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        work.cancel()


if __name__ == "__main__":
    from interlock.runtime.server import run as run_on_uvloop

    run_on_uvloop(main())
