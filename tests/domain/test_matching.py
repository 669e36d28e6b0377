"""Matching against a plain search over everybody: whatever happens on the floor, looking at news alone misses nothing.

The model has no classes, groups or news: it asks `routing.ineligible` of every pair. Each step may change an item, an
agent, a queue or the time; after it the floor is matched until it finds nothing, as a round does it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
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


@settings(max_examples=200, deadline=None)
@given(STEPS, st.integers(1, 4))
def test_no_item_is_left_beside_an_agent_who_could_take_it(day: Day, most: int) -> None:
    """After every change, each grant is the one that a search over everybody names, and then none is left."""
    m = begun(day)
    for do, *rest in day[2]:
        do(m, *rest)
        m.settle(most)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_a_floor_that_is_read_anew_is_the_one_that_was_fed(day: Day) -> None:
    """Whatever was fed in whichever order, twice or late: the classes, the order and the groups are the same."""
    m = begun(day)
    for do, *rest in day[2]:
        do(m, *rest)
        m.settle(1)
    twin = Floor(ORG, m.now)
    twin.put(m.settings)
    records: list[Record] = [*m.sessions.values(), *m.items.values(), *m.passes.values(), *m.queues.values()]
    for record in (*records[::-1], *records):
        twin.put(record)
    twin.take_hours(m.floor.hours)
    for id in m.items:
        twin.resolve(id, m.sticky[id])
    twin.advance(m.now)

    def shown(floor: Floor) -> Any:
        lines = {(q.id, wants): list(c.items) for q in floor.queues.values() for wants, c in q.classes.items()}
        ranks = {(q.id, rank) for q in floor.queues.values() for g in q.groups.values() for rank in g.agents}
        off = {(q.id, why): set(ids) for q in floor.queues.values() for why, ids in q.off_line.items()}
        return lines, ranks, off

    assert shown(twin) == shown(m.floor)


PLAIN: dict[str, Any] = {"queue": "qa", "channel": "chat"}
ABLE: dict[str, Any] = {"queues": QUEUES, "routing_settings": "team", "limits": Capacity(5)}


def offered(m: Model) -> dict[str, str]:
    """Who is offered what, by user, once nothing more is matched."""
    m.settle(10)
    return {s.user: h.item for s in m.sessions.values() for h in s.holding if h.offered}


def test_a_queue_that_goes_on_is_served_as_a_whole() -> None:
    """Two wait in a paused queue beside two free agents; when it goes on both are offered at once."""
    m = Model()
    m.next(m.queues["qa"], paused={})
    item_comes(m, PLAIN, "")
    item_comes(m, PLAIN, "")
    agent_is(m, "ann", ABLE)
    agent_is(m, "ben", ABLE)
    assert offered(m) == {}
    m.next(m.queues["qa"], paused=None)
    assert sorted(offered(m).values()) == ["w001", "w002"]


def test_an_item_that_was_declined_holds_up_none_of_its_class() -> None:
    """Ann declined the first; when the queue goes on she is offered the second, which nobody has declined."""
    m = Model()
    agent_is(m, "ann", ABLE)
    item_comes(m, PLAIN, "")
    assert offered(m) == {"ann": "w001"}
    m.next(m.queues["qa"], paused={})
    agent_answers(m, "ann", yes=False)
    item_comes(m, PLAIN, "")
    assert offered(m) == {}
    m.next(m.queues["qa"], paused=None)
    assert offered(m) == {"ann": "w002"}


def test_opening_hours_wake_what_was_held() -> None:
    """It closes at ten; what comes at noon is offered at midnight, when it opens, and by nothing but the time."""
    m = Model()
    m.next(m.queues["qa"], schedule="mornings")
    m.floor.take_hours(Hours(queues={"qa": MORNINGS}))
    agent_is(m, "ann", ABLE)
    time_passes(m, 3 * 3_600_000)
    item_comes(m, PLAIN, "")
    assert offered(m) == {}
    time_passes(m, 12 * 3_600_000)
    assert offered(m) == {"ann": "w001"}


def test_an_offer_rate_lets_through_again_by_time_alone() -> None:
    """One offer in ten seconds: the second item is offered when they are over."""
    m = Model()
    agent_is(m, "ann", ABLE | {"offer_rate": OfferRate(1, 10)})
    item_comes(m, PLAIN, "")
    offered(m)
    agent_answers(m, "ann", yes=True)
    item_comes(m, PLAIN, "")
    assert offered(m) == {}
    time_passes(m, 10_000)
    assert offered(m) == {"ann": "w002"}


def test_what_is_kept_for_an_agent_is_everybodys_when_that_agent_goes_away() -> None:
    """Ann is ringing and Ben is free: it waits for Ann; when Ann is not available any more Ben gets it."""
    m = Model()
    m.next(m.queues["qa"], sticky=Sticky("last-agent", 60))
    agent_is(m, "ann", ABLE)
    item_comes(m, PLAIN, "")
    assert offered(m) == {"ann": "w001"}
    agent_is(m, "ben", ABLE)
    item_comes(m, PLAIN, "ann")
    assert offered(m) == {"ann": "w001"}
    m.next(m.sessions["s-ann"], routable=False)
    assert offered(m)["ben"] == "w002"


def test_what_is_kept_for_an_agent_is_everybodys_when_its_time_is_over() -> None:
    m = Model()
    m.next(m.queues["qa"], sticky=Sticky("last-agent", 60))
    agent_is(m, "ann", ABLE)
    item_comes(m, PLAIN, "")
    assert offered(m) == {"ann": "w001"}
    agent_is(m, "ben", ABLE)
    item_comes(m, PLAIN, "ann")
    time_passes(m, 60_000)
    assert offered(m)["ben"] == "w002"


def test_a_level_that_nobody_asked_for_before_tells_agents_apart() -> None:
    """Ann and Ben both speak some French; who can do it at level 3 matters only once somebody asks for that."""
    m = Model()
    agent_is(m, "ann", ABLE | {"skills": {"fr": 1}})
    time_passes(m, 1_000)
    agent_is(m, "ben", ABLE | {"skills": {"fr": 3}})
    item_comes(m, PLAIN | {"skills": (Requirement("fr", 3),)}, "")
    assert offered(m) == {"ben": "w001"}


def test_a_relax_step_that_is_due_wakes_a_round() -> None:
    m = Model()
    agent_is(m, "ann", ABLE)
    item_comes(m, PLAIN | {"skills": (Requirement("fr", 1, relax=(Relax(20, drop=True),)),)}, "")
    assert offered(m) == {}
    time_passes(m, 20_000)
    assert offered(m) == {"ann": "w001"}


def test_a_changed_ageing_puts_what_waits_in_its_new_order() -> None:
    m = Model()
    for n, priority in enumerate((2, 1)):
        item_comes(m, PLAIN | {"priority": priority}, "")
        time_passes(m, 10_000 * (n == 0))
    m.next(m.queues["qa"], ageing=Ageing(5, 1))
    agent_is(m, "ann", ABLE)
    assert offered(m) == {"ann": "w001"}


def test_of_all_candidates_fifty_are_named_and_all_are_counted() -> None:
    """Seventy are free, five are full: fifty names, the chosen first, and figures for everybody."""
    m = Model()
    for n in range(75):
        agent_is(m, f"u{n:02d}", ABLE | {"limits": Capacity(5 if n < 70 else 1)})
        if n >= 70:
            s = m.sessions[f"s-u{n:02d}"]
            m.next(agent.hold(s, Held("x", 1)))
    item_comes(m, PLAIN, "")
    m.floor.advance(m.now)
    (found,) = matching.match(m.floor, 1)
    assert found.choice.counts == {"CHOSEN": 1, "RANKED_LOWER": 69, "AT_CAPACITY": 5}
    assert len(found.choice.candidates) == routing.CANDIDATES_KEPT
    assert [c.user for c in found.choice.candidates[:2]] == ["u00", "u01"]


def test_a_queue_of_ten_thousand_is_explained_by_its_classes() -> None:
    """However many wait, what is told is one reason for each class, with how many it holds for."""
    m = Model()
    agent_is(m, "ann", ABLE)
    m.next(agent.hold(m.sessions["s-ann"], Held("x", 5)))
    for n in range(10_000):
        skills = (Requirement("fr", 1),) if n % 100 == 0 else ()
        item_comes(m, PLAIN | {"skills": skills}, "")
    told = {k.because: k.items for k in matching.kinds_of(m.floor, "qa")}
    assert told == {"ALL_AT_CAPACITY": 9_900, "NONE_WITH_SKILL": 100}


def test_the_example_of_the_page() -> None:
    """docs/explanation/how-routing-chooses.md, as it is told there."""
    m = Model()
    m.next(m.queues["qb"], ageing=Ageing(30, 1))
    began = m.now
    three: dict[str, Any] = ABLE | {"limits": Capacity(3)}
    for user, load, idle_s, skills in (("ann", 2, 160, {}), ("ben", 0, 100, {}), ("cy", 3, 0, {"fr": 3})):
        agent_is(m, user, three | {"skills": skills})
        s = m.sessions[f"s-{user}"]
        for n in range(load):
            s = agent.hold(s, Held(f"{user}-{n}", 1))
        m.next(s, last_assigned_item_at=began - idle_s * 1000)
    waiting = {"A": ("qb", 2, 3, 5), "B": ("qa", 1, 3, 20), "C": ("qa", 1, 5, 38), "D": ("qb", 2, 5, 30)}
    ids: dict[str, str] = {}
    for name, (queue, priority, urgency, at_s) in waiting.items():
        m.now = began + at_s * 1000
        asks = {"skills": (Requirement("fr"),)} if name == "B" else {}
        item_comes(m, PLAIN | asks | {"queue": queue, "priority": priority, "resource_priority": urgency}, "")
        ids[name] = f"w{m.n:03d}"
    m.now = began + 40_000
    m.floor.advance(m.now)
    found = matching.match(m.floor, 10)
    assert [(f.item, f.choice.user) for f in found] == [(ids["C"], "ann"), (ids["A"], "ben")]
    reasons = [{c.user: c.reason for c in f.choice.candidates} for f in found]
    assert reasons == [
        {"ann": "", "ben": "RANKED_LOWER", "cy": "AT_CAPACITY"},
        {"ben": "", "cy": "AT_CAPACITY", "ann": "OFFER_PENDING"},
    ]
    for f in found:
        m.grant(f.item, f.choice.session)
    told = {name: matching.waits(m.floor, ids[name]) for name in ("B", "D")}
    assert {n: (w.because, w.ahead) for n, w in told.items() if w} == {
        "B": ("ALL_AT_CAPACITY", 0), "D": ("ALL_AT_CAPACITY", 0),
    }  # fmt: skip
    m.next(agent.release(m.sessions["s-cy"], "cy-0"))
    assert offered(m)["cy"] == ids["B"]
