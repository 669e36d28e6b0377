"""The buses under test, each over any engine: the one in the process, and JetStream with a relay beside it."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from interlock.bus.embedded import EmbeddedBus
from interlock.bus.nats import NatsBus
from interlock.bus.nats_link import NatsLink
from interlock.bus.nats_relay import Relay
from interlock.bus.positions import SPACE
from interlock.domain.errors import Unavailable
from interlock.ports import Bus, Store
from interlock.runtime.tasks import end

_numbers = count(1)


class Buses:
    """Makes buses of one kind for one test. Handles on the same data share a stream, as processes would."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self._url = url
        self._prefix = f"t{next(_numbers)}"
        self._links: list[NatsLink] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._buses: list[Any] = []

    def over(self, store: Any, **options: Any) -> Any:
        """A bus that hears of the store's commits. It writes positions only when told to, or after `flush_rows`."""
        if self.kind == "embedded":
            quiet: dict[str, Any] = {"poll_s": 3600.0, "flush_after_s": 3600.0}
            bus = EmbeddedBus(store, **(quiet | options))
            store.listen(bus.announce)
            return bus
        link = self.link()
        relay = Relay(link, store, tick_s=0.05)
        store.listen(relay.announce)
        self._tasks.append(asyncio.create_task(run(relay)))
        options.pop("poll_s", None)
        self._buses.append(NatsBus(link, store, **{"flush_after_s": 3600.0, **options}))
        return self._buses[-1]

    def link(self) -> NatsLink:
        """Another connection, as of another process."""
        self._links.append(NatsLink([self._url], name=f"p{next(_numbers)}", prefix=self._prefix))
        return self._links[-1]

    async def crash(self) -> None:
        """Everything that runs is gone, and nothing of it gets to write any more."""
        await end(self._tasks, again_s=0.5)
        for link in self._links:
            await link.close()
        self._tasks.clear()
        self._links.clear()


async def run(relay: Relay) -> None:
    """A relay as its role runs it."""
    while True:
        try:
            await relay.run_once()
        except Unavailable:
            await asyncio.sleep(0)


async def took(bus: Bus, consumer: str, number: int, limit: int = 10) -> list[int]:
    """The positions of the next rows, acknowledged batch by batch, until there are so many."""
    found: list[int] = []
    async with asyncio.timeout(30):
        while len(found) < number:
            batch = await bus.receive(consumer, min(limit, number - len(found)))
            await bus.acknowledge(batch)
            found += [r.position for r in batch.rows]
    return found


async def reached(store: Store, consumer: str, position: int) -> None:
    """Wait until the store knows that a consumer has come so far."""
    async with asyncio.timeout(10):
        at = 0
        while at < position:
            await asyncio.sleep(0)
            mark = await store.mark(SPACE, "", consumer)
            at = int(mark.value or b"0") if mark is not None else 0
