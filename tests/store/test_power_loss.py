"""Power loss: no answer leaves before the sync of its commit, and what was answered is there after the power went.

Not the same as a killed process, which the system's page cache survives. Each test is run once more with a store that
does not sync as it should, and must then find the fault.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.builders import A, Hands, commit_of, conversation, next_of
from tests.store.disk import Disk, Hold, disk, image_at
from tests.store.survey import Ack, faults

from interlock.domain.conversation import Conversation
from interlock.domain.decision import birth
from interlock.domain.record import Address
from interlock.store.sqlite import Options, SqliteStore

__all__ = ["disk"]

CLIENTS = 6
WRITES = 12


def opened(path: Path, disk: Disk, synchronous: str) -> SqliteStore:
    """A store on this disk that checkpoints often, so that cuts fall into checkpoints too."""
    return SqliteStore.open(path, Hands(), Options(vfs=disk.name, synchronous=synchronous, checkpoint_pages=40))


async def first_answer_is_early(path: Path, disk: Disk, synchronous: str) -> bool:
    """Whether a commit is answered while every sync of the log is held back."""
    store = opened(path, disk, synchronous)
    loop, reached = asyncio.get_running_loop(), asyncio.Event()
    hold = Hold(disk, lambda: loop.call_soon_threadsafe(reached.set))
    answer = asyncio.ensure_future(store.commit(commit_of(birth(conversation("c1")))))
    asked = asyncio.ensure_future(reached.wait())
    async with asyncio.timeout(30):
        await asyncio.wait([answer, asked], return_when=asyncio.FIRST_COMPLETED)
    for _ in range(20):
        await asyncio.sleep(0)
    early = answer.done()
    if not early:
        assert await store.load([Address("conversation", A, "c1")]) == [None], "a read saw what is not durable"
        assert await store.last_position() == 0
    asked.cancel()
    hold.release()
    await answer
    await store.close()
    return early


async def test_no_answer_before_the_sync_of_its_commit(tmp_path: Path, disk: Disk) -> None:
    assert not await first_answer_is_early(tmp_path / "s.db", disk, "FULL")


@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
async def test_a_store_that_does_not_sync_is_found_out(tmp_path: Path, disk: Disk, synchronous: str) -> None:
    assert await first_answer_is_early(tmp_path / "s.db", disk, synchronous)


async def unsynced_answers(path: Path, disk: Disk, synchronous: str) -> int:
    """Of ten commits one after the other: how many were answered with writes to the log that no sync followed."""
    store = opened(path, disk, synchronous)
    unsynced = 0
    for n in range(10):
        await store.commit(commit_of(birth(conversation(f"c{n}"))))
        unsynced += bool(disk.unsynced())
    await store.close()
    return unsynced


async def test_each_commit_is_synced_by_itself(tmp_path: Path, disk: Disk) -> None:
    assert await unsynced_answers(tmp_path / "s.db", disk, "FULL") == 0


@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
async def test_commits_that_are_not_synced_are_counted(tmp_path: Path, disk: Disk, synchronous: str) -> None:
    assert await unsynced_answers(tmp_path / "s.db", disk, synchronous) > 5


async def traced(path: Path, disk: Disk, synchronous: str) -> None:
    """Several clients, each a record that moves with every write; each answer goes into the disk's trace."""
    store = opened(path, disk, synchronous)

    async def client(number: int) -> None:
        c = conversation(f"c{number}", name="x" * 700, external_id=f"e{number}")
        write = birth(c)
        for n in range(WRITES):
            row = await store.commit(commit_of(write))
            assert row is not None
            disk.trace.append(("ack", Ack(c.id, write.after.rev, row.position)))
            moved: dict[str, Any] = {"external_id": f"e{number}.{n}"} if n % 3 == 0 else {"name": "y" * (600 + n)}
            assert isinstance(write.after, Conversation)
            write = next_of(write.after, **moved)

    await asyncio.gather(*(client(n) for n in range(CLIENTS)))
    ops = list(disk.trace)
    await store.close()
    disk.trace[:] = ops


def cuts(disk: Disk, chance: random.Random, many: int) -> list[int]:
    """Places to cut at: right behind answers and right before syncs, where it hurts, and anywhere."""
    trace = disk.trace
    behind = [n + 1 for n, op in enumerate(trace) if op[0] == "ack"]
    before = [n for n, op in enumerate(trace) if op[0] == "sync"]
    third = many // 3
    return [n for places in (behind, before or behind, range(len(trace) + 1)) for n in chance.choices(places, k=third)]


async def found_after_cuts(folder: Path, disk: Disk, synchronous: str, many: int) -> list[str]:
    """Run, cut the power at many places, and collect what is wrong afterwards."""
    await traced(folder / "s.db", disk, synchronous)
    found: list[str] = []
    for number, cut in enumerate(cuts(disk, random.Random(number_of(synchronous)), many)):
        left = folder / f"cut{number}"
        left.mkdir()
        for file, content in image_at(disk.trace, cut, random.Random(number) if number % 3 else None).items():
            (left / file).write_bytes(content)
        acks = [op[1] for op in disk.trace[:cut] if op[0] == "ack"]
        found += [f"cut {cut}: {fault}" for fault in await faults(left / "s.db", acks, A)]
    return found


def number_of(text: str) -> int:
    """A seed."""
    return sum(text.encode())


async def test_everything_answered_survives_the_power_cut(tmp_path: Path, disk: Disk) -> None:
    assert await found_after_cuts(tmp_path, disk, "FULL", 90) == []
    assert sum(op[0] == "sync" and op[1] == "s.db" for op in disk.trace) > 3, "no checkpoint was cut through"


@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
async def test_a_store_that_loses_answers_is_found_out(tmp_path: Path, disk: Disk, synchronous: str) -> None:
    found = await found_after_cuts(tmp_path, disk, synchronous, 9)
    assert any("lost" in fault for fault in found)
