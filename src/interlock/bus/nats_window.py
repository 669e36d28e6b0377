"""A window of messages on their way into a stream: sent in one go, then the answers that were asked for are awaited.

The client library's own publish checks and encodes each message by itself, gives the event loop a turn, and so the
socket a small packet, for each of them; and it listens for answers anew each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg


class Answer(msgspec.Struct, frozen=True):
    """What a stream answers to one message. `duplicate`: it holds one of this name, and did not store this one."""

    seq: int = 0
    duplicate: bool = False
    error: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Answer).decode


class Windows:
    """The windows of one connection: their answers come to one address."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._address = client.new_inbox()
        self._open: dict[str, Window] = {}
        self._number = 0

    async def listen(self) -> None:
        """Hear the answers; once, before the first window."""
        await self._client.subscribe(f"{self._address}.*.*", cb=self._answered)

    def open(self) -> Window:
        """A new window."""
        self._number += 1
        window = self._open[str(self._number)] = Window(self._client, f"{self._address}.{self._number}")
        return window

    def close(self, window: Window) -> None:
        """Nobody waits for its answers any more."""
        self._open.pop(window.address.rpartition(".")[2], None)

    async def _answered(self, message: Msg) -> None:
        address, _, number = message.subject.rpartition(".")
        window = self._open.get(address.rpartition(".")[2])
        if window is not None:
            window.answered(int(number), message)


class Window:
    """Messages by their number; the answer to each that is to be answered comes to an address that ends in it."""

    def __init__(self, client: Client, address: str) -> None:
        self.address = address
        self._client = client
        self._messages: list[bytes] = []
        self._awaited: list[int] = []
        self._answers: dict[int, Answer] = {}
        self._all = asyncio.Event()
        self._failed: Exception | None = None

    def send(self, subject: str, body: bytes, headers: Mapping[str, str], *, answered: bool = True) -> None:
        """One message more; it leaves with the others. Raises `MaxPayloadError`."""
        if len(body) > self._client.max_payload:
            raise nats.errors.MaxPayloadError
        reply = ""
        if answered:
            reply = f"{self.address}.{len(self._messages)}"
            self._awaited.append(len(self._messages))
        self._messages.append(encoded(subject, reply, body, headers))

    async def leave(self) -> None:
        """Hand all messages to the connection at once: by the library's own list of what is to be written."""
        client, messages = self._client, self._messages
        if not client.is_connected:
            raise nats.errors.ConnectionClosedError
        size = sum(map(len, messages))
        client.stats["out_msgs"] += len(messages)
        client.stats["out_bytes"] += size
        client._pending += messages
        client._pending_data_size += size
        await client._flush_pending()

    async def answers(self) -> list[Answer]:
        """All answers that were asked for, in the order of the messages. Raises the first refusal as what the client
        library raises.
        """
        while len(self._answers) < len(self._awaited) and self._failed is None:
            self._all.clear()
            await self._all.wait()
        if self._failed is not None:
            raise self._failed
        return [self._answers[n] for n in self._awaited]

    def answered(self, number: int, message: Msg) -> None:
        """The answer to one."""
        if (message.headers or {}).get("Status") == "503":
            self._failed = self._failed or nats.js.errors.NoStreamResponseError()
        else:
            answer = _decode(message.data)
            if answer.error is not None:
                self._failed = self._failed or nats.js.errors.APIError(**answer.error)
            self._answers[number] = answer
        if self._failed is not None or len(self._answers) == len(self._awaited):
            self._all.set()


def encoded(subject: str, reply: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A message with headers as it is written to a server. Raises `ValueError` for a header of several lines."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header is one line")
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (
        subject.encode(), reply.encode(), len(head), len(head) + len(body), head, body
    )  # fmt: skip
