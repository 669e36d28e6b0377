"""The role `webhooks`: sends events to endpoints outside, each in a task of its own, so that none waits for another.

Where a connection may go is decided when it is made, from the address that it really goes to: what a name meant a
moment ago says nothing. Redirects are not followed, and proxies of the environment are not asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import random
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from interlock import __version__
from interlock.domain.errors import Fenced, Problem, Unavailable
from interlock.domain.log import Row
from interlock.domain.webhook import ANSWER_BYTES, Answered, Attempt, Webhook
from interlock.ports import World
from interlock.runtime.tasks import ended
from interlock.runtime.worker import OUTAGE_PAUSE_S
from interlock.service.webhooks import Endpoint, at_work

ROLE = "webhooks"
TIMEOUT_S = 15.0
LOOK_S = 1.0
"""How often it looks for news where nobody tells of any, and for webhooks that others made."""
_log = structlog.get_logger("interlock")
OnAttempt = Callable[[Attempt], None]


class Refused(OSError):
    """An address that webhooks must not go to."""


def _refuse(address: str, name: str) -> None:
    """Raises `Refused` unless an address is one of the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    if not (mapped or ip).is_global or ip.is_multicast:
        raise Refused(f"{name} is at {address}, which is no public address; see the setting webhooks_private")


class _Public(AbstractResolver):
    """Names as the system knows them, but only public addresses: the connection goes to what was looked at."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises `Refused` if any of them is not public, `OSError` if there is none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        out: list[ResolveResult] = []
        for kind, _, proto, _, address in found:
            _refuse(str(address[0]), host)
            out.append(
                {"hostname": host, "host": str(address[0]), "port": port, "family": kind, "proto": proto, "flags": 0}
            )
        return out

    async def close(self) -> None:
        """Nothing is held."""


class Sender:
    """Sends messages. `private`: also to addresses that are not public, and without TLS."""

    def __init__(self, *, private: bool, timeout_s: float = TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        self._private = private
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Sender:
        resolver: dict[str, Any] = {} if self._private else {"resolver": _Public(), "use_dns_cache": False}
        connector = aiohttp.TCPConnector(limit=256, limit_per_host=8, ssl=self._tls or True, **resolver)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": f"interlock/{__version__}"}, auto_decompress=False,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Answered:
        """One message, and what the endpoint said."""
        began = time.monotonic()
        status, error, answer = 0, "", b""
        try:
            self._look_at(url)
            assert self._session is not None
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as said:
                status = said.status
                answer = await said.content.read(ANSWER_BYTES)
                if 300 <= status < 400:
                    error = "redirects are not followed"
        except TimeoutError:
            error = f"no answer within {self._timeout.total:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as why:
            error = _told(why)
        took = int(1000 * (time.monotonic() - began))
        return Answered(status, error[:500], answer.decode("utf-8", "replace"), took)

    def _look_at(self, url: str) -> None:
        """Raises `Refused` for what the resolver is not asked about: an address as such, and plain HTTP."""
        if self._private:
            return
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise Refused("webhooks go over https only; see the setting webhooks_private")
        host = parts.hostname or ""
        if _is_address(host):
            _refuse(host, host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _told(why: BaseException) -> str:
    """What went wrong, without the layers that it came through."""
    inner = why
    while inner.__cause__ is not None:
        inner = inner.__cause__
    if isinstance(inner, Refused):
        return str(inner)
    return str(why) or type(why).__name__


class Webhooks:
    """The tasks of the role: one that knows which endpoints there are, and one for each of them."""

    def __init__(self, world: World, sender: Sender, on_attempt: Sequence[OnAttempt] = ()) -> None:
        self._world = world
        self._sender = sender
        self._on_attempt = on_attempt
        self._known: dict[tuple[str, str], tuple[_Line, asyncio.Task[None]]] = {}
        self._look = asyncio.Event()

    def announce(self, rows: Sequence[Row]) -> None:
        """The log has more: whose org it is looks at once, and everybody if it is not told what."""
        orgs = {row.org for row in rows}
        if not rows or any(c.type == Webhook.TYPE for row in rows for c in row.changes):
            self._look.set()
        for (org, _), (line, _) in self._known.items():
            if not rows or org in orgs:
                line.news.set()

    async def run(self) -> None:
        """Work until cancelled. Raises `Fenced` once another process has taken over."""
        async with self._sender:
            try:
                while True:
                    await self._try_to_know()
                    for _, task in self._known.values():
                        if task.done():
                            task.result()
                    self._look.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await self._look.wait()
            finally:
                await ended([task for _, task in self._known.values()], Fenced)
                self._known.clear()

    async def _try_to_know(self) -> None:
        """The same, but that an outage or a fault of ours leaves everything as it was: the next look tries again."""
        try:
            await self._know()
        except Fenced:
            raise
        except Unavailable as away:
            _log.warning("role_waits", role=ROLE, why=str(away))
        except Exception:  # noqa: BLE001 - a fault of ours must not end the role
            _log.exception("role_failed", role=ROLE)

    async def _know(self) -> None:
        """Begin with endpoints that came, end with those that went, tell the rest how they are now."""
        there = {(w.org, w.id): w for w in await at_work(self._world)}
        for key in self._known.keys() - there.keys():
            _, task = self._known.pop(key)
            await ended([task], Fenced)
        for key, webhook in there.items():
            known = self._known.get(key)
            if known is None:
                line = _Line(webhook)
                self._known[key] = (line, asyncio.create_task(self._serve(line), name=f"webhook:{webhook.id}"))
            elif known[0].webhook.rev != webhook.rev:
                known[0].webhook = webhook
                known[0].news.set()

    async def _serve(self, line: _Line) -> None:
        """One endpoint, for as long as it is at work."""
        endpoint = Endpoint(self._world, self._sender.send, random.random)
        while True:
            pause_s = LOOK_S
            try:
                line.news.clear()
                made, again_at = await endpoint.step(line.webhook)
                for attempt in made:
                    for heard in self._on_attempt:
                        heard(attempt)
                if again_at is not None:
                    pause_s = max(0.0, min(LOOK_S, (again_at - self._world.clock.now()) / 1000))
            except Fenced:
                raise
            except Problem as away:
                _log.warning("webhook_waits", webhook=line.webhook.id, why=str(away))
                pause_s = OUTAGE_PAUSE_S
            except Exception:  # noqa: BLE001 - nor one endpoint's
                _log.exception("webhook_failed", webhook=line.webhook.id)
                pause_s = OUTAGE_PAUSE_S
            if pause_s:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await line.news.wait()


class _Line:
    """One endpoint as it is now, and whether there is news for it."""

    def __init__(self, webhook: Webhook) -> None:
        self.webhook = webhook
        self.news = asyncio.Event()
