"""Searching in the reference's language."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import OTHER_KEY, Client, House

PATH = "/v1/customers/search"


async def found(client: Client, context: str, status: int = 200, /, **body: Any) -> Any:
    answer = await client.post(PATH, {"queryContext": context, **body}, status)
    return [d["id"] for d in answer["data"]] if status == 200 else answer


@pytest.fixture
async def people(house: House, admin: Client) -> dict[str, str]:
    """Three customers, a second apart, and a conversation of the first two."""
    out: dict[str, str] = {}
    for name, phone in (("Ada", "1"), ("bob", "2"), ("Cy", "3")):
        body = {"name": name, "phones": [{"phone": phone}], "emails": [{"email": f"{name}@example.org"}]}
        out[name] = (await admin.post("/v1/customers", body))["data"]["id"]
        house.clock.pass_ms(1_000)
    for name, status in (("Ada", "open"), ("bob", "done")):
        body = {"customer": out[name], "status": status, "tags": ["vip"] if name == "Ada" else []}
        out[status] = (await admin.post("/v1/conversations", body))["data"]["id"]
    return out


async def test_by_the_last_change_inclusive_and_exact_to_the_millisecond(
    house: House, admin: Client, people: dict[str, str]
) -> None:
    asc = [{"customer_updated_at": "asc"}]
    at = "2026-03-02T09:00:01"
    for text, expected in (
        (f"{at}.000000Z", ["bob", "Cy"]),
        (f"{at}.001Z", ["Cy"]),
        ("2026-03-02 10:00:01+01:00", ["bob", "Cy"]),
        (f"{at}.000", ["bob", "Cy"]),
    ):
        ids = await found(admin, "customer", sort=asc, **{"and": [{"customer_updated_at": {"gte": text}}]})
        assert ids == [people[n] for n in expected], text
    window = [{"customer_updated_at": {"gt": f"{at}Z", "lt": "2026-03-02T09:00:02Z"}}]
    assert await found(admin, "customer", **{"and": window}) == []
    assert await found(admin, "customer") == [people[n] for n in ("Cy", "bob", "Ada")], "newest first"


async def test_a_time_without_a_zone_is_in_the_zone_that_is_named(admin: Client, people: dict[str, str]) -> None:
    text = [{"customer_updatedAt": {"gte": "2026-03-02T10:00:02"}}]
    assert await found(admin, "customer", timeZone="Europe/Paris", **{"and": text}) == [people["Cy"]]
    refused = await found(admin, "customer", 400, timeZone="Mars/Olympus", **{"and": text})
    assert refused["errors"][0]["source"] == {"pointer": "/timeZone"}


async def test_all_any_and_none(admin: Client, people: dict[str, str]) -> None:
    either = [{"customer_name": {"equals": "ADA"}}, {"customer_email": {"starts_with": "cy@"}}]
    assert await found(admin, "customer", **{"or": either}) == [people["Cy"], people["Ada"]]
    assert await found(admin, "customer", **{"or": either, "not": [{"customer_phone": {"equals": "3"}}]}) == [
        people["Ada"]
    ]
    both = [{"customer_name": {"contains": "b"}}, {"customer_name": {"contains": "x"}}]
    assert await found(admin, "customer", **{"and": both}) == []


async def test_conversations_also_by_what_their_customer_is(admin: Client, people: dict[str, str]) -> None:
    status = {"conversation_status": {"in": ["open", "snoozed"]}}
    assert await found(admin, "conversation", **{"and": [status]}) == [people["open"]]
    assert await found(admin, "conversation", **{"and": [{"customer_name": {"equals": "Bob"}}]}) == [people["done"]]
    assert await found(admin, "conversation", **{"and": [{"conversation_tags": {"equals": "vip"}}]}) == [people["open"]]


async def test_messages_and_notes_and_what_we_do_not_have(admin: Client, people: dict[str, str]) -> None:
    path = f"/v1/conversations/{people['open']}"
    m = await admin.post(f"{path}/messages", {"channel": "chat", "app": "chat", "preview": "Hello there"})
    n = await admin.post(f"{path}/notes", {"body": "call back tomorrow"})
    said = [{"message_preview": {"contains": "hello"}}, {"conversation_status": {"equals": "open"}}]
    assert await found(admin, "message", **{"and": said}) == [m["data"]["id"]]
    assert await found(admin, "note", **{"and": [{"note_body": {"contains": "back"}}]}) == [n["data"]["id"]]
    assert await found(admin, "kobject", **{"and": [{"kobject_updated_at": {"gte": "2026-03-02T09:00:00Z"}}]}) == []


async def test_other_orders(admin: Client, people: dict[str, str]) -> None:
    for way, expected in (("asc", ["Ada", "bob", "Cy"]), ("desc", ["Cy", "bob", "Ada"])):
        assert await found(admin, "customer", sort=[{"customer_name": way}]) == [people[n] for n in expected]
    by = [{"customer_company": "asc"}, {"customer_name": "desc"}]
    await admin.put(f"/v1/customers/{people['bob']}", {"company": "c" * 24})
    assert await found(admin, "customer", sort=by) == [people[n] for n in ("bob", "Cy", "Ada")], "missing values last"


async def test_links_carry_page_and_page_size_and_end(admin: Client, people: dict[str, str]) -> None:
    page = await admin.post(f"{PATH}?page=1&pageSize=2", {}, 200)
    assert page["links"]["next"] == f"{PATH}?page=2&pageSize=2"
    assert "total" not in page["meta"]
    page = await admin.post(f"{PATH}?pageSize=2&page=2", {}, 200)
    assert (page["links"]["next"], page["meta"]["total"], page["meta"]["totalPages"]) == (None, 3, 2)
    assert (await admin.post(f"{PATH}?pageSize=1000", {}, 200))["meta"]["pageSize"] == 500
    await admin.post(f"{PATH}?page=101&pageSize=1", {}, 400)


async def test_page_100_points_on_though_101_is_refused(admin: Client) -> None:
    for n in range(101):
        await admin.post("/v1/customers", {"name": str(n)})
    page = await admin.post(f"{PATH}?page=100&pageSize=1", {}, 200)
    assert page["links"]["next"] == f"{PATH}?page=101&pageSize=1"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"and": [{"customer_nmae": {"equals": "x"}}]}, 400, "/and/0/customer_nmae"),
        ({"and": [{"customer_name": {"equal": "x"}}]}, 400, "/and/0/customer_name/operator"),
        ({"and": [{"conversation_status": {"equals": "open"}}]}, 422, "/and/0/conversation_status"),
        ({"and": [{"customer_updated_at": {"gte": "yesterday"}}]}, 400, "/and/0/customer_updated_at/value"),
        ({"sort": [{"customer_name": "up"}]}, 400, "/sort/0"),
        ({"query": "x"}, 400, "/query"),
    ],
)
async def test_what_cannot_be_understood_says_where(admin: Client, body: Any, status: int, pointer: str) -> None:
    refused = await admin.post(PATH, body, status)
    assert refused["errors"][0]["source"]["pointer"] == pointer


async def test_nothing_of_another_org_is_found(house: House, people: dict[str, str]) -> None:
    await house.found("Other", OTHER_KEY)
    for context in ("customer", "conversation", "message", "note"):
        assert await found(house.client(OTHER_KEY), context) == []
