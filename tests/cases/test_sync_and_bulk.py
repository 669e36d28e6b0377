"""S: a sync that comes late. B: claims, and rounds over many items.

Where a case speaks of a provider's clock, ours speaks of revs: the rev of the conversation that an item has taken in is
the watermark.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.cases.shop import Shop, case
from tests.worlds import KEY, OTHER_KEY, House, settled

from interlock.domain import matching
from interlock.domain.conversation import Conversation
from interlock.domain.record import Ref
from interlock.investigation.scalars import ms_of
from interlock.service import cues, reactions, routing, sync
from interlock.service.relay import attempt
from interlock.service.sync import by_sync
from interlock.service.transact import provenance

NINE = 1_772_442_000_000
"""2026-03-02T09:00:00Z"""


async def org_of(shop: Shop) -> str:
    """The org's id."""
    return (await shop.house.store.changes(0, 1))[0].org


@case("S-01")
async def test_an_item_that_has_taken_in_nothing_takes_what_comes(shop: Shop) -> None:
    """A conversation whose item is not there yet / it is assigned / its item is, too."""
    await shop.floor("Ann")
    c = await shop.arrive(assignedUsers=[shop.users["Ann"]])
    assert await shop.owner(c) == "Ann"


async def moved_on(shop: Shop) -> tuple[str, Conversation]:
    """A conversation that was Ann's and is Ben's, and it as it was when it was Ann's."""
    await shop.floor("Ann", "Ben")
    c = await shop.arrive(assignedUsers=[shop.users["Ann"]])
    rows = await shop.house.store.changes(0, 10_000, partition=c)
    await shop.admin.put(f"/v1/conversations/{c}", {"assignedUsers": [shop.users["Ben"]]})
    await settled(shop.house)
    from interlock.domain.log import snapshot_of

    old = [snapshot_of(ch) for r in rows for ch in r.changes if ch.type == "conversation"][-1]
    assert isinstance(old, Conversation)
    return c, old


async def cue_again(shop: Shop, c: str, *, rev: int) -> None:
    """The news of this conversation once more, from its row of that rev."""
    rows = await shop.house.store.changes(0, 10_000, partition=c)
    for row in rows:
        for n, change in enumerate(row.changes):
            if change.type == "conversation" and change.rev == rev:
                await reactions.forward(shop.house.world, cues.cue_of(row, change, n))


@case("S-03")
async def test_old_news_undoes_nothing(shop: Shop) -> None:
    """The item has taken in that it is Ben's / the news that it is Ann's comes again / it stays Ben's, nothing is
    written.
    """
    c, old = await moved_on(shop)
    before = await shop.item(c)
    await cue_again(shop, c, rev=old.rev)
    assert (await shop.item(c), await shop.owner(c)) == (before, "Ben")


@case("S-05", "S-06")
async def test_newer_news_is_taken_and_the_watermark_never_goes_back(shop: Shop) -> None:
    """The item has taken in some rev / a newer one comes, then an older one / the newer is taken, the mark stays."""
    c, old = await moved_on(shop)
    taken = (await shop.item(c))["attributes"]["resourceRev"]
    assert taken > old.rev
    await cue_again(shop, c, rev=old.rev)
    assert (await shop.item(c))["attributes"]["resourceRev"] == taken


@case("S-07")
async def test_what_is_stale_in_one_org_is_not_in_another() -> None:
    """Two orgs with a conversation of the same external id, one of which has moved on / the same news comes to both /
    it is stale there, and taken here.
    """
    house = House(checked=False)
    orgs = [await house.found("One", KEY), await house.found("Two", OTHER_KEY)]
    seen: list[tuple[str, str | None]] = []
    for org, key in zip(orgs, (KEY, OTHER_KEY), strict=True):
        admin = house.client(key)
        user = (await admin.post("/v1/users", {"name": "Ann"}))["data"]["id"]
        body: dict[str, Any] = {"channels": ["chat"], "externalId": "x-1", "assignedUsers": [user]}
        c = (await admin.post("/v1/conversations", body))["data"]["id"]
        await settled(house)
        if key == KEY:
            await admin.put(f"/v1/conversations/{c}", {"assignedUsers": []})
            await settled(house)
        await sync.forward(house.world, by_sync(org, "forward"), c)
        await settled(house)
        item = (await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0]
        at = item["relationships"].get("assignedTo")
        seen.append((user, at["data"]["id"] if at else None))
    assert [has for _, has in seen] == [None, seen[1][0]]


@case("S-08", "S-09", "S-10", "S-11", "S-12", "S-13", "S-14")
@pytest.mark.parametrize(
    ("told", "ms"),
    [
        ("2026-03-02T09:00:00Z", NINE),
        ("2026-03-02 09:00:00 UTC", NINE),
        ("2026-03-02T11:00:00+0200", NINE),
        ("2026-03-02T09:00:00", NINE),
        (None, None),
        ("", None),
        ("no time at all", None),
    ],
)
def test_times_as_others_write_them(told: str | None, ms: int | None) -> None:
    """A time with Z, with UTC, with an offset, without a zone; none, blank, rubbish / read / the instant, or none."""
    assert ms_of(told) == ms


@case("S-17")
async def test_of_two_writers_on_one_version_the_second_is_told(shop: Shop) -> None:
    """Two hold version v / both write with If-Match v / the second gets 412, reads again, and then succeeds."""
    queue = await shop.floor("Ann")
    item = await shop.item(await shop.arrive(queue))
    path, rev = item["links"]["self"], item["attributes"]["rev"]
    match: Any = {"if_match": f'"{rev}"'}
    await shop.admin.put(path, {"paused": True}, **match)
    told = await shop.admin.put(path, {"paused": False}, 412, **match)
    current = told["errors"][0]["meta"]["currentRev"]
    await shop.admin.put(path, {"paused": False}, if_match=f'"{current}"')


async def waits(shop: Shop, *, conversations: int, here: bool) -> list[str]:
    """So many wait; one agent who is there, or is not."""
    await shop.org(acceptRequired=False)
    queue = await shop.floor("Ann")
    if not here:
        await shop.say("Ann", "offline")
    return [await shop.arrive(queue) for _ in range(conversations)]


@case("B-01")
async def test_one_waits_and_one_is_there(shop: Shop) -> None:
    """One open, one agent / a round / it is theirs."""
    (c,) = await waits(shop, conversations=1, here=True)
    assert await shop.owner(c) == "Ann"


@case("B-02")
async def test_one_waits_and_nobody_is_there(shop: Shop) -> None:
    """Nobody is there / a round / none, and it waits."""
    (c,) = await waits(shop, conversations=1, here=False)
    assert (await routing.sweep(shop.house.world, await org_of(shop)), await shop.owner(c)) == ([], None)


@case("B-03")
async def test_if_nobody_is_there_a_round_costs_nothing_for_each_item(shop: Shop) -> None:
    """Three wait, nobody is there / a round / none, and no item was even loaded."""
    await waits(shop, conversations=3, here=False)
    loads: list[int] = []
    plain = shop.house.store.load

    async def counting(addresses: Any) -> Any:
        loads.append(sum(a.type == "work_item" for a in addresses))
        return await plain(addresses)

    shop.house.store.load = counting
    assert await routing.sweep(shop.house.world, await org_of(shop)) == []
    assert sum(loads) == 0


@case("B-04", "B-18")
async def test_a_turn_gives_so_many_and_leaves_the_rest(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three wait for three agents / one turn of at most two / two are given, one is left for the next turn."""
    queue = await shop.floor("Ann", "Ben", "Cy")
    await shop.admin.put(f"/v1/routing/queues/{queue}", {"paused": {}})
    for _ in range(3):
        await shop.arrive(queue)
    monkeypatch.setattr(routing, "GRANTS_MAX", 2)
    monkeypatch.setattr(routing, "TURNS_MAX", 1)
    await shop.admin.put(f"/v1/routing/queues/{queue}", {"paused": None})
    org = await org_of(shop)
    given = [len(await routing.round(shop.house.world, routing.by_routing(org))) for _ in range(3)]
    assert given == [2, 1, 0]


@case("B-05")
async def test_what_is_done_is_not_given(shop: Shop) -> None:
    """One open, one done, both nobody's / an agent comes / only the open one."""
    first, second = await waits(shop, conversations=2, here=False)
    await shop.done(first)
    await shop.say("Ann", "available")
    assert (await shop.owner(first), await shop.owner(second)) == (None, "Ann")


@case("B-06")
async def test_what_somebody_has_stays_theirs(shop: Shop) -> None:
    """One is Ben's, two wait / an agent comes / both to her, the other stays Ben's."""
    waiting = await waits(shop, conversations=2, here=False)
    await shop.agent("Ben", await shop.team("Other"))
    his = await shop.arrive(assignedUsers=[shop.users["Ben"]])
    await shop.say("Ann", "available")
    assert [await shop.owner(c) for c in (*waiting, his)] == ["Ann", "Ann", "Ben"]


@case("B-07")
async def test_a_round_with_an_old_list_takes_nothing_from_a_machine(shop: Shop) -> None:
    """A round has matched an item / a machine takes it before the commit / the machine has it still, nobody else."""
    await shop.org(acceptRequired=False)
    queue = await shop.floor()
    c = await shop.arrive(queue)
    await shop.agent("Bot", await shop.team("Machines"), "offline", userType="machine")
    org = await org_of(shop)
    by = routing.by_routing(org)
    plain = matching.match

    def late(floor: Any, most: int) -> Any:
        return stale.pop() if stale else plain(floor, most)

    await shop.agent("Ann", await shop.team("People", queue), "unavailable")
    session = (await shop.clients["Ann"].get("/v1/routing/work-sessions/current"))["data"]["id"]
    choice = matching.Choice(shop.users["Ann"], session, (), {}, "longest-idle")
    stale = [[matching.Match((await shop.item(c))["id"], choice)]]
    await shop.admin.put(f"/v1/conversations/{c}", {"assignedUsers": [shop.users["Bot"]]})
    await settled(shop.house)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "match", late)
        assert await routing.round(shop.house.world, by) == []
    assert await shop.owner(c) == "Bot"
    shop.house.world.floors.clear()  # type: ignore[union-attr]


@case("B-08", "B-09")
async def test_an_assignment_tells_who_was_given_what_by_which_rule(shop: Shop) -> None:
    """One waits / it is given / the event names item, agent, that it was routing, and the strategy by which."""
    (c,) = await waits(shop, conversations=1, here=True)
    events = (await shop.admin.get("/v1/events"))["data"]
    item = (await shop.item(c))["id"]
    given = [
        e["data"] for e in events if any(r["code"] == "AUTO_ASSIGNED" for r in e["data"].get("routingReasons", ()))
    ]
    assert {e["data"]["id"] for e in given} >= {item}
    assert {e["client"] for e in given} == {"routing"}
    told = [r for r in await shop.house.store.changes(0, 10_000) if r.why.strategy]
    assert [(r.why.strategy, r.why.reasons[-1].meta["user"]) for r in told] == [("longest-idle", shop.users["Ann"])]


@case("B-10")
async def test_a_team_that_is_switched_off_gets_nothing(shop: Shop) -> None:
    """Two wait, the team is switched off / an agent comes / none."""
    waiting = await waits(shop, conversations=2, here=False)
    team = (await shop.admin.get("/v1/routing/settings"))["data"][0]
    rev = team["attributes"]["rev"]
    await shop.admin.put(f"/v1/routing/settings/{team['id']}", {"enabled": False, "rev": rev})
    await shop.say("Ann", "available")
    assert [await shop.owner(c) for c in waiting] == [None, None]


@case("B-16")
async def test_a_round_over_a_queue_that_is_not_there_is_quiet(shop: Shop) -> None:
    """No such queue / a round is told to look at it / nothing, and no error."""
    by = routing.by_routing(await org_of(shop))
    assert await routing.round(shop.house.world, by, queues=["f" * 24]) == []


@case("B-17")
async def test_a_step_that_fails_is_told_with_its_place(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """A step refuses again and again / the role tries it / it is parked: a row names the record and the error."""
    from interlock.domain.errors import Refused

    await shop.floor("Ann")
    c = await shop.arrive()
    row = (await shop.house.store.changes(0, 10_000, partition=c))[0]

    async def fails(world: Any, cues: Any) -> None:
        raise Refused("The step does not work.")

    with caplog.at_level(logging.ERROR):
        await attempt(shop.house.world, "routing", fails, [cues.cue_of(row, row.changes[0], 0)])
    parked = (await shop.house.store.changes(0, 10_000))[-1]
    assert (parked.why.kind, parked.why.record) == ("parked", Ref("conversation", c))
    assert "The step does not work." in parked.why.reason
    assert provenance(parked.org, "routing").client == parked.by.client
