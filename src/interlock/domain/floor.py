"""The floor of one org: what waits and who is free, in classes and groups, so that a choice does not look at everybody.

A projection that is fed with records and rows of the log, in any order and more than once: what is older than what is
known is passed over. It holds no truth. Whoever grants what it matched loads the records and decides again; a floor
that is behind costs that grant, and never makes a wrong one.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

import msgspec

from interlock.domain import agent, log, routing
from interlock.domain.agent import OrgSettings, RoutingSettings, WorkSession
from interlock.domain.line import Line
from interlock.domain.log import Row
from interlock.domain.queue import Queue
from interlock.domain.record import Record
from interlock.domain.routing import NOBODY, Fit, Key, Place, Waiting, Wants
from interlock.domain.schedule import Hours, Schedule
from interlock.domain.work_item import QueuePass, WorkItem

WATCHED = frozenset(
    {"work_item", "work_item_revision", "work_session", "queue", "org_settings", "team_routing_settings", "schedule"}
)
"""The types of which a floor takes changes."""

Rank = tuple[int, int, str, str]


class Class(msgspec.Struct, frozen=True):
    """Items of one queue that ask for the same, in order. `judged`: what was found of each group, by its number."""

    wants: Wants
    items: Line[Key]
    judged: dict[int, tuple[str, bool]]


class Group(msgspec.Struct, frozen=True):
    """Agents of one queue who have the same to give, in the order in which they are asked. `n` is no other group's."""

    n: int
    fit: Fit
    agents: Line[Rank]


class Entry:
    """A waiting item on the floor. `given`: a grant of it is under way. `standing` is empty while it is not in line."""

    __slots__ = ("afresh", "declined", "given", "key", "since", "standing", "waiting")

    def __init__(self, waiting: Waiting) -> None:
        self.waiting = waiting
        self.standing: Class | None = None
        self.key: Key = (0, 0, 0, 0, waiting.id)
        self.declined = NOBODY
        self.afresh = False
        self.given = False
        self.since = waiting.changed_at


class Standing:
    """An agent's session on the floor: the group it is in, for each queue that it serves."""

    __slots__ = ("given", "groups", "session", "since")

    def __init__(self, session: WorkSession) -> None:
        self.session = session
        self.groups: dict[str, tuple[Group, Rank]] = {}
        self.given = False
        self.since = session.updated_at


class QueueFloor:
    """One queue: its record, its classes, its groups, what is not in line because of what, and what was declined.

    asked  the levels that are asked for, by skill: groups differ by no more than these
    """

    __slots__ = ("asked", "classes", "declined", "groups", "id", "off_line", "opens_at", "record")

    def __init__(self, id: str) -> None:
        self.id = id
        self.record: Queue | None = None
        self.classes: dict[Wants, Class] = {}
        self.groups: dict[Fit, Group] = {}
        self.asked: dict[str, set[int]] = {}
        self.off_line: dict[str, dict[str, None]] = {"paused": {}, "routed": {}}
        self.declined: dict[str, None] = {}
        self.opens_at = 0

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return sum(len(c.items) for c in self.classes.values())


def every_queue(_: str) -> bool:
    """Nothing is divided."""
    return True


class Floor:
    """What waits in one org and who could take it. `now` (ms) is what it was last told; it reads no clock. `serves`:
    which queues are looked after here, where the routing of a large org is divided by queue.

    position  of the last row of the log that it has taken      disagreed  grants that were refused though nothing had
    hours     the calendars, compiled by whoever feeds it                  changed: an incident, never to be seen
    checked   how often some of it was compared with the store      missed   matches that news had not led to
    """

    def __init__(self, org: str, now: int = 0, serves: Callable[[str], bool] = every_queue) -> None:
        self.org = org
        self._serves = serves
        self.now = now
        self.position = 0
        self.settings = OrgSettings(id=org, org=org)
        self.hours = Hours()
        self.hours_stale = False
        self.disagreed = 0
        self.checked = 0
        self.missed = 0
        self.unresolved: dict[str, None] = {}
        """Items of which it is not known yet whose agent goes first."""
        self.queues: dict[str, QueueFloor] = {}
        self.items: dict[str, Entry] = {}
        self.agents: dict[str, Standing] = {}
        self.teams: dict[str, RoutingSettings] = {}
        self.by_user: dict[str, str] = {}
        self._groups = 0
        self._gone: dict[str, tuple[int, int]] = {}
        self._kept: dict[str, dict[tuple[str, Wants], None]] = {}
        self._due: list[tuple[int, str, str]] = []
        self.news_items: dict[str, None] = {}
        self.news_agents: dict[str, None] = {}
        self.news_classes: dict[tuple[str, Wants], None] = {}

    # What it is fed with

    def take(self, row: Row) -> None:
        """One row of the log, in order of positions; those it has had already are passed over."""
        if row.position <= self.position:
            return
        self.position = row.position
        for change in row.changes:
            gone = self._gone.get(change.id)
            if gone is not None and gone[1] <= row.position:
                del self._gone[change.id]
            if change.type in WATCHED and not self._knows(change.type, change.id, change.rev):
                self.put(log.snapshot_of(change))

    def _knows(self, type: str, id: str, rev: int) -> bool:
        if type == WorkItem.TYPE:
            entry = self.items.get(id)
            return entry is not None and rev <= entry.waiting.rev
        if type == WorkSession.TYPE:
            standing = self.agents.get(id)
            return standing is not None and rev <= standing.session.rev
        return False

    def put(self, record: Record, *, ahead: int = 0, anew: bool = False) -> None:
        """A record as it is. `ahead`: it was committed at this position, and its row is still to come. `anew`: it was
        loaded because a grant failed, and takes the place of whatever is here.
        """
        match record:
            case WorkItem():
                self._put_item(record, ahead, anew)
            case WorkSession():
                self._put_session(record, anew)
            case QueuePass():
                self._put_pass(record)
            case Queue():
                self._put_queue(record)
            case OrgSettings():
                self._put_settings(record)
            case RoutingSettings():
                self.teams[record.id] = record
            case Schedule():
                self.hours_stale = True
            case _:
                pass

    def _put_item(self, item: WorkItem, ahead: int, anew: bool) -> None:
        old = self.items.get(item.id)
        known = old.waiting.rev if old else self._gone.get(item.id, (0, 0))[0]
        if item.rev < known or (item.rev == known and not anew):
            return
        waiting = self._waiting_of(item, old.waiting.sticky if old else "")
        if old is not None:
            self._out(old)
        if waiting is None:
            self.items.pop(item.id, None)
            self.news_items.pop(item.id, None)
            self.unresolved.pop(item.id, None)
            if ahead:
                self._gone[item.id] = item.rev, ahead
            return
        if old is not None and old.waiting.entered_at == waiting.entered_at:
            before = old.waiting
            waiting = msgspec.structs.replace(waiting, declined=before.declined, declined_at=before.declined_at)
        elif self.queue_of(waiting.queue).sticky.by != "none":
            self.unresolved[item.id] = None
        entry = self.items[item.id] = Entry(waiting)
        self._in(entry)

    def _waiting_of(self, item: WorkItem, sticky: str = "") -> Waiting | None:
        return routing.waiting_of(item, sticky=sticky) if self._serves(item.queue or "") else None

    def _put_pass(self, p: QueuePass) -> None:
        entry = self.items.get(p.work_item)
        if entry is None or p.left_at is not None or p.entered_queue_at != entry.waiting.entered_at:
            return
        w = entry.waiting
        declined, at = frozenset(p.declined_by), p.declined_at or 0
        if (declined, at) != (w.declined, w.declined_at):
            self._replace(entry, msgspec.structs.replace(w, declined=declined or NOBODY, declined_at=at))

    def lacks(self, record: WorkItem | WorkSession | Record) -> bool:
        """Whether this version, which the log had told it of, is news to the floor."""
        if isinstance(record, WorkItem):
            entry = self.items.get(record.id)
            if entry is None:
                gone = self._gone.get(record.id, (0, 0))[0]
                return gone < record.rev and self._waiting_of(record) is not None
            return entry.waiting.rev < record.rev
        if isinstance(record, WorkSession):
            standing = self.agents.get(record.id)
            return standing.session.rev < record.rev if standing else not record.signed_out_at
        return False

    def resolve(self, item: str, sticky: str) -> None:
        """Whose agent goes first for an item; empty: nobody's."""
        self.unresolved.pop(item, None)
        entry = self.items.get(item)
        if entry is not None and entry.waiting.sticky != sticky:
            self._replace(entry, msgspec.structs.replace(entry.waiting, sticky=sticky))

    def _replace(self, entry: Entry, waiting: Waiting) -> None:
        self._out(entry)
        entry.waiting = waiting
        self._in(entry)

    def _put_session(self, s: WorkSession, anew: bool) -> None:
        old = self.agents.get(s.id)
        if old is not None and (s.rev < old.session.rev or (s.rev == old.session.rev and not anew)):
            return
        if old is not None:
            self._leave_groups(old)
        if s.signed_out_at:
            self.agents.pop(s.id, None)
            self.news_agents.pop(s.id, None)
            if self.by_user.get(s.user) == s.id:
                del self.by_user[s.user]
        else:
            standing = self.agents[s.id] = Standing(s)
            self.by_user[s.user] = s.id
            self._join_groups(standing)
        self._wake_kept(s.user)

    def _put_queue(self, queue: Queue) -> None:
        q = self.queue_floor(queue.id)
        old = q.record
        if old is not None and queue.rev <= old.rev:
            return
        q.record = queue
        if queue.schedule or (old and old.schedule):
            self.hours_stale = True
        self._look_at_queue(q)
        if old is None:
            return
        if queue.strategy != old.strategy:
            self._regroup(q)
        if (queue.ageing, queue.sticky, queue.returned_first) != (old.ageing, old.sticky, old.returned_first):
            for entry in [e for e in self.items.values() if e.waiting.queue == q.id]:
                if queue.sticky.by != old.sticky.by:
                    self.unresolved[entry.waiting.id] = None
                self._replace(entry, entry.waiting)

    def _put_settings(self, settings: OrgSettings) -> None:
        old = self.settings
        if settings.rev <= old.rev and old.updated_at:
            return
        self.settings = settings
        if settings.schedule != old.schedule:
            self.hours_stale = True
        if settings.strategy != old.strategy:
            for q in self.queues.values():
                self._regroup(q)
        if settings.reoffer_seconds != old.reoffer_seconds:
            for entry in [e for e in self.items.values() if e.waiting.declined]:
                self._replace(entry, entry.waiting)

    def take_hours(self, hours: Hours) -> None:
        """The calendars as they are now."""
        self.hours, self.hours_stale = hours, False
        for q in self.queues.values():
            self._look_at_queue(q)

    def advance(self, now: int) -> None:
        """Time has passed: what is due stands where it now belongs, and is news."""
        self.now = max(self.now, now)
        while self._due and self._due[0][0] <= self.now:
            at, kind, id = heapq.heappop(self._due)
            if kind == "item" and id in self.items:
                entry = self.items[id]
                if not entry.given:
                    self._replace(entry, entry.waiting)
                    entry.since = max(entry.since, at)
            elif kind == "agent" and id in self.agents:
                standing = self.agents[id]
                if not standing.given:
                    self._leave_groups(standing)
                    self._join_groups(standing)
                    standing.since = max(standing.since, at)
            elif kind == "queue":
                self._look_at_queue(self.queue_floor(id))

    @property
    def has_news(self) -> bool:
        """Whether something is to be matched, or due."""
        due = bool(self._due) and self._due[0][0] <= self.now
        return due or bool(self.news_items or self.news_agents or self.news_classes)

    def look_at(self, queues: Iterable[str] = (), sessions: Iterable[str] = ()) -> None:
        """Count these as news."""
        for id in queues:
            if id in self.queues:
                self._look_at_queue(self.queues[id])
        self.news_agents.update((s, None) for s in sessions if s in self.agents)

    def look_at_all(self) -> None:
        """Every class is news, and so nothing else needs to be."""
        self.news_items, self.news_agents = {}, {}
        self.look_at(queues=self.queues)

    # Where things stand

    def queue_of(self, id: str) -> Queue:
        """A queue's record; one with every default where it is not known."""
        q = self.queues.get(id)
        return q.record if q and q.record else Queue(id=id, org=self.org, name=id)

    def held(self, queue: str) -> str:
        """Why nothing of a queue is offered just now, as a code; empty if it is. That it opens again will be due."""
        q = self.queues.get(queue)
        if q is None:
            return "QUEUE_PAUSED"
        calendar = self.hours.of(queue)
        code = routing.held(q.record, calendar, self.now)
        if code == "OUTSIDE_HOURS" and q.opens_at <= self.now:
            opens = calendar.next_open(self.now)
            if opens is not None:
                q.opens_at = opens
                heapq.heappush(self._due, (opens, "queue", queue))
        return code

    def first_of(self, queue: str) -> str:
        """The item of a queue that stands first in the order; empty if none is in line."""
        q = self.queues.get(queue)
        firsts = [first for c in q.classes.values() if (first := c.items.first()) is not None] if q else []
        return min(firsts)[-1] if firsts else ""

    def place_of(self, w: Waiting) -> Place:
        """Where an item stands, or would if it were in line."""
        return routing.place(w, self.queue_of(w.queue), self.now, self.settings.reoffer_seconds)

    def strategy(self, queue: str) -> str:
        """The order in which the agents of a queue are asked."""
        return self.queue_of(queue).strategy or self.settings.strategy

    def queue_floor(self, id: str) -> QueueFloor:
        """A queue as it stands on the floor."""
        q = self.queues.get(id)
        if q is None:
            q = self.queues[id] = QueueFloor(id)
        return q

    def _look_at_queue(self, q: QueueFloor) -> None:
        """All its classes are news if it is open."""
        if not self.held(q.id):
            self.news_classes.update(((q.id, wants), None) for wants in q.classes)

    def _in(self, entry: Entry) -> None:
        """Into its class, and news; or among those that are not in line."""
        w = entry.waiting
        q = self.queue_floor(w.queue)
        entry.since = w.changed_at
        if w.state != "queued":
            q.off_line[w.state][w.id] = None
            return
        at = self.place_of(w)
        entry.key, entry.declined, entry.afresh = at.key, at.declined, at.afresh
        standing = q.classes.get(at.wants)
        if standing is None:
            standing = q.classes[at.wants] = Class(at.wants, Line(), {})
            self._ask(q, at.wants)
            if at.wants.kept_for:
                self._kept.setdefault(at.wants.kept_for, {})[q.id, at.wants] = None
        standing.items.add(at.key)
        if at.declined:
            q.declined[w.id] = None
        entry.standing = standing
        self.news_items[w.id] = None
        if at.due is not None:
            heapq.heappush(self._due, (at.due, "item", w.id))

    def _out(self, entry: Entry) -> None:
        w = entry.waiting
        q = self.queue_floor(w.queue)
        if w.state != "queued":
            q.off_line[w.state].pop(w.id, None)
        q.declined.pop(w.id, None)
        standing, entry.standing, entry.given = entry.standing, None, False
        if standing is None:
            return
        standing.items.remove(entry.key)
        if not standing.items:
            wants = standing.wants
            del q.classes[wants]
            if wants.kept_for:
                self._kept.get(wants.kept_for, {}).pop((q.id, wants), None)

    def _ask(self, q: QueueFloor, wants: Wants) -> None:
        """A class may ask for a skill, or for a level of it, that nobody asked for yet: then the groups are finer."""
        fresh = [r for r in wants.skills if r.level not in q.asked.get(r.skill, ())]
        for r in fresh:
            q.asked.setdefault(r.skill, set()).add(r.level)
        if fresh:
            self._regroup(q)

    def _regroup(self, q: QueueFloor) -> None:
        for standing in [s for s in self.agents.values() if q.id in s.groups]:
            self._leave_groups(standing)
            self._join_groups(standing)

    def _join_groups(self, standing: Standing) -> None:
        s = standing.session
        fit = routing.fit_of(s, self.now)
        if standing.given:
            fit = msgspec.structs.replace(fit, ringing=True)
        bare = msgspec.structs.replace(fit, skills=())
        for id in s.queues:
            q = self.queue_floor(id)
            own = (
                bare
                if not q.asked or not s.skills
                else msgspec.structs.replace(bare, skills=routing.of_note(s.skills, q.asked))
            )
            group = q.groups.get(own)
            if group is None:
                self._groups += 1
                group = q.groups[own] = Group(self._groups, own, Line())
            rank = routing.rank(self.strategy(id), s, id)
            group.agents.add(rank)
            standing.groups[id] = group, rank
        if fit.routable and not fit.ringing and fit.free > 0:
            self.news_agents[s.id] = None
        free_at = agent.rate_free_at(s, self.now)
        if free_at is not None:
            heapq.heappush(self._due, (free_at, "agent", s.id))

    def _leave_groups(self, standing: Standing) -> None:
        for id, (group, rank) in standing.groups.items():
            group.agents.remove(rank)
            if not group.agents:
                del self.queues[id].groups[group.fit]
        standing.groups.clear()

    def _wake_kept(self, user: str) -> None:
        """What is kept for an agent is news for everybody when something about that agent changes."""
        self.news_classes.update((c, None) for c in self._kept.get(user, ()))

    def give(self, entry: Entry, session: str) -> None:
        """A grant begins: the item leaves its line, the agent counts as ringing until their records come."""
        standing = self.agents[session]
        self._leave_groups(standing)
        standing.given = True
        self._join_groups(standing)
        self._out(entry)
        entry.given = True

    def release(self, item: str, session: str) -> None:
        """A grant came to nothing, and nothing is known of why: both stand where they stood."""
        entry, standing = self.items.get(item), self.agents.get(session)
        if entry is not None and entry.given:
            self._replace(entry, entry.waiting)
        if standing is not None and standing.given:
            self._leave_groups(standing)
            standing.given = False
            self._join_groups(standing)

    def forget_news(self, item: str, session: str) -> None:
        """These two are no news for each other any more: the next sweep looks at them again."""
        self.news_items.pop(item, None)
        self.news_agents.pop(session, None)
