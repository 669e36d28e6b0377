"""The console's way to the API: the same requests that anybody's program sends, handed over within the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application: scope, receive, send. Frameworks type them in ways of their own."""
Json = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Refusal(Exception):
    """The API said no: its status, code, the words for people, and what it said beside them."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(error.get("code", ""))
        self.title = str(error.get("title", "")) or f"The server answered {status}."
        self.detail = str(error.get("detail", ""))
        self.meta: Json = error.get("meta") or {}
        self.trace = str(error.get("id", ""))
        super().__init__(f"{status} {self.code}: {self.title} {self.detail}")


class Answered:
    """One answer of the API."""

    def __init__(self, status: int, headers: dict[bytes, bytes], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def document(self) -> Any:
        """The body, read as JSON."""
        return _decode(self.body) if self.body else {}


class Door:
    """The API as one signed-in person sees it. `secret` is the key that is sent; empty: none is."""

    def __init__(self, api: App, secret: str, client: tuple[str, int] | None = None) -> None:
        self._api = api
        self._secret = secret
        self._client = client

    @property
    def secret(self) -> str:
        """The key that is sent."""
        return self._secret

    @property
    def signed_in(self) -> bool:
        """Whether there is a key to send."""
        return bool(self._secret)

    def with_key(self, secret: str) -> Door:
        """The same API with another key."""
        return Door(self._api, secret, self._client)

    def scope(self, method: str, path: str, query: str = "", headers: Mapping[str, str] | None = None) -> Scope:
        """A request to the API in the form in which servers hand it over."""
        given = {"accept": "application/json", **(headers or {})}
        if self._secret:
            given["authorization"] = f"Bearer {self._secret}"
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode("latin-1", "replace")) for k, v in given.items()],
            "client": self._client,
            "server": ("console", 80),
            "state": {},
        }

    async def ask(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None, **headers: str
    ) -> Answered:
        """One request; whatever the answer is."""
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        raw = b"" if body is None else _encode(body)
        if body is not None:
            given |= {"content-type": "application/json", "content-length": str(len(raw))}
        said = urlencode({k: v for k, v in (query or {}).items() if v not in (None, "")})
        collected = _Collected(raw)
        await self._api(self.scope(method, path, said, given), collected.receive, collected.send)
        return Answered(collected.status, collected.headers, bytes(collected.body))

    async def get(self, path: str, **query: Any) -> Any:
        """Read a document; raises `Refusal`."""
        return _checked(await self.ask("GET", path, query=query))

    async def maybe(self, path: str, **query: Any) -> Any:
        """Read a document; `None` where there is none, or none for this role."""
        answer = await self.ask("GET", path, query=query)
        return None if answer.status in (403, 404) else _checked(answer)

    async def send(self, method: str, path: str, body: Any = None, *, once: str = "", if_match: str = "") -> Any:
        """Act; raises `Refusal`. `once`: sent twice under this name it is done once."""
        headers = {k: v for k, v in (("idempotency_key", once), ("if_match", if_match)) if v}
        given = {} if body is None else body
        return _checked(await self.ask(method, path, given, None, **headers))


class _Collected:
    """Both ends of one exchange that is over when the answer is whole."""

    def __init__(self, body: bytes) -> None:
        self._given = body
        self._asked = False
        self.status = 500
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()

    async def receive(self) -> Any:
        """The request's body, once."""
        if self._asked:
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": self._given, "more_body": False}

    async def send(self, message: Any) -> None:
        """A part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            self.body += message.get("body", b"")


def _checked(answer: Answered) -> Any:
    if answer.status < 400:
        return answer.document
    try:
        error = answer.document["errors"][0]
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        error = {"detail": answer.body[:200].decode(errors="replace")}
    raise Refusal(answer.status, error)
