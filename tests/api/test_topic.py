"""In which topics a row of the log can be seen."""

from __future__ import annotations

from tests.worlds import Client, Floor, House, settled

from interlock.domain.kinds import KINDS
from interlock.domain.topic import _BY_TYPE, family_of, topics_of

ID = "69a551900000000000000c01"


def test_a_topic_is_a_room_or_one_record() -> None:
    assert [family_of(t) for t in ("queues", f"queue:{ID}", f"agent:{ID}")] == ["queues", "queue", "agent"]
    for wrong in ("", "queue", f"queues:{ID}", "queue:", "queue:x", f"item:{ID}", f"agent:{ID.upper()}"):
        assert family_of(wrong) is None, wrong


def test_every_type_that_has_a_room_of_its_own_is_one() -> None:
    assert set(_BY_TYPE) <= set(KINDS) | {"note"}


async def test_an_offer_is_seen_by_its_agent_its_queue_and_its_conversation(
    house: House, admin: Client, floor: Floor
) -> None:
    await floor.sign_in()
    body = {"channels": ["chat"], "queue": {"id": floor.queue}}
    c = (await admin.post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    offer = next(r for r in house.store._log if r.change_of("reservation"))
    assert {f"agent:{floor.agents[0]}", f"queue:{floor.queue}", f"conversation:{c}", "queues", "agents"} <= topics_of(
        offer
    )


async def test_whom_and_what_an_item_leaves_hears_of_it(house: House, admin: Client, floor: Floor) -> None:
    other = (await admin.post("/v1/routing/queues", {"name": "Other", "key": "other"}))["data"]["id"]
    body = {"channels": ["chat"], "queue": {"id": floor.queue}}
    c = (await admin.post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    at = await house.store.last_position()
    await admin.put(f"/v1/conversations/{c}", {"queue": {"id": other}})
    await admin.put(f"/v1/conversations/{c}", {"assignedUsers": [floor.agents[0]]})
    await settled(house)
    await admin.put(f"/v1/conversations/{c}", {"assignedUsers": [floor.agents[1]]})
    await settled(house)
    rows = [r for r in house.store._log if r.position > at and r.change_of("work_item")]
    assert {f"queue:{floor.queue}", f"queue:{other}"} <= topics_of(rows[0])
    assert {f"agent:{a}" for a in floor.agents} <= topics_of(rows[-1])


async def test_configuration_is_seen_where_it_is_used(house: House, admin: Client, floor: Floor) -> None:
    at = await house.store.last_position()
    rule = {"name": "r", "criteria": {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]}}
    await admin.post("/v1/routing/queue-rules", {**rule, "queue": floor.queue})
    await admin.put("/v1/routing/org-settings", {"autoUnassign": True}, if_match="*")
    rows = [r for r in house.store._log if r.position > at]
    assert topics_of(rows[0]) == {"rules", f"queue:{floor.queue}"}
    assert topics_of(rows[1]) == {"system"}
