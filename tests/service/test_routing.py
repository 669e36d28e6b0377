"""Routing as its users meet it: who is offered what, what becomes of silence, and that nobody waits for nothing."""

from __future__ import annotations

from typing import Any

from tests.worlds import Client, Floor, House, settled

from interlock.domain.agent import WorkSession
from interlock.ports import Query
from interlock.service import reactions

TIMEOUT_MS = 30_000


async def arrive(house: House, floor: Floor, **fields: Any) -> str:
    """A conversation for the floor's queue, taken as far as routing takes it; its id."""
    body = {"channels": ["chat"], "direction": "in", "queue": {"id": floor.queue}, **fields}
    id = (await floor.admin.post("/v1/conversations", body, 201))["data"]["id"]
    await settled(house)
    return id


async def item_of(admin: Client, conversation: str) -> Any:
    """The newest item of a conversation."""
    return (await admin.get(f"/v1/routing/conversations/{conversation}/work-items"))["data"][0]


async def offers(admin: Client) -> list[Any]:
    """The pending offers."""
    return (await admin.get("/v1/routing/reservations?state=pending"))["data"]


async def accept(floor: Floor, offer: Any) -> None:
    """Its agent takes it."""
    n = floor.agents.index(offer["relationships"]["user"]["data"]["id"])
    await floor.agent(n).post(f"/v1/routing/reservations/{offer['id']}/accept", {}, 200)
    await settled(floor.house)


def owner(item: Any) -> str | None:
    """Who has it."""
    return item["relationships"].get("assignedTo", {}).get("data", {}).get("id")


async def test_an_item_that_waits_is_offered_when_somebody_signs_in(house: House, floor: Floor) -> None:
    """Nobody is there, it waits; the first to come is offered it at once."""
    c = await arrive(house, floor)
    assert (await item_of(floor.admin, c))["attributes"]["status"] == "queued"
    await floor.sign_in(0)
    await settled(house)
    (offer,) = await offers(floor.admin)
    assert offer["relationships"]["user"]["data"]["id"] == floor.agents[0]
    assert (await item_of(floor.admin, c))["attributes"]["status"] == "routed"


async def test_an_agent_has_one_offer_at_a_time_and_the_oldest_item_first(house: House, floor: Floor) -> None:
    """Two wait, one agent: the older is offered, the other when that one is answered."""
    first = await arrive(house, floor)
    house.clock.pass_ms(1000)
    second = await arrive(house, floor)
    await floor.sign_in(0)
    await settled(house)
    (offer,) = await offers(floor.admin)
    assert offer["relationships"]["conversation"]["data"]["id"] == first
    await accept(floor, offer)
    (offer,) = await offers(floor.admin)
    assert offer["relationships"]["conversation"]["data"]["id"] == second


async def test_a_more_important_conversation_goes_first(house: House, floor: Floor) -> None:
    """Priority 5 is served before 3, though it came later."""
    await arrive(house, floor)
    house.clock.pass_ms(1000)
    urgent = await arrive(house, floor, priority=5)
    await floor.sign_in(0)
    await settled(house)
    (offer,) = await offers(floor.admin)
    assert offer["relationships"]["conversation"]["data"]["id"] == urgent


async def test_the_longest_idle_agent_is_chosen_and_the_other_is_named(house: House, floor: Floor) -> None:
    """Both are free; the one who came first is idle longest, and the decision says what was thought of the other."""
    await floor.sign_in(1)
    house.clock.pass_ms(5000)
    await floor.sign_in(0)
    await arrive(house, floor)
    rows = await house.store.changes(0, 10_000)
    why = next(row.why for row in rows if row.why.direction == "offer")
    assert [(c.user, c.reason) for c in why.candidates] == [(floor.agents[1], ""), (floor.agents[0], "RANKED_LOWER")]


async def test_silence_sends_it_to_the_next_and_makes_the_silent_one_unavailable(house: House, floor: Floor) -> None:
    """The offer runs out: the item keeps its place and its entry time, the next agent is asked."""
    await floor.sign_in(0)
    house.clock.pass_ms(1000)
    await floor.sign_in(1)
    c = await arrive(house, floor)
    entered = (await item_of(floor.admin, c))["attributes"]["lastRevision"]["enteredQueueAt"]
    house.clock.pass_ms(TIMEOUT_MS + 1)
    assert await reactions.expire_offers(house.world) == 1
    await settled(house)
    (offer,) = await offers(floor.admin)
    assert offer["relationships"]["user"]["data"]["id"] == floor.agents[1]
    item = await item_of(floor.admin, c)
    assert item["attributes"]["lastRevision"]["enteredQueueAt"] == entered
    silent = await floor.agent(0).get("/v1/routing/work-sessions/current")
    assert silent["data"]["attributes"]["statusType"] == "unavailable"


async def test_a_late_accept_reads_that_the_offer_is_over(house: House, floor: Floor) -> None:
    """The server's clock decides, also before the cadence has looked."""
    await floor.sign_in(0)
    await arrive(house, floor)
    (offer,) = await offers(floor.admin)
    house.clock.pass_ms(TIMEOUT_MS + 1)
    answer = await floor.agent(0).post(f"/v1/routing/reservations/{offer['id']}/accept", {}, 409)
    assert answer["errors"][0]["code"] == "OFFER_EXPIRED"


async def test_declining_asks_the_other_and_not_the_same_again(house: House, floor: Floor) -> None:
    """Agent 0 says no and stays available; agent 1 is asked; when both said no the item waits for a reason."""
    await floor.sign_in(0)
    house.clock.pass_ms(1000)
    await floor.sign_in(1)
    c = await arrive(house, floor)
    for expected in floor.agents:
        (offer,) = await offers(floor.admin)
        assert offer["relationships"]["user"]["data"]["id"] == expected
        agent = floor.agent(floor.agents.index(expected))
        await agent.post(f"/v1/routing/reservations/{offer['id']}/reject", {"reason": "lunch", "reasonCode": 1}, 200)
        await settled(house)
    assert await offers(floor.admin) == []
    why = await floor.admin.get(f"/v1/routing/work-items/{(await item_of(floor.admin, c))['id']}/explain")
    assert "ALL_DECLINED" in str(why)


async def test_nobody_gets_more_than_they_can_carry_and_freed_room_is_used_at_once(house: House, floor: Floor) -> None:
    """Three fit; the fourth is offered when one is done."""
    await floor.sign_in(0)
    taken = []
    for _ in range(3):
        taken.append(await arrive(house, floor))
        (offer,) = await offers(floor.admin)
        await accept(floor, offer)
    fourth = await arrive(house, floor)
    assert await offers(floor.admin) == []
    await floor.agent(0).put(f"/v1/conversations/{taken[0]}", {"status": "done"})
    await settled(house)
    (offer,) = await offers(floor.admin)
    assert offer["relationships"]["conversation"]["data"]["id"] == fourth


async def test_an_assignment_over_the_limit_is_taken_and_flagged(house: House, floor: Floor) -> None:
    """What somebody was told is done stays done, whatever the agent carries."""
    await floor.sign_in(0)
    for _ in range(4):
        c = await arrive(house, floor, assignedUsers=[floor.agents[0]])
    item = await item_of(floor.admin, c)
    assert owner(item) == floor.agents[0]
    assert item["attributes"]["overCapacity"] is True
    session = (await floor.agent(0).get("/v1/routing/work-sessions/current"))["data"]["attributes"]
    assert (session["workItemCount"], session["capacityRemaining"], session["overCapacity"]) == (4, 0, 1)


async def test_signing_out_rescinds_the_offer_and_keeps_the_items_unless_the_org_says_otherwise(
    house: House, floor: Floor
) -> None:
    """The offer goes to the next; what they have stays theirs by default, and goes back with `requeueWhenOffline`."""
    await floor.sign_in(0)
    mine = await arrive(house, floor)
    await accept(floor, (await offers(floor.admin))[0])
    offered = await arrive(house, floor)
    await floor.agent(0).put("/v1/routing/work-sessions/current", {"status": floor.offline})
    await settled(house)
    assert (await item_of(floor.admin, offered))["attributes"]["status"] == "queued"
    assert owner(await item_of(floor.admin, mine)) == floor.agents[0]

    settings = await floor.admin.get("/v1/routing/org-settings")
    rev = settings["data"]["attributes"]["rev"]
    await floor.admin.put("/v1/routing/org-settings", {"requeueWhenOffline": True, "rev": rev})
    await floor.sign_in(0)
    await settled(house)
    await floor.agent(0).put("/v1/routing/work-sessions/current", {"status": floor.offline})
    await settled(house)
    item = await item_of(floor.admin, mine)
    assert item["attributes"]["status"] == "queued"
    assert item["attributes"]["queuedCount"] == 2, "a fresh pass"
    conversation = await floor.admin.get(f"/v1/conversations/{mine}")
    assert conversation["data"]["attributes"]["assignedUsers"] == []


async def test_an_assignment_and_a_sign_in_that_did_not_see_each_other_end_in_the_right_load(
    house: House, floor: Floor
) -> None:
    """The sign-in read the items before the assignment was committed; the load is made anew from them."""
    c = await arrive(house, floor, assignedUsers=[floor.agents[0]])
    await floor.sign_in(0)
    await settled(house)
    query = Query(name="live_sessions", org=(await item_org(house)), type=WorkSession.TYPE, owner=floor.agents[0])
    (session,) = await house.store.find(query)
    assert isinstance(session, WorkSession)
    assert [h.item for h in session.holding] == [(await item_of(floor.admin, c))["id"]]
    # as if the two had crossed: the shift begins without the item
    from interlock.service import agents

    await forget_load(house, session)
    assert await agents.reconcile(house.world, agents.by_system(session.org), session.user) is not None
    (again,) = await house.store.find(query)
    assert isinstance(again, WorkSession)
    assert again.work_item_count == 1
    assert await agents.reconcile(house.world, agents.by_system(session.org), session.user) is None


async def item_org(house: House) -> str:
    """The id of the only org."""
    return (await house.store.changes(0, 1))[0].org


async def forget_load(house: House, session: WorkSession) -> None:
    """Write the session without what it carries."""
    from interlock.domain import agent
    from interlock.domain.decision import Decision, Why, step
    from interlock.service.agents import by_system
    from interlock.service.transact import Reading, transact

    async def decide(reading: Reading) -> Decision:
        bare = agent.reckon(session.with_(holding=()))
        why = Why(
            direction="system", kind="change", record=session.ref, rev_before=session.rev, rev_after=session.rev + 1
        )
        return Decision(partition=session.id, why=why, writes=(step(session, bare, reading.moment.now),))

    await transact(house.world, by_system(session.org), decide)


async def test_auto_assign_gives_it_at_once(house: House, floor: Floor) -> None:
    """Where the org asks for no acceptance there is no offer: the agent has it."""
    rev = (await floor.admin.get("/v1/routing/org-settings"))["data"]["attributes"]["rev"]
    await floor.admin.put("/v1/routing/org-settings", {"acceptRequired": False, "rev": rev})
    await floor.sign_in(0)
    c = await arrive(house, floor)
    item = await item_of(floor.admin, c)
    assert (item["attributes"]["status"], owner(item)) == ("assigned", floor.agents[0])
    assert await offers(floor.admin) == []


async def test_the_sweep_finds_nothing_to_do_after_the_news_was_followed(house: House, floor: Floor) -> None:
    """Nothing eligible waits beside a free agent: the cadence has nothing to find."""
    for n in (0, 1):
        await floor.sign_in(n)
    for _ in range(5):
        await arrive(house, floor)
    assert await reactions.sweep_queues(house.world) == 0
    assert await reactions.reconcile_load(house.world) == 0
    assert await reactions.heal_pairs(house.world) == 0


async def test_snooze_frees_the_agent_and_waking_brings_it_back(house: House, floor: Floor) -> None:
    """A snoozed item weighs nothing; it wakes by its time and is its owner's still."""
    await floor.sign_in(0)
    c = await arrive(house, floor)
    await accept(floor, (await offers(floor.admin))[0])
    until = "2026-03-02T10:00:00.000Z"
    await floor.agent(0).put(f"/v1/conversations/{c}", {"snooze": {"time": until}})
    await settled(house)
    item = await item_of(floor.admin, c)
    assert item["attributes"]["paused"] is True
    session = (await floor.agent(0).get("/v1/routing/work-sessions/current"))["data"]["attributes"]
    assert (session["workItemCount"], session["pausedWorkItemCount"], session["capacityRemaining"]) == (1, 1, 3)
    house.clock.pass_ms(24 * 3600 * 1000)
    assert await reactions.wake_snoozed(house.world) == 1
    await settled(house)
    item = await item_of(floor.admin, c)
    assert (item["attributes"]["paused"], owner(item)) == (False, floor.agents[0])
