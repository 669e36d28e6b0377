"""Conversations over HTTP: what is sent is written, what is absent is not, what is null or empty is cleared."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import Client, Floor, House

PATH = "/v1/conversations"
CHAT = {"name": "Parcel", "direction": "in", "channels": ["chat"]}


async def made(admin: Client, **more: Any) -> Any:
    """A conversation."""
    return (await admin.post(PATH, CHAT | more))["data"]


async def test_a_created_conversation_is_shown_whole_and_read_back_the_same(admin: Client) -> None:
    answer = await admin.send("POST", PATH, json=CHAT)
    document = answer.json()
    assert answer.status_code == 201
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == document["data"]["links"]["self"]
    assert answer.headers["content-type"] == "application/vnd.api+json"
    attributes = document["data"]["attributes"]
    assert attributes["status"] == "open"
    assert attributes["createdAt"] == attributes["updatedAt"] == "2026-03-02T09:00:00.000Z"
    assert {"coupled", "unitRev", "org", "id"}.isdisjoint(attributes)
    assert "customer" not in document["data"]["relationships"]
    assert document["data"]["relationships"]["org"]["data"]["type"] == "org"
    assert await admin.get(document["data"]["links"]["self"]) == document


async def test_absent_null_and_empty_are_three_things(admin: Client, floor: Floor) -> None:
    c = await made(admin, tags=["a"], subStatus="x", assignedUsers=floor.agents[:1])
    path = f"{PATH}/{c['id']}"
    kept = (await admin.put(path, {"priority": 4}))["data"]["attributes"]
    assert (kept["tags"], kept["subStatus"], kept["assignedUsers"]) == (["a"], "x", floor.agents[:1])
    cleared = (await admin.put(path, {"tags": [], "subStatus": None}))["data"]["attributes"]
    assert cleared["tags"] == []
    assert "subStatus" not in cleared
    assert cleared["assignedUsers"] == floor.agents[:1]
    assert (await admin.put(path, {"assignedUsers": None}))["data"]["attributes"]["assignedUsers"] == []


async def test_queue_by_id_external_and_null(admin: Client, floor: Floor) -> None:
    c = await made(admin, queue={"id": floor.queue})
    assert c["relationships"]["queue"]["data"]["id"] == floor.queue
    path = f"{PATH}/{c['id']}"
    outside = (await admin.put(path, {"queue": {"external": "amazon-connect"}}))["data"]
    assert outside["attributes"]["externalQueue"] == "amazon-connect"
    assert "queue" not in outside["relationships"]
    nowhere = (await admin.put(path, {"queue": None}))["data"]
    assert "externalQueue" not in nowhere["attributes"]
    refused = await admin.put(path, {"queue": {"id": floor.queue, "external": "x"}}, 400)
    assert refused["errors"][0]["source"] == {"pointer": "/queue"}


async def test_replace_gives_what_is_left_out_its_default(admin: Client, floor: Floor) -> None:
    c = await made(admin, tags=["a"], priority=5, assignedUsers=floor.agents[:1], custom={"fcrBool": True})
    whole = (await admin.put(f"{PATH}/{c['id']}?replace=true", {"name": "New"}))["data"]["attributes"]
    assert (whole["name"], whole["tags"], whole["priority"]) == ("New", [], 3)
    assert (whole["assignedUsers"], whole["custom"], whole["status"]) == ([], {}, "open")


async def test_patch_takes_a_plain_object_in_both_media_types_and_rev_in_the_query(admin: Client) -> None:
    c = await made(admin)
    path = f"{PATH}/{c['id']}"
    answer = await admin.send(
        "PATCH", f"{path}?rev=1", content=b'{"priority":5}', content_type="application/json-patch+json"
    )
    assert answer.json()["data"]["attributes"]["priority"] == 5
    assert (await admin.patch(f"{path}?rev=1", {"priority": 1}, 412))["errors"][0]["code"] == "PRECONDITION_FAILED"
    refused = await admin.send("PUT", path, content=b"{}", content_type="application/json-patch+json")
    assert refused.status_code == 415


async def test_snooze_sleeps_until_its_time_and_done_contradicts_it(house: House, admin: Client) -> None:
    c = await made(admin)
    path = f"{PATH}/{c['id']}"
    asleep = (await admin.put(path, {"snooze": {"time": "2026-03-02 10:00:00.000250+00:00"}}))["data"]["attributes"]
    assert asleep["status"] == "snoozed"
    assert asleep["snooze"] == {"time": "2026-03-02T10:00:00.000Z", "status": "scheduled"}
    both = await admin.put(path, {"status": "done", "snooze": {"time": "2026-03-02T10:00:00Z"}}, 422)
    assert both["errors"][0]["code"] == "INVALID_COMBINATION"
    assert both["errors"][0]["meta"]["fields"] == ["status", "snooze"]


async def test_fields_of_the_incident_are_kept_and_returned(admin: Client) -> None:
    given = {
        "roleGroupVersions": [{"a": 1}],
        "accessOverride": [],
        "lastResponse": {"createdByTeams": [], "assignedTeams": [], "assignedUsers": ["u"]},
        "satisfactionLevel": {"sentByTeams": [], "answers": [{"scoreAt": 3}]},
        "custom": {"fcrBool": True, "noteStr": None, "sinceAt": "2026-01-01T00:00:00.123456Z"},
        "assistant": {"fac": {"reasons": []}},
    }
    shown = (await made(admin, **given))["attributes"]
    assert {name: shown[name] for name in given} == given


@pytest.mark.parametrize(
    ("custom", "pointer"),
    [
        ({"colour": "x"}, "/custom/colour"),
        ({"aNum": "x"}, "/custom/aNum"),
        ({"aBool": 1}, "/custom/aBool"),
        ({"aStr": "x" * 1025}, "/custom/aStr"),
        ({"aAt": "yesterday"}, "/custom/aAt"),
    ],
)
async def test_custom_attributes_end_in_their_type(admin: Client, custom: Any, pointer: str) -> None:
    refused = await admin.post(PATH, {"custom": custom}, 400)
    assert refused["errors"][0]["source"] == {"pointer": pointer}


async def test_delete_marks_it_done_and_gone_from_lists(house: House, admin: Client) -> None:
    c = await made(admin)
    path = f"{PATH}/{c['id']}"
    assert (await admin.delete(path, 428))["errors"][0]["code"] == "PRECONDITION_REQUIRED"
    await admin.delete(path, if_match='"1"')
    gone = (await admin.get(path))["data"]["attributes"]
    assert (gone["deleted"], gone["status"]) == (True, "done")
    assert (await admin.get(PATH))["data"] == []
    assert [d["id"] for d in (await admin.get(f"{PATH}?status=deleted"))["data"]] == [c["id"]]


async def test_a_trailing_slash_is_the_same_path_and_a_get_ignores_its_body(admin: Client) -> None:
    c = await made(admin)
    answer = await admin.send("GET", f"{PATH}/{c['id']}/", content=b"null", content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["data"]["id"] == c["id"]


async def test_etag_and_304(admin: Client) -> None:
    c = await made(admin)
    path = f"{PATH}/{c['id']}"
    same = await admin.send("GET", path, if_none_match='"1"')
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"1"')
    await admin.put(path, {"priority": 4})
    assert (await admin.send("GET", path, if_none_match='"1"')).status_code == 200
    listed = await admin.send("GET", PATH)
    assert (await admin.send("GET", PATH, if_none_match=listed.headers["etag"])).status_code == 304
    await admin.put(path, {"priority": 5})
    assert (await admin.send("GET", PATH, if_none_match=listed.headers["etag"])).status_code == 200


async def test_pages_have_paths_and_end_in_null(admin: Client) -> None:
    ids = [(await made(admin))["id"] for _ in range(5)]
    seen: list[str] = []
    path: str | None = f"{PATH}?page=1&pageSize=2"
    while path:
        page = await admin.get(path)
        assert page["meta"]["pageSize"] == 2
        assert page["links"]["self"] == path
        assert all(d["attributes"]["updatedAt"] and "relationships" in d for d in page["data"])
        seen += [d["id"] for d in page["data"]]
        path = page["links"]["next"]
    assert seen == sorted(ids, reverse=True)
    assert (await admin.get(f"{PATH}?page=2&pageSize=2"))["links"]["prev"] == f"{PATH}?page=1&pageSize=2"


@pytest.mark.parametrize(("query", "size"), [("pageSize=1000", 100), ("pageSize=0", 1), ("page=-3", 25)])
async def test_page_sizes_are_clamped(admin: Client, query: str, size: int) -> None:
    page = await admin.get(f"{PATH}?{query}")
    assert page["meta"] == {"page": 1, "pageSize": size}


async def test_too_deep_a_page_is_empty(admin: Client) -> None:
    page = await admin.get(f"{PATH}?page=999999999&pageSize=100")
    assert (page["data"], page["links"]["next"]) == ([], None)


async def test_messages_join_wake_and_begin(admin: Client) -> None:
    c = await made(admin)
    path = f"{PATH}/{c['id']}"
    await admin.put(path, {"status": "done"})
    told = await admin.post(f"{path}/messages", {"channel": "chat", "app": "chat", "direction": "in", "preview": "Hi"})
    assert told["data"]["relationships"]["conversation"]["data"]["id"] == c["id"]
    again = (await admin.get(path))["data"]["attributes"]
    assert (again["status"], again["messageCount"], again["reopenCount"]) == ("open", 1, 1)
    assert [m["id"] for m in (await admin.get(f"{path}/messages"))["data"]] == [told["data"]["id"]]
    first = await admin.post("/v1/messages", {"channel": "email", "app": "postmark", "preview": "New"})
    begun = await admin.get(first["data"]["relationships"]["conversation"]["links"]["self"])
    assert (begun["data"]["attributes"]["messageCount"], begun["data"]["attributes"]["rev"]) == (1, 1)
    assert begun["data"]["attributes"]["firstMessageIn"]["sentAt"] == "2026-03-02T09:00:00.000Z"
    await admin.post("/v1/messages", {"channel": "chat", "app": "chat", "conversation": "f" * 24}, 404)
