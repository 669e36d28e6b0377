"""A topic is told at once, then seldom, and never lost: a reader who is cut off anywhere hears of it again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interlock.api.throttle import HELD_MAX, Throttle, Told

steps = st.lists(
    st.tuples(st.frozensets(st.sampled_from(["a", "b", "c", "agent:1"]), max_size=3), st.sampled_from([0.0, 0.1, 0.3])),
    max_size=40,
)


def test_the_first_goes_at_once_the_rest_together_at_the_end_of_the_while() -> None:
    t = Throttle(0, 0.25)
    assert t.changed({"queues"}, 1, 10.0) == [Told("queues", 1)]
    assert t.changed({"queues"}, 2, 10.1) == []
    assert t.changed({"queues", "rules"}, 3, 10.2) == [Told("rules", 3)]
    assert (t.due, t.position) == (10.25, 1), "a reader who is cut off here resumes before the second change"
    assert t.release(10.24, 10.24) == []
    assert t.release(10.25, 10.25) == [Told("queues", 3)]
    assert (t.due, t.position) == (None, 3)
    assert t.changed({"queues"}, 4, 10.3) == [], "the while begins anew with each telling"


def test_an_agent_is_always_told_at_once() -> None:
    t = Throttle(0, 0.25)
    assert [t.changed({"agent:1"}, n, 10.0) for n in (1, 2, 3)] == [[Told("agent:1", n)] for n in (1, 2, 3)]
    assert t.position == 3


def test_not_more_than_so_many_topics_are_held_back() -> None:
    t = Throttle(0, 0.25)
    topics = {f"conversation:{n}" for n in range(HELD_MAX + 1)}
    t.changed(topics, 1, 10.0)
    assert {told.topic for told in t.changed(topics, 2, 10.1)} == topics
    assert t.due is None


@given(steps)
def test_whoever_resumes_misses_nothing(moves: list[tuple[frozenset[str], float]]) -> None:
    """Every change up to the position from which a reader resumes has been told, at that position or a later one."""
    t, now, told, changed, before = Throttle(0, 0.25), 0.0, list[Told](), list[Told](), 0
    for position, (topics, pause) in enumerate(moves, 1):
        now += pause
        told += t.release(now, now)
        told += t.changed(topics, position, now)
        changed += [Told(topic, position) for topic in topics]
        assert t.position >= before, "an id never goes back"
        before = t.position
        for c in changed:
            heard = any(x.topic == c.topic and x.position >= c.position for x in told)
            assert heard or c.position > t.position
    told += t.release(float("inf"), now + 1)
    assert t.position == len(moves)
    last = {c.topic: c.position for c in changed}
    assert {x.topic: x.position for x in told} == last


@given(steps)
def test_between_two_tellings_of_a_topic_lies_the_while(moves: list[tuple[frozenset[str], float]]) -> None:
    t, now, when = Throttle(0, 0.25), 0.0, dict[str, float]()
    for position, (topics, pause) in enumerate(moves, 1):
        now += pause
        for topic, _ in t.release(now, now) + t.changed(topics, position, now):
            assert topic == "agent:1" or now - when.get(topic, -1.0) >= 0.25 - 1e-9
            when[topic] = now
