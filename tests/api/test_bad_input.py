"""Configuration that could never work is refused when it is saved, with where the fault is and what it is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.worlds import Client, Floor

QUEUES, RULES, SKILL_RULES = "/v1/routing/queues", "/v1/routing/queue-rules", "/v1/routing/skill-rules"
IS_CHAT = {"operator": "equals", "value": "chat"}
CHAT = {"conversation_channel": IS_CHAT}
TESTED = "/criteria/and/0/conversation_channel"
HOURS = {"1": [[540, 1020]]}
ASKS = {"name": "r", "skills": [{"skill": "f" * 24}]}
Json = dict[str, Any]


def where(*conditions: Json) -> Json:
    """A queue rule or skill rule with these criteria."""
    return {"name": "r", "criteria": {"and": list(conditions)}, "queueKey": "orders"}


def when_tested(**test: Any) -> Json:
    """A rule whose one condition tests the channel so."""
    return where({"conversation_channel": test})


CASES: dict[str, tuple[str, str, Json, int, str, str]] = {
    "unknown field": ("POST", RULES, where({"conversation_chanel": IS_CHAT}), 400,
        "/criteria/and/0/conversation_chanel", "Did you mean conversation_channel?"),
    "unknown field of a skill rule": ("POST", SKILL_RULES, ASKS | {"criteria": {"and": [{"colour": IS_CHAT}]}}, 400,
        "/criteria/and/0/colour", "There is no field colour."),
    "unknown operator": ("POST", RULES, when_tested(operator="equal", value="chat"), 400, f"{TESTED}/operator",
        "Did you mean equals?"),
    "operator of another family": ("POST", RULES, when_tested(operator="gt", value="chat"), 400, f"{TESTED}/operator",
        "cannot be tested with gt"),
    "value that is never there": ("POST", RULES, when_tested(operator="equals", value="chatt"), 400, f"{TESTED}/value",
        "Did you mean chat?"),
    "no condition": ("POST", RULES, where(), 422, "/criteria", "at least one condition"),
    "template that leads to itself": ("POST", RULES, where(CHAT) | {"queueKey": "q.{{conversation.queue}}"}, 422,
        "/queueKey", "is what the rule decides"),
    "template in a template": ("POST", RULES, where(CHAT) | {"queueKey": "{{conversation.{{conversation.name}}}}"}, 422,
        "/queueKey", "{{"),
    "template of what is not there": ("POST", RULES, where(CHAT) | {"queueKey": "{{conversation.langDefault}}"}, 422,
        "/queueKey", "has no langDefault"),
    "rule that targets the default queue": ("POST", RULES, where(CHAT) | {"queueKey": "DEFAULT_QUEUE"}, 422,
        "/queueKey", "default"),
    "schedule without hours": ("POST", "/v1/schedules", {"name": "s", "timezone": "Europe/Berlin", "hours": {}}, 422,
        "/hours", "hours"),
    "schedule without hours on any day": ("POST", "/v1/schedules",
        {"name": "s", "timezone": "Europe/Berlin", "hours": {"1": []}}, 422, "/hours", "hours"),
    "schedule in no time zone": ("POST", "/v1/schedules",
        {"name": "s", "timezone": "Europe/Atlantis", "hours": HOURS}, 422, "/timezone", "Europe/Atlantis"),
    "contradictory capacity of the org": ("PUT", "/v1/routing/org-settings",
        {"capacity": {"total": 2, "channels": {"voice": 3}}}, 422, "/capacity/channels/voice", "3"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_what_could_never_work_is_refused_where_the_fault_is(admin: Client, case: str) -> None:
    method, path, body, status, pointer, says = CASES[case]
    answer = await admin.send(method, path, json=body, idempotency_key="k")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["source"].get("pointer")) == (status, pointer), error
    assert says in error["detail"]
    if method == "POST":
        assert [r for r in (await admin.get(path))["data"] if not r["attributes"].get("system")] == []


async def refused(admin: Client, path: str, body: Json, status: int = 422) -> tuple[str, str]:
    """Pointer and detail of the refusal of a PUT."""
    (error,) = (await admin.put(path, body, status))["errors"]
    return error["source"]["pointer"], error["detail"]


async def test_a_team_serves_at_most_ten_queues(admin: Client, floor: Floor) -> None:
    ids = [(await admin.post(QUEUES, {"name": f"q{n}"}))["data"]["id"] for n in range(11)]
    path = f"/v1/routing/settings/{floor.team}"
    pointer, detail = await refused(admin, path, {"queues": ids})
    assert (pointer, "at most 10" in detail) == ("/queues", True)
    await admin.put(path, {"queues": ids[:10]})


@pytest.mark.parametrize("body", [{"name": "x"}, {"key": "x"}, {"priority": 5}, {"itemSize": 2}, {"archived": True}])
async def test_the_default_queue_stays_what_it_is(admin: Client, floor: Floor, body: Json) -> None:
    (default,) = (await admin.get(f"{QUEUES}?system=true"))["data"]
    pointer, detail = await refused(admin, f"{QUEUES}/{default['id']}", body)
    assert pointer == f"/{next(iter(body))}"
    assert "default" in detail.lower()


async def test_limits_of_a_team_and_of_an_agent_that_contradict_each_other(admin: Client, floor: Floor) -> None:
    tight = {"total": 2, "channels": {"voice": 3}}
    team, user = f"/v1/routing/settings/{floor.team}", f"/v1/routing/users/{floor.agents[0]}/capacity"
    assert (await refused(admin, team, {"workItemCapacity": 2, "capacity": {"channels": {"voice": 3}}}))[0] == (
        "/capacity/channels/voice"
    )
    assert (await refused(admin, user, tight))[0].endswith("/channels/voice")
