"""The floor of one org at a glance: who waits where and since when, who works, how the last hour went.

A fold over the log. It begins with the records as they are and the newest rows, and takes in what was committed since
whenever it is asked: so it costs what changed, not what there is, and it is as true after a restart as before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from interlock.domain.agent import Status, Team, User, WorkSession
from interlock.domain.log import Row, snapshot_of
from interlock.domain.queue import Queue
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.resource import iso
from interlock.domain.routing import may_wait
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.ports import Query, World
from interlock.service import views

HOUR_MS, MINUTE_MS, MINUTES = 3_600_000, 60_000, 60
RATE_MS = 5 * MINUTE_MS
"""Over how long arrivals and takes a minute are counted."""
PAGE = 500
LOOKED_BACK = 5_000
"""Rows of the log that are read at the start, to know the last hour: on a busy server it begins shorter."""
PASSES_MAX = 50_000
AGENTS_MAX = 500
STATES: tuple[str, ...] = ("offered", "free", "full", "busy", "unavailable")
"""Of agents who are signed in, in the order in which they are shown."""
KINDS = frozenset(k.TYPE for k in (WorkItem, QueuePass, WorkSession, Reservation, Queue, User, Team, Status))
Json = dict[str, Any]


class Stay(NamedTuple):
    """One stay in a queue that is over: when (ms), where, how long (ms), and whether an agent took it."""

    at: int
    queue: str
    waited_ms: int
    taken: bool


class Overview:
    """What is known of one org. `position`: everything up to this row of the log is in it."""

    def __init__(self, org: str) -> None:
        self.org = org
        self.position = 0
        self._begun = False
        self._revs: dict[tuple[str, str], int] = {}
        self._queues: dict[str, Queue] = {}
        self._names: dict[str, str] = {}
        self._waiting: dict[str, dict[str, tuple[int, bool]]] = {}
        self._where: dict[str, str] = {}
        self._sessions: dict[str, WorkSession] = {}
        self._offers: dict[str, Reservation] = {}
        self._users: set[str] = set()
        self._stays: deque[Stay] = deque(maxlen=PASSES_MAX)
        self._arrivals: deque[tuple[int, str]] = deque(maxlen=PASSES_MAX)

    async def catch_up(self, world: World) -> None:
        """Take in what was committed since it was last asked."""
        if not self._begun:
            await self._begin(world)
        while rows := await world.store.changes(self.position, PAGE, org=self.org):
            self._take(rows)
            if len(rows) < PAGE:
                break

    async def _begin(self, world: World) -> None:
        position = await world.store.last_position()
        org = self.org
        for row in await views.newest_rows(world, org, LOOKED_BACK):
            for change in row.changes:
                if change.type == QueuePass.TYPE:
                    self._passed(snapshot_of(change))
        found: list[Record] = [*await views.queues(world, org, system=None, key=None, everything=True)]
        for kind in (User, Team, Status):
            found += await views.listing(world, org, kind, 0, views.ALL)
        found += await views.live_sessions(world, org)
        found += await views.listing(world, org, Reservation, 0, views.ALL, states=("pending",))
        for record in found:
            self._note(record)
        for queue in list(self._queues):
            await self._count(world, queue)
        self.position, self._begun = position, True

    async def _count(self, world: World, queue: str) -> None:
        offset = 0
        while True:
            query = Query(name="waiting", org=self.org, type=WorkItem.TYPE, queue=queue, offset=offset, limit=views.ALL)
            found = await world.store.find(query)
            for item in found:
                self._note(item)
            if len(found) < views.ALL:
                return
            offset += len(found)

    def _take(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.position = row.position
            for change in row.changes:
                if change.type not in KINDS or self._revs.get((change.type, change.id), 0) >= change.rev:
                    continue
                record = snapshot_of(change)
                self._passed(record)
                self._note(record)

    def _passed(self, p: Record) -> None:
        """A stay that began or ended with this version, if it is of a stay."""
        if not isinstance(p, QueuePass):
            return
        if p.left_at is not None and p.queue and p.left_at == p.updated_at:
            taken = p.left_because in ("accepted", "dequeued")
            self._stays.append(Stay(p.left_at, p.queue, p.queue_time or 0, taken))
        elif p.queue and p.entered_queue_at is not None and p.entered_queue_at == p.updated_at:
            self._arrivals.append((p.entered_queue_at, p.queue))

    def _note(self, record: Record) -> None:
        self._revs[record.TYPE, record.id] = record.rev
        match record:
            case WorkItem():
                self._item(record)
            case WorkSession():
                if record.signed_out_at:
                    self._sessions.pop(record.id, None)
                    self._revs.pop((record.TYPE, record.id), None)
                else:
                    self._sessions[record.id] = record
            case Reservation():
                if record.state == "pending":
                    self._offers[record.id] = record
                else:
                    self._offers.pop(record.id, None)
            case Queue():
                self._queues[record.id] = record
                self._names[record.id] = record.name
            case User():
                self._users.add(record.id)
                self._names[record.id] = record.name
            case Team() | Status():
                self._names[record.id] = record.name
            case _:
                pass

    def _item(self, item: WorkItem) -> None:
        before = self._where.pop(item.id, None)
        if before is not None:
            self._waiting[before].pop(item.id, None)
        if item.status in ("queued", "routed") and item.queue:
            entered = item.last_revision.entered_queue_at if item.last_revision else None
            since = entered if entered is not None else item.updated_at
            self._waiting.setdefault(item.queue, {})[item.id] = (since, item.status == "routed")
            self._where[item.id] = item.queue
        elif item.status == "completed":
            self._revs.pop((item.TYPE, item.id), None)

    def told(self, now: int) -> Json:
        """The overview as data. `now` in ms."""
        self._forget(now)
        queues = [self._queue(q, now) for q in self._shown()]
        oldest = min((q for q in queues if q["since"]), key=lambda q: q["since"], default=None)
        taken, inside = sum(q["hour"]["of"] for q in queues), sum(q["hour"]["inTarget"] for q in queues)
        agents = sorted((self._agent(s) for s in self._sessions.values()), key=lambda a: (a["order"], a["since"] or ""))
        states = dict.fromkeys((*STATES, "offline"), 0)
        for a in agents:
            del a["order"]
            states[a["state"]] += 1
        states["offline"] = max(0, len(self._users) - len({s.user for s in self._sessions.values()}))
        return {
            "position": self.position,
            "at": iso(now),
            "waiting": sum(q["waiting"] for q in queues),
            "longest": {"queue": oldest["id"], "name": oldest["name"], "since": oldest["since"]} if oldest else None,
            "hour": {"of": taken, "inTarget": inside},
            "offers": len(self._offers),
            "states": states,
            "queues": queues,
            "agents": agents[:AGENTS_MAX],
        }

    def _forget(self, now: int) -> None:
        while self._stays and self._stays[0].at < now - HOUR_MS:
            self._stays.popleft()
        while self._arrivals and self._arrivals[0][0] < now - HOUR_MS:
            self._arrivals.popleft()

    def _shown(self) -> list[Queue]:
        """Queues that are in use, in the order in which they are served."""
        used = [q for q in self._queues.values() if not q.archived and (not q.system or self._waiting.get(q.id))]
        return sorted(used, key=lambda q: (q.system, q.priority, q.name.lower()))

    def _queue(self, q: Queue, now: int) -> Json:
        here = self._waiting.get(q.id) or {}
        since = min((at for at, _ in here.values()), default=None)
        target = q.target_seconds * 1000 if q.target_seconds is not None else None
        serving = [s for s in self._sessions.values() if q.id in s.queues]
        series, of, inside = self._hour(q.id, target, now)
        if target is not None:
            late = sum(now - at > target for at, _ in here.values())
            of += late
        recent = now - RATE_MS
        return {
            "id": q.id,
            "name": q.name,
            "key": q.key,
            "rev": q.rev,
            "priority": q.priority,
            "system": q.system,
            "paused": q.paused or None,
            "open": may_wait(q),
            "targetSeconds": q.target_seconds,
            "waiting": len(here),
            "offered": sum(offered for _, offered in here.values()),
            "since": iso(since) if since is not None else None,
            "hour": {"of": of if target is not None else 0, "inTarget": inside if target is not None else 0},
            "arrivalsPerMinute": round(sum(at >= recent for at, where in self._arrivals if where == q.id) / 5, 1),
            "takesPerMinute": round(sum(s.at >= recent and s.taken for s in self._stays if s.queue == q.id) / 5, 1),
            "agents": {"serving": len(serving), "free": sum(_state(s) == "free" for s in serving)},
            "series": series,
        }

    def _hour(self, queue: str, target: int | None, now: int) -> tuple[list[list[int]], int, int]:
        """Taken and taken in time, for each of the last 60 minutes, oldest first; and both in all."""
        series = [[0, 0] for _ in range(MINUTES)]
        for s in self._stays:
            if s.queue == queue and s.taken and now - HOUR_MS < s.at <= now:
                minute = series[MINUTES - 1 - (now - s.at) // MINUTE_MS]
                minute[0] += 1
                minute[1] += target is None or s.waited_ms <= target
        return series, sum(m[0] for m in series), sum(m[1] for m in series)

    def _agent(self, s: WorkSession) -> Json:
        spent = s.total_time_by_status.get(s.status)
        offer = self._offers.get(s.pending_reservation or "")
        state = _state(s)
        return {
            "order": STATES.index(state),
            "session": s.id,
            "rev": s.rev,
            "user": s.user,
            "name": self._names.get(s.user, s.user),
            "team": self._names.get(s.team or "", ""),
            "state": state,
            "status": self._names.get(s.status, s.status_type),
            "since": iso(spent.status_at) if spent and spent.status_at else iso(s.signed_in_at),
            "used": s.used,
            "total": s.limits.total,
            "queues": list(s.queues),
            "holding": [
                {"item": h.item, "weight": h.weight, "channel": h.channel, "offered": h.offered, "paused": h.paused}
                for h in s.holding
            ],
            "offer": {"id": offer.id, "expiresAt": iso(offer.expires_at)} if offer else None,
        }


def _state(s: WorkSession) -> str:
    """An agent in one word: what keeps the next item from them, or that nothing does."""
    if not s.routable:
        return "busy" if s.status_type == "busy" else "unavailable"
    if s.pending_reservation:
        return "offered"
    return "free" if s.capacity_remaining > 0 else "full"
