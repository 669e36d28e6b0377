"""One process put together from its settings: store, clock, ids, bus, workers, event log and HTTP application."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from interlock import __version__
from interlock.bus.embedded import EmbeddedBus
from interlock.domain.errors import KeyTaken, Unavailable
from interlock.domain.share import share_named
from interlock.investigation.finding import Finding
from interlock.ports import World
from interlock.runtime import health
from interlock.runtime.clock import RandomIds, SystemClock
from interlock.runtime.collecting import COLLECTED_BY, Collecting
from interlock.runtime.detecting import Detecting
from interlock.runtime.divided import Divided
from interlock.runtime.logs import LogLines
from interlock.runtime.settings import Settings
from interlock.runtime.tasks import ended
from interlock.runtime.webhooks import ROLE as WEBHOOKS
from interlock.runtime.webhooks import OnAttempt, Sender, Webhooks
from interlock.runtime.worker import OUTAGE_PAUSE_S, Workers, together
from interlock.service import orgs
from interlock.service.collector import join, refuse_half
from interlock.service.cues import ROLES, Reaction
from interlock.service.divisions import divide
from interlock.service.reactions import REACTIONS
from interlock.store.apart import ON_COPIES, ApartStore, seen_by
from interlock.store.copying import refuse_unfinished
from interlock.store.opening import OpenStore, open_store

if TYPE_CHECKING:
    from interlock.bus.nats_link import NatsLink

LOG_BATCH_MAX = 256
LOG_CONSUMER = "event-log"
_log = structlog.get_logger("interlock")


def _as_it_is(world: World) -> World:
    return world


def _no_streams() -> None:
    """Nothing to end: no HTTP yet."""


class House:
    """Everything that one process runs. `first_key`: the admin key that was made up for an empty store, shown once."""

    def __init__(
        self, settings: Settings, world: World, store: OpenStore, bus: EmbeddedBus, first_key: str | None
    ) -> None:
        self.settings = settings
        self.world = world
        self.store = store
        self.bus = bus
        self.first_key = first_key
        self.end_streams: Callable[[], None] = _no_streams
        """Every open stream ends at once: a stop does not wait for readers that would read for ever."""
        self.found: dict[str, int] = {}
        """What the cadences found to repair, by their name: in a healthy system nothing."""
        self.divided: Divided | None = None
        """The shares of this process, where it is one of several."""
        self.on_finding: list[Callable[[Finding], None]] = []
        """Who hears what the detectors find in this process, also where their share comes and goes."""
        self.on_attempt: list[OnAttempt] = []
        """Who hears what came of each try to send a webhook's event in this process."""
        self.detecting: Detecting | None = None
        """The detectors over the own log, if the settings ask for them."""

    def app(self) -> Any:
        """The HTTP application. Imported here, so that a process without HTTP never pays for it."""
        from interlock.api import host
        from interlock.api.app import build

        given = self.settings
        limited = bool(given.rate_limit)
        api = host.Settings(
            requests_per_minute=given.rate_limit, org_requests_per_minute=given.org_rate_limit * limited,
            searches_per_minute=given.search_rate_limit * limited, writes_per_object=given.object_rate_limit * limited,
            messages_per_customer=given.message_rate_limit * limited, version=__version__, timer=time.perf_counter,
        )  # fmt: skip
        app = build(self.world, settings=api, ready=self.ready)
        self.store.listen(app.state.heard)
        self.store.on_news(lambda _: app.state.host.news.tell())
        self.end_streams = app.state.end_streams
        self.on_finding.append(_counted(app.state.host.metrics.registry))
        self.on_attempt.append(_attempts_counted(app.state.host.metrics.registry))
        if not self.settings.console:
            return app
        from interlock.console.app import Console

        return Console(app, environment=self.settings.environment)

    async def ready(self) -> list[Any]:
        """What must hold before this process is sent requests."""
        from interlock.api.host import Check

        found = await health.behind(self.world, self.consumers())
        found += await health.collected(self.store, self.world.clock.now())
        return [Check(c.name, c.ok, c.value, c.limit) for c in found]

    def consumers(self) -> list[str]:
        """What this process consumes just now: its roles, or the shares of them that it holds."""
        if self.divided is None:
            return [role for role in ROLES if role in self.settings.role]
        held = self.divided.holdings.held if self.divided.holdings is not None else []
        return [name for name in held if share_named(name).role in ROLES]


@contextlib.asynccontextmanager
async def assemble(
    settings: Settings, *, around: Callable[[World], World] = _as_it_is, reactions: Sequence[Reaction] = REACTIONS
) -> AsyncIterator[House]:
    """Open the store, found the first org if there is none, start the roles; and in the end stop them and close it.

    `around` puts something between the service and its ports, and `reactions` is the table it runs on: a schedule is
    forced, or a known-bad policy shown, on the process as it is.
    """
    clock = SystemClock()
    store = opened(settings, clock)
    bus = EmbeddedBus.over(store)
    try:
        ids = RandomIds(clock)
        await _refuse_unfit(store, ids.fresh())
        world = around(World(store, bus, clock, ids, together, {}))
        house = House(settings, world, store, bus, await found_first(world, settings))
        async with contextlib.AsyncExitStack() as stack:
            if settings.event_log:
                await stack.enter_async_context(EventLog(world, settings.event_log))
            if settings.shares or settings.nats:
                link = await stack.enter_async_context(_linked(settings, world)) if settings.nats else None
                on_found = _counting(house.found)
                divided = Divided(
                    settings, world, store, link, around=around, reactions=reactions, on_found=on_found,
                    on_finding=house.on_finding, on_attempt=house.on_attempt,
                )  # fmt: skip
                await stack.enter_async_context(divided.running(world.ids.fresh()))
                house.divided = divided
            else:
                await stack.enter_async_context(_alone(house, reactions, around))
            yield house
    finally:
        with contextlib.suppress(Unavailable):
            await bus.close()
        await store.close()


@contextlib.asynccontextmanager
async def _alone(house: House, reactions: Sequence[Reaction], around: Callable[[World], World]) -> AsyncIterator[None]:
    """Every role of this process as a whole: nobody else runs it, so there is nothing to lease."""
    world, settings = house.world, house.settings
    for role in ROLES:
        if role in settings.role:
            await divide(world.store, role)
    async with contextlib.AsyncExitStack() as stack:
        if settings.detect:
            house.detecting = await stack.enter_async_context(Detecting(world, house.on_finding))
        if isinstance(house.store, ApartStore) and COLLECTED_BY in settings.role:
            await stack.enter_async_context(Collecting(house.store, world.ids.fresh()))
        if WEBHOOKS in settings.role:
            await stack.enter_async_context(_sending(house))
        for seen, roles in _seen_by_roles(house, around):
            workers = Workers(seen, roles, reactions=reactions, on_found=_counting(house.found))
            stack.push_async_callback(workers.stop)
            workers.start()
        yield


@contextlib.asynccontextmanager
async def _sending(house: House) -> AsyncIterator[None]:
    webhooks = Webhooks(house.world, Sender(private=house.settings.webhooks_private), house.on_attempt)
    house.store.listen(webhooks.announce)
    house.store.on_news(lambda _: webhooks.announce(()))
    task = asyncio.create_task(webhooks.run(), name="role:webhooks")
    try:
        yield
    finally:
        await ended([task], Exception)


def _seen_by_roles(house: House, around: Callable[[World], World]) -> list[tuple[World, tuple[str, ...]]]:
    """The worlds of this process's roles. With two databases routing sees its own only."""
    world, roles = house.world, house.settings.role
    if not isinstance(house.store, ApartStore):
        return [(world, roles)]
    on_copies = World(seen_by("routing", house.store), house.bus, world.clock, world.ids, world.together, world.floors)
    return [
        (world, tuple(role for role in roles if role not in ON_COPIES)),
        (around(on_copies), tuple(role for role in roles if role in ON_COPIES)),
    ]


def opened(settings: Settings, clock: SystemClock) -> OpenStore:
    """The store that the settings name: of one database, or of two."""
    if not settings.apart:
        return open_store(settings.db, clock)
    return ApartStore(open_store(settings.records_db, clock), open_store(settings.routing_db, clock))


async def _refuse_unfit(store: OpenStore, fresh: str) -> None:
    """Raises `Unavailable` for a store that no server may start on: half a copy, or half of two databases."""
    if isinstance(store, ApartStore):
        await refuse_unfinished(store.routing)
        await join(store.records, store.routing, fresh)
        return
    await refuse_unfinished(store)
    await refuse_half(store)


@contextlib.asynccontextmanager
async def _linked(settings: Settings, world: World) -> AsyncIterator[NatsLink]:
    """The connection to NATS; it is made at the first use."""
    try:
        from interlock.bus.nats_link import NatsLink
    except ModuleNotFoundError as missing:
        if missing.name != "nats":
            raise
        raise Unavailable("NATS needs its driver: install interlock[nats].") from missing
    name = world.ids.fresh()
    link = NatsLink(settings.nats, name=name, prefix=settings.nats_prefix, replicas=settings.nats_replicas)
    try:
        yield link
    finally:
        await link.close()


def _counted(registry: Any) -> Callable[[Finding], None]:
    """Findings as a figure for Prometheus."""
    from prometheus_client import Counter

    names = ["rule", "severity", "certainty"]
    total = Counter("interlock_findings", "Anomalies that the detectors found in the own log", names, registry=registry)

    def count(f: Finding) -> None:
        total.labels(f.rule, f.severity, f.certainty).inc()

    return count


def _attempts_counted(registry: Any) -> OnAttempt:
    """Tries to send, as a figure for Prometheus."""
    from prometheus_client import Counter

    total = Counter("interlock_webhook_attempts", "Tries to send a webhook's event", ["outcome"], registry=registry)
    return lambda attempt: total.labels(attempt.outcome).inc()


def _counting(found: dict[str, int]) -> Callable[[str, int], None]:
    def count(cadence: str, how_many: int) -> None:
        found[cadence] = found.get(cadence, 0) + how_many

    return count


async def found_first(world: World, settings: Settings) -> str | None:
    """The first org and its admin key, if the store has none. Answers the key if it was made up here, else `None`: of
    processes that start together one founds it.
    """
    if await orgs.any_org(world):
        return None
    given = settings.bootstrap_key.get_secret_value() if settings.bootstrap_key else ""
    key = given or fresh_key()
    try:
        await orgs.found(world, settings.org, key=key, first=True)
    except KeyTaken:
        return None
    return None if given else key


def fresh_key() -> str:
    """A new API key: 256 random bits behind the prefix by which scanners know it."""
    return "ilk_" + secrets.token_hex(32)


class EventLog:
    """Each event and each sync decision as a line, from a durable position of its own: a restart leaves no gap."""

    def __init__(self, world: World, target: str) -> None:
        self._world = world
        self._target = target
        self._task: asyncio.Task[None] | None = None
        self._stream: TextIO = sys.stdout

    async def __aenter__(self) -> EventLog:
        if self._target != "-":
            self._stream = Path(self._target).open("a", encoding="utf-8")  # noqa: ASYNC230, SIM115
        self._task = asyncio.create_task(self._follow(), name="event-log")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await ended([self._task])
        if self._stream is not sys.stdout:
            self._stream.close()

    async def _follow(self) -> None:
        lines = LogLines(self._stream, "interlock", __version__)
        bus, clock = self._world.bus, self._world.clock
        while True:
            try:
                batch = await bus.receive(LOG_CONSUMER, LOG_BATCH_MAX)
                for row in batch.rows:
                    lines.write(row, clock.now())
                self._stream.flush()
                await bus.acknowledge(batch)
            except Unavailable as away:
                _log.warning("event_log_waits", why=str(away))
                await asyncio.sleep(OUTAGE_PAUSE_S)
            except OSError as full:
                _log.error("event_log_not_written", target=self._target, why=str(full))
                await asyncio.sleep(OUTAGE_PAUSE_S)
