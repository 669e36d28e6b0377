"""Bulk jobs: taken in at once, carried out one by one, each with an outcome of its own, once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import Client, Floor, House, settled

from interlock.domain.bulk import Bulk
from interlock.domain.decision import Provenance
from interlock.service import bulk as service
from interlock.service.transact import SYSTEM

PATH = "/v1/conversations/bulk"


async def conversation(admin: Client, **body: Any) -> str:
    return (await admin.post("/v1/conversations", body))["data"]["id"]


async def outcomes(admin: Client, job: str) -> list[dict[str, Any]]:
    return [b["attributes"] for b in (await admin.get(f"/v1/bulk/{job}/batches"))["data"]]


async def test_a_job_is_queued_then_complete_and_each_record_tells(house: House, admin: Client, floor: Floor) -> None:
    body = [
        {"_clientRef": "one", "name": "a", "queue": {"id": floor.queue}, "channels": ["chat"]},
        {"_clientRef": "two", "assignedUsers": ["f" * 24]},
        {"name": "c", "externalId": "x", "snooze": {"time": "2026-03-03T09:00:00Z"}},
    ]
    made = await admin.post(PATH, body)
    job, told = made["data"]["id"], made["data"]["attributes"]
    assert (told["status"], told["total"], told["act"]) == ("queued", 3, "create")
    assert [o["state"] for o in await outcomes(admin, job)] == ["queued"] * 3
    await settled(house)
    told = (await admin.get(f"/v1/bulk/{job}"))["data"]["attributes"]
    assert (told["status"], told["succeeded"], told["failed"]) == ("complete", 2, 1)
    first, second, third = await outcomes(admin, job)
    assert (first["_clientRef"], first["status"], first["rev"]) == ("one", 201, 1)
    assert (second["_clientRef"], second["status"], second["error"]["code"]) == ("two", 404, "NOT_FOUND")
    assert "_clientRef" not in third
    found = await admin.get("/v1/conversations/externalId=x")
    assert found["data"]["attributes"]["status"] == "snoozed"
    items = await admin.get(f"/v1/routing/queues/{floor.queue}/work-items")
    assert len(items["data"]) == 1, "what was made in bulk is routed like all the rest"


async def test_each_record_is_one_command_with_its_own_basis(house: House, admin: Client) -> None:
    one, two, three = [await conversation(admin) for _ in range(3)]
    await admin.put(f"/v1/conversations/{two}", {"priority": 5})
    records = [{"id": one, "rev": 1, "priority": 1}, {"id": two, "rev": 1, "priority": 1}, {"id": three, "priority": 1}]
    job = (await admin.put(PATH, {"records": records}, 201))["data"]["id"]
    await settled(house)
    assert [o["status"] for o in await outcomes(admin, job)] == [200, 412, 200]
    rows = [r for r in house.store._log if r.by.client == "bulk" and r.changes]
    assert [r.partition for r in rows] == [one, three]
    assert [(b.type, b.rev) for r in rows for b in r.basis] == [("conversation", 1), ("conversation", 1)]
    assert all(r.by.source and r.by.source.id == job and not r.why.unconditional for r in rows)
    assert {r.by.actor.type for r in rows} == {"api_key"}, "it acts for its caller, in their class"


async def test_one_change_for_many_ids_and_deleting(house: House, admin: Client) -> None:
    ids = [await conversation(admin) for _ in range(3)]
    await admin.put(f"{PATH}?ids={','.join(ids)}", {"tags": ["moved"]}, 201)
    await settled(house)
    tags = [(await admin.get(f"/v1/conversations/{id}"))["data"]["attributes"]["tags"] for id in ids]
    assert tags == [["moved"]] * 3
    await admin.delete(f"{PATH}?ids={ids[0]}", 201, json={"records": [{"id": ids[1]}]})
    await settled(house)
    gone = [(await admin.get(f"/v1/conversations/{id}"))["data"]["attributes"]["deleted"] for id in ids]
    assert gone == [True, True, False]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", PATH, [], 400),
        ("POST", PATH, [{}] * 101, 400),
        ("POST", PATH, [{"name": "a"}, {"nmae": "b"}], 400),
        ("PUT", PATH, {}, 422),
        ("PUT", f"{PATH}?ids={'f' * 24}", {"records": [{"id": "f" * 24}]}, 422),
        ("PUT", f"{PATH}?ids=x", {"priority": 1}, 400),
        ("DELETE", PATH, {}, 400),
    ],
)
async def test_what_is_refused_whole(
    house: House, admin: Client, method: str, path: str, body: Any, status: int
) -> None:
    before = await house.store.last_position()
    answer = await admin.send(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert await house.store.last_position() == before
    if body and "nmae" in str(body):
        assert answer.json()["errors"][0]["source"]["pointer"] == "/records/1/nmae"


async def test_a_worker_that_died_in_between_carries_out_the_rest_and_nothing_twice(
    house: House, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after the second record, before the job knows of it; then it is told once more, and once more."""
    job = (await admin.post(PATH, [{"name": str(n)} for n in range(4)]))["data"]["id"]
    org = house.store._log[0].org
    by = Provenance(org, SYSTEM, "system")
    one = service._one
    calls = 0

    async def dies(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return await one(*args)

    monkeypatch.setattr(service, "_one", dies)
    with pytest.raises(KeyboardInterrupt):
        await service.carry_out(house.world, by, job)
    assert (await admin.get(f"/v1/bulk/{job}"))["data"]["attributes"]["status"] == "running"
    assert [o["state"] for o in await outcomes(admin, job)] == ["done", "done", "queued", "queued"]
    monkeypatch.undo()
    await service.carry_out(house.world, by, job)
    await service.carry_out(house.world, by, job)
    names = [c["attributes"]["name"] for c in (await admin.get("/v1/conversations"))["data"]]
    assert sorted(names) == ["0", "1", "2", "3"]
    assert (await admin.get(f"/v1/bulk/{job}"))["data"]["attributes"]["succeeded"] == 4


async def test_two_workers_on_one_job_make_each_record_once(house: House, admin: Client) -> None:
    made = await admin.post(PATH, [{"name": str(n), "externalId": f"e{n}"} for n in range(3)])
    org = house.store._log[0].org
    by = Provenance(org, SYSTEM, "system")
    job = await house.world.store.load([Bulk(id=made["data"]["id"], org=org, act="create", actor=SYSTEM).address])
    assert isinstance(job[0], Bulk)
    wish = job[0].wishes[0]
    first = await service._one(house.world, by, job[0], 0, wish)
    assert await service._one(house.world, by, job[0], 0, wish) == first
    await settled(house)
    assert len((await admin.get("/v1/conversations"))["data"]) == 3
