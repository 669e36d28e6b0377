"""What a writer says to have seen: exact, by field, as a basis; and what follows when it has moved."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import Client, Floor, House, settled

from interlock.api.host import Settings

PATH = "/v1/conversations"


async def moved(admin: Client, floor: Floor) -> str:
    """A conversation at rev 3: rev 2 changed its name, rev 3 its users."""
    path = f"{PATH}/{(await admin.post(PATH, {'channels': ['chat']}))['data']['id']}"
    await admin.put(path, {"name": "touched"})
    await admin.put(path, {"assignedUsers": floor.agents[:1]})
    return path


CASES: list[tuple[dict[str, Any], dict[str, str], int, str]] = [
    ({"priority": 5}, {}, 200, ""),
    ({"priority": 5, "rev": 3}, {}, 200, ""),
    ({"priority": 5, "rev": 1}, {}, 200, ""),
    ({"name": "x", "rev": 1}, {}, 412, "PRECONDITION_FAILED"),
    ({"name": "x", "rev": 2}, {}, 200, ""),
    ({"status": "done", "rev": 2}, {}, 412, "PRECONDITION_FAILED"),
    ({"queue": None, "rev": 2}, {}, 412, "PRECONDITION_FAILED"),
    ({"priority": 5, "rev": 9}, {}, 412, "PRECONDITION_FAILED"),
    ({"priority": 5}, {"if_match": '"3"'}, 200, ""),
    ({"priority": 5}, {"if_match": '"2"'}, 412, "PRECONDITION_FAILED"),
    ({"priority": 5}, {"if_match": "*"}, 200, ""),
    ({"priority": 5}, {"if_match": "newest"}, 400, "BAD_REQUEST"),
    ({"priority": 5, "rev": 2}, {"if_match": '"3"'}, 400, "BAD_REQUEST"),
    ({"priority": 5, "rev": "3"}, {}, 400, "BAD_REQUEST"),
]


@pytest.mark.parametrize(("body", "headers", "status", "code"), CASES)
async def test_the_table(
    house: House, admin: Client, floor: Floor, body: dict[str, Any], headers: dict[str, str], status: int, code: str
) -> None:
    path = await moved(admin, floor)
    before = await house.store.last_position()
    answer = await admin.put(path, body, status, **headers)
    if code:
        assert answer["errors"][0]["code"] == code
        assert await house.store.last_position() == before


async def test_a_stale_rev_is_told_what_changed_since(admin: Client, floor: Floor) -> None:
    path = await moved(admin, floor)
    error = (await admin.put(path, {"name": "x", "rev": 1}, 412))["errors"][0]
    assert error["source"] == {"pointer": "/rev"}
    assert (error["meta"]["currentRev"], error["meta"]["givenRev"]) == (3, 1)
    since = {(c["field"], c["rev"], c["client"], c["at"]) for c in error["meta"]["changedSince"]}
    assert ("name", 2, "api", "2026-03-02T09:00:00.000Z") in since
    assert ("assignedUsers", 3, "api", "2026-03-02T09:00:00.000Z") in since


async def test_a_basis_is_judged_by_the_unit(admin: Client, floor: Floor) -> None:
    path = await moved(admin, floor)
    id = path.rsplit("/", 1)[1]

    def seen(rev: int) -> dict[str, Any]:
        return {"assignedUsers": floor.agents[1:], "basis": [{"type": "conversation", "id": id, "rev": rev}]}

    stale = (await admin.put(path, seen(2), 409))["errors"][0]
    assert (stale["code"], stale["meta"]["currentRev"]) == ("STALE_BASIS", 3)
    await admin.put(path, {"name": "an unrelated touch"})
    await admin.put(path, seen(3))


async def test_an_unconditional_write_is_marked(house: House, admin: Client, floor: Floor) -> None:
    path = await moved(admin, floor)
    assert (await house.store.changes(0, 1, newest=True))[0].why.unconditional
    await admin.put(path, {"priority": 5, "rev": 3})
    assert not (await house.store.changes(0, 1, newest=True))[0].why.unconditional


async def test_a_work_item_needs_a_rev(house: House, admin: Client, floor: Floor) -> None:
    c = (await admin.post(PATH, {"queue": {"id": floor.queue}}))["data"]["id"]
    await settled(house)
    item = (await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0]
    path = item["links"]["self"]
    assert (await admin.put(path, {"status": "completed"}, 428))["errors"][0]["code"] == "PRECONDITION_REQUIRED"
    await admin.put(path, {"status": "completed"}, if_match=f'"{item["attributes"]["rev"]}"')


async def test_resource_rev_is_compared_with_the_unit(house: House, admin: Client, floor: Floor) -> None:
    c = (await admin.post(PATH, {"queue": {"id": floor.queue}}))["data"]["id"]
    await settled(house)
    await admin.put(f"{PATH}/{c}", {"assignedUsers": floor.agents[:1]})
    item = (await admin.get(f"/v1/routing/conversations/{c}/work-items"))["data"][0]
    body = {"rev": item["attributes"]["rev"], "assignedTo": floor.agents[1], "resource": {"rev": 1}}
    stale = (await admin.put(item["links"]["self"], body, 409))["errors"][0]
    assert (stale["code"], stale["source"]) == ("STALE_BASIS", {"pointer": "/resource/rev"})


async def test_a_server_may_want_a_rev_with_every_write() -> None:
    strict = House(Settings(preconditions=True))
    await strict.found()
    admin = strict.client()
    id = (await admin.post(PATH, {}))["data"]["id"]
    await admin.put(f"{PATH}/{id}", {"priority": 4}, 428)
    await admin.put(f"{PATH}/{id}", {"priority": 4, "rev": 1})
