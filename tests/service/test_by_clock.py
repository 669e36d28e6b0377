"""What the clock asks for: each org's by one share, pages without a gap, and a pace that a large installation bears."""

from __future__ import annotations

import pytest
from tests.worlds import Client, Floor, House, settled

from interlock.domain.floor import Floor as Kept
from interlock.domain.reservation import Reservation
from interlock.domain.share import shares
from interlock.ports import World
from interlock.service import by_clock, routing
from interlock.service.reactions import CADENCES, Cadence


def divided(house: House, of: int, lanes: int = 1) -> list[World]:
    """The world as each process of a divided role sees it."""
    w = house.world
    return [World(w.store, w.bus, w.clock, w.ids, w.together, {}, share) for share in shares("routing", of, lanes)]


async def test_every_org_comes_once_whatever_the_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {await house.found(f"Org {n}", f"ilk_{n:064d}") for n in range(6)}
    for page in (1, 2, 7, 8, 500):
        monkeypatch.setattr(by_clock, "PAGE", page)
        seen = [o.id async for o in by_clock.each_org(house.world)]
        assert len(seen) == 7
        assert made < set(seen)
        assert seen == sorted(seen)


@pytest.mark.parametrize(("of", "lanes"), [(1, 1), (3, 1), (4, 2)])
async def test_shares_look_after_every_org_between_them_and_none_twice(house: House, of: int, lanes: int) -> None:
    for n in range(12):
        await house.found(f"Org {n}", f"ilk_{n:064d}")
    every = [o.id async for o in by_clock.each_org(house.world)]
    worlds = divided(house, of, lanes)
    once = [o.id for w in worlds async for o in by_clock.orgs_here(w, once=True)]
    assert sorted(once) == every
    assert len([o.id for w in worlds async for o in by_clock.orgs_here(w)]) == len(every) * lanes


async def test_what_is_due_is_done_by_one_share_also_behind_a_page_of_what_others_leave(
    house: House, admin: Client, floor: Floor
) -> None:
    await floor.sign_in()
    await floor.sign_in(1)
    for _ in range(2):
        await admin.post("/v1/conversations", {"channels": ["chat"], "queue": {"id": floor.queue}})
    await settled(house)
    house.clock.pass_ms(3_600_000)
    worlds = divided(house, 4)
    found = [await by_clock.due_here(w, Reservation, limit=1) for w in worlds]
    assert sorted(len(f) for f in found) == [0, 0, 0, 1]
    both = [r.id for w in worlds for r in await by_clock.due_here(w, Reservation)]
    assert len(both) == len(set(both)) == 2
    lanes = [await by_clock.due_here(w, Reservation) for w in divided(house, 1, 3)]
    assert [len(f) for f in lanes] == [2, 0, 0]


async def test_what_others_leave_does_not_hide_what_is_mine(house: House) -> None:
    past, kind = house.clock.now() - 100, Reservation
    due = [
        kind(
            id=f"{n}",
            org=f"{n:024x}",
            work_item="w",
            conversation="c",
            user="u",
            pass_="p",
            work_session="s",
            expires_at=past + n,
        )
        for n in range(40)
    ]

    class Only:
        """A store in which nothing else is due."""

        async def find(self, query: by_clock.Query) -> list[Reservation]:
            """The page asked for."""
            return due[query.offset : query.offset + query.limit]

    base = house.world
    for share in shares("routing", 4):
        world = World(Only(), base.bus, base.clock, base.ids, share=share)  # type: ignore[arg-type]
        mine = [r for r in due if share.looks_after(r.org)]
        assert await by_clock.due_here(world, Reservation, limit=3) == mine[:3]
        assert await by_clock.due_here(world, Reservation) == mine


async def test_every_live_session_comes_whatever_the_page(
    house: House, floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await floor.sign_in()
    await floor.sign_in(1)
    org = (await anext(by_clock.each_org(house.world))).id
    for page in (1, 2, 10_000):
        monkeypatch.setattr(by_clock, "SESSIONS_PAGE", page)
        assert len([s async for s in by_clock.each_live_session(house.world, org)]) == 2


async def test_a_check_looks_at_some_floors_and_at_all_in_turn(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [await house.found(f"Org {n}", f"ilk_{n:064d}") for n in range(5)]
    floors = house.world.floors
    assert floors is not None
    floors.clear()
    for id in ids:
        floors[id] = Kept(id, house.clock.now())
        floors[id].disagreed = 1
    monkeypatch.setattr(routing, "CHECKED_MAX", 2)
    assert [await routing.check_floors(house.world) for _ in range(4)] == [2, 2, 1, 0]
    assert set(floors) == set(ids)


def test_who_looks_through_everything_takes_a_twentieth_of_the_time_and_who_must_be_punctual_does_not_wait() -> None:
    async def nothing(_: World) -> int:
        return 0

    paced = Cadence("sync", "looks", 2.0, nothing, paced=True)
    assert [paced.pause_s(took) for took in (0.0, 0.1, 1.0, 100.0)] == [2.0, 2.0, 19.0, 1900.0]
    assert Cadence("sync", "punctual", 0.5, nothing).pause_s(100.0) == 0.5
    punctual = {c.name for c in CADENCES if not c.paced}
    assert punctual == {"expire_offers", "route_due", "wake_snoozed", "requeue_left", "release_held"}
