"""The live picture: what it says of an empty floor, of a busy one, and of the last race."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from interlock.cli.demo.board import board
from interlock.cli.demo.story import Story, spread
from interlock.domain.agent import User
from interlock.domain.assignment import Actor
from interlock.domain.decision import Decision, Party, Provenance, Why, birth
from interlock.domain.log import entry_of
from interlock.domain.queue import Queue
from interlock.domain.record import Record, Ref
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import PassHead, QueuePass, WorkItem

ORG = "0" * 24
NOW = 100_000


def shown(story: Story) -> str:
    """What eighty columns show of it."""
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(board(story, NOW))
    return capture.get()


def born(story: Story, *records: Record, **why: Any) -> None:
    """A row that makes these records."""
    kind = {"direction": "person", "kind": "change", **why}
    decision = Decision(partition="c", why=Why(**kind), writes=tuple(birth(r) for r in records))
    by = Provenance(ORG, Actor("person", "user", "u"), "api")
    story.take([entry_of(decision, "0" * 24, by, NOW - 1_000, ()).at_position(story.position + 1)])


def test_an_empty_floor_says_that_nothing_was_lost() -> None:
    """Before anybody has written."""
    text = shown(Story())
    assert "assignments lost: 0" in text
    assert "no race yet" in text


def test_a_busy_floor_shows_who_waits_where_and_for_how_long() -> None:
    """One waits, one was taken."""
    story = Story()
    born(story, Queue(id="q", org=ORG, name="Calls", key="calls"), Queue(id="d", org=ORG, name="Default", system=True))
    head = PassHead(entered_queue_at=NOW - 3_000)
    born(story, WorkItem(id="w", org=ORG, resource="c", pass_="p", status="queued", queue="q", last_revision=head))
    taken = QueuePass(id="p2", org=ORG, work_item="w2", queue="q", left_at=NOW, left_because="accepted", queue_time=40)
    born(story, taken, Reservation(id="r", org=ORG, work_item="w2", pass_="p2", user="u", work_session="s"))
    line = next(row for row in shown(story).splitlines() if row.startswith("Calls"))
    assert line.split()[:5] == ["Calls", "1", "3.0", "s", "1"]
    assert "Default" not in shown(story)
    assert story.offers["made"] == 1


def test_a_race_is_told_by_names() -> None:
    """Who is in force, who gave way, and what to type to learn more."""
    story = Story()
    born(story, User(id="u1", org=ORG, name="Ana"))
    ana = Party({}, Actor("person", "user", "u1"), Ref("work_item", "w"), 4, ("routing", 1, 1))
    rules = Party({}, Actor("rule", "queue-rule", "queue-rules"), Ref("conversation", "c"), 2, ("conversation", 1, 1))
    born(story, direction="reverse", kind="conflict", winner=ana, losers=(rules,))
    text = " ".join(shown(story).split())
    assert "Ana (person, work item rev 4) is in force, the queue rules (rule, conversation rev 2) gave way" in text
    assert "interlock explain c" in text
    assert story.syncs["reverse"]["conflict"] == 1


def test_a_spread_is_median_tail_and_maximum() -> None:
    """Of nothing: nothing."""
    assert spread([]) == {"p50": None, "p99": None, "max": None}
    assert spread(list(range(1, 101))) == {"p50": 51, "p99": 100, "max": 100}
