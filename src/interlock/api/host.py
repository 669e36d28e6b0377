"""What one server has beside its world: settings, caches, counters, and the signals that reach its streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from interlock.api.keyring import Keyring, Limits
from interlock.api.metrics import Metrics
from interlock.ports import World

BODY_MAX = 10_000_000


class Check(msgspec.Struct, frozen=True):
    """One health check: its value, the limit it is held to, and whether it holds."""

    name: str
    ok: bool
    value: str = ""
    limit: str = ""


Checks = Callable[[], Awaitable[list[Check]]]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be set about the API. `timer`: seconds from a clock that only goes forward, for durations."""

    body_max: int = BODY_MAX
    requests_per_minute: int = 0
    org_requests_per_minute: int = 0
    searches_per_minute: int = 0
    writes_per_object: int = 0
    messages_per_customer: int = 0
    key_ttl_ms: int = 1_000
    preconditions: bool = False
    beat_seconds: float = 15.0
    poll_seconds: float = 0.5
    throttle_seconds: float = 0.25
    stalled_seconds: float = 30.0
    streams_max: int = 1_000
    page_max: int = 500
    version: str = "0"
    timer: Callable[[], float] | None = None


class News:
    """Wakes whoever waits for new rows of the log. It says that there is something, never what."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self.closing = False

    def tell(self) -> None:
        """There is news."""
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def close(self) -> None:
        """The server ends: every stream ends at once."""
        self.closing = True
        self.tell()

    def waiter(self) -> asyncio.Future[None]:
        """Done with the next news; taken before looking, so that nothing is missed between looking and waiting."""
        self._waiting = {w for w in self._waiting if not w.done()} if len(self._waiting) > 10_000 else self._waiting
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.closing:
            waiter.set_result(None)
        else:
            self._waiting.add(waiter)
        return waiter


async def no_checks() -> list[Check]:
    """Nothing to check."""
    return []


class Host:
    """One API server."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        *,
        ready: Checks = no_checks,
        live: Checks = no_checks,
        news: News | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.world = world
        self.settings = settings
        self.keyring = Keyring(world, ttl_ms=settings.key_ttl_ms)
        self.limits = Limits(settings.requests_per_minute)
        self.org_limits = Limits(settings.org_requests_per_minute, "this company")
        self.search_limits = Limits(settings.searches_per_minute, "a key that acts for no user")
        self.object_limits = Limits(settings.writes_per_object, "one caller on one conversation", size=100_000)
        self.message_limits = Limits(settings.messages_per_customer, "one caller to one customer", size=100_000)
        self.running: set[str] = set()
        self.ready = ready
        self.live = live
        self.news = news or News()
        self.metrics = metrics or Metrics(settings.version)
        self.timer: Callable[[], float] = settings.timer or (lambda: world.clock.now() / 1000)
        self.streams = 0
        self.description: Any = None
        self.rooms: dict[str, Any] = {}
        """What single operations keep for themselves between requests, by their own names."""
