"""Floors in the service: what queues may be told, what the clock brings, what a lost item and a wrong floor lead to."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cases.shop import Shop
from tests.worlds import House, settled

from interlock.domain import matching
from interlock.domain.decision import Why
from interlock.domain.floor import Floor
from interlock.domain.log import Row
from interlock.service import reactions, routing
from interlock.service.floors import Fed, read_whole
from interlock.service.transact import provenance


@pytest.fixture
async def shop() -> Shop:
    """One org in memory."""
    house = House()
    await house.found()
    return await Shop(house).open()


def floor_of(shop: Shop) -> Floor:
    """The floor that is kept for the only org."""
    assert shop.house.world.floors is not None
    (floor,) = shop.house.world.floors.values()
    return floor


async def change(shop: Shop, queue: str, **fields: object) -> None:
    """Change a queue, and let what follows happen."""
    await shop.admin.put(f"/v1/routing/queues/{queue}", fields)
    await settled(shop.house)


async def test_a_new_priority_reaches_what_waits_only_if_it_is_applied(shop: Shop) -> None:
    orders, parcels = await shop.queue("Orders", priority=2), await shop.queue("Parcels", priority=2)
    team = await shop.team("Support", orders, parcels)
    first, second = await shop.arrive(orders), await shop.arrive(parcels)
    await change(shop, parcels, priority=1)
    assert (await shop.item(second))["attributes"]["priority"] == 2
    await shop.admin.put(f"/v1/routing/queues/{parcels}", {"applyToWaiting": True}, 422)
    await change(shop, parcels, priority=1, applyToWaiting=True)
    assert [(await shop.item(c))["attributes"]["priority"] for c in (first, second)] == [2, 1]
    await shop.agent("Ann", team)
    assert await shop.offers() == {"Ann": second}


async def test_a_queue_may_ask_for_no_acceptance_and_for_another_time(shop: Shop) -> None:
    """The org asks for acceptance within 30 s; this queue for none, then for one within 90 s."""
    queue = await shop.floor("Ann")
    await change(shop, queue, overrides={"acceptRequired": False})
    assert await shop.owner(await shop.arrive(queue)) == "Ann"
    await change(shop, queue, overrides={"acceptTimeoutSeconds": 90})
    c = await shop.arrive(queue)
    await shop.pass_s(89)
    assert await shop.offers() == {"Ann": c}
    await shop.answer("Ann", "extend")
    await shop.pass_s(89)
    assert await shop.offers() == {"Ann": c}, "as much again as it had at first"
    await shop.pass_s(2)
    assert await shop.offers() == {}


async def test_what_comes_back_goes_first_where_the_queue_wants_it(shop: Shop) -> None:
    """One was Ann's and comes back after another has come: by its new entry it is last; with `returnedFirst` first."""
    for wanted in (False, True):
        queue = await shop.queue(f"Queue {wanted}", returnedFirst=wanted)
        team = await shop.team(f"Team {wanted}", queue)
        name = f"Ann {wanted}"
        await shop.agent(name, team)
        returned = await shop.take(name, queue)
        await shop.say(name, "unavailable")
        other = await shop.arrive(queue)
        await shop.admin.put(f"/v1/conversations/{returned}", {"assignedUsers": []})
        await settled(shop.house)
        await shop.say(name, "available")
        assert await shop.offers() == {name: returned if wanted else other}
        await shop.say(name, "offline")


async def test_the_last_agent_goes_first_and_it_is_kept_for_them(shop: Shop) -> None:
    """Ben had it last. When it comes back he is asked before Ann; while he is ringing the next of his waits for him."""
    queue = await shop.floor("Ann", "Ben")
    await change(shop, queue, sticky={"by": "last-agent", "seconds": 60}, overrides={"acceptTimeoutSeconds": 300})
    await shop.say("Ann", "unavailable")
    his = [await shop.take("Ben", queue) for _ in range(2)]
    await shop.say("Ann", "available")
    for c in his:
        await shop.admin.put(f"/v1/conversations/{c}", {"assignedUsers": []})
        await settled(shop.house)
        shop.house.clock.pass_ms(10)
    assert await shop.because(his[1]) == "KEPT_FOR_AGENT"
    await shop.pass_s(59)
    assert await shop.offers() == {"Ben": his[0]}
    await shop.pass_s(2)
    assert (await shop.offers())["Ann"] == his[1]


async def test_hours_hold_what_waits_and_let_it_go_by_the_clock(shop: Shop) -> None:
    """Closed from ten; it is Monday, nine o'clock. Explain says when it opens."""
    body = {"name": "Mornings", "timezone": "UTC", "hours": {str(d): [[540, 600]] for d in range(7)}}
    schedule = (await shop.admin.post("/v1/schedules", body))["data"]["id"]
    queue = await shop.floor("Ann")
    await change(shop, queue, schedule=schedule)
    await shop.pass_s(2 * 3_600)
    c = await shop.arrive(queue)
    assert (await shop.offers(), await shop.because(c)) == ({}, "OUTSIDE_HOURS")
    told = await shop.admin.get(f"/v1/routing/work-items/{(await shop.item(c))['id']}/explain")
    assert (
        "Orders is closed until 2026-03-03T09:00:00.000Z; its items are held."
        in told["data"]["attributes"]["sentences"]
    )
    await shop.pass_s(22 * 3_600)
    assert await shop.offers() == {"Ann": c}


async def test_an_item_that_news_never_reached_is_an_incident_and_then_routed(shop: Shop) -> None:
    """The floor was told, and forgot that it is news: after a sweep's time the log says so, and it is offered."""
    queue = await shop.floor("Ann")
    floor = floor_of(shop)
    await shop.admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": queue}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "match", lambda floor, most: [])
        await settled(shop.house)
    floor.news_items.clear()
    floor.news_agents.clear()
    floor.news_classes.clear()
    shop.house.clock.pass_ms(6_000)
    assert len(await routing.sweep(shop.house.world, floor.org)) == 1
    told = [r for r in await shop.house.store.changes(0, 10_000) if r.why.reason == "incident: LEFT_WAITING"]
    assert [r.why.reasons[0].meta["user"] for r in told] == [shop.users["Ann"]]
    assert list(await shop.offers()) == ["Ann"]


async def test_a_floor_that_lost_something_gets_it_back_and_says_so(shop: Shop) -> None:
    """An item and a session vanish from the floor: a check finds both, counts them, and they are matched."""
    queue = await shop.floor("Ann")
    await shop.say("Ann", "unavailable")
    c = await shop.arrive(queue)
    floor = floor_of(shop)
    entry = floor.items[(await shop.item(c))["id"]]
    floor._out(entry)
    del floor.items[entry.waiting.id]
    (standing,) = floor.agents.values()
    floor._leave_groups(standing)
    del floor.agents[standing.session.id]
    found = [await reactions.check_floors(shop.house.world) for _ in range(len(floor.queues) + 1)]
    assert sum(found) == 2
    await shop.say("Ann", "available")
    assert await shop.offers() == {"Ann": c}


async def test_a_floor_read_anew_knows_who_declined(shop: Shop) -> None:
    """After a restart nobody is asked again who has just said no."""
    queue = await shop.floor("Ann")
    c = await shop.arrive(queue)
    await shop.answer("Ann", "reject")
    assert shop.house.world.floors is not None
    shop.house.world.floors.clear()
    floor = await read_whole(
        shop.house.world, routing.by_routing(floor_org := (await shop.house.store.changes(0, 1))[0].org)
    )
    assert floor.items[(await shop.item(c))["id"]].declined == {shop.users["Ann"]}
    assert await routing.sweep(shop.house.world, floor_org) == []


async def test_a_queue_of_ten_thousand_is_explained_in_a_moment(shop: Shop) -> None:
    """By its classes, and without a question to the store for each item."""
    queue = await shop.floor("Ann", workItemCapacity=1)
    await shop.take("Ann", queue)
    last = await shop.arrive(queue)
    floor = floor_of(shop)
    item = floor.items[(await shop.item(last))["id"]].waiting
    from interlock.domain.work_item import PassHead, WorkItem

    for n in range(10_000):
        head = PassHead(entered_queue_at=item.entered_at + n)
        more = WorkItem(
            id=f"w{n:06d}", org=floor.org, resource=f"c{n}", pass_="p", status="queued", queue=queue, channel="chat",
            priority=item.priority, last_revision=head,
        )  # fmt: skip
        floor.put(more)
    began = time.process_time()
    told = (await shop.admin.get(f"/v1/routing/queues/{queue}/explain"))["data"]["attributes"]
    took_s = time.process_time() - began
    assert told["counts"] == {"ALL_AT_CAPACITY": 10_001}
    assert [(k["because"], k["items"]) for k in told["classes"]] == [("ALL_AT_CAPACITY", 10_001)]
    assert told["classes"][0]["sentences"][0] == "All agents at 1 of 1."
    assert len(told["items"]) == 100
    assert took_s < 5, "a second by itself; five on a machine that is busy and slow"


async def test_what_is_said_of_skills_and_of_declines(shop: Shop) -> None:
    queue = await shop.floor("Ann")
    french = (await shop.admin.post("/v1/routing/skills", {"name": "French"}))["data"]["id"]
    await shop.agent("Ben", await shop.team("Home", queue), "offline")
    await shop.admin.put(f"/v1/routing/users/{shop.users['Ben']}/skills", {"skills": [{"skill": french, "level": 3}]})
    c = await shop.arrive(queue, skills=[{"skill": french, "level": 2}])
    told = (await shop.admin.get(f"/v1/conversations/{c}/explain"))["data"]["attributes"]
    assert told["waiting"]["because"] == "NONE_WITH_SKILL"
    assert "No available agent has French at level 2 (required)." in told["sentences"]
    plain = await shop.arrive(queue)
    await shop.answer("Ann", "reject")
    told = (await shop.admin.get(f"/v1/conversations/{plain}/explain"))["data"]["attributes"]
    assert told["waiting"]["because"] == "ALL_DECLINED"
    assert any(s.startswith("Ann declined; they are asked again at 2026-03-02T09:00:3") for s in told["sentences"])


class Counted:
    """A store that counts how often somebody reads the log of one org."""

    def __init__(self, store: object) -> None:
        self._store = store
        self.read = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def changes(self, *args: int, **scope: str) -> list[Row]:
        """Rows, as the store has them."""
        self.read += bool(scope.get("org"))
        return await self._store.changes(*args, **scope)  # type: ignore[attr-defined]


async def test_what_the_bus_has_brought_is_not_read_again() -> None:
    house = House()
    counted = Counted(house.store)
    house.world = msgspec.structs.replace(house.world, store=counted, floors=Fed())
    await house.found()
    shop = await Shop(house).open()
    queue = await shop.floor("Ann", "Ben")
    await shop.arrive(queue)
    counted.read = 0
    offered = [await shop.arrive(queue) for _ in range(4)]
    assert (len(set((await shop.offers()).values()) & set(offered)), counted.read) == (1, 0)


def a_row(org: str, position: int) -> Row:
    """A row of the log without changes: a floor takes it by its position."""
    why = Why(direction="system", kind="noop")
    return Row(position, str(position), org, "p", 0, SYSTEM_BY, why)


SYSTEM_BY = provenance("o", "system")


@given(st.lists(st.sampled_from(("brought", "read", "followed")), max_size=30), st.data())
def test_a_floor_never_passes_over_a_row_that_it_was_not_given(steps: list[str], data: st.DataObject) -> None:
    """Rows are brought while it may not be there yet, or was read from an earlier position: it takes none behind a
    hole, and following the log closes it.
    """
    floors, taken, last = Fed(), set[int](), 0
    for step in steps:
        floor = floors.get("o")
        if step == "brought":
            last += 1
            before = floor.position if floor else 0
            floors.take([a_row("o", last)])
            taken |= {last} if floor and floor.position > before else set()
        elif step == "read":
            floors["o"] = floor = Floor("o")
            floor.position = data.draw(st.integers(0, last))
            taken = set(range(1, floor.position + 1))
        elif floor is not None:
            for position in range(floor.position + 1, last + 1):
                floor.take(a_row("o", position))
            taken = set(range(1, last + 1))
        floor = floors.get("o")
        if floor is not None:
            assert taken >= set(range(1, floor.position + 1)), "a hole"
            assert floors.has(floor) == (floor.position == last)
