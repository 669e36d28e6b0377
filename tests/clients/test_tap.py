"""tap-kustomer, a data extractor written for the reference API, reads a running Interlock without knowing it.

It is a program of its own (AGPL), in an environment of its own that is made for this session and thrown away with it;
nothing of it is shipped, imported or changed. The driver below only points it at another host.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.clients.environment import python_with, ran
from tests.crash.server import KEY, Server

TAP = "tap-kustomer==1.1.0"
BESIDE = "setuptools==80.9.0"
"""An old library of the tap's asks for it without saying so."""
READ_S = 60
PAGE = 5
STREAMS = ("conversations", "users", "teams", "customers", "messages", "notes", "tags", "shortcuts", "kobjects")
DRIVER = """
import sys
from singer import metadata
from tap_kustomer.client import KustomerClient
from tap_kustomer.discover import discover
from tap_kustomer.sync import sync

base_url, key, page, streams = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(",")
client = KustomerClient(key, "a test of Interlock")
client.base_url = base_url
catalog = discover()
catalog.streams = [s for s in catalog.streams if s.stream in streams]
for stream in catalog.streams:
    known = metadata.to_map(stream.metadata)
    stream.metadata = metadata.to_list(metadata.write(known, (), "selected", True))
config = {"start_date": "2020-01-01T00:00:00Z", "page_size_limit": page}
sync(client=client, config=config, catalog=catalog, state={})
"""


@pytest.fixture(scope="session")
def tap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the tap in it, and the driver beside it. About 20 s, once per session."""
    folder = tmp_path_factory.mktemp("tap")
    python = python_with(folder, TAP, BESIDE)
    (folder / "driver.py").write_text(DRIVER, encoding="utf-8")
    return python


class Read:
    """What the tap wrote: the records of each stream, and how often each bookmark moved."""

    def __init__(self, lines: str) -> None:
        self.records: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in lines.splitlines():
            told = json.loads(line)
            if told["type"] == "RECORD":
                self.records[told["stream"]].append(told["record"])

    def ids(self, stream: str) -> set[str]:
        """The ids of a stream; where pages meet, the tap reads a record twice."""
        return {r["id"] for r in self.records[stream]}


async def read_all(python: Path, url: str) -> Read:
    """One run of the tap over everything."""
    driver = python.parent.parent / "driver.py"
    command = (python, driver, f"{url}/v1", KEY, str(PAGE), ",".join(STREAMS))
    code, out, said = await ran(*command, within_s=READ_S, cwd=driver.parent)
    assert code == 0, said[-3_000:]
    return Read(out)


async def furnish(url: str) -> dict[str, set[str]]:
    """A company with something of everything; the ids by stream."""
    made: dict[str, set[str]] = defaultdict(set)
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False) as http:

        async def make(stream: str, path: str, body: dict[str, Any]) -> str:
            answer = await http.post(path, json=body)
            assert answer.status_code == 201, answer.text
            made[stream].add(answer.json()["data"]["id"])
            return answer.json()["data"]["id"]

        team = await make("teams", "/v1/teams", {"name": "Support"})
        ana = await make("users", "/v1/users", {"name": "Ana", "teams": [team], "email": "ana@example.org"})
        await make("users", "/v1/users", {"name": "Ben"})
        for name in ("parcel", "refund"):
            await make("tags", "/v1/tags", {"name": name})
        await make("shortcuts", "/v1/shortcuts", {"name": "hello", "text": "Hello!"})
        for n in range(2 * PAGE + 2):
            k = await make("customers", "/v1/customers", {"name": f"Customer {n}", "externalId": f"k{n}"})
            body: dict[str, Any] = {"customer": k, "channels": ["chat"], "tags": ["parcel"], "custom": {"levelNum": n}}
            c = await make("conversations", "/v1/conversations", body | ({"assignedUsers": [ana]} if n % 3 else {}))
            said = {"channel": "chat", "app": "chat", "direction": "in", "preview": f"Hello {n}"}
            await make("messages", f"/v1/conversations/{c}/messages", said)
            await make("notes", f"/v1/conversations/{c}/notes", {"body": f"Note {n}"})
    return made


@pytest.mark.slow
async def test_a_client_of_the_reference_api_reads_everything(tap: Path, tmp_path: Path) -> None:
    server = await Server.start(f"sqlite:///{tmp_path}/interlock.db")
    try:
        made = await furnish(server.url)
        read = await read_all(tap, server.url)
    finally:
        await server.stop()
    for stream in ("conversations", "customers", "users", "teams", "messages", "notes", "tags", "shortcuts"):
        assert read.ids(stream) == made[stream], stream
    assert read.records["kobjects"] == []
    again = Counter(r["id"] for r in read.records["conversations"])
    assert max(again.values()) <= 2, "where two pages meet, the last of one is the first of the next"
    one = read.records["conversations"][0]
    assert (one["status"], one["tags"]) == ("open", ["parcel"])
    assert one["created_at"] <= one["updated_at"]
