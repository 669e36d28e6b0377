"""The relay may be killed between any two lines, and two may be at it; the stream may lose its end, or all it has."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

import pytest
from tests.conformance.builders import Hands, commit_of, conversation
from tests.conformance.buses import run, took
from tests.conformance.test_bus import begun, write

from interlock.bus import nats, nats_relay
from interlock.bus.nats import NatsBus
from interlock.bus.nats_link import MSG_ID, POSITION, SINCE, NatsLink
from interlock.bus.nats_relay import Relay
from interlock.domain.decision import birth
from interlock.domain.errors import Unavailable
from interlock.runtime.local_nats import NatsNode
from interlock.runtime.tasks import end
from interlock.store.memory import MemoryStore

ROWS = 7
LINES_MAX = 1_000


class Killed(BaseException):
    """Nothing of the relay gets to run any more."""


class KillAt:
    """Ends whatever runs in the relay's module at its n-th line."""

    def __init__(self, line: int) -> None:
        self.left = line
        self.ran = 0

    def __enter__(self) -> KillAt:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != nats_relay.__file__:
            return None
        if event == "line":
            self.ran += 1
            self.left -= 1
            if self.left == 0:
                raise Killed
        return self._trace


async def stored(link: NatsLink) -> list[int]:
    """The positions of the rows in the stream, in its order."""
    state = await link.state()
    places = [await link.at(n) for n in range(max(1, state.first_seq), state.last_seq + 1)] if state.messages else []
    return [p.position for p in places if not p.is_tick]


async def drained(relay: Relay, link: NatsLink, until: int) -> list[int]:
    """What the stream holds once the relay has nothing left to publish."""
    async with asyncio.timeout(20):
        while (await stored(link))[-1:] != [until]:
            with contextlib.suppress(Unavailable):
                await relay.run_once()
    return await stored(link)


async def one_life(node: NatsNode, n: int) -> int:
    """A relay that is killed at its n-th line, and one that comes after it. Answers how many lines ran."""
    store = MemoryStore(Hands())
    await write(store, 1, ROWS)
    link = NatsLink([node.url], name=f"a{n}", prefix=f"k{n}")
    await link.state()
    relay = Relay(link, store, window=3, tick_s=0.0, poll_s=0.0)
    with KillAt(n) as kill, contextlib.suppress(Killed):
        for _ in range(4):
            await relay.run_once()
    await link.close()
    after = NatsLink([node.url], name=f"b{n}", prefix=f"k{n}")
    assert await drained(Relay(after, store, window=3, tick_s=0.0), after, ROWS) == list(range(1, ROWS + 1)), n
    await after.close()
    return kill.ran


async def test_it_may_be_killed_between_any_two_lines(node: NatsNode) -> None:
    """Whatever it had done, the next one makes it whole: each row once, in order."""
    for n in range(1, LINES_MAX):
        if await one_life(node, n) < n:
            assert n > 100, "the relay's lines were not seen"
            return
    raise AssertionError("the relay never came to its end")


async def test_two_relays_at_once_leave_each_row_once_and_in_order(node: NatsNode) -> None:
    """As after a pause: the one that was taken for dead goes on publishing."""
    store = MemoryStore(Hands())
    links = [NatsLink([node.url], name=name, prefix="two") for name in ("a", "b")]
    relays = [Relay(link, store, window=5, tick_s=0.0, poll_s=0.0) for link in links]
    tasks = [asyncio.create_task(run(relay)) for relay in relays]
    for n in range(1, 61):
        await store.commit(commit_of(birth(conversation(f"c{n}"))))
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        found: list[int] = []
        while found[-1:] != [60]:
            found = await stored(links[0])
    await end(tasks, again_s=0.5)
    assert found == list(range(1, 61))
    for link in links:
        await link.close()


class Installation:
    """A store, a relay at work, and a bus."""

    def __init__(self, node: NatsNode) -> None:
        self.store = MemoryStore(Hands())
        self.link = NatsLink([node.url], name="p", prefix="one")
        self.relay = Relay(self.link, self.store, consumers=("a",), tick_s=0.05)
        self.bus = NatsBus(self.link, self.store, flush_after_s=0.0)
        self.store.listen(self.relay.announce)
        self.task = asyncio.create_task(run(self.relay))

    async def took(self, number: int) -> list[int]:
        """The next rows, whatever happens to the server meanwhile."""
        found: list[int] = []
        async with asyncio.timeout(30):
            while len(found) < number:
                with contextlib.suppress(Unavailable):
                    found += await took(self.bus, "a", 1)
                await asyncio.sleep(0)
        return found

    async def published(self, until: int) -> list[int]:
        """What the stream holds once the relay has come so far."""
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(Unavailable):
                    found = await stored(self.link)
                    if found[-1:] == [until]:
                        return found
                await asyncio.sleep(0)

    async def end(self) -> None:
        """Stop all of it."""
        await end([self.task], again_s=0.5)
        await self.link.close()


@pytest.fixture
async def installed(node: NatsNode) -> AsyncIterator[Installation]:
    """On a server of its own."""
    installed = Installation(node)
    yield installed
    await installed.end()


async def test_a_bus_that_lost_its_disk_is_filled_again_from_the_log(node: NatsNode, installed: Installation) -> None:
    await write(installed.store, 1, 20)
    assert await installed.took(12) == list(range(1, 13))
    await node.kill()
    node.lose_disk()
    await write(installed.store, 21, 30)
    await node.start()
    await installed.published(30)
    assert await installed.took(18) == list(range(13, 31))
    await write(installed.store, 31, 40)
    assert await installed.took(10) == list(range(31, 41))


async def test_a_bus_that_lost_the_end_of_its_disk_gets_it_again(node: NatsNode, installed: Installation) -> None:
    """What was acknowledged and not yet on the disk: the log has it, and the sequences are given anew."""
    await write(installed.store, 1, 10)
    assert await installed.took(10) == list(range(1, 11))
    await node.stop()
    shutil.copytree(node.folder / "data", node.folder / "earlier")
    await node.start()
    await write(installed.store, 11, 30)
    assert await installed.took(15) == list(range(11, 26))
    await node.kill()
    node.lose_disk()
    shutil.move(node.folder / "earlier", node.folder / "data")
    await node.start()
    await write(installed.store, 31, 40)
    assert await installed.took(15) == list(range(26, 41))
    assert await installed.published(40) == list(range(1, 41))


async def test_a_consumer_that_the_stream_does_not_reach_back_to_reads_the_log(node: NatsNode) -> None:
    """As after a retention that was too short: rows that left the stream are not left out."""
    store = MemoryStore(Hands())
    await write(store, 1, 600)
    link = NatsLink([node.url], name="p", prefix="one")
    relay = Relay(link, store, tick_s=0.0)
    await drained(relay, link, 600)
    context = await link.ready()
    await context.delete_stream(link.log)
    relay = Relay(link, store, consumers=("other",), tick_s=0.0)
    await store.commit(_position_of("other", 590))
    await drained(relay, link, 600)
    assert await stored(link) == list(range(591, 601))
    bus = NatsBus(link, store)
    assert await took(bus, "a", 600, 100) == list(range(1, 601))
    await link.close()


async def test_a_row_is_decoded_once_for_all_consumers_of_a_process(installed: Installation) -> None:
    """A second and a third role on the same connection are handed the row that the first one has."""
    roles = ("sync", "rules", "workflow")
    await write(installed.store, 1, 3)
    await installed.published(3)
    for role in roles:
        assert await took(installed.bus, role, 3) == [1, 2, 3]
    await write(installed.store, 4, 4)
    found = [(await installed.bus.receive(role, 1)).rows[0] for role in roles]
    assert found[0] == (await installed.store.changes(3, 1))[0]
    assert all(row is found[0] for row in found)


async def test_a_consumer_that_missed_a_tick_reads_the_log(installed: Installation) -> None:
    """A tick names the one before it; a gap between the two sends the consumer back to where it was."""
    await write(installed.store, 1, 3)
    await installed.published(3)
    assert await installed.took(3) == [1, 2, 3]
    bound = (await (await installed.link.ready()).consumers_info(installed.link.log))[0].name
    task = await begun(installed.took(1))
    await end([installed.task], again_s=0.5)
    context = await installed.link.ready()
    headers = {POSITION: "3", SINCE: "9", MSG_ID: "forged"}
    await context.publish(installed.link.tick, b"", headers=headers)
    names = [bound]
    async with asyncio.timeout(10):
        while names in ([bound], []):
            names = [c.name for c in await context.consumers_info(installed.link.log)]
    installed.task = asyncio.create_task(run(installed.relay))
    await write(installed.store, 4, 4)
    assert await task == [4]


async def test_while_the_servers_are_away_rows_come_from_the_log(node: NatsNode, installed: Installation) -> None:
    """Each once and in order, and the stream takes over again when it is back."""
    await write(installed.store, 1, 5)
    await installed.published(5)
    assert await installed.took(3) == [1, 2, 3]
    await node.kill()
    await write(installed.store, 6, 600)
    assert await installed.took(590) == list(range(4, 594))
    await node.start()
    await write(installed.store, 601, 610)
    assert await installed.took(17) == list(range(594, 611))
    assert await installed.published(610) == list(range(1, 611))


async def test_a_stream_that_stands_still_is_passed_by(
    node: NatsNode, installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that hangs, a node that is behind: nothing says that anything is wrong, but the log goes on."""
    monkeypatch.setattr(nats, "STILL_S", 0.2)
    await write(installed.store, 1, 5)
    await installed.published(5)
    assert await installed.took(5) == [1, 2, 3, 4, 5]
    await end([installed.task], again_s=0.5)
    await write(installed.store, 6, 400)
    assert await installed.took(395) == list(range(6, 401))
    installed.task = asyncio.create_task(run(installed.relay))
    await write(installed.store, 401, 410)
    assert await installed.took(10) == list(range(401, 411))


async def test_a_stream_that_nobody_fills_is_passed_by(installed: Installation) -> None:
    """Nothing was ever published to it, or its disk is gone and so is the relay."""
    await end([installed.task], again_s=0.5)
    await write(installed.store, 1, 5)
    assert await installed.took(5) == [1, 2, 3, 4, 5]


async def test_a_connection_that_hangs_is_replaced(installed: Installation) -> None:
    """Whoever listened on the old one binds anew and misses nothing."""
    await write(installed.store, 1, 5)
    await installed.published(5)
    assert await installed.took(5) == [1, 2, 3, 4, 5]
    hangs = (await installed.link.ready())._nc
    installed.link.drop()
    await write(installed.store, 6, 10)
    assert await installed.took(5) == [6, 7, 8, 9, 10]
    assert (await installed.link.ready())._nc is not hangs


async def test_a_stream_of_another_store_is_refused(node: NatsNode) -> None:
    full, empty = MemoryStore(Hands()), MemoryStore(Hands())
    await write(full, 1, 3)
    link = NatsLink([node.url], name="p", prefix="one")
    await drained(Relay(link, full), link, 3)
    with pytest.raises(Unavailable, match="another store"):
        await Relay(link, empty).run_once()
    await link.close()


async def test_a_row_too_long_for_a_message_is_read_from_the_log(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_relay, "BODY_BYTES_MAX", 100)
    await write(installed.store, 1, 2)
    batch = await installed.bus.receive("a", 1)
    assert list(batch.rows) == (await installed.store.changes(0, 10))[: len(batch.rows)]


async def test_without_a_server_it_says_so(node: NatsNode) -> None:
    await node.stop()
    link = NatsLink([node.url], name="p", timeout_s=0.3)
    with pytest.raises(Unavailable, match="NATS"):
        await link.state()
    await link.close()


def _position_of(consumer: str, position: int) -> Any:
    from tests.conformance.builders import marks_only

    from interlock.bus.positions import SPACE
    from interlock.ports import Mark

    return marks_only(Mark(space=SPACE, org="", key=consumer, value=b"%d" % position))
