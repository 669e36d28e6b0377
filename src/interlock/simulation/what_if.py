"""What if: a day of the log under another configuration, on a virtual clock.

The services of production run here, over a store in memory: the rules that place, the rounds that offer, the accepts
and the completions. Only people are ours: when they come and sign in is as it was recorded; how they answer and how
long they take is drawn from the log's own answers and handle times, by a seed, the same for the same work under each
configuration.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import msgspec

from interlock.domain import agent
from interlock.domain.agent import OrgSettings, RoutingSettings, Team, User, WorkSession
from interlock.domain.assignment import Coupled
from interlock.domain.customer import Customer
from interlock.domain.decision import Decision, Why, birth, step
from interlock.domain.errors import Problem
from interlock.domain.log import Row
from interlock.domain.order import Order
from interlock.domain.queue import Queue
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import WorkItem
from interlock.ports import Commit, Query
from interlock.service import absence, reservations, routing, sync, work_items
from interlock.service.cases import open_item
from interlock.service.preconditions import Precondition
from interlock.service.sync import by_sync
from interlock.service.transact import SYSTEM, Done, Reading, provenance, transact
from interlock.service.work_items import by_rules
from interlock.simulation.world import Clock, Counted, Memory, world_of_memory
from interlock.simulation.yesterday import Entry, Turn, Yesterday

SWEEP_MS = 30_000
ANSWER_MS = 5_000
"""How long an agent takes to accept where the log has no answers to draw from."""
HOLD_MS = 300_000
"""How long an item is held where the log has none that was."""
Json = dict[str, Any]


class Stay(msgspec.Struct):
    """One stay in a queue under a configuration. `waited` in ms; `None`: it still waited when the day ended."""

    entry: Entry
    queue: str
    waited: int | None = None
    ended: str = ""


class Outcome(msgspec.Struct):
    """What a day came to. `load`: per agent the share of their capacity, while available, that was in use."""

    stays: list[Stay] = []
    load: dict[str, float] = {}
    offers: int = 0
    timed_out: int = 0
    declined: int = 0


def _nothing_beside(_: Decision) -> Sequence[Any]:
    return ()


class WhatIf:
    """One configuration and the day played under it.

    `recorded_places`: everything goes to the queue it went to; otherwise the rules of the configuration decide where
    the rules did. `recorded_floor`: agents serve and carry what they did; otherwise what the configuration says.
    """

    def __init__(self, day: Yesterday, *, seed: int, recorded_places: bool = True, recorded_floor: bool = True) -> None:
        self.day, self._seed = day, seed
        self._recorded_places, self._recorded_floor = recorded_places, recorded_floor and day.limits
        self.clock = Clock(day.begin)
        self.store = _Watched(self.clock, self._weigh)
        self.world = world_of_memory(self.store, self.clock, Counted(self.clock, 7))
        self._by = provenance(day.org, "simulation", SYSTEM)
        self._heap: list[tuple[int, int, Callable[[], Any]]] = []
        self._numbers = count()
        self._stays: dict[str, Stay] = {}
        self._chance: dict[str, random.Random] = {}
        self._load: dict[str, tuple[float, float]] = {}
        self._looked: dict[str, int] = {}
        self._sweeping = False
        self.out = Outcome()

    async def found(self) -> None:
        """Put the day's configuration into the world, as the log left it. Nobody is made Unavailable by a silent offer:
        what agents said of themselves is replayed as it was recorded.
        """
        records = list(self.day.config.values())
        for record in records:
            if isinstance(record, OrgSettings):
                record = record.with_(timeout_status=None)  # noqa: PLW2901
            await self._write(record.id, birth(record.with_(rev=1)))

    def staff(self, team: str, how_many: int) -> None:
        """So many agents of a team who are there all day, where no log says who was. Raises `LookupError`."""
        known = {t.name: t.id for t in self.store.all(Team.TYPE) if isinstance(t, Team)}
        fresh = self.world.ids.fresh
        for _ in range(how_many):
            user = fresh()
            shift = WorkSession(id=fresh(), org=self.day.org, user=user, team=known[team], status="available")
            self._at(self.day.begin, lambda s=shift: self._take_turn(Turn(self.day.begin, s)))

    async def play(self) -> Outcome:
        """The whole day."""
        for entry in self.day.entries:
            self._at(entry.at, lambda e=entry: self._arrive(e))
        for turns in self.day.turns.values():
            for turn in turns:
                self._at(turn.at, lambda t=turn: self._take_turn(t))
        while self._heap:
            at, _, act = heapq.heappop(self._heap)
            if at > self.day.end:
                break
            self.clock.at = max(self.clock.at, at)
            await act()
            await self._round()
        self.clock.at = self.day.end
        for s in self.store.all(WorkSession.TYPE):
            if isinstance(s, WorkSession):
                self._weigh(s)
        self.out.load = {user: used / there for user, (used, there) in sorted(self._load.items()) if there}
        self.out.stays = list(self._stays.values())
        return self.out

    def _at(self, at: int, act: Callable[[], Any]) -> None:
        heapq.heappush(self._heap, (at, next(self._numbers), act))

    async def _write(self, partition: str, *writes: Any) -> Done:
        async def decide(_: Reading) -> Decision:
            return Decision(partition=partition, why=Why(direction="system", kind="change"), writes=writes)

        return await transact(self.world, self._by, decide)

    async def _arrive(self, entry: Entry) -> None:
        """Somebody needs an agent: the conversation as it was, its item, and the queue."""
        fresh = self.world.ids.fresh
        first = self.store.at(entry.conversation.address) is None
        id = entry.conversation.id if first else fresh()
        c = entry.conversation.with_(
            id=id, rev=1, status="open", queue=None, external_queue=None, assigned_users=(), ended=False, snooze=None,
            external_id=None, coupled=Coupled(), unit_rev=1,
        )  # fmt: skip
        self._put_back(entry, id)
        await self._write(id, birth(c))
        await sync.forward(self.world, by_sync(self.day.org, "forward"), id)
        item = await open_item(Reading(self.world, self._by), id)
        assert item is not None
        if entry.by_rules and not self._recorded_places:
            await work_items.queue_by_rules(self.world, by_rules(self.day.org), item.id)
        else:
            await self._order(item.id, Order(queue=entry.queue))
        placed = self._item(item.id)
        self._stays[item.id] = Stay(entry, placed.queue or "")
        if entry.ended == "left" and entry.waited is not None:
            self._at(entry.at + entry.waited, lambda: self._leave(item.id))
        self._sweep_later()

    def _put_back(self, entry: Entry, conversation: str) -> None:
        """What the rules looked at beside the conversation, as it was then."""
        if isinstance(entry.customer, Customer):
            self.store.put_back(entry.customer)
        for m in entry.messages:
            self.store.put_back(m.with_(conversation=conversation))

    def _item(self, id: str) -> WorkItem:
        found = self.store.at(WorkItem(id=id, org=self.day.org, resource="", pass_="").address)
        assert isinstance(found, WorkItem)
        return found

    async def _order(self, item: str, order: Order) -> bool:
        try:
            await work_items.command(self.world, self._by, item, order, Precondition(), beside=_nothing_beside)
        except Problem:
            return False
        return True

    async def _leave(self, id: str) -> None:
        """It left the queue without an agent after as long as it did, if no agent had it by then."""
        stay, item = self._stays[id], self._item(id)
        if item.status in ("queued", "routed") and await self._order(id, Order(status="completed")):
            stay.ended, stay.waited = "left", self.clock.at - stay.entry.at

    async def _take_turn(self, turn: Turn) -> None:
        """A shift as it was recorded from now on; what it carries is the simulation's."""
        there = self.store.at(turn.session.address)
        session = await self._as_configured(turn.session)
        if there is None:
            born = session.with_(rev=1, holding=(), pending_reservation=None, last_offered_at=None)
            await self._write(session.id, birth(agent.reckon(born)))
            return
        assert isinstance(there, WorkSession)
        after = there.with_(
            status=session.status, status_type=session.status_type, routable=session.routable, team=session.team,
            routing_settings=session.routing_settings, queues=session.queues, limits=session.limits,
            signed_out_at=session.signed_out_at,
        )  # fmt: skip
        await self._write(session.id, step(there, agent.reckon(after), self.clock.at))
        if not after.routable:
            await absence.give_back(self.world, routing.by_routing(self.day.org), session.id)

    async def _as_configured(self, s: WorkSession) -> WorkSession:
        """What the agent serves and may carry: as recorded, or by the configuration."""
        if self._recorded_floor:
            return s
        reading = Reading(self.world, self._by)
        settings = await reading.maybe(RoutingSettings, s.team)
        enabled = settings if settings and settings.enabled else None
        who = await reading.maybe(User, s.user) or User(id=s.user, org=s.org, name=s.user)
        org = await routing.settings_of(reading)
        return s.with_(
            queues=enabled.queues if enabled else (), routing_settings=enabled.id if enabled else None,
            limits=agent.limits(who, enabled, org),
        )  # fmt: skip

    def _weigh(self, before: WorkSession) -> None:
        """Add up what a shift carried, and could have, since it last changed."""
        since = self._looked.get(before.id, self.clock.at)
        self._looked[before.id] = self.clock.at
        if before.routable and not before.signed_out_at:
            used, there = self._load.get(before.user, (0.0, 0.0))
            total, passed = max(1, before.limits.total), self.clock.at - since
            self._load[before.user] = used + passed * min(total, before.used) / total, there + passed

    async def _round(self) -> None:
        """Routing looks at the news; what it offers is answered later."""
        for done in await routing.round(self.world, routing.by_routing(self.day.org)):
            for write in done.decision.writes:
                record = write.after
                if isinstance(record, Reservation) and record.state == "pending" and write.before is None:
                    self._offered(record)
                elif isinstance(record, WorkItem) and record.status == "assigned":
                    self._accepted(record.id)

    def _draws(self, item: str) -> random.Random:
        """Chance of its own for each stay, so that the same work draws the same under each configuration."""
        entry = self._stays[item].entry
        return self._chance.setdefault(item, random.Random(f"{self._seed}/{entry.item}/{entry.at}"))

    def _offered(self, offer: Reservation) -> None:
        self.out.offers += 1
        drawn = self._draws(offer.work_item)
        state, after = drawn.choice(self.day.answers) if self.day.answers else ("accepted", ANSWER_MS)
        if state == "timed-out" or self.clock.at + after >= offer.expires_at:
            self._at(offer.expires_at, self._expire)
        else:
            self._at(self.clock.at + after, lambda: self._answer(offer, state))

    async def _expire(self) -> None:
        self.out.timed_out += len(await routing.expire_overdue(self.world))

    async def _answer(self, offer: Reservation, state: str) -> None:
        by = provenance(self.day.org, "simulation")
        try:
            if state == "accepted":
                await reservations.accept(self.world, by, offer.id, offer.user, beside=_nothing_beside)
                self._accepted(offer.work_item)
            else:
                self.out.declined += 1
                await reservations.reject(
                    self.world, by, offer.id, offer.user, reason="", code=None, beside=_nothing_beside
                )
        except Problem:
            return

    def _accepted(self, item: str) -> None:
        stay = self._stays[item]
        stay.ended, stay.waited = "accepted", self.clock.at - stay.entry.at
        held = self.day.holds.get(self._item(item).channel) or [h for hs in self.day.holds.values() for h in hs]
        self._at(self.clock.at + (self._draws(item).choice(held) if held else HOLD_MS), lambda: self._finish(item))

    async def _finish(self, item: str) -> None:
        await self._order(item, Order(status="completed"))

    def _sweep_later(self) -> None:
        """What becomes due by the clock (ageing, asking again) is looked at while anything waits."""
        if not self._sweeping:
            self._sweeping = True
            self._at(self.clock.at + SWEEP_MS, self._sweep)

    async def _sweep(self) -> None:
        self._sweeping = False
        waits = Query(name="listing", org=self.day.org, type=WorkItem.TYPE, states=("queued", "routed"), limit=1)
        if await self.store.find(waits):
            await routing.route_due(self.world)
            self._sweep_later()


class _Watched(Memory):
    """A store that says how a shift stood before it changes."""

    def __init__(self, clock: Clock, changes: Callable[[WorkSession], None]) -> None:
        super().__init__(clock)
        self._changes = changes

    async def commit(self, commit: Commit) -> Row | None:
        """As the store in memory does."""
        row = await super().commit(commit)
        for write in commit.writes:
            if isinstance(write.after, WorkSession):
                self._changes(write.before if isinstance(write.before, WorkSession) else write.after)
        return row


def queues_of(what: WhatIf) -> dict[str, Queue]:
    """The queues of a world, by id."""
    return {q.id: q for q in what.store.all(Queue.TYPE) if isinstance(q, Queue)}


__all__ = ["Outcome", "Stay", "WhatIf", "queues_of"]
