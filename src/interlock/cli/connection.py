"""The way to a server: its URL and key, one request, or a stream of events. Standard library only: it is quick."""

from __future__ import annotations

import http.client
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from interlock.cli.failure import CONFLICT, FAILED, UNREACHABLE, USAGE, Failure

DEFAULT_URL = "http://127.0.0.1:8080"
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Server:
    """Which server, and the key that opens it. No flag holds a key's value: it would stand in the list of processes."""

    url: str | None = None
    "The server; INTERLOCK_URL names it too. Default: http://127.0.0.1:8080."
    key_file: Path | None = None
    "A file that holds the key; INTERLOCK_KEY holds it too."
    context: str | None = None
    "A server by its name in contexts.toml, with its key; INTERLOCK_CONTEXT names one too."


class Answer:
    """One answer: status, headers in lower case, and the body."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Connection:
    """Requests to one server."""

    def __init__(self, server: Server, *, needs_key: bool = True) -> None:
        server = _found(server)
        self.url = (server.url or os.environ.get("INTERLOCK_URL") or DEFAULT_URL).rstrip("/")
        self._parts = urlsplit(self.url)
        if self._parts.scheme not in ("http", "https") or not self._parts.hostname:
            raise Failure(f"{self.url!r} is no URL of a server", next="--url http://127.0.0.1:8080", code=USAGE)
        self._key = _key(server)
        if needs_key and not self._key:
            next = "INTERLOCK_KEY=ilk_… in the environment, or --key-file FILE"
            raise Failure("a key is needed", "the server answers only to its keys", next, code=USAGE)

    @property
    def has_key(self) -> bool:
        """Whether there is a key to send."""
        return bool(self._key)

    def get(self, path: str, *, missing_ok: bool = False, fails_ok: bool = False, **parameters: Any) -> Answer:
        """GET; a refusal ends the command, unless it is a 404 and `missing_ok`, or a 503 and `fails_ok`."""
        connection = self._open(timeout=30)
        try:
            answer = self._ask(connection, path, parameters)
            out = Answer(answer.status, _headers(answer), answer.read())
        finally:
            connection.close()
        allowed = {404} if missing_ok else {503} if fails_ok else set[int]()
        if out.status >= 400 and out.status not in allowed:
            raise self._refused(out.status, out.body)
        return out

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """POST with a new Idempotency-Key; a refusal ends the command."""
        out = self.send("POST", path, body, key=secrets.token_hex(16), timeout_s=30)
        if out.status >= 400:
            raise self._refused(out.status, out.body)
        return out

    def send(
        self, method: str, path: str, body: Any = None, *, if_match: int | None = None, key: str = "",
        timeout_s: float = 60,
    ) -> Answer:  # fmt: skip
        """A request that writes or asks with a body; what the server refuses is the caller's to read.

        `if_match` is the rev it rests on, `key` an Idempotency-Key. Raises `Failure` where the key does not open it.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        if key:
            headers["Idempotency-Key"] = key
        content = json.dumps(body, ensure_ascii=False).encode() if body is not None else None
        connection = self._open(timeout=timeout_s)
        try:
            answer = self._ask(connection, path, {}, method=method, content=content, more=headers)
            out = Answer(answer.status, _headers(answer), answer.read())
        except (OSError, http.client.HTTPException) as why:
            raise self._away(why) from why
        finally:
            connection.close()
        if out.status in (401, 403) or out.status >= 500:
            raise self._refused(out.status, out.body)
        return out

    def stream(self, path: str, **parameters: Any) -> Iterator[tuple[str, str, str]]:
        """Server-sent events as (id, event, data), until the server ends the stream."""
        connection = self._open(timeout=60)
        try:
            answer = self._ask(connection, path, parameters, accept="text/event-stream")
            if answer.status >= 400:
                raise self._refused(answer.status, answer.read())
            fields: dict[str, str] = {}
            for raw in answer:
                text = raw.decode().rstrip("\r\n")
                if text:
                    name, _, value = text.partition(":")
                    value = value.removeprefix(" ")
                    fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
                elif fields:
                    yield fields.get("id", ""), fields.get("event", "message"), fields.get("data", "")
                    fields = {}
        except (OSError, http.client.HTTPException) as why:
            raise self._away(why) from why
        finally:
            connection.close()

    def _open(self, timeout: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        return kind(self._parts.hostname or "", self._parts.port, timeout=timeout)

    def _ask(
        self, connection: http.client.HTTPConnection, path: str, parameters: Mapping[str, Any], accept: str = "*/*",
        *, method: str = "GET", content: bytes | None = None, more: Mapping[str, str] = NOTHING,
    ) -> http.client.HTTPResponse:  # fmt: skip
        given = urlencode({k.rstrip("_"): v for k, v in parameters.items() if v not in (None, "")})
        headers = {"Accept": accept, **({"Authorization": f"Bearer {self._key}"} if self._key else {}), **more}
        try:
            target = self._parts.path + path + (f"?{given}" if given else "")
            connection.request(method, target, body=content, headers=headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as why:
            raise self._away(why) from why

    def _away(self, why: BaseException) -> Failure:
        next = "is `interlock serve` running there? --url or INTERLOCK_URL names another server"
        return Failure(f"no answer from {self.url}", str(why) or type(why).__name__, next, code=UNREACHABLE)

    def _refused(self, status: int, body: bytes) -> Failure:
        """The server's own words. Its codes become ours: not allowed is 4, a conflict 5."""
        try:
            error = json.loads(body)["errors"][0]
            what, why = str(error.get("title", "")), f"{error.get('code', status)}: {error.get('detail', '')}"
        except (ValueError, KeyError, IndexError, TypeError):
            what, why = f"the server answered {status}", body[:200].decode(errors="replace").strip()
        code = {401: UNREACHABLE, 403: UNREACHABLE, 409: CONFLICT, 412: CONFLICT}.get(status, FAILED)
        next = "INTERLOCK_KEY must hold a key of this server" if status in (401, 403) else ""
        return Failure(what or f"the server answered {status}", why, next, code=code)


def _found(server: Server) -> Server:
    """A server with what its context says. A context of the environment does not count beside a URL of its own."""
    elsewhere = server.url or os.environ.get("INTERLOCK_URL")
    named = server.context or (None if elsewhere else os.environ.get("INTERLOCK_CONTEXT"))
    if not named:
        return server
    from interlock.cli.contexts import context

    known = context(named)
    return Server(url=server.url or known.url, key_file=server.key_file or known.key_file, context=named)


def _key(server: Server) -> str:
    """The key; that of the environment is not sent to the server of a context, which has its own."""
    if server.context and server.key_file is None:
        return ""
    path = server.key_file or (Path(named) if (named := os.environ.get("INTERLOCK_KEY_FILE")) else None)
    if path is None:
        return os.environ.get("INTERLOCK_KEY", "")
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as why:
        raise Failure("the key cannot be read", f"{path}: {why.strerror}", "--key-file FILE", code=USAGE) from None


def _headers(answer: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}
