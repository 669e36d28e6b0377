"""Floors: read whole from the store once, then fed from the log, or with what the bus has brought of it; where none is
kept, one look at what a round needs.

A floor is a projection. Any number of router tasks may share one, and any number of processes have their own: what a
floor says is only where to look, and every grant loads its records and decides anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from interlock.domain.agent import OrgSettings, RoutingSettings, WorkSession
from interlock.domain.conversation import Conversation
from interlock.domain.customer import Customer
from interlock.domain.decision import Provenance
from interlock.domain.floor import Floor
from interlock.domain.log import Row
from interlock.domain.queue import Queue, Sticky
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Query, World
from interlock.service.calendars import hours_of
from interlock.service.transact import Reading

ROWS_MAX = 1_000
"""Rows of the log that are taken at once."""
ITEMS_PAGE = 20_000
PASSES_PAGE = 500
LISTED_MAX = 10_000
SESSIONS_MAX = 1_000_000
HEADS = 50
"""Items of each queue that one look takes in; the sweep comes back for the rest."""
RESOLVED_MAX = 200
CHECKED = 50
"""Items, and sessions, that one check compares with the store."""


class Fed(dict[str, Floor]):
    """Floors by org, of a process that is handed every row of these orgs, in order: they live on that.

    A floor that was read while rows came by is behind what was `heard` (the position of the last row, by org): it takes
    no further row until it has followed the log that far, or the rows in between would be missing for good.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, int] = {}

    def take(self, rows: Iterable[Row]) -> None:
        """Rows as they are handed in; some may come again."""
        for row in rows:
            floor, heard = self.get(row.org), self.heard.get(row.org, 0)
            if floor is not None and heard <= floor.position:
                floor.take(row)
            self.heard[row.org] = max(heard, row.position)

    def has(self, floor: Floor) -> bool:
        """Whether a floor has all that was heard."""
        return self.heard.get(floor.org, 0) <= floor.position


async def floor_of(world: World, by: Provenance, *, heard: bool = False) -> Floor:
    """The floor that is kept for an org, caught up with the log; read whole if there is none yet.

    `heard`: what the bus has brought is enough; what came after it will be brought too.
    """
    assert world.floors is not None
    floor = world.floors.get(by.org)
    if floor is None:
        floor = world.floors.setdefault(by.org, await read_whole(world, by))
    await catch_up(world, by, floor, heard=heard)
    return floor


async def catch_up(world: World, by: Provenance, floor: Floor, *, heard: bool) -> None:
    """Take what became due, and what was committed since: if `heard`, only as far as the bus has brought it."""
    if not (heard and isinstance(world.floors, Fed) and world.floors.has(floor)):
        await follow(world, by, floor)
        return
    floor.advance(world.clock.now())
    await look_up(Reading(world, by), floor)


def feed(world: World, rows: Sequence[Row]) -> None:
    """Rows that the bus has brought: floors that live on them take them, and need not read them again."""
    if isinstance(world.floors, Fed):
        world.floors.take(rows)


async def follow(world: World, by: Provenance, floor: Floor) -> None:
    """Take what was committed since, and what became due."""
    floor.advance(world.clock.now())
    while True:
        rows = await world.store.changes(floor.position, ROWS_MAX, org=by.org)
        for row in rows:
            floor.take(row)
        if len(rows) < ROWS_MAX:
            break
    await look_up(Reading(world, by), floor)


async def look_up(reading: Reading, floor: Floor) -> None:
    """What a floor cannot know by itself: calendars, and whose agent goes first for an item."""
    if floor.hours_stale:
        records = [q.record for q in floor.queues.values() if q.record is not None]
        reading.settings = floor.settings
        floor.take_hours(await hours_of(reading, records))
    while floor.unresolved:
        ids = list(islice(floor.unresolved, RESOLVED_MAX))
        items = await reading.many(WorkItem, ids)
        for id in ids:
            item = items.get(id)
            sticky = floor.queue_of(item.queue or "").sticky if item else Sticky()
            floor.resolve(id, await sticky_agent(reading, item, sticky) if item else "")


async def sticky_agent(reading: Reading, item: WorkItem, sticky: Sticky) -> str:
    """Whose agent goes first for an item: who had it last, or its conversation's last one; or its customer's own."""
    if sticky.by == "customer-owner":
        conversation = await reading.maybe(Conversation, item.resource)
        customer = await reading.maybe(Customer, conversation.customer if conversation else None)
        return (customer.owner or "") if customer else ""
    if sticky.by == "none":
        return ""
    answered = Query(name="children", org=reading.org, type=Reservation.TYPE, parent=item.id, descending=True)
    for offer in await reading.find(Reservation, answered):
        if offer.state == "accepted":
            return offer.user
    earlier = Query(
        name="children",
        org=reading.org,
        type=WorkItem.TYPE,
        parent=item.resource,
        by_id=True,
        descending=True,
        limit=20,
    )
    had = [w for w in await reading.find(WorkItem, earlier) if w.id != item.id and w.assigned_to]
    return max(had, key=_number).assigned_to or "" if had else ""


def _number(item: WorkItem) -> int:
    return item.work_item_number


async def read_whole(world: World, by: Provenance) -> Floor:
    """A floor from the store. What is committed meanwhile is in the log after the position where this began."""
    position = await world.store.last_position()
    reading = Reading(world, by)
    floor = Floor(by.org, world.clock.now(), world.share.serves) if world.share else Floor(by.org, world.clock.now())
    _put(floor, [await reading.maybe(OrgSettings, by.org)])
    for kind in (RoutingSettings, Queue):
        _put(floor, await world.store.find(Query(name="listing", org=by.org, type=kind.TYPE, limit=LISTED_MAX)))
    await look_up(reading, floor)
    sessions = Query(name="live_sessions", org=by.org, type=WorkSession.TYPE, limit=SESSIONS_MAX)
    _put(floor, await world.store.find(sessions))
    for queue in list(floor.queues):
        await _put_waiting(reading, floor, queue)
    floor.position = max(floor.position, position)
    floor.look_at_all()
    return floor


async def _put_waiting(reading: Reading, floor: Floor, queue: str) -> None:
    offset = 0
    while True:
        query = Query(name="waiting", org=reading.org, type=WorkItem.TYPE, queue=queue, offset=offset, limit=ITEMS_PAGE)
        items = await reading.find(WorkItem, query)
        await put_items(reading, floor, items)
        if len(items) < ITEMS_PAGE:
            return
        offset += ITEMS_PAGE


async def put_items(reading: Reading, floor: Floor, items: Sequence[WorkItem]) -> None:
    """Items, with the passes of those that were offered already: who declined is written there."""
    _put(floor, items)
    offered = [w.pass_ for w in items if w.last_revision and w.last_revision.routed_at]
    for start in range(0, len(offered), PASSES_PAGE):
        _put(floor, (await reading.many(QueuePass, offered[start : start + PASSES_PAGE])).values())


async def one_look(reading: Reading, queues: Iterable[str], sessions: Iterable[str]) -> Floor:
    """A floor of just what one round needs: the live sessions, and the heads of these queues and of those that these
    sessions serve, as far as anybody free serves them.
    """
    org, now = reading.org, reading.moment.now
    floor = Floor(org, now)
    _put(floor, [await reading.maybe(OrgSettings, org)])
    live = Query(name="live_sessions", org=org, type=WorkSession.TYPE, limit=LISTED_MAX)
    found = await reading.find(WorkSession, live)
    _put(floor, found)
    free = [s for s in found if has_room(s)]
    roomy = set(sessions)
    wanted = set(queues).union(*(s.queues for s in free if s.id in roomy))
    served = wanted.intersection(set[str]().union(*(s.queues for s in free)))
    if served:
        _put(floor, (await reading.many(Queue, sorted(served))).values())
        await look_up(reading, floor)
    for queue in sorted(q for q in served if not floor.held(q)):
        query = Query(name="waiting", org=org, type=WorkItem.TYPE, queue=queue, states=("queued",), limit=HEADS)
        await put_items(reading, floor, await reading.find(WorkItem, query))
    await look_up(reading, floor)
    return floor


def has_room(s: WorkSession) -> bool:
    """Whether an offer to this agent is thinkable at all."""
    return s.routable and not s.signed_out_at and not s.pending_reservation and s.capacity_remaining > 0


def _put(floor: Floor, records: Iterable[Record | None]) -> None:
    for record in records:
        if record is not None:
            floor.put(record)


async def check(world: World, by: Provenance, floor: Floor) -> int:
    """Compare some of a floor with the store, others each time; what it did not know although the log had told it is
    put right, and counted. In a healthy system: nothing.
    """
    reading = Reading(world, by)
    seen: list[Record] = []
    queues = sorted(floor.queues)
    if queues:
        floor.checked += 1
        queue = queues[floor.checked % len(queues)]
        depth = max(1, floor.queues[queue].waiting)
        query = Query(
            name="waiting",
            org=by.org,
            type=WorkItem.TYPE,
            queue=queue,
            offset=floor.checked // len(queues) * CHECKED % depth,
            limit=CHECKED,
        )
        seen += await reading.find(WorkItem, query)
    agents = max(1, len(floor.agents))
    live = Query(
        name="live_sessions", org=by.org, type=WorkSession.TYPE, offset=floor.checked * CHECKED % agents, limit=CHECKED
    )
    seen += await reading.find(WorkSession, live)
    start = floor.checked * CHECKED % max(1, len(floor.items))
    seen += (await reading.many(WorkItem, list(islice(floor.items, start, start + CHECKED)))).values()
    start = floor.checked * CHECKED % agents
    seen += (await reading.many(WorkSession, list(islice(floor.agents, start, start + CHECKED)))).values()
    await follow(world, by, floor)
    wrong = [r for r in seen if floor.lacks(r)]
    for record in wrong:
        floor.put(record, anew=True)
    return len(wrong)
