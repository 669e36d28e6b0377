"""Shares of one process that ask for the same rows have one consumer, and none of them depends on how the others do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.bus.test_nats_relay import Installation
from tests.conformance.buses import took
from tests.conformance.test_bus import begun, write

from interlock.bus import nats, nats_tap
from interlock.bus.nats import NatsBus
from interlock.bus.nats_link import Delivered, NatsLink
from interlock.bus.nats_tap import Tap
from interlock.runtime.local_nats import NatsNode


class Process(Installation):
    """A store, a relay, and a process in which each share has a bus of its own, as each has its fence."""

    def __init__(self, node: NatsNode) -> None:
        super().__init__(node)
        self.buses: dict[str, NatsBus] = {}

    def bus_of(self, share: str, link: NatsLink | None = None) -> NatsBus:
        """The bus of a share: of this process, or of another (`link`)."""
        self.buses[share] = NatsBus(link or self.link, self.store, flush_after_s=0.0)
        return self.buses[share]

    async def written(self, first: int, last: int) -> None:
        """Rows of the log that the stream has as well."""
        await write(self.store, first, last)
        await self.published(last)

    async def consumers(self) -> list[str]:
        """Who listens to the stream."""
        return [c.name for c in await (await self.link.ready()).consumers_info(self.link.log)]

    async def have_one(self) -> None:
        """Take rows until all shares of the process have one consumer together."""
        async with asyncio.timeout(20):
            while len(await self.consumers()) != 1:
                last = await self.store.last_position()
                await self.written(last + 1, last + 1)
                for share, bus in self.buses.items():
                    assert await took(bus, share, 1) == [last + 1]


@pytest.fixture
async def process(node: NatsNode) -> AsyncIterator[Process]:
    """On a server of its own, with three shares that have come to one consumer, at the same row."""
    process = Process(node)
    await process.written(1, 3)
    for share in ("sync", "rules", "workflow"):
        assert await took(process.bus_of(share), share, 3) == [1, 2, 3]
    await process.have_one()
    yield process
    await process.end()


def rows(first: int, last: int) -> list[int]:
    """The positions from one to another."""
    return list(range(first, last + 1))


async def test_each_row_comes_once_for_all_of_them(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[str] = []
    arrived = Tap._arrived

    def heard(tap: Tap, message: Delivered) -> None:
        came.extend([message.subject] if message.body else [])
        arrived(tap, message)

    monkeypatch.setattr(Tap, "_arrived", heard)
    tap = process.link.taps.of(nats.share_named("sync"))
    assert tap is not None
    process.link._client.takers = dict.fromkeys(process.link._client.takers, tap._arrived)  # type: ignore[union-attr]
    at = await process.store.last_position()
    await process.written(at + 1, at + 20)
    for share, bus in process.buses.items():
        assert await took(bus, share, 20) == rows(at + 1, at + 20)
    assert len(came) == 20


async def test_a_share_that_lags_neither_loses_rows_nor_keeps_them_in_memory_nor_makes_others_wait(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_tap, "BEHIND_MAX", 30)
    monkeypatch.setattr(nats, "NEAR_ROWS", 10)
    at = await process.store.last_position()
    await process.written(at + 1, at + 5)
    slow = await process.buses["sync"].receive("sync", 2)
    for n in range(at + 5, at + 200, 5):
        await process.written(n + 1, n + 5)
        for share in ("rules", "workflow"):
            await took(process.buses[share], share, 5)
    feed: Any = process.buses["sync"]._feeds["sync"]
    assert len(feed._hand) + len(feed._outlet.inbox) <= 30
    await process.buses["sync"].acknowledge(slow)
    behind = slow.rows[-1].position
    assert await took(process.buses["sync"], "sync", 1) == [behind + 1]
    if feed._hand:  # what it had in hand when it was let go
        behind += len(feed._hand) + 1
        await took(process.buses["sync"], "sync", len(feed._hand))
    last = await process.store.last_position()
    done = await process.buses["sync"].reached("sync")
    assert await took(process.buses["sync"], "sync", 1) == [done + 1]
    assert len(await process.consumers()) == 2
    assert await took(process.buses["sync"], "sync", last - done - 1, 7) == rows(done + 2, last)
    for share in ("rules", "workflow"):
        reached = await process.buses[share].reached(share)
        assert await took(process.buses[share], share, last - reached) == rows(reached + 1, last)
    await process.have_one()


async def test_a_share_that_is_handed_over_goes_on_where_it_was_and_the_others_with_it(process: Process) -> None:
    at = await process.store.last_position()
    await process.written(at + 1, at + 10)
    for share, bus in process.buses.items():
        assert await took(bus, share, 4) == rows(at + 1, at + 4)
    given = process.buses.pop("sync")
    await given.receive("sync", 3)
    await given.close()
    other = NatsLink([process.link._servers[0]], name="q", prefix="one")
    taken = process.bus_of("sync", other)
    assert await took(taken, "sync", 6, 2) == rows(at + 5, at + 10)
    for share in ("rules", "workflow"):
        assert await took(process.buses[share], share, 6) == rows(at + 5, at + 10)
    await taken.close()
    await other.close()
    await process.written(at + 11, at + 15)
    back = process.bus_of("sync")
    assert await took(back, "sync", 5) == rows(at + 11, at + 15)
    for share in ("rules", "workflow"):
        assert await took(process.buses[share], share, 5) == rows(at + 11, at + 15)
    await process.have_one()


async def test_a_hole_is_noticed_for_all_of_them(process: Process) -> None:
    """A message that was sent to us and never came: nobody goes past it."""
    takers: Any = process.link._client.takers  # type: ignore[union-attr]
    [(number, taker)] = takers.items()
    lost: list[Delivered] = []

    def loses_one(message: Delivered) -> None:
        if message.body and not lost:
            lost.append(message)
        else:
            taker(message)

    takers[number] = loses_one
    at = await process.store.last_position()
    await process.written(at + 1, at + 10)
    for share, bus in process.buses.items():
        assert await took(bus, share, 10, 3) == rows(at + 1, at + 10)
    assert lost
    await process.have_one()


async def test_after_a_restart_each_begins_at_its_own_position(process: Process) -> None:
    at = await process.store.last_position()
    await process.written(at + 1, at + 12)
    had = {"sync": 2, "rules": 9, "workflow": 5}
    for share, number in had.items():
        await took(process.buses[share], share, number)
        await process.buses[share].flush()
    await process.link.close()
    process.link = NatsLink([process.link._servers[0]], name="again", prefix="one")
    for share, number in had.items():
        bus = process.bus_of(share, process.link)
        assert await took(bus, share, 12 - number) == rows(at + number + 1, at + 12)
        await bus.flush()
    assert [await bus.reached(share) for share, bus in process.buses.items()] == [at + 12] * 3


async def test_what_all_are_done_with_is_acknowledged_and_no_more(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_tap, "ACKNOWLEDGE_AFTER_S", 0.0)
    at = await process.store.last_position()
    await process.written(at + 1, at + 10)
    await took(process.buses["sync"], "sync", 3)
    for share in ("rules", "workflow"):
        await took(process.buses[share], share, 10)
    waiting = [await begun(process.buses[s].receive(s, 1)) for s in ("rules", "workflow")]
    info = await (await process.link.ready()).consumers_info(process.link.log)
    assert (info[0].num_ack_pending or 0) >= 7
    await took(process.buses["sync"], "sync", 7)
    waiting.append(await begun(process.buses["sync"].receive("sync", 1)))
    async with asyncio.timeout(10):
        while info[0].num_ack_pending:
            info = await (await process.link.ready()).consumers_info(process.link.log)
    for task in waiting:
        task.cancel()


async def test_a_row_that_cannot_be_read_is_not_passed_over(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a newer version, say: it is the next one still when it is asked for again, here or elsewhere."""
    at = await process.store.last_position()
    with monkeypatch.context() as patched:

        def unreadable(position: int, message: Delivered) -> Any:
            raise ValueError(position)

        patched.setattr(process.link, "row", unreadable)
        await process.written(at + 1, at + 3)
        for _ in range(2):
            with pytest.raises(ValueError, match=str(at + 1)):
                await process.buses["sync"].receive("sync", 1)
    assert await took(process.buses["sync"], "sync", 3) == rows(at + 1, at + 3)
