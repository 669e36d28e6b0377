"""E: capacity. F: offers, wrap-up, pause and relaxation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.cases.shop import Shop, case
from tests.worlds import settled

from interlock.domain import agent, routing
from interlock.domain.agent import OfferRate, WorkSession
from interlock.domain.queue import Ageing, Queue
from interlock.domain.work_item import PassHead, WorkItem
from interlock.service import reactions


@case("E-01", "E-02")
async def test_whoever_is_full_is_out_and_whoever_has_no_limit_of_their_own_is_in(shop: Shop) -> None:
    """Limit 3: Ann carries 0, Cy 3, Ben has only the org's limit of 20 / two come / Ann and Ben are in, Cy is out."""
    queue = await shop.floor("Ann", "Cy", workItemCapacity=3)
    await shop.agent("Ben", await shop.team("Free", queue))
    for _ in range(3):
        await shop.arrive(assignedUsers=[shop.users["Cy"]])
    for expected in ("Ann", "Ben"):
        await shop.take(expected, queue)
    await shop.say("Ann", "unavailable")
    await shop.take("Ben", queue)


def rated(*minutes_ago: int, rate: OfferRate, now: int = 1_772_442_000_000) -> tuple[WorkSession, int]:
    """A session that was given something so many minutes ago."""
    s = WorkSession(id="s", org="o", user="u", status="x", offer_rate=rate)
    for ago in minutes_ago:
        s = agent.given(s, "q", now - ago * 60_000)
    return s, now


@case("E-03")
def test_a_rate_is_used_up_at_its_count() -> None:
    """Five an hour / three and five in that hour / within, and used up."""
    assert agent.rate_free_at(*rated(30, 20, 10, rate=OfferRate(5, 3600))) is None
    assert agent.rate_free_at(*rated(50, 40, 30, 20, 10, rate=OfferRate(5, 3600))) is not None


@case("E-04", "E-05")
@pytest.mark.parametrize(("ago", "free"), [((70, 50, 0), False), ((70, 50), True)])
def test_what_lies_before_the_window_does_not_count(ago: tuple[int, ...], free: bool) -> None:
    """Given 70, 50 and 0 minutes ago; or 70 and 50; two an hour / counted / two, so used up; one, so not."""
    assert (agent.rate_free_at(*rated(*ago, rate=OfferRate(2, 3600))) is None) is free


@case("E-06")
def test_without_a_window_it_is_five_minutes() -> None:
    """A rate that names only its count / something was given four, or six, minutes ago / used up, or not."""
    assert OfferRate(1).seconds == 300
    assert agent.rate_free_at(*rated(4, rate=OfferRate(1))) is not None
    assert agent.rate_free_at(*rated(6, rate=OfferRate(1))) is None


@case("E-07", "E-08")
async def test_whoever_is_over_their_rate_is_passed_over_until_the_window_is_over(shop: Shop) -> None:
    """One an hour: Ann had hers, Ben not / two come / Ben, then nobody; two hours later both are offered again."""
    queue = await shop.floor("Ann", "Ben", offerRate={"count": 1, "seconds": 3600})
    await shop.take("Ann", queue)
    await shop.take("Ben", queue)
    waiting = [await shop.arrive(queue), await shop.arrive(queue)]
    assert (await shop.offers(), await shop.because(waiting[0])) == ({}, "ALL_AT_CAPACITY")
    await shop.pass_s(7_200)
    assert await shop.offers() == {"Ann": waiting[0], "Ben": waiting[1]}


@case("E-25")
async def test_the_one_over_the_limit_is_not_served(shop: Shop) -> None:
    """Limit 2, one is served / a second and a third come / the second is served, the third waits."""
    queue = await shop.floor("Ann", workItemCapacity=2)
    for _ in range(2):
        await shop.take("Ann", queue)
    third = await shop.arrive(queue)
    assert (await shop.offers(), await shop.because(third)) == ({}, "ALL_AT_CAPACITY")


@case("E-26")
async def test_routers_that_read_the_same_figures_give_nobody_too_much(shop: Shop) -> None:
    """Limit 3, room for one, three routers, four items / they route at once / one item is given, never a fourth."""
    await shop.org(acceptRequired=False)
    queue = await shop.floor("Ann", workItemCapacity=3)
    for _ in range(2):
        await shop.arrive(assignedUsers=[shop.users["Ann"]])
    for _ in range(4):
        await shop.admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": queue}})
    await asyncio.gather(*(reactions.sweep_queues(shop.house.world) for _ in range(3)))
    await settled(shop.house)
    session = (await shop.clients["Ann"].get("/v1/routing/work-sessions/current"))["data"]["attributes"]
    assert (session["workItemCount"], session["overCapacity"]) == (3, 0)


@case("E-27")
async def test_freed_room_goes_to_the_one_that_waits(shop: Shop) -> None:
    """Three of three, a fourth waits / one is done and a fifth comes in the same moment / the fourth is offered."""
    queue = await shop.floor("Ann", workItemCapacity=3)
    taken = [await shop.take("Ann", queue) for _ in range(3)]
    fourth = await shop.arrive(queue)
    await shop.admin.put(f"/v1/conversations/{taken[0]}", {"status": "done"})
    shop.house.clock.pass_ms(1)
    await shop.arrive(queue)
    assert await shop.offers() == {"Ann": fourth}


@case("F-13")
async def test_if_everybody_is_away_nobody_is_asked(shop: Shop) -> None:
    """All are away / one waits / nobody is ever asked; in the end the customer gives up and it is marked."""
    queue = await shop.floor("Ann", "Ben")
    for name in ("Ann", "Ben"):
        await shop.say(name, "unavailable")
    c = await shop.arrive(queue)
    await shop.pass_s(600)
    assert (await shop.admin.get("/v1/routing/reservations"))["data"] == []
    await shop.admin.put(f"/v1/conversations/{c}", {"ended": True})
    await settled(shop.house)
    assert (await shop.item(c))["attributes"]["abandoned"]["phase"] == "queue"


@case("F-14")
async def test_only_the_one_who_is_there_is_asked_until_the_time_is_up(shop: Shop) -> None:
    """One is away, one does not answer / one waits / only that one is asked, and then it waits again in its place."""
    queue = await shop.floor("Ann", "Ben")
    await shop.say("Ann", "unavailable")
    c = await shop.arrive(queue)
    assert await shop.offers() == {"Ben": c}
    await shop.pass_s(31)
    offers = (await shop.admin.get("/v1/routing/reservations"))["data"]
    assert [o["attributes"]["state"] for o in offers] == ["timed-out"]
    assert (await shop.status(c), await shop.because(c)) == ("queued", "NONE_AVAILABLE")


@case("F-15")
async def test_the_reason_of_a_pause_is_told(shop: Shop) -> None:
    """An agent goes on a break / asked / the status says which."""
    await shop.floor("Ann")
    body = {"name": "Break", "statusType": "unavailable"}
    shop.statuses["break"] = (await shop.admin.post("/v1/routing/statuses", body))["data"]["id"]
    await shop.say("Ann", "break")
    session = await shop.clients["Ann"].get("/v1/routing/work-sessions/current")
    assert session["data"]["relationships"]["status"]["data"]["id"] == shop.statuses["break"]


@case("F-16")
async def test_after_a_change_of_the_queues_just_those_who_serve_it_do(shop: Shop) -> None:
    """Ann serves Orders / her team's list becomes Parcels / just Ann serves Parcels, and nobody Orders."""
    orders, parcels = await shop.queue("Orders"), await shop.queue("Parcels")
    team = await shop.team("Support", orders)
    await shop.agent("Ann", team)
    rev = (await shop.admin.get(f"/v1/routing/settings/{team}"))["data"]["attributes"]["rev"]
    await shop.admin.put(f"/v1/routing/settings/{team}", {"queues": [parcels], "rev": rev})
    await settled(shop.house)
    serving = [len((await shop.admin.get(f"/v1/routing/queues/{q}/work-sessions"))["data"]) for q in (orders, parcels)]
    assert serving == [0, 1]
    c = await shop.arrive(orders)
    assert await shop.because(c) == "NO_TEAM_SERVES_QUEUE"
    await shop.take("Ann", parcels)


def stands(queue: Queue, entered: int | None) -> routing.Place:
    """Where an item that entered then stands a second later."""
    head = PassHead(entered_queue_at=entered)
    item = WorkItem(id="w", org="o", resource="c", pass_="p", status="queued", queue="q", last_revision=head)
    waiting = routing.waiting_of(item)
    assert waiting is not None
    return routing.place(waiting, queue, (entered or 0) + 1_000, 30)


QUEUE = Queue(id="q", org="o", name="Orders")


@case("F-18")
def test_a_step_by_the_clock_is_due_so_long_after_the_entry() -> None:
    """A queue whose items age after n minutes / one entered at t / the step is due at t + n."""
    assert stands(QUEUE.with_(ageing=Ageing(300, 1)), 1_000_000).due == 1_000_000 + 300_000


@case("F-19")
def test_without_a_step_nothing_is_due() -> None:
    """The time is taken away, or is none at all / one entered / nothing is due; it counts as aged from the start."""
    assert stands(QUEUE, 1_000_000).due is None
    at_once = stands(QUEUE.with_(ageing=Ageing(0, 1)), 1_000_000)
    assert (at_once.due, at_once.key[0]) == (None, 1)


@case("F-20")
def test_an_item_without_a_time_of_entry_is_no_error() -> None:
    """An item that does not say when it entered; one that is in no queue / placed / the oldest of all; none."""
    assert stands(QUEUE.with_(ageing=Ageing(300, 1)), None).key[3] == 0
    assert routing.waiting_of(WorkItem(id="w", org="o", resource="c", pass_="p")) is None


@case("F-21")
async def test_when_everybody_was_asked_it_begins_anew(shop: Shop) -> None:
    """Both decline / the time to ask again comes / the first is asked again, and never before that time."""
    queue = await shop.floor("Ann", "Ben")
    c = await shop.arrive(queue)
    for name in ("Ann", "Ben"):
        assert await shop.offers() == {name: c}
        await shop.answer(name, "reject")
    assert (await shop.offers(), await shop.because(c)) == ({}, "ALL_DECLINED")
    await shop.pass_s(29)
    assert await shop.offers() == {}
    await shop.pass_s(2)
    assert await shop.offers() == {"Ann": c}
    await shop.answer("Ann", "reject")
    assert await shop.offers() == {"Ben": c}


@case("F-22")
async def test_if_another_takes_it_the_one_who_was_asked_is_free_again(shop: Shop) -> None:
    """Ann is asked / a supervisor assigns it to Ben / Ann's offer ends, and she is asked about the next one."""
    queue = await shop.floor("Ann", "Ben")
    c = await shop.arrive(queue)
    await shop.admin.put(f"/v1/conversations/{c}", {"assignedUsers": [shop.users["Ben"]]})
    await settled(shop.house)
    assert (await shop.offers(), await shop.owner(c)) == ({}, "Ben")
    assert (await shop.admin.get("/v1/routing/reservations"))["data"][0]["attributes"]["state"] == "rescinded"
    await shop.take("Ann", queue)


@case("F-23")
async def test_one_who_leaves_in_the_moment_of_the_answer_leaves_nothing_behind(shop: Shop) -> None:
    """Ann is asked / she accepts and signs out at once / it is hers or waits, and nobody has an offer or load left."""
    queue = await shop.floor("Ann")
    c = await shop.arrive(queue)
    offer = (await shop.admin.get("/v1/routing/reservations?state=pending"))["data"][0]["id"]
    ann = shop.clients["Ann"]
    leave = {"status": shop.statuses["offline"]}
    await asyncio.gather(
        ann.send("POST", f"/v1/routing/reservations/{offer}/accept", json={}, idempotency_key="one"),
        ann.send("PUT", "/v1/routing/work-sessions/current", json=leave),
    )
    await settled(shop.house)
    assert await shop.offers() == {}
    assert (await shop.status(c), await shop.owner(c)) in (("assigned", "Ann"), ("queued", None))


@case("F-24")
async def test_going_away_during_an_offer_ends_it_once(shop: Shop) -> None:
    """Ann is asked, nobody else is there / she goes away, and time passes / one offer, ended once, none made anew."""
    queue = await shop.floor("Ann")
    c = await shop.arrive(queue)
    await shop.say("Ann", "unavailable")
    for _ in range(10):
        await shop.pass_s(5)
        await reactions.sweep_queues(shop.house.world)
    found: list[Any] = (await shop.admin.get("/v1/routing/reservations"))["data"]
    assert [o["attributes"]["state"] for o in found] == ["rescinded"]
    await shop.say("Ann", "available")
    assert await shop.offers() == {"Ann": c}
