"""Notes, tags, shortcuts, and records found by the names that they have elsewhere."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from tests.worlds import OTHER_KEY, Client, Floor, House, settled


async def test_a_note_is_counted_and_wakes_nothing(house: House, admin: Client, floor: Floor) -> None:
    c = (await admin.post("/v1/conversations", {"status": "done"}))["data"]["id"]
    path = f"/v1/conversations/{c}/notes"
    made = await floor.agent().post(path, {"body": "call back", "mentions": [floor.agents[1]]})
    await admin.post(path, {"body": "done"})
    assert made["data"]["relationships"]["createdBy"]["data"]["id"] == floor.agents[0]
    assert [n["attributes"]["body"] for n in (await admin.get(path))["data"]] == ["call back", "done"]
    after = (await admin.get(f"/v1/conversations/{c}"))["data"]["attributes"]
    assert (after["status"], after["noteCount"]) == ("done", 2)
    assert (await admin.get(f"/v1/notes/{made['data']['id']}"))["data"] == made["data"]
    await admin.post(path, {"body": "x", "mentions": ["f" * 24]}, 404)
    events = await admin.get("/v1/events?topics=note")
    assert [e["type"] for e in events["data"]] == ["interlock.note.create.v1"] * 2


async def test_tags_are_added_and_taken_off_one_by_one(admin: Client) -> None:
    c = (await admin.post("/v1/conversations", {"tags": ["a", "b"]}))["data"]["id"]
    path = f"/v1/conversations/{c}/tags"
    added = await admin.post(path, {"tags": ["c", "a", "c"]}, 200)
    assert added["data"]["attributes"]["tags"] == ["a", "b", "c"]
    taken = await admin.delete(path, 200, json={"tags": ["b", "x"]})
    assert taken["data"]["attributes"]["tags"] == ["a", "c"]
    rev = taken["data"]["attributes"]["rev"]
    assert (await admin.post(path, {"tags": ["a"]}, 200))["data"]["attributes"]["rev"] == rev, "nothing new: no rev"
    await admin.post(path, {"tags": ["d"]}, 412, if_match='"1"')


@pytest.mark.parametrize("noun", ["tags", "shortcuts"])
async def test_two_flat_lists(house: House, admin: Client, noun: str) -> None:
    made = [await admin.post(f"/v1/{noun}", {"name": name}) for name in ("b", "a", "c")]
    refused = await admin.post(f"/v1/{noun}", {"name": "A"}, 409)
    assert refused["errors"][0]["code"] == "KEY_TAKEN"
    listed = await admin.get(f"/v1/{noun}/?pageSize=2")
    assert [t["attributes"]["name"] for t in listed["data"]] == ["a", "b"]
    assert listed["links"]["next"] == f"/v1/{noun}?page=2&pageSize=2"
    await admin.put(f"/v1/{noun}/{made[1]['data']['id']}", {"deleted": True})
    assert [t["attributes"]["name"] for t in (await admin.get(f"/v1/{noun}"))["data"]] == ["b", "c"]
    await admin.post(f"/v1/{noun}", {"name": "A"})


async def test_records_are_found_by_their_names_elsewhere(house: House, admin: Client) -> None:
    body = {"name": "Ada", "externalId": "crm 7", "emails": [{"email": "Ada@Example.org"}, {"email": "a@b.c"}]}
    ada = (await admin.post("/v1/customers", body))["data"]["id"]
    c = (await admin.post("/v1/conversations", {"externalId": "case=9", "customer": ada}))["data"]["id"]
    for path, id in (
        ("/v1/customers/email=ada@example.org", ada),
        (f"/v1/customers/email={quote('A@b.c')}/", ada),
        ("/v1/customers/externalId=crm%207", ada),
        ("/v1/conversations/externalId=case=9", c),
    ):
        assert (await admin.get(path))["data"]["id"] == id, path
    for path in ("/v1/customers/email=x@example.org", "/v1/conversations/externalId=x", "/v1/customers/name=Ada"):
        await admin.get(path, 404)
    assert (await admin.send("PUT", "/v1/customers/email=a@b.c", json={"name": "x"})).status_code == 404
    await house.found("Other", OTHER_KEY)
    await house.client(OTHER_KEY).get("/v1/customers/email=ada@example.org", 404)
    own = await house.client(OTHER_KEY).post("/v1/customers", {"emails": [{"email": "a@b.c"}]})
    assert own["data"]["id"] != ada


async def test_a_mail_address_names_one_customer(admin: Client) -> None:
    first = (await admin.post("/v1/customers", {"emails": [{"email": "a@b.c"}]}))["data"]["id"]
    await admin.post("/v1/customers", {"emails": [{"email": "A@B.C"}]}, 409)
    await admin.put(f"/v1/customers/{first}", {"emails": [{"email": "a@b.c"}, {"email": "d@e.f"}]})
    await admin.put(f"/v1/customers/{first}", {"emails": []})
    await admin.post("/v1/customers", {"emails": [{"email": "A@B.C"}]})


async def test_what_belongs_to_a_customer(admin: Client) -> None:
    ada = (await admin.post("/v1/customers", {"name": "Ada"}))["data"]["id"]
    sent = []
    for preview in ("one", "two"):
        body = {"channel": "chat", "app": "chat", "customer": ada, "preview": preview}
        sent.append((await admin.post("/v1/messages", body))["data"])
    conversations = [m["relationships"]["conversation"]["data"]["id"] for m in sent]
    found = await admin.get(f"/v1/customers/{ada}/conversations")
    assert sorted(c["id"] for c in found["data"]) == sorted(conversations)
    messages = await admin.get(f"/v1/customers/{ada}/messages")
    assert {m["attributes"]["preview"] for m in messages["data"]} == {"one", "two"}
    await admin.delete(f"/v1/conversations/{conversations[0]}", if_match='"1"')
    assert len((await admin.get(f"/v1/customers/{ada}/conversations"))["data"]) == 1
    assert len((await admin.get(f"/v1/conversations?customer={ada}&status=deleted"))["data"]) == 1


async def test_links_keep_the_filter(admin: Client, floor: Floor) -> None:
    plain = await admin.get("/v1/users?pageSize=1")
    assert plain["links"]["next"] == "/v1/users?page=2&pageSize=1", "clients compare it letter by letter"
    found = await admin.get("/v1/routing/queues?pageSize=1&all=true&unknown=1", 200)
    assert found["links"]["next"] == "/v1/routing/queues?page=2&pageSize=1&all=true"


async def test_pages_of_filtered_lists_are_whole(house: House, admin: Client, floor: Floor) -> None:
    """Filtered in the store, not in memory: a page holds as many as it says, whatever lies between."""
    ada = (await admin.post("/v1/customers", {"name": "Ada"}))["data"]["id"]
    for n in range(6):
        status = "done" if n % 2 else "open"
        await admin.post("/v1/conversations", {"customer": ada, "status": status, "queue": {"id": floor.queue}})
    await settled(house)
    seen: list[str] = []
    path: str | None = f"/v1/conversations?customer={ada}&status=open&pageSize=2"
    while path:
        page = await admin.get(path)
        seen += [c["id"] for c in page["data"]]
        path = page["links"]["next"]
    assert len(seen) == len(set(seen)) == 3
    forward = await admin.get(f"/v1/routing/queues/{floor.queue}/work-items")
    back = await admin.get(f"/v1/routing/queues/{floor.queue}/work-items?sort=desc")
    assert [w["id"] for w in back["data"]] == [w["id"] for w in forward["data"]][::-1]
