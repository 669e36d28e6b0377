"""`interlock investigate --follow http://…`: a running server's own events, judged as they are written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import aiohttp
import pytest
from tests.runtime.test_server import KEY, serving

from interlock.cli.failure import Failure
from interlock.cli.following import _of_server
from interlock.investigation.finding import Finding

FOUND_WITHIN_S = 20.0


async def asked(url: str, method: str, path: str, body: Any, key: str) -> Any:
    """One request."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}", "Idempotency-Key": token_hex(8)}) as session,
        session.request(method, url + path, json=body) as answer,
    ):
        assert answer.status < 300, await answer.text()
        return await answer.json(content_type=None)


async def test_a_finding_comes_from_a_running_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines that take an assignment from each other are told, by the events that the server writes."""
    monkeypatch.setenv("INTERLOCK_KEY", KEY)
    loop = asyncio.get_running_loop()
    first: asyncio.Future[Finding] = loop.create_future()

    def follow(findings: Iterator[Finding]) -> None:
        try:
            found = next(f for f in findings if (f.rule, f.record.type) == ("R11", "conversation"))
        except Failure:
            return
        loop.call_soon_threadsafe(first.set_result, found)

    async with serving(tmp_path) as (_, url):
        made = [await asked(url, "POST", "/v1/api-keys", {"name": n, "roles": ["org"]}, KEY) for n in ("x", "y")]
        keys = [key["meta"]["secret"] for key in made]
        users = [(await asked(url, "POST", "/v1/users", {"name": n}, KEY))["data"]["id"] for n in ("a", "b")]
        conversation = (await asked(url, "POST", "/v1/conversations", {"channels": ["chat"]}, KEY))["data"]["id"]
        findings = _of_server(url)
        watching = threading.Thread(target=follow, args=(findings,), daemon=True)
        watching.start()
        async with asyncio.timeout(FOUND_WITHIN_S):
            turn = 0
            while not first.done():
                body = {"assignedUsers": [users[turn % 2]]}
                await asked(url, "PATCH", f"/v1/conversations/{conversation}", body, keys[turn % 2])
                turn += 1
        found = await first
        assert (found.rule, found.record.id) == ("R11", conversation)


@pytest.mark.parametrize("words", [["http://127.0.0.1:1", "x.log"], ["-"]])
def test_what_cannot_be_followed_is_said(words: list[str]) -> None:
    """A server is followed alone; a pipe not at all."""
    from interlock.cli.main import run

    assert run(["investigate", "--follow", *words]) == 2
