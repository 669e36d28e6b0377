"""What goes out: status, header fields, body. Media types are negotiated here, once per Accept header."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import msgspec

from interlock.api.problems import NotAcceptable

Fields = list[tuple[bytes, bytes]]
Send = Callable[[Any], Awaitable[None]]
Stream = Callable[[Fields, Send, Callable[[], Awaitable[Any]]], Awaitable[None]]

JSON_API = b"application/vnd.api+json"
JSON = b"application/json"
EVENT_STREAM = b"text/event-stream"


class Answer(msgspec.Struct):
    """One answer. `etag`: the rev it shows; `headers`: what else is said; `stream`: sends itself instead of `body`."""

    status: int = 200
    body: bytes = b""
    etag: str = ""
    headers: Fields = []
    media: bytes = b""
    stream: Stream | None = None


_OURS = re.compile(r"application/vnd\.api\+json", re.IGNORECASE)
_PARAMETERS_ALLOWED = {"ext", "profile", "q"}


@lru_cache(256)
def media_of(accept: bytes) -> bytes:
    """The media type of an answer's body for this Accept header. Raises `NotAcceptable`.

    JSON:API where it, or anything, is accepted; the same document as `application/json` where only that is.
    """
    plain = False
    for part in accept.decode("latin-1").split(","):
        name, *parameters = [p.strip() for p in part.split(";")]
        if any(re.fullmatch(r"q=0(\.0*)?", p) for p in parameters):
            continue
        if _OURS.fullmatch(name):
            if {p.split("=", 1)[0].lower() for p in parameters if p} <= _PARAMETERS_ALLOWED:
                return JSON_API
        elif name in ("", "*/*", "application/*"):
            return JSON_API
        elif name.lower() in ("application/json", "text/event-stream"):
            plain = True
    if plain:
        return JSON
    raise NotAcceptable("Accept application/vnd.api+json or application/json.", header="Accept")


def safe_media_of(accept: bytes) -> bytes:
    """The same for errors, which are told in any case."""
    try:
        return media_of(accept)
    except NotAcceptable:
        return JSON_API


_EVENTS = re.compile(rb"(^|,)\s*text/event-stream\b", re.IGNORECASE)


def wants_stream(accept: bytes) -> bool:
    """Whether a stream of events is asked for."""
    return _EVENTS.search(accept) is not None
