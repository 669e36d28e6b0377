"""One shape for every refusal, and nothing written with any of them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from tests.worlds import KEY, Client, Floor, House

from interlock.api.host import Settings
from interlock.domain.errors import Unavailable

PATH = "/v1/conversations"


def checked(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The first error of an answer, whose shape is as it always is."""
    assert answer.status_code == status, answer.text
    errors = answer.json()["errors"]
    for error in errors:
        assert {"id", "status", "code", "title", "detail", "message", "links"} <= set(error)
        assert error["id"] == answer.headers["traceparent"].split("-")[1]
        assert error["links"]["type"] == "/docs#error-" + error["code"].lower().replace("_", "-")
    assert code in [e["code"] for e in errors]
    return next(e for e in errors if e["code"] == code)


BAD_BODIES: list[tuple[bytes, str, int, str]] = [
    (b"", "", 400, "BAD_REQUEST"),
    (b"{", "", 400, "BAD_REQUEST"),
    (b"null", "", 400, "BAD_REQUEST"),
    (b"[]", "", 400, "BAD_REQUEST"),
    (b'{"name": "\xff"}', "", 400, "BAD_REQUEST"),
    (b"[" * 100_000, "", 400, "BAD_REQUEST"),
    (b'{"custom":' + b'{"aStr":' * 5_000 + b"1" + b"}" * 5_000 + b"}", "", 400, "BAD_REQUEST"),
    (b'{"nmae": "x"}', "/nmae", 400, "BAD_REQUEST"),
    (b'{"name": 7}', "/name", 400, "BAD_REQUEST"),
    (b'{"priority": 9}', "/priority", 400, "BAD_REQUEST"),
    (b'{"priority": 1e999}', "", 400, "BAD_REQUEST"),
    (b'{"priority": NaN}', "", 400, "BAD_REQUEST"),
    (b'{"status": "opne"}', "/status", 400, "BAD_REQUEST"),
    (b'{"channels": ["chat", "pigeon"]}', "/channels/1", 400, "BAD_REQUEST"),
    (b'{"queue": {"idd": "x"}}', "/queue/idd", 400, "BAD_REQUEST"),
    (b'{"a/b~c": 1}', "/a~1b~0c", 400, "BAD_REQUEST"),
    (b'{"org": "x"}', "/org", 422, "READ_ONLY_FIELD"),
    (b'{"ctx": []}', "/ctx", 422, "READ_ONLY_FIELD"),
    (b'{"isSync": true}', "/isSync", 422, "READ_ONLY_FIELD"),
    (b'{"client": "x"}', "/client", 422, "READ_ONLY_FIELD"),
    (b'{"createdAt": "2026-01-01T00:00:00Z"}', "/createdAt", 422, "READ_ONLY_FIELD"),
    (b'{"messageCount": 3}', "/messageCount", 422, "READ_ONLY_FIELD"),
    (b'{"coupled": {}}', "/coupled", 422, "READ_ONLY_FIELD"),
    (json.dumps({"assignedUsers": ["f" * 24]}).encode(), "/assignedUsers/0", 404, "NOT_FOUND"),
    (json.dumps({"assignedUsers": [str(n) for n in range(11)]}).encode(), "/assignedUsers", 422, "TOO_MANY"),
    (json.dumps({"queue": {"id": "f" * 24}}).encode(), "/queue/id", 404, "NOT_FOUND"),
    (json.dumps({"customer": "f" * 24}).encode(), "/customer", 404, "NOT_FOUND"),
]


@pytest.mark.parametrize(("body", "pointer", "status", "code"), BAD_BODIES)
async def test_bad_bodies_are_refused_and_nothing_is_written(
    house: House, admin: Client, body: bytes, pointer: str, status: int, code: str
) -> None:
    before = await house.store.last_position()
    error = checked(await admin.send("POST", PATH, content=body, content_type="application/json"), status, code)
    assert error.get("source", {}).get("pointer", "") == pointer
    assert await house.store.last_position() == before


async def test_everything_that_is_wrong_is_told_at_once_with_what_was_meant(admin: Client) -> None:
    body = {"nmae": 1, "priority": "high", "status": "opne", "queue": {"idd": 1}, "org": "x"}
    answer = await admin.send("POST", PATH, json=body)
    assert answer.status_code == 400
    found = {e["source"]["pointer"]: e for e in answer.json()["errors"]}
    assert set(found) == {"/nmae", "/priority", "/status", "/queue/idd", "/org"}
    assert found["/nmae"]["meta"]["didYouMean"] == "name"
    assert "Did you mean open?" in found["/status"]["detail"]
    assert found["/status"]["meta"]["allowed"] == ["open", "done"]
    assert found["/org"]["status"] == "422"


async def test_a_missing_field_points_at_what_lacks_it(admin: Client) -> None:
    error = checked(await admin.send("POST", "/v1/routing/queues", json={}), 400, "BAD_REQUEST")
    assert error["source"] == {"pointer": ""}
    assert error["meta"] == {"missing": "name"}


async def test_no_such_address_method_or_id(admin: Client) -> None:
    checked(await admin.send("GET", "/v1/nothing"), 404, "NOT_FOUND")
    checked(await admin.send("GET", f"{PATH}/not-an-id"), 404, "NOT_FOUND")
    checked(await admin.send("GET", f"{PATH}/{'f' * 24}"), 404, "NOT_FOUND")
    wrong = await admin.send("DELETE", PATH)
    checked(wrong, 405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(wrong.headers["allow"].split(", "))


async def test_media_types(admin: Client) -> None:
    checked(await admin.send("POST", PATH, content=b"{}", content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")
    utf16 = await admin.send("POST", PATH, content=b"{}", content_type="application/json; charset=utf-16")
    checked(utf16, 415, "UNSUPPORTED_MEDIA_TYPE")
    good = await admin.send("POST", PATH, content=b"{}", content_type="application/json; charset=UTF-8")
    assert good.status_code == 201
    checked(await admin.send("GET", PATH, accept="text/html"), 406, "NOT_ACCEPTABLE")
    strange = await admin.send("GET", PATH, accept="application/vnd.api+json;version=2")
    checked(strange, 406, "NOT_ACCEPTABLE")
    plain = await admin.send("GET", PATH, accept="application/json")
    assert plain.headers["content-type"] == "application/json"
    both = await admin.send("GET", PATH, accept="application/json, application/vnd.api+json;q=0.5")
    assert both.headers["content-type"] == "application/vnd.api+json"


async def test_a_body_over_the_limit_is_refused_before_it_is_all_read(house: House) -> None:
    small = House(Settings(body_max=1_000))
    await small.found()
    checked(await small.client().send("POST", PATH, content=b" " * 1_001), 413, "BODY_TOO_LARGE")
    taken = 0

    async def endless() -> Any:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b" " * 100, "more_body": True}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {KEY}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers, "root_path": ""}
    await small.app(scope, endless, send)  # pyright: ignore[reportArgumentType]
    assert sent[0]["status"] == 413
    assert taken < 15


async def test_query_parameters(admin: Client) -> None:
    error = checked(await admin.send("GET", f"{PATH}?page=x"), 400, "BAD_REQUEST")
    assert error["source"] == {"parameter": "page"}
    assert (await admin.send("GET", f"{PATH}?utm=1")).status_code == 200, "reference operations take what they get"
    error = checked(await admin.send("GET", "/v1/events?afer=1"), 400, "BAD_REQUEST")
    assert error["source"] == {"parameter": "afer"}
    assert "Did you mean after?" in error["detail"]


async def test_who_is_unknown_or_not_allowed(house: House, admin: Client, floor: Floor) -> None:
    none = await house.client(None).send("GET", PATH)
    checked(none, 401, "UNAUTHENTICATED")
    assert none.headers["www-authenticate"].startswith("Bearer")
    checked(await house.client("ilk_wrong").send("GET", PATH), 401, "UNAUTHENTICATED")
    checked(await house.client(None, authorization="Basic eDp5").send("GET", PATH), 401, "UNAUTHENTICATED")
    error = checked(await floor.agent().send("POST", "/v1/routing/queues", json={"name": "x"}), 403, "FORBIDDEN")
    assert "org.admin.routing.write" in error["meta"]["roles"]


async def test_a_fault_of_ours_shows_only_its_id(house: House, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(house.store, "commit", broken)
    answer = await admin.send("POST", PATH, json={})
    checked(answer, 500, "INTERNAL_ERROR")
    assert "secret" not in answer.text


async def test_a_store_that_is_away_says_when_to_come_back(
    house: House, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(house.store, "commit", away)
    answer = await admin.send("POST", PATH, json={})
    checked(answer, 503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"


async def test_a_taken_key_is_a_conflict(admin: Client) -> None:
    await admin.post("/v1/routing/queues", {"name": "A", "key": "k"})
    checked(await admin.send("POST", "/v1/routing/queues", json={"name": "B", "key": "k"}), 409, "KEY_TAKEN")


async def test_the_trace_is_taken_over_stored_and_given_back(house: House, admin: Client) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = await admin.send("POST", PATH, json={}, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    version, given, span, _ = answer.headers["traceparent"].split("-")
    row = (await house.store.changes(0, 1, newest=True))[0]
    assert (version, given, row.by.trace, row.by.span) == ("00", trace, trace, span)
    for broken in ("00-x", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{trace}-00f067aa0ba902b7-01"):
        fresh = await admin.send("GET", PATH, traceparent=broken)
        assert fresh.headers["traceparent"].split("-")[1] not in (trace, "0" * 32)


async def test_head_gives_the_head_alone(admin: Client) -> None:
    answer = await admin.send("HEAD", PATH)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
