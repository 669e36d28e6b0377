"""The demonstration's way to the API: like any program of a user's, over HTTP and with keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

TRIES = 6


class Refused(Exception):
    """The server said no: status, code and sentence."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class Client:
    """One server. Each request names the key that it is sent with."""

    def __init__(self, url: str, *, connections: int) -> None:
        self._url = url
        self._connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(connector=self._connector, timeout=aiohttp.ClientTimeout(total=30))
        self._requests = 0

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return self._requests

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, key: str) -> dict[str, Any]:
        """One request and its document. What the server could not take just now is sent again, under the same name."""
        self._requests += 1
        headers = {"Authorization": f"Bearer {key}"}
        if method != "GET":
            headers["Idempotency-Key"] = f"demo-{self._requests}"
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        for n in range(TRIES):
            async with self._session.request(method, self._url + path, data=data, headers=headers) as answer:
                raw = await answer.read()
                if answer.status < 400:
                    return json.loads(raw) if raw else {}
                if answer.status not in (429, 503) or n == TRIES - 1:
                    raise _refused(answer.status, raw)
            await asyncio.sleep(0.05 * 2**n)
        raise AssertionError

    async def events(self, topics: str, after: int, *, key: str) -> AsyncIterator[dict[str, Any]]:
        """The event stream from a position on, taken up again where it broke off."""
        position = after
        while True:
            headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
            address = f"{self._url}/v1/events?topics={topics}&after={position}"
            timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
            try:
                async with self._session.get(address, headers=headers, timeout=timeout, read_bufsize=1 << 20) as answer:
                    if answer.status >= 400:
                        raise _refused(answer.status, await answer.read())
                    async for raw in answer.content:
                        if raw.startswith(b"id:"):
                            position = int(raw[3:].strip() or position)
                        elif raw.startswith(b"data:"):
                            event = json.loads(raw[5:])
                            if "specversion" in event:  # a beat has none
                                yield event
            except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, TimeoutError):
                await asyncio.sleep(0.1)


def _refused(status: int, raw: bytes) -> Refused:
    try:
        error = json.loads(raw)["errors"][0]
        return Refused(status, error.get("code", ""), error.get("detail", ""))
    except (ValueError, KeyError, IndexError, TypeError):
        return Refused(status, "", raw[:200].decode(errors="replace"))


def related(resource: Mapping[str, Any], name: str) -> str:
    """The id that a relationship names."""
    return resource["relationships"][name]["data"]["id"]
