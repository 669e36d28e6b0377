"""The role over real sockets: events arrive signed, none waits for another endpoint, nothing goes where it must not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.cli.test_follow_server import asked
from tests.runtime.test_server import KEY, serving

from interlock.domain.webhook import signature
from interlock.runtime.webhooks import Sender

WITHIN_S = 20.0


class There:
    """A server at the other end."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.came = asyncio.Event()
        self.url = ""

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take an event; or never answer; or send elsewhere."""
        if request.path == "/silent":
            await asyncio.Event().wait()
        if request.path == "/elsewhere":
            raise web.HTTPFound(f"{self.url}/in")
        self.got.append(({k.lower(): v for k, v in request.headers.items()}, await request.read()))
        self.came.set()
        return web.Response(text="x" * 10_000)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[There]:
        """On a free port of loopback."""
        app = web.Application()
        app.router.add_post("/{way:.*}", self.take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


@pytest.mark.parametrize("shares", [0, 1])
async def test_events_arrive_signed_whatever_another_endpoint_does(tmp_path: Path, shares: int) -> None:
    """Alone, and as one of several processes."""
    async with There().open() as there, serving(tmp_path, webhooks_private=True, shares=shares) as (_, url):
        for n in range(3):
            await asked(url, "POST", "/v1/outbound-webhooks", {"name": f"s{n}", "url": f"{there.url}/silent"}, KEY)
        body = {"name": "w", "url": f"{there.url}/in", "topics": ["conversation.create"]}
        made = await asked(url, "POST", "/v1/outbound-webhooks", body, KEY)
        await asked(url, "POST", "/v1/conversations", {"channels": ["chat"]}, KEY)
        async with asyncio.timeout(WITHIN_S):
            await there.came.wait()
        [(headers, said)] = there.got
        expected = signature(made["meta"]["secret"], headers["webhook-id"], int(headers["webhook-timestamp"]), said)
        assert headers["webhook-signature"] == expected
        assert headers["content-type"] == "application/cloudevents+json"
        assert b'"type":"interlock.conversation.create.v1"' in said
        id = made["data"]["id"]
        told: Any = {"data": []}
        async with asyncio.timeout(WITHIN_S):
            while not told["data"]:
                told = await asked(url, "GET", f"/v1/outbound-webhooks/{id}/transactions", None, KEY)
        about = told["data"][0]["attributes"]
        assert (about["outcome"], about["status"], len(about["answer"])) == ("delivered", 200, 2_048)


async def test_a_webhook_that_goes_gets_nothing_more(tmp_path: Path) -> None:
    async with There().open() as there, serving(tmp_path, webhooks_private=True) as (_, url):
        ids: list[Any] = []
        for name in ("gone", "stays"):
            body = {"name": name, "url": f"{there.url}/{name}", "topics": ["tag"]}
            ids.append((await asked(url, "POST", "/v1/outbound-webhooks", body, KEY))["data"]["id"])
        await asked(url, "PUT", f"/v1/outbound-webhooks/{ids[0]}", {"deleted": True}, KEY)
        await asked(url, "PUT", f"/v1/outbound-webhooks/{ids[1]}", {"url": f"{there.url}/moved"}, KEY)
        await asked(url, "POST", "/v1/tags", {"name": "parcel"}, KEY)
        async with asyncio.timeout(WITHIN_S):
            await there.came.wait()
        assert len(there.got) == 1
        listed = await asked(url, "GET", "/v1/outbound-webhooks", None, KEY)
        assert [w["id"] for w in listed["data"]] == [ids[1]]


async def test_redirects_and_silence_are_failures() -> None:
    async with There().open() as there, Sender(private=True, timeout_s=0.3) as sender:
        moved = await sender.send(f"{there.url}/elsewhere", {}, b"{}")
        assert (moved.status, moved.error, there.got) == (302, "redirects are not followed", [])
        silent = await sender.send(f"{there.url}/silent", {}, b"{}")
        assert (silent.status, silent.error) == (0, "no answer within 0.3 s")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nobody = await sender.send(f"http://127.0.0.1:{taken.getsockname()[1]}/", {}, b"{}")
        assert nobody.status == 0
        assert "onnect" in nobody.error


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "10.1.2.3", "192.168.0.1", "172.16.0.1", "0.0.0.0",
     "[fe80::1]", "[fc00::1]", "224.0.0.1", "localhost", "100.64.0.1", "2130706433", "0x7f.1"],
)  # fmt: skip
async def test_no_address_that_is_not_public_is_connected_to(host: str) -> None:
    async with There().open() as there, Sender(private=False) as sender:
        port = there.url.rpartition(":")[2]
        said = await sender.send(f"https://{host}:{port}/in", {}, b"{}")
        assert said.status == 0
        assert "no public address" in said.error or "not a canonical" in said.error
        assert there.got == []


async def test_the_address_that_was_looked_at_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means a public address the first time and this machine the next: it is asked once a connection."""
    loop, asked_for = asyncio.get_running_loop(), []

    async def knows(host: str, port: int, **_: Any) -> list[Any]:
        asked_for.append(host)
        address = "192.0.2.1" if len(asked_for) == 1 else "127.0.0.1"  # set aside for documentation: not public either
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(loop, "getaddrinfo", knows)
    async with There().open() as there, Sender(private=False, timeout_s=0.5) as sender:
        port = there.url.rpartition(":")[2]
        for turn in (1, 2):
            said = await sender.send(f"https://rebind.example:{port}/in", {}, b"{}")
            assert "no public address" in said.error
            assert len(asked_for) == turn, "each connection asks once, and goes nowhere else"
        assert there.got == []


async def test_without_tls_nothing_is_sent() -> None:
    async with Sender(private=False) as sender:
        assert "https only" in (await sender.send("http://example.org/", {}, b"{}")).error
