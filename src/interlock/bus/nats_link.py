"""The connection to NATS, and what relay and consumers agree on: streams, subjects, headers.

Two streams: `PREFIX-log` holds the change log in the order of its positions, a message for each row; `PREFIX-dead` what
consumers gave up. A message's subject says in which buckets its row falls, so that a share is a set of subjects.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamState,
)

from interlock.bus.nats_window import Window, Windows
from interlock.domain.errors import Unavailable
from interlock.domain.log import Heading, Row, decode_row
from interlock.domain.share import (
    ANY_QUEUE,
    BUCKETS,
    BY_ORG,
    QUEUE_BUCKETS,
    Share,
    org_bucket,
    queue_bucket_of,
    record_bucket,
)

if TYPE_CHECKING:
    from interlock.bus.nats_tap import Tap

POSITION = "Interlock-Position"
"""The header with a row's position in the change log; a tick's is that of the last row before it."""
SINCE = "Interlock-Since"
"""A tick's header: the position of the tick before it, 0 if its relay knows of none. Whoever has not seen that one has
missed something.
"""
MSG_ID = "Nats-Msg-Id"
EXPECTED_LAST = "Nats-Expected-Last-Msg-Id"
EXPECTED_LAST_OF_EMPTY = "Nats-Expected-Last-Sequence"
DUPLICATE_WINDOW_S = 120.0
REPLICAS_OF_A_CLUSTER = 3
ROWS_KEPT = 1_024
"""Rows that are kept for other consumers of the process, which get the same ones soon."""
_MSG_ID = MSG_ID.encode()
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,40}")
_AWAY = (nats.errors.Error, TimeoutError, OSError)
"""What the client raises when the servers cannot be reached or cannot do it now."""


@contextlib.contextmanager
def away() -> Iterator[None]:
    """Turn what the client raises into `Unavailable`."""
    try:
        yield
    except _AWAY as why:
        raise Unavailable(f"NATS cannot do it just now ({type(why).__name__}: {why}).") from why


class Delivered(NamedTuple):
    """A message as it came: its headers are read when somebody asks, and most of them by nobody."""

    subject: str
    reply: str
    body: bytes
    head: bytes

    @property
    def status(self) -> bytes:
        """What a server says by it: three digits in its first line. Empty if it is no word of a server's."""
        return self.head[9:12].strip()

    def header(self, name: bytes) -> bytes:
        """The value of a header that a relay wrote; empty if it has none of this name."""
        begin = self.head.find(b"\r\n" + name + b": ")
        if begin < 0:
            return b""
        begin += len(name) + 4
        return self.head[begin : self.head.index(b"\r\n", begin)]


class _Client(Client):
    """The client library's, but that what comes to a `taker` is handed over at once and unread: the library reads every
    letter of every header, puts the message into a queue, and wakes a task that takes it out again.
    """

    takers: dict[int, Callable[[Delivered], None]]

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        taker = self.takers.get(sid)
        if taker is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        taker(Delivered(subject.decode(), reply.decode(), data, headers or b""))


class Place(NamedTuple):
    """A message of the log's stream: its position in the change log, its id, and whether it is a tick."""

    position: int
    id: str
    is_tick: bool


class NatsLink:
    """One connection of a process, made on first use and again whenever it breaks.

    prefix     begins the names of streams and subjects: several installations can share a NATS
    name       of this process, unlike any other's: consumers are named by it
    replicas   of each stream; 0: three on a cluster, one on a single server
    keep_s     how long the stream keeps a row; whoever is further behind reads the change log
    timeout_s  of one request to the servers
    """

    def __init__(
        self, servers: Sequence[str], *, name: str, prefix: str = "interlock", replicas: int = 0,
        keep_s: float = 3 * 86_400, timeout_s: float = 5.0,
    ) -> None:  # fmt: skip
        if _PREFIX.fullmatch(prefix) is None:
            raise ValueError(f"{prefix!r} cannot begin a name in NATS; use letters, digits, - and _")
        self.prefix = prefix
        self.name = name
        self.log = f"{prefix}-log"
        self.dead = f"{prefix}-dead"
        self.breaks = 0
        """How often the connection broke: whatever was under way then may not have arrived."""
        self._servers = list(servers)
        self._replicas = replicas
        self._keep_s = keep_s
        self._timeout_s = timeout_s
        self._client: _Client | None = None
        self._context: JetStreamContext | None = None
        self._windows: Windows | None = None
        self._dropped: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._numbers = 0
        self._rows: dict[bytes, Row] = {}
        self._used: set[str] = set()
        self.taps = Taps(prefix)

    async def ready(self) -> JetStreamContext:
        """The connection, made if there is none. Raises `Unavailable` if no server answers in time."""
        if self._context is not None and self._client is not None and self._client.is_connected:
            return self._context
        async with self._opening:
            if self._client is not None and self._client.is_connected and self._context is not None:
                return self._context
            if self._client is not None and not self._client.is_closed:
                raise Unavailable("The connection to NATS is broken; it is being made again.")
            with away():
                async with asyncio.timeout(self._timeout_s):
                    self._client = await self._connect()
                    self._windows = Windows(self._client)
                    await self._windows.listen()
            self._context = self._client.jetstream(timeout=self._timeout_s)
            return self._context

    async def _connect(self) -> _Client:
        async def broke(*_: Any) -> None:
            self.breaks += 1

        async def said(_: Exception) -> None:
            """Whoever awaits an answer hears of it there."""

        client = _Client()
        client.takers = {}
        await client.connect(
            self._servers, name=f"interlock {self.name}", allow_reconnect=True, max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,  # pyright: ignore[reportArgumentType] - seconds, of which it takes any
            connect_timeout=2, ping_interval=2, max_outstanding_pings=2, disconnected_cb=broke,
            error_cb=said, closed_cb=broke,
        )  # fmt: skip
        return client

    def drop(self) -> None:
        """Something hangs: whoever asks next gets a connection of its own, whatever becomes of this one."""
        if self._client is not None:
            self._dropped = asyncio.create_task(_closed(self._client))
            self._client = self._context = None
            self.breaks += 1

    async def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            await _closed(self._client)

    def fresh_name(self, share: Share) -> str:
        """A name for a new consumer of a share: the share's, this process's, and a number."""
        self._numbers += 1
        return f"{names_of(share)}{self.name}-{self._numbers}"

    async def state(self) -> StreamState:
        """How far the log's stream is; it is made if it is not there. Raises `Unavailable`."""
        return await self._state_of(self.log, [f"{self.prefix}.log.>", f"{self.prefix}.tick"])

    async def dead_state(self) -> StreamState:
        """The same of the dead letters."""
        return await self._state_of(self.dead, [f"{self.prefix}.dead.>"])

    async def _state_of(self, stream: str, subjects: list[str]) -> StreamState:
        context = await self.ready()
        with away():
            try:
                return (await context.stream_info(stream)).state
            except nats.js.errors.NotFoundError:
                config = StreamConfig(
                    name=stream, subjects=subjects, retention=RetentionPolicy.LIMITS, storage=StorageType.FILE,
                    num_replicas=self._replicas or self._replicas_here(), max_age=self._keep_s, deny_delete=True,
                    deny_purge=True, duplicate_window=min(DUPLICATE_WINDOW_S, self._keep_s),
                )  # fmt: skip
                return (await context.add_stream(config)).state

    def _replicas_here(self) -> int:
        info: dict[str, Any] = getattr(self._client, "_server_info", {})
        return REPLICAS_OF_A_CLUSTER if info.get("cluster") else 1

    async def at(self, sequence: int) -> Place:
        """What the message with this sequence says of itself. Raises `Unavailable`."""
        context = await self.ready()
        with away():
            message = await context.get_msg(self.log, seq=sequence)
        headers = message.headers or {}
        return Place(int(headers[POSITION]), headers.get(MSG_ID, ""), message.subject == self.tick)

    async def first_after(self, position: int, state: StreamState) -> int:
        """The sequence of the first message behind a position: they are in order, so by halving."""
        low, high = state.first_seq, state.last_seq + 1
        while low < high:
            middle = (low + high) // 2
            if (await self.at(middle)).position > position:
                high = middle
            else:
                low = middle + 1
        return low

    @contextlib.asynccontextmanager
    async def window(self) -> AsyncIterator[Window]:
        """A window of messages, to be filled inside the context; at its end they leave, and every acknowledgement that
        was asked for is awaited.

        Raises `Unavailable` if one is refused or does not come in time; then any beginning of them may be stored.
        """
        await self.ready()
        windows = self._windows
        assert windows is not None
        with away():
            async with asyncio.timeout(self._timeout_s):
                window = windows.open()
                try:
                    yield window
                    await window.leave()
                    await window.answers()
                finally:
                    windows.close(window)

    async def consume(self, share: Share, start: int) -> str:
        """Make a consumer for a share from a sequence on, in place of those made before it; its name."""
        context = await self.ready()
        name = self.fresh_name(share)
        self._used.add(name)
        config = ConsumerConfig(
            name=name, durable_name=name, opt_start_seq=start, filter_subjects=filters(self.prefix, share) or None,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE, ack_policy=AckPolicy.ALL, ack_wait=60.0,
            max_deliver=-1, max_ack_pending=4_096, inactive_threshold=600.0, num_replicas=1, mem_storage=True,
        )  # fmt: skip
        with away():
            await context.add_consumer(self.log, config)
            async for old in self._consumers(context, names_of(share)):
                if old not in self._used:
                    with contextlib.suppress(nats.js.errors.NotFoundError):
                        await context.delete_consumer(self.log, old)
        return name

    async def let_go(self, consumer: str) -> None:
        """Nobody here listens to a consumer any more: the servers are asked to remove it, and not waited for. One that
        they do not hear of goes when its share is next bound, or after its time.
        """
        self._used.discard(consumer)
        if consumer and self._client is not None and self._client.is_connected:
            with contextlib.suppress(*_AWAY):
                subject = f"$JS.API.CONSUMER.DELETE.{self.log}.{consumer}"
                await self._client.publish(subject, reply=self._client.new_inbox())

    async def _consumers(self, context: JetStreamContext, beginning: str) -> AsyncIterator[str]:
        offset = 0
        while page := await context.consumers_info(self.log, offset=offset):
            for info in page:
                if info.name.startswith(beginning):
                    yield info.name
            offset += len(page)
            if len(page) < 256:
                return

    async def subscribe(self, arrived: Callable[[Delivered], None]) -> tuple[str, Callable[[], Awaitable[None]]]:
        """An inbox of our own, whose messages go to `arrived`: its subject, and what ends it."""
        await self.ready()
        client = self._client
        assert client is not None
        inbox = client.new_inbox()
        with away():
            subscription = await client.subscribe(inbox)
        number = subscription._id
        client.takers[number] = arrived

        async def end() -> None:
            client.takers.pop(number, None)
            with contextlib.suppress(*_AWAY):
                await subscription.unsubscribe()

        return inbox, end

    def row(self, position: int, message: Delivered) -> Row:
        """The row that a message carries, decoded once for all consumers here. Raises as `decode_row` does."""
        if self._client is None or len(self._client.takers) < 2:
            return decode_row(position, message.body)
        id = message.header(_MSG_ID)
        row = self._rows.get(id)
        if row is None:
            row = self._rows[id] = decode_row(position, message.body)
            if len(self._rows) > ROWS_KEPT:
                del self._rows[next(iter(self._rows))]
        return row

    async def acknowledge(self, reply: str) -> None:
        """Say that a message, and all before it, are done with. Raises `Unavailable`."""
        if self._client is not None:
            with away():
                await self._client.publish(reply)

    async def ask(self, consumer: str, inbox: str, request: bytes) -> None:
        """Ask a consumer for messages; they come to the inbox."""
        await self.ready()
        assert self._client is not None
        with away():
            await self._client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{self.log}.{consumer}", request, reply=inbox)

    @property
    def tick(self) -> str:
        """The subject of ticks: every share hears them."""
        return f"{self.prefix}.tick"

    def subject(self, row: Row | Heading) -> str:
        """Where a row goes: its buckets by org, by record and by queue, then its org and its partition."""
        queue = queue_bucket_of(row)
        lane = "-" if queue == ANY_QUEUE else f"{queue:02}"
        buckets = f"{org_bucket(row.org):02}.{record_bucket(row.org, row.partition):02}.{lane}"
        names = f"{_UNSAFE.sub('_', row.org) or '_'}.{_UNSAFE.sub('_', row.partition) or '_'}"
        return f"{self.prefix}.log.{buckets}.{names}"


class Taps:
    """The taps of a process that shares may join, by what they let through."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._offered: dict[tuple[str, ...], Tap] = {}

    def of(self, share: Share) -> Tap | None:
        """The one for the rows of a share, if one is at work."""
        tap = self._offered.get(_key(self._prefix, share))
        return tap if tap is not None and tap.alive else None

    def offer(self, share: Share, tap: Tap) -> None:
        """Let others join one that was opened for a share, unless they have one to join."""
        if self.of(share) is None:
            self._offered[_key(self._prefix, share)] = tap


@lru_cache(maxsize=1024)
def _key(prefix: str, share: Share) -> tuple[str, ...]:
    return tuple(filters(prefix, share))


async def _closed(client: Client) -> None:
    """Let go of a connection, whatever state it is in."""
    with contextlib.suppress(*_AWAY):
        await client.close()


def names_of(share: Share) -> str:
    """How the names of a share's consumers begin."""
    return f"{share.name.replace('.', '-')}--"


def filters(prefix: str, share: Share) -> list[str]:
    """The subjects of a share, ticks included; none if it is everything."""
    if share.whole:
        return []
    buckets = ["*"] if share.of == 1 else [f"{b:02}" for b in range(share.part, BUCKETS, share.of)]
    if share.role not in BY_ORG:
        found = [f"{prefix}.log.*.{b}.>" for b in buckets]
    elif share.lanes == 1:
        found = [f"{prefix}.log.{b}.>" for b in buckets]
    else:
        lanes = ["-", *(f"{q:02}" for q in range(share.lane, QUEUE_BUCKETS, share.lanes))]
        found = [f"{prefix}.log.{b}.*.{q}.>" for b in buckets for q in lanes]
    return [*found, f"{prefix}.tick"]
