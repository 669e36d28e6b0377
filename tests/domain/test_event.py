"""Events are a way of reading the log: the resource at that rev, and changes that fit it to the last field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from interlock.domain import kinds
from interlock.domain.assignment import Actor
from interlock.domain.change import ChangeSet
from interlock.domain.conversation import Conversation, MessageMark, Snooze
from interlock.domain.decision import Basis, Decision, Provenance, Reason, Why, birth, step
from interlock.domain.event import cloud_event, event_id, events_of, inner_body
from interlock.domain.log import Row, decode_row, encode_entry, entry_of
from interlock.domain.record import Record, Ref
from interlock.domain.resource import iso, plan_of, resource
from interlock.domain.timers import Timer
from interlock.domain.work_item import PassHead, WorkItem

ORG = "68f0a0000000000000000001"
AT = 1_772_442_000_760
BY = Provenance(
    ORG,
    Actor("system", "sync", "forward"),
    "sync",
    "5d1f0c9a7be24d7f9a3c1e0b2f6a8d40",
    "7a1b2c3d4e5f6071",
    cause="69a551900000000000000f03",
    source=Ref("workflow", "68f0a0000000000000000701"),
)
BEFORE = WorkItem(
    id="69a551900000000000000d01",
    org=ORG,
    rev=2,
    resource="69a551900000000000000c01",
    pass_="69a551900000000000000e01",
    status="queued",
    channel="chat",
    queue="68f0a0000000000000000201",
    resource_rev=4,
    created_at=AT - 640,
    modified_at=AT - 640,
    updated_at=AT - 310,
    last_revision=PassHead(AT - 310),
    ivr=Timer(AT - 760, 450, 450, AT - 310),
)


def row_of(before: Record | None, after: Record, *reasons: Reason, position: int = 4711) -> Row:
    """A row as a store would give it: encoded, and read again."""
    write = birth(after) if before is None else step(before, after, AT)
    why = Why(direction="forward", kind="conflict", is_sync=True, reasons=reasons)
    decision = Decision(partition="69a551900000000000000c01", why=why, writes=(write,))
    basis = (Basis("work_item", BEFORE.id, 2, AT), Basis("conversation", "69a551900000000000000c01", 6, AT))
    entry = entry_of(decision, "69a551900000000000000a09", BY, AT, basis)
    return decode_row(position, encode_entry(entry))


def assigned() -> Row:
    """The assignment that the incident lost, kept."""
    after = BEFORE.with_(
        status="assigned",
        assigned_to="68f0a0000000000000000401",
        resource_rev=6,
        resource_first_assign_time=760,
        last_revision=PassHead(AT - 310, 310, 310),
        handle=Timer(AT),
    )
    return row_of(BEFORE, after, Reason("DEQUEUE_WORK_ITEM", "ASSIGNED_DIRECTLY", {"queue": BEFORE.queue}))


def test_the_envelope_is_a_cloud_event() -> None:
    row = assigned()
    event = cloud_event(row, row.changes[0], 0, published_at=AT + 3)
    assert {k: v for k, v in event.items() if k not in ("data", "id")} == {
        "specversion": "1.0",
        "source": f"/v1/orgs/{ORG}",
        "type": "interlock.work-item.update.v1",
        "subject": "work_item/69a551900000000000000d01",
        "time": "2026-03-02T09:00:00.760Z",
        "datacontenttype": "application/json",
        "dataschema": "/schemas/event/1",
        "partitionkey": "69a551900000000000000c01",
        "sequence": "000000000000004711",
        "traceparent": "00-5d1f0c9a7be24d7f9a3c1e0b2f6a8d40-7a1b2c3d4e5f6071-01",
        "publishedat": "2026-03-02T09:00:00.763Z",
    }
    assert event["id"] == event["data"]["id"] == event_id(row.id, 0)
    assert event["id"].startswith("69a55190")
    assert len(event["id"]) == 24


def test_the_inner_body_is_the_incidents_with_four_members_of_ours() -> None:
    row = assigned()
    body = inner_body(row, row.changes[0], 0)
    data = body["data"]
    assert data["type"] == "work_item"
    assert data["links"] == {"self": "/v1/routing/work-items/69a551900000000000000d01"}
    assert data["attributes"]["status"] == "assigned"
    assert data["attributes"]["rev"] == 3
    assert data["attributes"]["ivr"] == {
        "enteredAt": "2026-03-02T09:00:00.000Z",
        "time": 450,
        "businessTime": 450,
        "completedAt": "2026-03-02T09:00:00.450Z",
    }
    assert data["attributes"]["lastRevision"] == {
        "enteredQueueAt": "2026-03-02T09:00:00.450Z",
        "queueTime": 310,
        "queueBusinessTime": 310,
    }
    assert data["relationships"]["lastRevision"]["data"]["type"] == "work_item_revision"
    assert "routedTo" not in data["relationships"], "empty to-one relations are left out"
    assert body["changes"]["attributes"]["status"] == {"op": "replace", "before": "queued", "after": "assigned"}
    assert body["changes"]["attributes"]["resourceFirstAssignTime"] == {"op": "add", "after": 760}
    assert body["changes"]["attributes"]["lastRevision"] == {
        "op": "replace",
        "before": {"enteredQueueAt": "2026-03-02T09:00:00.450Z"},
        "after": data["attributes"]["lastRevision"],
    }
    assert body["changes"]["relationships"] == {
        "assignedTo": {"op": "add", "after": data["relationships"]["assignedTo"]}
    }
    assert (body["client"], body["isSync"], body["persist"]) == ("sync", True, True)
    assert (body["sourceType"], body["sourceId"]) == ("workflow", "68f0a0000000000000000701")
    assert body["actor"] == {"class": "system", "type": "sync", "id": "forward"}
    assert [b["rev"] for b in body["basis"]] == [2, 6]
    assert (body["decision"], body["cause"]) == (row.id, "69a551900000000000000f03")
    assert body["routingReasons"][0]["code"] == "ASSIGNED_DIRECTLY"
    assert "coupled" not in msgspec.json.encode(body).decode()


def test_a_creation_has_no_changes_and_rev_1() -> None:
    row = row_of(None, BEFORE.with_(rev=1))
    body = inner_body(row, row.changes[0], 0)
    assert body["changes"] is None
    assert (body["name"], body["data"]["attributes"]["rev"]) == ("interlock.work-item.create", 1)


def test_each_after_is_what_the_resource_beside_it_shows_and_each_before_what_it_showed() -> None:
    c = Conversation(id="69a551900000000000000c01", org=ORG, created_at=AT, updated_at=AT, modified_at=AT)
    later = c.with_(
        snooze=Snooze(AT + 1000),
        tags=("a",),
        custom={"seenAt": "x", "nStr": None},
        queue="68f0a0000000000000000201",
        last_message_in=MessageMark("69a551900000000000000b01", AT, AT),
        last_message_at=AT,
        priority=5,
    )
    for before, after in ((c, later), (later, c.with_(rev=2))):
        row = row_of(before, after)
        body = inner_body(row, row.changes[0], 0)
        _fits(as_sent(body["changes"]), as_sent(resource(before)), as_sent(body["data"]))
        assert {"rev"} <= set(body["changes"]["attributes"])


def as_sent(value: Any) -> Any:
    """As a reader gets it."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _fits(changes: Any, before: Any, after: Any) -> None:
    for part in ("attributes", "relationships"):
        for name, move in changes[part].items():
            assert move.get("before") == before[part].get(name), name
            assert move.get("after") == after[part].get(name), name
            assert {"add": {"op", "after"}, "remove": {"op", "before"}, "replace": {"op", "before", "after"}}[
                move["op"]
            ] == set(move), name
    unchanged = set(after["attributes"]) - set(changes["attributes"])
    assert all(after["attributes"][n] == before["attributes"].get(n) for n in unchanged)


def test_nested_values_have_their_outward_names() -> None:
    c = Conversation(id="69a551900000000000000c01", org=ORG, snooze=Snooze(AT), custom={"wakeAt": 5})
    shown = resource(c)["attributes"]
    assert shown["snooze"] == {"time": "2026-03-02T09:00:00.760Z", "status": "scheduled"}
    assert shown["custom"] == {"wakeAt": 5}, "what is the caller's own is shown as it was given"


def test_events_of_a_row_are_chosen_by_topic_and_are_the_same_every_time() -> None:
    row = assigned()
    assert events_of(row, published_at=AT) == events_of(row, published_at=AT)
    for topic in ("work_item", "work-item", "work_item/69a551900000000000000d01", "work-item.update"):
        assert len(events_of(row, published_at=AT, topics=frozenset({topic}))) == 1
    assert events_of(row, published_at=AT, topics=frozenset({"conversation"})) == []
    nothing = msgspec.structs.replace(row, changes=())
    assert events_of(nothing, published_at=AT) == [], "a decision not to write is no event"


def test_records_without_a_noun_are_logged_and_not_announced() -> None:
    change = ChangeSet("api_key", "69a551900000000000000b01", 0, 1, msgspec.Raw(b"{}"))
    assert events_of(msgspec.structs.replace(assigned(), changes=(change,)), published_at=AT) == []


@pytest.mark.parametrize("kind", kinds.KINDS.values(), ids=lambda k: k.TYPE)
def test_every_kind_has_a_plan_that_hides_what_is_hidden(kind: type[Record]) -> None:
    plan = plan_of(kind)
    names = [a[0] for a in plan.attributes]
    assert len(set(names)) == len(names)
    assert {kind.outward(f) for f in kind.HIDDEN}.isdisjoint(names)
    assert {"rev", "createdAt", "updatedAt", "modifiedAt"} <= set(names)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (AT, "2026-03-02T09:00:00.760Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-50_000_000_000_000, "0385-07-25T07:06:40.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_utc_with_milliseconds(ms: int, text: str) -> None:
    assert iso(ms) == text
