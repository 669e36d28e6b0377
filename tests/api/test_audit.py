"""The audit log: who changed which record when, and from which decision."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from tests.worlds import OTHER_KEY, Client, Floor, House, settled

from interlock.service import audit

PATH = "/v1/audit-logs"


async def test_each_entry_says_who_what_and_from_which_decision(house: House, admin: Client, floor: Floor) -> None:
    c = (await floor.agent().post("/v1/conversations", {}))["data"]["id"]
    await admin.put(f"/v1/conversations/{c}", {"priority": 5})
    found = await admin.get(f"{PATH}?filter[objectId]={c}&filter[include]=changes")
    changed, made = found["data"]
    assert [e["attributes"]["action"] for e in (made, changed)] == ["create", "update"]
    assert made["relationships"]["user"]["data"]["id"] == floor.agents[0]
    assert changed["attributes"]["changes"]["attributes"]["priority"] == {"op": "replace", "before": 3, "after": 5}
    decision = changed["relationships"]["decision"]
    told = await admin.get(decision["links"]["self"])
    assert told["data"]["id"] == decision["data"]["id"] == changed["attributes"]["decision"]
    assert told["data"]["attributes"]["record"] == {"type": "conversation", "id": c}


async def test_filters(house: House, admin: Client, floor: Floor) -> None:
    start = house.clock.now()
    house.clock.pass_ms(1_000)
    await floor.agent().post("/v1/conversations", {"channels": ["chat"]})
    await settled(house)
    house.clock.pass_ms(1_000)
    await admin.post("/v1/customers", {"name": "Ada"})

    async def types(query: str) -> set[str]:
        return {e["attributes"]["objectType"] for e in (await admin.get(f"{PATH}?{query}"))["data"]}

    assert await types("filter[objectType]=customer") == {"customer"}
    assert await types(f"filter[userId]={floor.agents[0]}") == {"conversation"}
    begin, end = quote("2026-03-02T09:00:01Z"), quote("2026-03-02T10:00:02+01:00")
    assert start == 1_772_442_000_000
    assert "customer" not in await types(f"filter[start]={begin}&filter[end]={end}")
    assert await types(f"filter[start]={quote('2026-03-02T09:00:02Z')}") == {"customer"}


@pytest.mark.parametrize("count", [1, 3, 1000])
async def test_pages_go_back_to_the_beginning_and_divide_no_commit(
    house: House, admin: Client, floor: Floor, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "WINDOW", 2)
    monkeypatch.setattr(audit, "ROWS_MAX", 5)
    await house.found("Other", OTHER_KEY)
    for n in range(4):
        await admin.post("/v1/customers", {"name": str(n)})
    seen: list[tuple[int, str]] = []
    path: str | None = f"{PATH}?count={count}"
    while path:
        page = await admin.get(path)
        seen += [(e["attributes"]["position"], e["id"]) for e in page["data"]]
        path = page["links"]["next"]
    own = [r for r in house.store._log if r.org == house.store._log[0].org]
    assert [p for p, _ in seen] == sorted((p for p, _ in seen), reverse=True)
    assert len(set(seen)) == len(seen) == sum(len(r.changes) for r in own)


async def test_who_may_read_it(house: House, admin: Client) -> None:
    for role, status in (("org.permission.audit_logs.read", 200), ("org.permission.conversation.read", 403)):
        made = await admin.post("/v1/api-keys", {"name": role, "roles": [role]})
        await house.client(made["meta"]["secret"]).get(PATH, status)
