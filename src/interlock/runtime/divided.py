"""The roles of a process among others: what it does with each share that it holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, cast

import structlog
from msgspec.structs import replace

from interlock.bus.embedded import Announcing, EmbeddedBus
from interlock.domain.errors import Fenced, Unavailable
from interlock.domain.log import Row
from interlock.domain.share import Share, shares
from interlock.investigation.finding import Finding
from interlock.ports import Fence, Store, World
from interlock.runtime.collecting import COLLECTED_BY, COLLECTOR, Collecting
from interlock.runtime.detecting import CONSUMER as DETECTORS
from interlock.runtime.detecting import Detecting
from interlock.runtime.holdings import Holdings
from interlock.runtime.settings import Settings
from interlock.runtime.watched import StandsStill, watched
from interlock.runtime.webhooks import ROLE as WEBHOOKS
from interlock.runtime.webhooks import OnAttempt, Sender, Webhooks
from interlock.runtime.worker import OUTAGE_PAUSE_S, Workers
from interlock.service.cues import ROLES, Reaction
from interlock.service.divisions import divide
from interlock.service.floors import Fed
from interlock.store.apart import ApartStore, seen_by
from interlock.store.fenced import FencedStore

if TYPE_CHECKING:  # whoever runs without NATS needs no driver for it
    from interlock.bus.nats import NatsBus
    from interlock.bus.nats_link import NatsLink
    from interlock.bus.nats_relay import Relay

RELAY = "relay"
POLL_S = 0.05
"""How often a consumer looks into the store for rows of other processes, where no NATS brings them."""
SHARES_WITH_NATS = 4
STILL_LEASES = 5
"""After how many lease times a share that stands still is passed on."""
_log = structlog.get_logger("interlock")


class Bell:
    """Tells whoever listens just now what the store announces: shares come and go, the store's listeners stay."""

    def __init__(self, store: Announcing) -> None:
        self._heard: list[EmbeddedBus | Relay | Webhooks] = []
        store.listen(self._rows)
        store.on_news(self._news)

    @contextlib.contextmanager
    def for_(self, listener: Any) -> Any:
        """Let it listen while the context is open."""
        self._heard.append(listener)
        try:
            yield
        finally:
            self._heard.remove(listener)

    def _rows(self, rows: Sequence[Row]) -> None:
        for listener in self._heard:
            listener.announce(rows)

    def _news(self, position: int) -> None:
        for listener in self._heard:
            if isinstance(listener, EmbeddedBus):
                listener.look(position)
            else:
                listener.announce(())


class Divided:
    """The shares of this process's roles. `world` is what the process has by itself; each share gets one of its own,
    with its fence and its place on the bus.
    """

    def __init__(
        self, settings: Settings, world: World, store: Announcing, link: NatsLink | None, *,
        around: Callable[[World], World], reactions: Sequence[Reaction], on_found: Callable[[str, int], None],
        on_finding: list[Callable[[Finding], None]], on_attempt: list[OnAttempt],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._world = world
        self._store = store
        self._link = link
        self._around = around
        self._reactions = reactions
        self._on_found = on_found
        self._on_finding = on_finding
        self._on_attempt = on_attempt
        self._bell = Bell(store)
        self._wanted: dict[str, tuple[Share, ...]] = {}
        self.holdings: Holdings | None = None

    @contextlib.asynccontextmanager
    async def running(self, holder: str) -> AsyncIterator[None]:
        """Take part in the roles while the context is open. Raises `Unavailable` if the store cannot be reached."""
        of = self._settings.shares or (SHARES_WITH_NATS if self._link is not None else 1)
        for role in ROLES:
            if role in self._settings.role:
                self._wanted[role] = await divide(self._store, role, of, self._settings.lanes)
        for role in ("records", RELAY, WEBHOOKS):
            if role in self._settings.role:
                self._wanted[role] = shares(role)
        if isinstance(self._store, ApartStore) and COLLECTED_BY in self._settings.role:
            self._wanted[COLLECTOR] = shares(COLLECTOR)
        if self._settings.detect and self._wanted:
            self._wanted[DETECTORS] = shares(DETECTORS)
        self.holdings = Holdings(
            self._store, holder, self._wanted, self._work, lease_s=self._settings.lease_seconds,
            now=self._world.clock.now,
        )  # fmt: skip
        async with self.holdings.running():
            yield

    async def _work(self, share: Share, fence: Fence) -> None:
        if share.role == COLLECTOR:
            assert isinstance(self._store, ApartStore)
            async with Collecting(self._store, self._world.ids.fresh(), fence) as collecting:
                await collecting.ended()
            return
        store = cast("Store", FencedStore(seen_by(share.role, self._store), fence))
        if share.role == RELAY:
            from interlock.bus.nats_relay import Relay

            assert self._link is not None
            relay = Relay(self._link, store, consumers=await self._consumers())
            await self._watched(self._relay(relay), relay.reached)
            return
        if share.role == WEBHOOKS:
            await self._send(replace(self._world, store=store, floors={}))
            return
        bus = EmbeddedBus(store, poll_s=POLL_S) if self._link is None else _nats_bus(self._link, store)
        floors = Fed() if share.lanes == 1 else {}
        world = self._around(replace(self._world, store=store, bus=bus, floors=floors, share=share))
        with self._bell.for_(bus) if isinstance(bus, EmbeddedBus) else contextlib.nullcontext():
            try:
                if share.role == DETECTORS:
                    async with Detecting(world, self._on_finding):
                        await asyncio.Event().wait()
                workers = Workers(world, (share.role,), reactions=self._reactions, on_found=self._on_found)
                work = workers.run(self._settings.lease_seconds)
                if share.role not in ROLES:  # by the clock only: it has no place in the log
                    await work
                else:
                    await self._watched(work, lambda: bus.reached(share.name))
            finally:
                with contextlib.suppress(Unavailable, Fenced):
                    await bus.close()

    async def _send(self, world: World) -> None:
        webhooks = Webhooks(world, Sender(private=self._settings.webhooks_private), self._on_attempt)
        with self._bell.for_(webhooks):
            await webhooks.run()

    async def _watched(self, work: Coroutine[Any, Any, None], reached: Callable[[], Awaitable[int]]) -> None:
        try:
            await watched(work, reached, self._store.last_position, STILL_LEASES * self._settings.lease_seconds)
        except StandsStill as still:
            if self._link is not None:
                self._link.drop()
            raise Unavailable(str(still)) from still

    async def _relay(self, relay: Relay) -> None:
        with self._bell.for_(relay):
            while True:
                try:
                    await relay.run_once()
                except Unavailable as away:
                    _log.warning("role_waits", role=RELAY, why=str(away))
                    await asyncio.sleep(OUTAGE_PAUSE_S)

    async def _consumers(self) -> list[str]:
        """Everybody who may need a row: the relay fills an empty stream from the earliest of them on."""
        of = self._settings.shares or SHARES_WITH_NATS
        everybody = [share.name for role in ROLES for share in shares(role, of, self._settings.lanes)]
        return [*everybody, DETECTORS] if self._settings.detect else everybody


def _nats_bus(link: NatsLink, store: Store) -> NatsBus:
    from interlock.bus.nats import NatsBus

    return NatsBus(link, store)
