"""C: the order of the waiting line. D: who gets it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cases.shop import Shop, case
from tests.worlds import settled

STRATEGIES = ("longest-idle", "most-free-capacity", "round-robin")


@case("C-01", "C-02", "C-05")
async def test_the_one_that_waits_longest_goes_first_however_old_it_is(shop: Shop) -> None:
    """One waits for thirty days, one for two hours, one for one / an agent comes / the oldest, and there is no age at
    which one is left out.
    """
    queue = await shop.floor()
    waiting = []
    for pause_s in (30 * 86_400 - 7_200, 3_600, 3_600):
        waiting.append(await shop.arrive(queue))
        await shop.pass_s(pause_s)
    team = await shop.team("More", queue, workItemCapacity=3)
    await shop.agent("Ann", team)
    for expected in waiting:
        assert await shop.offers() == {"Ann": expected}
        await shop.answer("Ann")


async def sales_and_support(shop: Shop, **support: Any) -> tuple[str, str]:
    """Two queues and one agent for both, who is not there yet."""
    sales, support_id = await shop.queue("Sales", priority=1), await shop.queue("Support", **support)
    team = await shop.team("Both", sales, support_id)
    await shop.agent("Ann", team, "offline")
    return sales, support_id


@case("C-10")
async def test_an_empty_better_queue_holds_up_nothing(shop: Shop) -> None:
    """Sales goes before Support and is empty / an agent is free / they get Support."""
    _, support = await sales_and_support(shop, priority=2)
    c = await shop.arrive(support)
    await shop.say("Ann", "available")
    assert await shop.offers() == {"Ann": c}


@case("C-11")
async def test_a_queue_with_a_delay_stands_behind_until_it_is_over(shop: Shop) -> None:
    """Support counts as priority 1 after 30 s, and waits for less / an agent is free / Sales, though it came later."""
    sales, support = await sales_and_support(shop, priority=2, ageing={"afterSeconds": 30, "priority": 1})
    await shop.arrive(support)
    await shop.pass_s(20)
    c = await shop.arrive(sales)
    await shop.say("Ann", "available")
    assert await shop.offers() == {"Ann": c}


@case("C-12")
async def test_after_its_delay_a_queue_counts_as_the_better_one(shop: Shop) -> None:
    """The same, and Support waits for longer than 30 s / an agent is free / Support, which came first."""
    sales, support = await sales_and_support(shop, priority=2, ageing={"afterSeconds": 30, "priority": 1})
    c = await shop.arrive(support)
    await shop.pass_s(20)
    await shop.arrive(sales)
    await shop.pass_s(11)
    await shop.say("Ann", "available")
    assert await shop.offers() == {"Ann": c}


@case("C-13")
async def test_what_moves_an_item_up_leaves_its_reported_wait(shop: Shop) -> None:
    """One ages past another / they are compared / it goes first, and says of its wait what it said before."""
    sales, support = await sales_and_support(shop, priority=2, ageing={"afterSeconds": 30, "priority": 1})
    c = await shop.arrive(support)
    entered = (await shop.item(c))["attributes"]["lastRevision"]["enteredQueueAt"]
    await shop.arrive(sales)
    await shop.pass_s(31)
    item = (await shop.item(c))["attributes"]
    assert (item["lastRevision"]["enteredQueueAt"], item["priority"]) == (entered, 2)
    await shop.say("Ann", "available")
    assert await shop.offers() == {"Ann": c}


@case("C-14")
async def test_nobody_sets_priority_and_age_of_an_item_in_one_request(shop: Shop) -> None:
    """An item waits / a request names a priority and an age for it / it is refused, and nothing has moved."""
    queue = await shop.floor()
    item = await shop.item(await shop.arrive(queue))
    body = {"rev": item["attributes"]["rev"], "priority": 1, "enteredQueueAt": "2026-01-01T00:00:00Z"}
    await shop.admin.put(f"/v1/routing/work-items/{item['id']}", body, 400)
    assert await shop.item(item["relationships"]["resource"]["data"]["id"]) == item


@case("D-01", "D-06")
async def test_without_anybody_who_may_take_it_nobody_is_named(shop: Shop) -> None:
    """A rotation that nobody is in / somebody is asked for / nobody, and it says so."""
    await shop.org(strategy="round-robin")
    queue = await shop.floor()
    c = await shop.arrive(queue)
    assert (await shop.offers(), await shop.status(c)) == ({}, "queued")
    assert await shop.because(c) == "NO_AGENT_SIGNED_IN"


@case("D-02", "D-03")
async def test_a_rotation_passes_over_who_is_not_there_and_keeps_its_order(shop: Shop) -> None:
    """Five in a rotation, of whom the first and last are there / two items / the first, then the last; then the others
    come, and those who had none go first.
    """
    await shop.org(strategy="round-robin")
    names = ("Ann", "Ben", "Cy", "Dee", "Eve")
    queue = await shop.floor(*names)
    for away in names[1:4]:
        await shop.say(away, "unavailable")
    for expected in ("Ann", "Eve"):
        await shop.take(expected, queue)
    for back in names[1:4]:
        await shop.say(back, "available")
    for expected in ("Ben", "Cy", "Dee", "Ann", "Eve"):
        await shop.take(expected, queue)


@case("D-07", "D-12")
async def test_most_room_goes_first(shop: Shop) -> None:
    """They carry 3, 1 and 2 / one comes, balanced / the one who carries 1; and whoever is full is passed over."""
    await shop.org(strategy="most-free-capacity")
    queue = await shop.floor("Ann", "Ben", "Cy", workItemCapacity=3)
    for name, load in (("Ann", 3), ("Ben", 1), ("Cy", 2)):
        for _ in range(load):
            await shop.arrive(assignedUsers=[shop.users[name]])
    for expected in ("Ben", "Cy", "Ben"):
        await shop.take(expected, queue)
    assert await shop.because(await shop.arrive(queue)) == "ALL_AT_CAPACITY"


@case("D-08")
async def test_only_what_is_open_counts(shop: Shop) -> None:
    """Ann has 1 open and 3 done, Ben 2 open / one comes, balanced / Ann."""
    await shop.org(strategy="most-free-capacity")
    queue = await shop.floor("Ann", "Ben")
    for _ in range(3):
        await shop.done(await shop.arrive(assignedUsers=[shop.users["Ann"]]))
    for name in ("Ann", "Ben", "Ben"):
        await shop.arrive(assignedUsers=[shop.users[name]])
    await shop.take("Ann", queue)


@case("D-10")
@pytest.mark.parametrize(("loads", "expected"), [((), None), ((2,), "Ann"), ((1, 0), "Ben")])
async def test_balanced_among_none_one_and_one_without_load(
    shop: Shop, loads: tuple[int, ...], expected: str | None
) -> None:
    """Nobody; one agent; one of two who carries nothing / one comes / nobody; that one; the idle one."""
    await shop.org(strategy="most-free-capacity")
    queue = await shop.floor(*("Ann", "Ben")[: len(loads)])
    for name, load in zip(("Ann", "Ben"), loads, strict=False):
        for _ in range(load):
            await shop.arrive(assignedUsers=[shop.users[name]])
    c = await shop.arrive(queue)
    assert await shop.offers() == ({expected: c} if expected else {})


@case("D-11")
async def test_of_equal_loads_the_one_who_had_none_for_longest(shop: Shop) -> None:
    """Both carry one, Ann got hers first / one comes, balanced / Ann."""
    await shop.org(strategy="most-free-capacity")
    queue = await shop.floor("Ann", "Ben")
    for name in ("Ann", "Ben"):
        await shop.arrive(assignedUsers=[shop.users[name]])
    await shop.take("Ann", queue)


@case("D-14", "D-22")
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_whoever_is_not_available_gets_nothing(shop: Shop, strategy: str) -> None:
    """One is available, one is not, one is disabled / two come / both to the first; the disabled one cannot sign in."""
    await shop.org(strategy=strategy)
    queue = await shop.floor("Off", "Ann", "Gone")
    await shop.say("Off", "unavailable")
    await shop.say("Gone", "offline")
    await shop.admin.put(f"/v1/users/{shop.users['Gone']}", {"enabled": False})
    gone = {"status": shop.statuses["available"]}
    await shop.clients["Gone"].put("/v1/routing/work-sessions/current", gone, 422)
    for _ in range(2):
        await shop.take("Ann", queue)


@case("D-15")
async def test_one_who_comes_late_catches_up_by_load(shop: Shop) -> None:
    """Ann was served two, Ben has just come / two come, balanced / both to Ben."""
    await shop.org(strategy="most-free-capacity")
    queue = await shop.floor("Ann", "Ben")
    await shop.say("Ben", "unavailable")
    for _ in range(2):
        await shop.take("Ann", queue)
    await shop.say("Ben", "available")
    for _ in range(2):
        await shop.take("Ben", queue)


@case("D-16")
async def test_a_rotation_begins_with_who_was_not_asked(shop: Shop) -> None:
    """Ann was asked more recently than Ben / two come, in turn / Ben, then Ann."""
    await shop.org(strategy="round-robin")
    queue = await shop.floor("Ann", "Ben")
    await shop.take("Ann", queue)
    for expected in ("Ben", "Ann"):
        await shop.take(expected, queue)


async def customer_of(shop: Shop, name: str) -> str:
    """A customer whom this agent looks after."""
    body = {"name": "Cora", "owner": shop.users[name]}
    return (await shop.admin.post("/v1/customers", body))["data"]["id"]


async def owned(shop: Shop, by: str) -> tuple[str, str]:
    """A queue that is sticky in this way, Ann who is idle longest, and a customer of Ben's."""
    queue = await shop.floor("Ann", "Ben")
    await shop.admin.put(f"/v1/routing/queues/{queue}", {"sticky": {"by": by}})
    return queue, await customer_of(shop, "Ben")


@case("D-17")
async def test_the_customers_own_agent_goes_first(shop: Shop) -> None:
    """The customer is Ben's, who is there / the customer writes / Ben, and of Ann it is said why not she."""
    queue, customer = await owned(shop, "customer-owner")
    c = await shop.arrive(queue, customer=customer)
    assert await shop.offers() == {"Ben": c}
    why = [r.why for r in await shop.house.store.changes(0, 10_000) if r.why.direction == "offer"][-1]
    assert {c.user: c.reason for c in why.candidates}[shop.users["Ann"]] == "STICKY_ELSEWHERE"


@case("D-18")
async def test_if_the_customers_own_agent_is_away_another_one_gets_it(shop: Shop) -> None:
    """The same, and Ben is not available / the customer writes / Ann."""
    queue, customer = await owned(shop, "customer-owner")
    await shop.say("Ben", "unavailable")
    c = await shop.arrive(queue, customer=customer)
    assert await shop.offers() == {"Ann": c}


@case("D-19")
async def test_where_a_queue_is_not_sticky_the_owner_has_no_advantage(shop: Shop) -> None:
    """The same, and the queue is not sticky / the customer writes / Ann, who is idle longest."""
    queue, customer = await owned(shop, "none")
    c = await shop.arrive(queue, customer=customer)
    assert await shop.offers() == {"Ann": c}


@case("D-23", "D-25")
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_only_statuses_of_the_available_kind_get_work(shop: Shop, strategy: str) -> None:
    """Agents away, busy, unavailable, offline, and one in a status of their own that counts as available / one comes /
    that one; and if theirs counts as unavailable, nobody.
    """
    await shop.org(strategy=strategy)
    for name, kind in (("Idle", "available"), ("Lunch", "unavailable"), ("Training", "busy")):
        body = {"name": name, "statusType": kind}
        shop.statuses[name.lower()] = (await shop.admin.post("/v1/routing/statuses", body))["data"]["id"]
    queue = await shop.floor("Ann", "Ben", "Cy", "Dee")
    for name, status in (("Ann", "training"), ("Ben", "unavailable"), ("Cy", "offline"), ("Dee", "lunch")):
        await shop.say(name, status)
    c = await shop.arrive(queue)
    assert (await shop.offers(), await shop.because(c)) == ({}, "NONE_AVAILABLE")
    await shop.say("Dee", "idle")
    assert await shop.offers() == {"Dee": c}


@case("D-26")
async def test_an_item_goes_to_a_member_of_the_team_that_serves_its_queue(shop: Shop) -> None:
    """Two teams, each with a queue of its own / one comes for the second / its member."""
    await shop.floor("Ann")
    parcels = await shop.queue("Parcels")
    await shop.agent("Ben", await shop.team("Depot", parcels))
    await shop.take("Ben", parcels)


@case("D-27")
@pytest.mark.parametrize("enabled", [True, False])
async def test_a_team_that_takes_no_part_or_is_away_leaves_it_waiting(shop: Shop, enabled: bool) -> None:
    """The team is not enabled for routing; or nobody of it is there / one comes / it waits, and why."""
    queue = await shop.queue("Orders")
    team = await shop.team("Support", queue, enabled=enabled)
    await shop.agent("Ann", team, "offline" if enabled else "available")
    c = await shop.arrive(queue)
    assert (await shop.status(c), await shop.owner(c)) == ("queued", None)
    assert await shop.because(c) == ("NO_AGENT_SIGNED_IN" if enabled else "NO_TEAM_SERVES_QUEUE")


@case("D-28")
async def test_the_only_agent_is_the_one(shop: Shop) -> None:
    """One agent, no earlier item / one comes / that agent."""
    await shop.take("Ann", await shop.floor("Ann"))


@case("D-29")
async def test_two_in_a_row_go_to_two_agents(shop: Shop) -> None:
    """Two agents / two come, one after the other / each gets one, and the list of agents stays as it was."""
    queue = await shop.floor("Ann", "Ben")
    before = [s["id"] for s in (await shop.admin.get(f"/v1/routing/queues/{queue}/work-sessions"))["data"]]
    await shop.take("Ann", queue)
    await shop.take("Ben", queue)
    after = [s["id"] for s in (await shop.admin.get(f"/v1/routing/queues/{queue}/work-sessions"))["data"]]
    assert after == before


@case("D-30", "D-31")
async def test_known_and_not_available_are_two_things(shop: Shop) -> None:
    """Two agents, the last served one of them, both go away / one comes / two known, none available, it waits."""
    queue = await shop.floor("Ann", "Ben")
    await shop.take("Ann", queue)
    for name in ("Ann", "Ben"):
        await shop.say(name, "unavailable")
    c = await shop.arrive(queue)
    path = f"/v1/routing/queues/{queue}/work-sessions"
    assert len((await shop.admin.get(path))["data"]) == 2
    assert (await shop.admin.get(f"{path}?routable=true"))["data"] == []
    assert await shop.because(c) == "NONE_AVAILABLE"


@case("D-32")
async def test_a_level_that_nobody_reaches_is_not_lowered_by_waiting(shop: Shop) -> None:
    """Ann at level 1, Ben at level 3 is at home, an item asks for 3 / it waits / nobody is asked, and why."""
    queue = await shop.queue("French")
    french = (await shop.admin.post("/v1/routing/skills", {"name": "French"}))["data"]["id"]
    team = await shop.team("Support", queue)
    for name, level in (("Ann", 1), ("Ben", 3)):
        await shop.agent(name, team, "available" if level == 1 else "offline")
        skills = [{"skill": french, "level": level}]
        await shop.admin.put(f"/v1/routing/users/{shop.users[name]}/skills", {"skills": skills})
    await settled(shop.house)
    c = await shop.arrive(queue, skills=[{"skill": french, "level": 3}])
    await shop.pass_s(3_600)
    assert (await shop.offers(), await shop.because(c)) == ({}, "NONE_WITH_SKILL")


async def rule_for(shop: Shop, name: str, queue: str, channel: str) -> None:
    """A queue rule by channel."""
    criteria = {"and": [{"conversation_channel": {"operator": "equals", "value": channel}}]}
    await shop.admin.post("/v1/routing/queue-rules", {"name": name, "criteria": criteria, "queue": queue})


async def queue_of(shop: Shop, c: str) -> str:
    """Where its item went."""
    return (await shop.item(c))["relationships"]["queue"]["data"]["id"]


@case("D-33")
@pytest.mark.parametrize("channel", ["chat", "email"])
@pytest.mark.parametrize("status", ["open", "done"])
async def test_a_condition_that_does_not_hold_changes_nothing(shop: Shop, channel: str, status: str) -> None:
    """A rule for chats / an open or done one comes, as chat or mail / only the open chat goes where the rule says."""
    queue = await shop.floor("Ann")
    await rule_for(shop, "Chats", queue, "chat")
    c = await shop.arrive(channels=[channel], status=status)
    items = (await shop.admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"]
    assert (await shop.offers() == {"Ann": c}) == (channel == "chat" and status == "open")
    assert len(items) == (status == "open")


@case("D-34", "D-35")
async def test_the_first_rule_that_matches_wins_and_without_one_the_default_queue(shop: Shop) -> None:
    """Two rules match a chat, none a mail / one of each comes / the first rule's queue; the default queue."""
    first, second = await shop.queue("First"), await shop.queue("Second")
    for queue in (first, second):
        await rule_for(shop, f"To {queue}", queue, "chat")
    default = (await shop.admin.get("/v1/routing/queues?system=true"))["data"][0]["id"]
    assert await queue_of(shop, await shop.arrive()) == first
    assert await queue_of(shop, await shop.arrive(channels=["email"])) == default
    await settled(shop.house)


async def test_in_turn_four_items_are_two_and_two(shop: Shop) -> None:
    """D-13, decided (ADR 8): two agents, four items, in turn / two each, one after the other."""
    await shop.org(strategy="round-robin")
    queue = await shop.floor("Ann", "Ben")
    for expected in ("Ann", "Ben", "Ann", "Ben"):
        await shop.take(expected, queue)
