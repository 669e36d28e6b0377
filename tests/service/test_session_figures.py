"""The figures of a shift never drift: after any history each equals what is derived from the items, the reservations
and the versions of the shift in the log.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.worlds import Client, Floor, House, sessions, settled

from interlock.domain import log
from interlock.domain.agent import WorkSession
from interlock.domain.reservation import Reservation
from interlock.domain.schedule import MINUTE_MS, Schedule
from interlock.domain.work_item import WorkItem
from interlock.ports import Query
from interlock.service.calendars import compiled
from interlock.service.routing import expire_overdue

OFFICE = {str(day): [[540, 1020]] for day in range(1, 6)}
small = st.integers(0, 2)
deeds = st.lists(
    st.tuples(
        st.sampled_from(
            ["begin", "assign", "take", "refuse", "done", "open", "end", "snooze", "say", "say", "limit", "requeue"]
        ),
        small,
        small,
        st.sampled_from([0, 1, 7 * MINUTE_MS, 26 * 60 * MINUTE_MS]),
    ),
    min_size=5,
    max_size=30,
)


class Day:
    """A floor of two agents and what happens on it."""

    async def open(self) -> Day:
        """Nobody is signed in yet."""
        self.house = House()
        await self.house.found()
        self.admin: Client = self.house.client()
        self.floor = await Floor(self.house, self.admin).open(2, capacity=2)
        self.schedule = (await self.admin.post("/v1/schedules", {"name": "s", "hours": OFFICE, "default": True}))[
            "data"
        ]
        found = (await self.admin.get("/v1/routing/statuses"))["data"]
        types = {s["attributes"]["statusType"]: s["id"] for s in found}
        self.statuses = [types["available"], types["unavailable"], types["offline"]]
        self.conversations: list[str] = []
        return self

    async def do(self, deed: str, a: int, b: int) -> None:
        """One deed; many are impossible at their moment, and refused."""
        agent, client = self.floor.agents[a % 2], self.floor.agent(a % 2)
        if deed == "begin" or not self.conversations:
            body = {"channels": ["chat"], "queue": {"id": self.floor.queue}}
            self.conversations.append((await self.admin.post("/v1/conversations", body))["data"]["id"])
            return
        path = f"/v1/conversations/{self.conversations[b % len(self.conversations)]}"
        bodies: dict[str, Any] = {
            "assign": {"assignedUsers": [agent]},
            "done": {"status": "done"},
            "open": {"status": "open"},
            "end": {"ended": True},
            "snooze": {"status": "snoozed"},
            "requeue": {"queue": {"id": self.floor.queue}},
        }
        if deed in bodies:
            await self.admin.send("PUT", path, json=bodies[deed])
        elif deed == "say":
            body = {"status": self.statuses[b]}
            await client.send("PUT", "/v1/routing/work-sessions/current", json=body)
        elif deed == "limit":
            await self.admin.send("PUT", f"/v1/routing/users/{agent}/capacity", json={"total": b + 1})
        else:
            offers = (await self.admin.get("/v1/routing/reservations?state=pending"))["data"]
            mine = [o["id"] for o in offers if o["relationships"]["user"]["data"]["id"] == agent]
            verb = "accept" if deed == "take" else "reject"
            for offer in mine[:1]:
                await client.send(
                    "POST", f"/v1/routing/reservations/{offer}/{verb}", json={}, idempotency_key=f"{offer}{verb}"
                )

    async def find(self, kind: Any) -> list[Any]:
        """All records of a kind."""
        org = (await self.admin.get("/v1/routing/org-settings"))["data"]["id"]
        return await self.house.store.find(Query(name="listing", org=org, type=kind.TYPE, limit=1000))


async def play(history: list[tuple[str, int, int, int]]) -> Day:
    """A day, to its end."""
    day = await Day().open()
    for deed, a, b, ms in history:
        await day.do(deed, a, b)
        day.house.clock.pass_ms(ms)
        await expire_overdue(day.house.world)
        await settled(day.house)
        day.house.clock.pass_ms(1)
    return day


@given(deeds)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_figures_are_what_is_derived_after_any_history(history: list[tuple[str, int, int, int]]) -> None:
    asyncio.run(_check(history))


async def _check(history: list[tuple[str, int, int, int]]) -> None:
    day = await play(history)
    items: list[WorkItem] = await day.find(WorkItem)
    pending = {r.id: r for r in await day.find(Reservation) if r.state == "pending"}
    [schedule] = await day.find(Schedule)
    calendar = compiled(schedule, day.house.clock.now())
    versions = defaultdict[str, list[tuple[int, WorkSession]]](list)
    for row in await day.house.store.changes(0, 100_000):
        for change in row.changes:
            if change.type == WorkSession.TYPE:
                seen = log.snapshot_of(change)
                assert isinstance(seen, WorkSession)
                versions[seen.id].append((row.at, seen))
    for s in await sessions(day.house, day.admin):
        if not s.signed_out_at:
            _load_is_derived(s, items, pending)
        _handled_is_derived(s, items)
        _times_are_derived(s, versions[s.id], calendar, day.house.clock.now())


def _load_is_derived(s: WorkSession, items: list[WorkItem], pending: dict[str, Reservation]) -> None:
    owned = [w for w in items if w.is_open and w.assigned_to == s.user]
    offered = [r for r in pending.values() if r.user == s.user]
    used = sum(w.item_size for w in owned if not w.paused) + sum(r.weight for r in offered)
    total = s.limits.total
    assert s.pending_reservation == (offered[0].id if offered else None)
    assert (s.work_item_count, s.paused_work_item_count) == (len(owned), sum(w.paused for w in owned))
    assert (s.total_capacity, s.capacity_remaining) == (total, max(0, total - used))
    assert s.over_capacity == max(0, used - total)
    assert s.capacity_status == ("idle" if not used else "at-capacity" if used >= total else "not-at-capacity")
    assert [r.remaining for r in s.capacity] == [max(0, total - used)] * len(s.capacity)


def _handled_is_derived(s: WorkSession, items: list[WorkItem]) -> None:
    until = s.signed_out_at or 10**15
    handled = [w for w in items if w.work_session == s.id and w.completed_at is not None and w.completed_at <= until]
    assert s.handled_item_count == len(handled)
    assert s.handled_conversation_count == len({w.resource for w in handled})


def _times_are_derived(s: WorkSession, versions: list[tuple[int, WorkSession]], calendar: Any, now: int) -> None:
    """Each state lasted from its version to the next one that differs. The totals know only what was left; of the
    status the running stay is added here, since to say it again begins a new one.
    """
    by_status: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    said = [(at, v.status) for at, v in versions]
    full = [(at, (v.status_type, v.capacity_status)) for at, v in versions]
    for at, status, end in _stays([*said, (now, "")]):
        by_status[status][0] += end - at
        by_status[status][1] += calendar.business_ms(at, end)
    for at, (kind, fullness), end in _stays(full):
        side = "total_available" if kind in ("available", "busy") else "total_unavailable"
        for name in (side, f"{side}_{fullness.replace('-', '_')}{'_capacity' if fullness == 'idle' else ''}"):
            totals[name][0] += end - at
            totals[name][1] += calendar.business_ms(at, end)
    for id, spent in s.total_time_by_status.items():
        since = now if spent.status_at is None else spent.status_at
        running = now - since, calendar.business_ms(since, now)
        if id != s.status or not s.signed_out_at:
            assert [spent.time + running[0], spent.business_time + running[1]] == by_status[id]
    for side in ("total_available", "total_unavailable"):
        for name in (side, *(f"{side}_{part}" for part in ("idle_capacity", "not_at_capacity", "at_capacity"))):
            found = getattr(s, name)
            assert [found.time, found.business_time] == totals[name], name


def _stays(versions: list[tuple[int, Any]]) -> list[tuple[int, Any, int]]:
    """(from, state, to) of each state that was left."""
    out: list[tuple[int, Any, int]] = []
    since, state = versions[0]
    for at, each in versions[1:]:
        if each != state:
            out.append((since, state, at))
            since, state = at, each
    return out
