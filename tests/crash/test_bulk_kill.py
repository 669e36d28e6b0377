"""A bulk job and a kill -9 in the middle of it: every record is carried out once, and the job comes to its end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.crash.server import KEY, Server

RECORDS = 100
ROUNDS = 300


@pytest.mark.slow
@pytest.mark.parametrize("life_ms", [0, 40, 150])
async def test_a_job_survives_a_kill_of_the_server(tmp_path: Path, life_ms: int) -> None:
    """Killed right after the answer, early in the work, and later: what the next server finds differs each time."""
    db = f"sqlite:///{tmp_path}/interlock.db"
    server = await Server.start(db)
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, trust_env=False, timeout=30) as http:
        body = [{"_clientRef": f"r{n}", "name": f"n{n}"} for n in range(RECORDS)]
        answer = await http.post(f"{server.url}/v1/conversations/bulk", json=body)
        assert answer.status_code == 201, answer.text
        job = answer.json()["data"]["id"]
        if life_ms:
            assert await server.lived(life_ms)
        await server.kill()
        server = await Server.start(db)
        try:
            told = await _completed(http, server, job)
            assert (told["succeeded"], told["failed"]) == (RECORDS, 0)
            page = (await http.get(f"{server.url}/v1/bulk/{job}/batches")).json()["data"]
            assert [b["attributes"]["_clientRef"] for b in page] == [f"r{n}" for n in range(RECORDS)]
            found = [
                (await http.get(f"{server.url}/v1/conversations?pageSize=100&page={n}")).json()["data"] for n in (1, 2)
            ]
            names = Counter(c["attributes"]["name"] for page in found for c in page)
            assert names == Counter(f"n{n}" for n in range(RECORDS)), "each once"
        finally:
            await server.stop()


async def _completed(http: httpx.AsyncClient, server: Server, job: str) -> dict[str, Any]:
    """The job once it is complete."""
    for _ in range(ROUNDS):
        told = (await http.get(f"{server.url}/v1/bulk/{job}")).json()["data"]["attributes"]
        if told["status"] == "complete":
            return told
        assert await server.lived(100), "the server died by itself"
    raise AssertionError("the job never came to its end")
