"""A change holds plain values: a row that was just committed and the same row read from the log are equal."""

from __future__ import annotations

import pytest

from interlock.domain.agent import Capacity, WorkSession
from interlock.domain.assignment import Actor
from interlock.domain.change import apply, invert
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Provenance, Why, Write, step
from interlock.domain.log import decode_row, encode_entry, entry_of
from interlock.domain.record import Record

BEFORE = Conversation(id="c1", org="o", tags=("a",), assigned_users=("u1",))
SESSION = WorkSession(id="s1", org="o", user="u1", status="x")


@pytest.mark.parametrize(
    "write",
    [
        step(BEFORE, BEFORE.with_(tags=("a", "b"), assigned_users=(), custom={"k": (1, 2)}), 5),
        step(SESSION, SESSION.with_(limits=Capacity(priorities={1: 5})), 5),
    ],
)
def test_a_fresh_row_equals_the_stored_one(write: Write) -> None:
    by = Provenance("o", Actor("person", "user", "u1"), "api")
    decision = Decision(partition="p", why=Why(direction="person", kind="change"), writes=(write,))
    entry = entry_of(decision, "e1", by, 5, ())
    assert decode_row(7, encode_entry(entry)) == entry.at_position(7)
    [change] = entry.changes
    before: Record | None = write.before
    assert before is not None
    assert apply(before, change.attributes, change.relationships).with_(rev=2, updated_at=5) == _read(write.after)
    back = apply(write.after, invert(change.attributes), invert(change.relationships))
    assert back == before


def _read(record: Record) -> Record:
    """As a reader gets it: inside `custom` there are lists."""
    custom = getattr(record, "custom", None)
    return record.with_(custom={"k": [1, 2]}) if custom else record
