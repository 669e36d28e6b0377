"""Read models: order, pages, filters, and what is left out."""

from __future__ import annotations

import pytest
from tests.worlds import Floor, House, settled

from interlock.domain.errors import NotFound, NoWaitingItem
from interlock.service import explanations, figures, routing, views


async def conversation(house: House, floor: Floor, **fields: object) -> str:
    """A conversation in the floor's queue, and its item."""
    body = {"channels": ["chat"], "queue": {"id": floor.queue}, **fields}
    id = (await house.client().post("/v1/conversations", body))["data"]["id"]
    await settled(house)
    return id


async def org_of(house: House) -> str:
    """The only org."""
    return (await house.store.changes(0, 1))[0].org


async def test_conversations_come_newest_first_and_deleted_ones_only_when_asked_for(house: House, floor: Floor) -> None:
    org, admin = await org_of(house), house.client()
    customer = (await admin.post("/v1/customers", {"name": "Ada"}))["data"]["id"]
    ids = [await conversation(house, floor, customer=customer) for _ in range(3)]
    await admin.delete(f"/v1/conversations/{ids[1]}", if_match="*")

    async def seen(status: str | None, of: str | None, offset: int = 0, limit: int = 10) -> list[str]:
        return [c.id for c in await views.conversations(house.world, org, status, of, offset, limit)]

    for of in (None, customer):
        assert await seen(None, of) == sorted((ids[0], ids[2]), reverse=True)
        assert await seen(None, of, 1, 1) == [min(ids[0], ids[2])]
        assert await seen("done", of) == []
        assert await seen("deleted", of) == [ids[1]]
    assert await seen(None, "f" * 24) == []


async def test_a_queue_is_shown_in_routing_order(house: House, floor: Floor) -> None:
    org = await org_of(house)
    low = await conversation(house, floor)
    house.clock.pass_ms(1_000)
    high = await conversation(house, floor, priority=5)
    items = await views.items_of_queue(house.world, org, floor.queue, frozenset(), 0, 10)
    assert [w.resource for w in items] == [high, low]
    back = await views.items_of_queue(house.world, org, floor.queue, frozenset(), 0, 1, descending=True)
    assert [w.resource for w in back] == [low]
    assert await views.items_of_queue(house.world, org, floor.queue, frozenset({"assigned"}), 0, 10) == []
    assert (await routing.next_item(house.world, org, floor.queue)).resource == high


async def test_the_next_item_is_one_that_can_be_offered(house: House, floor: Floor) -> None:
    org = await org_of(house)
    id = await conversation(house, floor)
    await house.client().put(f"/v1/conversations/{id}", {"status": "snoozed"})
    await settled(house)
    with pytest.raises(NoWaitingItem):
        await routing.next_item(house.world, org, floor.queue)


async def test_reservations_of_one_agent_are_theirs_alone(house: House, floor: Floor) -> None:
    org = await org_of(house)
    await floor.sign_in(0)
    await floor.sign_in(1)
    for _ in range(2):
        await conversation(house, floor)
    for user in floor.agents:
        pending = await views.reservations(house.world, org, user, ("pending",), 0, 10)
        assert [r.user for r in pending] == [user]
        assert [r.user for r in await views.reservations(house.world, org, user, (), 0, 10)] == [user]
    assert len(await views.reservations(house.world, org, "", ("pending",), 0, 10)) == 2
    assert await views.reservations(house.world, org, floor.agents[0], ("pending",), 1, 10) == []


async def test_sessions_by_user_state_and_room(house: House, floor: Floor) -> None:
    org = await org_of(house)
    first = (await floor.sign_in(0))["data"]["id"]
    house.clock.pass_ms(1_000)
    second = (await floor.sign_in(1))["data"]["id"]
    found = await views.sessions(house.world, org, "", None, None, 0, 9)
    assert [s.id for s in found] == [second, first]
    assert [s.id for s in await views.sessions(house.world, org, "", None, None, 0, 9, oldest_first=True)] == [
        first,
        second,
    ]
    assert [s.id for s in await views.sessions(house.world, org, floor.agents[0], True, None, 0, 9)] == [first]
    assert await views.sessions(house.world, org, "", False, None, 0, 9) == []
    queue = next(q for q in await views.queues(house.world, org, system=None, key="orders", everything=False))
    assert len(await views.sessions_of_queue(house.world, queue, True, "available", "chat")) == 2
    assert await views.sessions_of_queue(house.world, queue, False, None, None) == []


async def test_figures_count_what_waits_and_how_far_the_roles_are(house: House, floor: Floor) -> None:
    await conversation(house, floor)
    house.clock.pass_ms(5_000)
    await floor.sign_in(0)
    seen = await figures.look(house.world)
    assert seen.waiting["orders"] == (1, house.clock.now() - 5_000)
    assert seen.agents == {"available": 1}
    assert seen.out_of_step == 0


async def test_a_decision_is_found_by_its_position_and_in_its_own_org_only(house: House, floor: Floor) -> None:
    org = await org_of(house)
    row = (await house.store.changes(0, 1, newest=True))[0]
    assert await explanations.decision(house.world, org, row.id, row.position) == row
    assert await explanations.decision(house.world, org, row.id, None) == row
    with pytest.raises(NotFound):
        await explanations.decision(house.world, "f" * 24, row.id, row.position)
    with pytest.raises(NotFound):
        await explanations.decision(house.world, org, row.id, row.position + 1)
