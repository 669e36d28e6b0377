"""Matching against a plain search over everybody: whatever happens on the floor, looking at news alone misses nothing.

The model has no classes, groups or news: it asks `routing.ineligible` of every pair. Each step may change an item, an
agent, a queue or the time; after it the floor is matched until it finds nothing, as a round does it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domain.matching_model import (
    MORNINGS,
    ORG,
    QUEUES,
    STEPS,
    Day,
    Model,
    agent_answers,
    agent_is,
    begun,
    item_comes,
    time_passes,
)

from interlock.domain import agent, matching, routing
from interlock.domain.agent import Capacity, Held, OfferRate
from interlock.domain.floor import Floor
from interlock.domain.queue import Ageing, Sticky
from interlock.domain.record import Record
from interlock.domain.schedule import Hours
from interlock.domain.skill import Relax, Requirement


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
