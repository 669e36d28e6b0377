"""A floor and the records behind it, changed step by step, and the search over everybody that it is compared with."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from interlock.domain import agent, matching, routing, skill
from interlock.domain.agent import Capacity, Held, OfferRate, OrgSettings, WorkSession
from interlock.domain.floor import Floor
from interlock.domain.queue import Ageing, Queue, Sticky
from interlock.domain.record import Record
from interlock.domain.routing import Place
from interlock.domain.schedule import Calendar, Hours
from interlock.domain.skill import Relax, Requirement
from interlock.domain.work_item import PassHead, QueuePass, WorkItem

ORG = "68f0a0000000000000000001"
START = 1_772_442_000_000
QUEUES = ("qa", "qb")
USERS = ("ann", "ben", "cy", "dee")
MORNINGS = Calendar((((0, 10 * 60),),) * 7)


class Model:
    """The records as they are, and the floor that is fed with them."""

    def __init__(self) -> None:
        self.now = START
        self.n = 0
        self.settings = OrgSettings(id=ORG, org=ORG, updated_at=START)
        self.items: dict[str, WorkItem] = {}
        self.passes: dict[str, QueuePass] = {}
        self.sticky: dict[str, str] = {}
        self.sessions: dict[str, WorkSession] = {}
        self.queues: dict[str, Queue] = {}
        self.floor = Floor(ORG, START)
        self.floor.put(self.settings)
        for q in QUEUES:
            self.put(Queue(id=q, org=ORG, name=q))

    def put(self, record: Record) -> None:
        """The next version of a record."""
        match record:
            case WorkItem():
                self.items[record.id] = record
            case QueuePass():
                self.passes[record.work_item] = record
            case WorkSession():
                self.sessions[record.id] = record
            case Queue():
                self.queues[record.id] = record
            case _:
                raise AssertionError
        self.floor.put(record)

    def next(self, record: Any, **fields: Any) -> None:
        self.put(record.with_(rev=record.rev + 1, updated_at=self.now, **fields))

    def place(self, item: WorkItem) -> Place:
        """Where an item stands, by the rule."""
        waiting = routing.waiting_of(item, self.passes[item.id], self.sticky[item.id])
        assert waiting is not None
        return routing.place(waiting, self.queues[waiting.queue], self.now, self.settings.reoffer_seconds)

    def in_line(self) -> list[WorkItem]:
        """What may be offered, in order."""
        hours = self.floor.hours
        waiting = [
            w
            for w in self.items.values()
            if w.status == "queued"
            and not w.paused
            and w.queue
            and not routing.held(self.queues[w.queue], hours.of(w.queue), self.now)
        ]
        return sorted(waiting, key=lambda w: self.place(w).key)

    def best(self, item: WorkItem) -> WorkSession | None:
        """Whom the rule names, by looking at everybody."""
        at = self.place(item)
        queue = self.queues[item.queue or ""]
        strategy = queue.strategy or self.settings.strategy
        reasons = {s.id: routing.ineligible(at.wants, s, self.now, at.declined) for s in self.sessions.values()}
        able = [s for s in self.sessions.values() if not reasons[s.id]]
        if at.wants.kept_for:
            own = next((s for s in self.sessions.values() if s.user == at.wants.kept_for), None)
            if own is not None and own in able:
                return own
            if own is not None and reasons[own.id] in routing.FULL:
                return None

        def order(s: WorkSession) -> tuple[Any, ...]:
            return not skill.preferred(s.skills, at.wants.skills), *routing.rank(strategy, s, queue.id)

        return min(able, key=order, default=None)

    def first(self) -> tuple[str, str] | None:
        """The next grant, by the rule."""
        for item in self.in_line():
            found = self.best(item)
            if found is not None:
                return item.id, found.id
        return None

    def settle(self, most: int) -> None:
        """Match until nothing is found, so many at once; every grant is the one that the rule names."""
        self.floor.advance(self.now)
        while found := matching.match(self.floor, most):
            for one in found:
                assert (one.item, one.choice.session) == self.first()
                self.told(one.choice)
                self.grant(one.item, one.choice.session)
        assert self.first() is None
        assert matching.left_waiting(self.floor, -1) == []

    def told(self, choice: routing.Choice) -> None:
        """What is said of the candidates is what each test says."""
        assert sum(choice.counts.values()) == len(self.sessions)
        assert choice.counts["CHOSEN"] == 1
        assert [c.user for c in choice.candidates if c.eligible and not c.reason] == [choice.user]

    def grant(self, item: str, session: str) -> None:
        """What the commit of an offer does to the two."""
        w, s = self.items[item], self.sessions[session]
        held = agent.hold(s, Held(w.id, w.item_size, w.channel, w.priority, offered=True))
        at = self.place(w)
        self.next(w, status="routed")
        if at.afresh:
            self.next(self.passes[item], declined_by=(), declined_at=None)
        ringing = agent.given(held, w.queue or "", self.now).with_(pending_reservation=f"r-{item}")
        self.next(ringing)

    def answer(self, session: str, *, yes: bool) -> None:
        """The agent takes what is offered, or declines it."""
        s = self.sessions[session]
        offered = next((h for h in s.holding if h.offered), None)
        if offered is None:
            return
        w = self.items[offered.item]
        if yes:
            taken = agent.hold(s, Held(w.id, w.item_size, w.channel, w.priority))
            self.next(w, status="assigned", assigned_to=s.user)
            self.next(taken.with_(pending_reservation=None, last_assigned_item_at=self.now))
        else:
            p = self.passes[w.id]
            self.next(w, status="queued")
            self.next(p, declined_by=(*p.declined_by, s.user), declined_at=self.now)
            self.next(agent.release(s, w.id).with_(pending_reservation=None))


SKILLS = st.lists(
    st.builds(
        Requirement,
        skill=st.sampled_from(("fr", "de")),
        level=st.integers(1, 3),
        mode=st.sampled_from(("required", "preferred")),
        relax=st.lists(
            st.builds(Relax, after_seconds=st.integers(1, 40), drop=st.booleans(), level=st.none()), max_size=1
        ).map(tuple),
    ),
    max_size=2,
    unique_by=lambda r: r.skill,
).map(tuple)

ITEM = st.fixed_dictionaries({
    "queue": st.sampled_from(QUEUES),
    "channel": st.sampled_from(("chat", "voice")),
    "item_size": st.sampled_from((1, 1, 1, 3)),
    "priority": st.integers(1, 3),
    "resource_priority": st.integers(1, 5),
    "skills": st.just(()) | SKILLS,
    "returned": st.booleans(),
})  # fmt: skip

AGENT = st.fixed_dictionaries({
    "queues": st.sampled_from((QUEUES, QUEUES, QUEUES[:1], ())),
    "routable": st.sampled_from((True, True, True, False)),
    "skills": st.dictionaries(st.sampled_from(("fr", "de")), st.integers(1, 3)),
    "limits": st.builds(
        Capacity,
        total=st.integers(2, 6),
        channels=st.sampled_from(({}, {}, {"voice": 1})),
        priorities=st.sampled_from(({}, {}, {1: 2})),
    ),
    "offer_rate": st.sampled_from((None, None, OfferRate(1, 6), OfferRate(2, 20))),
    "routing_settings": st.sampled_from(("team", "team", "team", None)),
})  # fmt: skip

QUEUE = st.fixed_dictionaries({
    "paused": st.sampled_from((None, None, None, {})),
    "ageing": st.none() | st.builds(Ageing, after_seconds=st.integers(1, 30), priority=st.just(1)),
    "strategy": st.sampled_from((None, "longest-idle", "most-free-capacity", "round-robin")),
    "sticky": st.builds(Sticky, by=st.sampled_from(("none", "last-agent")), seconds=st.integers(5, 40)),
    "returned_first": st.booleans(),
    "schedule": st.sampled_from((None, "mornings")),
})  # fmt: skip


def item_comes(m: Model, fields: dict[str, Any], sticky: str) -> None:
    m.n += 1
    id = f"w{m.n:03d}"
    m.sticky[id] = sticky if m.queues[fields["queue"]].sticky.by != "none" else ""
    head = PassHead(entered_queue_at=m.now)
    m.put(
        WorkItem(
            id=id,
            org=ORG,
            resource=f"c{id}",
            pass_=f"p{id}",
            status="queued",
            last_revision=head,
            updated_at=m.now,
            **fields,
        )
    )
    m.put(QueuePass(id=f"p{id}", org=ORG, work_item=id, entered_queue_at=m.now, queue=fields["queue"]))
    if id in m.floor.unresolved:
        m.floor.resolve(id, m.sticky[id])


def agent_is(m: Model, user: str, fields: dict[str, Any]) -> None:
    old = m.sessions.get(f"s-{user}")
    if old is not None:
        m.next(agent.reckon(old.with_(**fields)))
        return
    new = WorkSession(id=f"s-{user}", org=ORG, user=user, status="x", signed_in_at=m.now, updated_at=m.now, **fields)
    m.put(agent.reckon(new))


def agent_answers(m: Model, user: str, yes: bool) -> None:
    if f"s-{user}" in m.sessions:
        m.answer(f"s-{user}", yes=yes)


def item_is_done(m: Model, n: int) -> None:
    owned = [w for w in m.items.values() if w.status == "assigned"]
    if owned:
        w = owned[n % len(owned)]
        m.next(w, status="completed")
        s = m.sessions.get(f"s-{w.assigned_to}")
        if s is not None:
            m.next(agent.release(s, w.id))


def item_is_snoozed_or_woken(m: Model, n: int) -> None:
    queued = [w for w in m.items.values() if w.status == "queued"]
    if queued:
        w = queued[n % len(queued)]
        m.next(w, paused=not w.paused)


def agent_leaves(m: Model, user: str) -> None:
    s = m.sessions.get(f"s-{user}")
    if s is not None and not s.pending_reservation:
        m.next(s, signed_out_at=m.now)
        del m.sessions[s.id]


def queue_is(m: Model, id: str, fields: dict[str, Any]) -> None:
    for w in m.items.values():
        if w.queue == id and fields["sticky"].by == "none":
            m.sticky[w.id] = ""
    m.next(m.queues[id], **fields)
    m.floor.take_hours(Hours(queues={q.id: MORNINGS for q in m.queues.values() if q.schedule}))
    for w in list(m.floor.unresolved):
        m.floor.resolve(w, m.sticky[w])


def time_passes(m: Model, ms: int) -> None:
    m.now += ms


STEP = st.one_of(
    st.tuples(st.just(item_comes), ITEM, st.sampled_from(("", *USERS))),
    st.tuples(st.just(agent_is), st.sampled_from(USERS), AGENT),
    st.tuples(st.just(agent_answers), st.sampled_from(USERS), st.booleans()),
    st.tuples(st.just(item_is_done), st.integers(0, 30)),
    st.tuples(st.just(item_is_snoozed_or_woken), st.integers(0, 30)),
    st.tuples(st.just(agent_leaves), st.sampled_from(USERS)),
    st.tuples(st.just(queue_is), st.sampled_from(QUEUES), QUEUE),
    st.tuples(st.just(time_passes), st.sampled_from((1_000, 7_000, 31_000, 3_600_000, 14 * 3_600_000))),
)
STEPS = st.tuples(
    st.fixed_dictionaries(dict.fromkeys(QUEUES, QUEUE)),
    st.fixed_dictionaries(dict.fromkeys(USERS[:2], AGENT)),
    st.lists(STEP, min_size=5, max_size=40),
)
Day = tuple[dict[str, Any], dict[str, Any], list[tuple[Any, ...]]]


def begun(day: Day) -> Model:
    """A floor with its queues as drawn, and two agents."""
    m = Model()
    for id, fields in day[0].items():
        queue_is(m, id, fields)
    for user, fields in day[1].items():
        agent_is(m, user, fields)
    return m
