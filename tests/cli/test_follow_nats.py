"""`interlock investigate --follow nats://…`: whatever a system publishes, judged as it is published."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import pytest
from bench.generate_logs import generate_one
from tests.worlds import House

from interlock.bus.nats_link import POSITION
from interlock.cli.main import run
from interlock.domain.log import encode_entry
from interlock.runtime.local_nats import NatsNode

WITHIN_S = 30.0


@asynccontextmanager
async def following(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The real command, once it listens; ended with the block if it has not ended itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "interlock.cli.main", "investigate", "--follow", *words, "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WITHIN_S):
            assert process.stderr is not None
            assert b"following" in await process.stderr.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def found(process: asyncio.subprocess.Process, rule: str) -> dict[str, object]:
    """The next finding of a rule."""
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        while True:
            finding = json.loads(await process.stdout.readline())
            if finding["id"] == rule:
                return finding


async def test_what_others_publish_is_judged_as_it_comes(node: NatsNode) -> None:
    lines, lost = generate_one("planted", 3)
    async with following(f"{node.url}/events.>") as process:
        client = await nats.connect(node.url)
        for line in lines:
            await client.publish("elsewhere", line.encode())
            await client.publish("events.conversation", line.encode())
        await client.flush()
        overwrite = await found(process, "R1")
        assert overwrite["rev"] == lost[0].rev
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 3, "something of weight was found"
        await client.close()


async def test_rows_of_a_change_log_of_ours_are_judged(node: NatsNode) -> None:
    """Two machines that take an assignment from each other, told by the rows that a relay would publish."""
    house = House()
    await house.found()
    admin = house.client()
    users = [(await admin.post("/v1/users", {"name": n}))["data"]["id"] for n in ("a", "b")]
    made = [await admin.post("/v1/api-keys", {"name": n, "roles": ["org"]}) for n in ("x", "y")]
    machines = [house.client(key["meta"]["secret"]) for key in made]
    conversation = (await admin.post("/v1/conversations", {"channels": ["chat"]}))["data"]["id"]
    for turn in range(6):
        house.clock.pass_ms(500)
        await machines[turn % 2].patch(f"/v1/conversations/{conversation}", {"assignedUsers": [users[turn % 2]]})
    rows = await house.store.changes(0, 1_000)
    async with following(f"{node.url}/interlock.>") as process:
        client = await nats.connect(node.url)
        for row in rows:
            headers = {POSITION: str(row.position)}
            await client.publish("interlock.log.x", encode_entry(row), headers=headers)
        await client.publish("interlock.tick", b"", headers={POSITION: str(rows[-1].position)})
        await client.flush()
        flapping = await found(process, "R11")
        assert flapping["record"] == {"type": "conversation", "id": conversation, "org": rows[-1].org}
        await client.close()


async def test_a_broken_connection_is_told_and_made_again(node: NatsNode) -> None:
    lines, lost = generate_one("planted", 3)
    async with following(f"{node.url}/events.>") as process:
        await node.kill()
        await node.start()
        assert process.stderr is not None
        async with asyncio.timeout(WITHIN_S):
            assert b"the connection to NATS broke" in await process.stderr.readline()
        client = await nats.connect(node.url)
        finding = asyncio.create_task(found(process, "R1"))
        while not finding.done():
            # It listens again at some moment; a line that is heard again is a redelivery.
            for line in lines:
                await client.publish("events.conversation", line.encode())
            await client.flush()
            await asyncio.wait([finding], timeout=0.5)
        assert (await finding)["rev"] == lost[0].rev
        await client.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nats://127.0.0.1:1"], "names no server and subject"),
        (["nats://127.0.0.1:1/events.>", "day.log"], "followed alone"),
        (["day.log", "--report", "r.html", "--redact"], "--report, --redact needs a log that has an end"),
        (["day.csv", "--format", "csv"], "only lines of JSON can"),
        (["http://127.0.0.1:1", "--format", "debezium"], "need no --format"),
    ],
)
def test_what_cannot_be_followed_is_said(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["investigate", "--follow", *words]) == 2
    assert says in capsys.readouterr().err


def test_nobody_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["investigate", "--follow", "nats://127.0.0.1:1/events.>"]) == 1
    assert "cannot be followed" in capsys.readouterr().err
