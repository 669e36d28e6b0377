"""Two orgs on one server: whatever the operation, a key of one finds nothing of the other and writes nothing there.

The table is made from the operations themselves, so a new one is in it from its first day.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.worlds import OTHER_KEY, Client, Floor, House, known_incident, settled

from interlock.api.app import operations
from interlock.api.operation import Operation

REFUSED_ANYWAY = {
    "getUserWorkSession",
    "getNextWorkItem",
    "moveQueue",
    "acceptReservation",
    "rejectReservation",
    "extendReservation",
}
"""Operations that may answer 404 or refuse with the right key too; their own tests show that they can succeed."""
ID = re.compile(r"\{ids?:str\}")
PER_ID = [o for o in operations() if ID.search(o.path)]
LISTS = [o for o in operations() if o.method == "GET" and o.path.startswith("/v1/") and "{" not in o.path]
NAMED = {"conversation_name": {"operator": "equals", "value": "x"}}
INVESTIGATED = next(o.example for o in operations() if o.path == "/v1/investigations" and o.body)
DECISION = "/v1/routing/decisions/{id:str}"


class Ids:
    """An id of every kind that org A has."""

    def __init__(self) -> None:
        self.by_path: dict[str, str] = {}

    def of(self, path: str) -> str:
        """The id that belongs into a path."""
        longest = max((p for p in self.by_path if path.startswith(p)), key=len)
        return self.by_path[longest]


@pytest.fixture
async def ids(house: House, admin: Client, floor: Floor) -> Ids:
    """Org A at work: one of everything."""
    customer = (await admin.post("/v1/customers", {"name": "Ada"}))["data"]["id"]
    rule = {"name": "r", "criteria": {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]}}
    made_rule = (await admin.post("/v1/routing/queue-rules", {**rule, "queue": floor.queue}))["data"]["id"]
    workflow = {"name": "w", "trigger": {"id": "t", "eventName": "interlock.conversation.create", "transitions": []}}
    made_workflow = (await admin.post("/v1/workflows", {**workflow, "steps": [], "enabled": False}))["data"]["id"]
    hours = {"1": [[540, 1020]]}
    schedule = await admin.post("/v1/schedules", {"name": "s", "hours": hours, "default": True})
    skill = (await admin.post("/v1/routing/skills", {"name": "German"}))["data"]["id"]
    await admin.put(f"/v1/routing/users/{floor.agents[0]}/skills", {"skills": [{"skill": skill, "level": 5}]})
    asks = {"criteria": {"and": [NAMED]}}
    skill_rule = await admin.post("/v1/routing/skill-rules", {"name": "r", "skills": [{"skill": skill}], **asks})
    hook = await admin.post("/v1/outbound-webhooks", {"name": "w", "url": "https://example.org"})
    session = (await floor.sign_in())["data"]["id"]
    c = (await admin.post("/v1/conversations", {"channels": ["chat"], "customer": customer}))["data"]["id"]
    message = await admin.post(f"/v1/conversations/{c}/messages", {"channel": "chat", "app": "chat"})
    note = await admin.post(f"/v1/conversations/{c}/notes", {"body": "x"})
    tag, shortcut = [(await admin.post(f"/v1/{n}", {"name": "x"}))["data"]["id"] for n in ("tags", "shortcuts")]
    await settled(house)
    offer = (await admin.get("/v1/routing/reservations"))["data"][0]
    item = offer["relationships"]["workItem"]["data"]["id"]
    keys = (await admin.get("/v1/api-keys"))["data"]
    out = Ids()
    out.by_path = {
        "/v1/conversations/": c,
        "/v1/messages/": message["data"]["id"],
        "/v1/notes/": note["data"]["id"],
        "/v1/tags/": tag,
        "/v1/investigations/": (await admin.post("/v1/investigations", INVESTIGATED))["data"]["id"],
        "/v1/incidents/": await known_incident(house),
        "/v1/bulk/": (await admin.post("/v1/conversations/bulk", [{}]))["data"]["id"],
        "/v1/shortcuts/": shortcut,
        "/v1/customers/": customer,
        "/v1/users/": floor.agents[0],
        "/v1/teams/": floor.team,
        "/v1/api-keys/": keys[0]["id"],
        "/v1/routing/queues/": floor.queue,
        "/v1/chat/queues/metrics/": floor.queue,
        "/v1/routing/queue-rules/": made_rule,
        "/v1/workflows/": made_workflow,
        "/v1/outbound-webhooks/": hook["data"]["id"],
        "/v1/schedules/": schedule["data"]["id"],
        "/v1/routing/skills/": skill,
        "/v1/routing/skill-rules/": skill_rule["data"]["id"],
        "/v1/routing/statuses/": floor.available,
        "/v1/routing/settings/": floor.team,
        "/v1/routing/work-sessions/": session,
        "/v1/routing/users/": floor.agents[0],
        "/v1/routing/work-items/": item,
        "/v1/routing/conversations/": c,
        "/v1/routing/reservations/": offer["id"],
        "/v1/routing/work-item-revisions/": offer["relationships"]["pass"]["data"]["id"],
        "/v1/routing/decisions/": (await admin.get("/v1/routing/decisions"))["data"][-1]["id"],
    }
    return out


def body_of(o: Operation) -> dict[str, Any] | None:
    """A body that is right in itself."""
    if o.id == "updateUserSkills":
        return {"skills": []}
    return dict(o.example or {}) | ({"user": "f" * 24} if "reservations" in o.path else {}) if o.body else None


async def ask(client: Client, o: Operation, path: str) -> Any:
    """One operation, with everything that it needs beside the id."""
    headers: dict[str, Any] = {"idempotency_key": f"{o.id}-{path}"} if o.method != "GET" else {}
    if o.guard != "no":
        headers["if_match"] = '"1"'
    return await client.send(o.method, path, json=body_of(o), **headers)


@pytest.mark.parametrize("o", PER_ID, ids=lambda o: o.id)
async def test_ids_of_another_org_are_not_found_and_nothing_is_written(house: House, ids: Ids, o: Operation) -> None:
    await house.found("Other", OTHER_KEY)
    before = await house.store.last_position()
    answer = await ask(house.client(OTHER_KEY), o, ID.sub(ids.of(o.path), o.path))
    assert (answer.status_code, answer.json()["errors"][0]["status"]) == (404, "404"), answer.text
    assert await house.store.last_position() == before


@pytest.mark.parametrize("o", [o for o in PER_ID if o.id not in REFUSED_ANYWAY], ids=lambda o: o.id)
async def test_the_same_ids_are_found_by_their_own_org(admin: Client, ids: Ids, o: Operation) -> None:
    """Shows that the test above can fail: with the right key no address answers 404."""
    answer = await ask(admin, o, ID.sub(ids.of(o.path), o.path))
    assert answer.status_code != 404, answer.text


@pytest.mark.parametrize("o", LISTS, ids=lambda o: o.id)
async def test_lists_show_nothing_of_another_org(house: House, ids: Ids, o: Operation) -> None:
    org = await house.found("Other", OTHER_KEY)
    answer = await ask(house.client(OTHER_KEY), o, o.path)
    assert not any(id in answer.text for id in ids.by_path.values())
    if answer.status_code == 200 and isinstance(answer.json()["data"], list):
        orgs = {
            d["relationships"]["org"]["data"]["id"]
            for d in answer.json()["data"]
            if "org" in d.get("relationships", {})
        }
        assert orgs <= {org}


async def test_ids_of_another_org_inside_bodies_are_not_found(house: House, ids: Ids) -> None:
    await house.found("Other", OTHER_KEY)
    other = house.client(OTHER_KEY)
    own = (await other.post("/v1/conversations", {}))["data"]["id"]
    before = await house.store.last_position()
    user, queue = ids.by_path["/v1/users/"], ids.by_path["/v1/routing/queues/"]
    await other.put(f"/v1/conversations/{own}", {"assignedUsers": [user]}, 404)
    await other.put(f"/v1/conversations/{own}", {"queue": {"id": queue}}, 404)
    await other.post(
        "/v1/messages", {"channel": "chat", "app": "x", "conversation": ids.by_path["/v1/conversations/"]}, 404
    )
    await other.post("/v1/messages", {"channel": "chat", "app": "x", "customer": ids.by_path["/v1/customers/"]}, 404)
    resource = {"type": "conversation", "id": ids.by_path["/v1/conversations/"]}
    await other.post("/v1/routing/work-items", {"resource": resource}, 404)
    await other.post("/v1/users", {"name": "x", "teams": [ids.by_path["/v1/teams/"]]}, 422)
    await other.post("/v1/teams", {"name": "x", "members": [user]}, 422)
    await other.post("/v1/api-keys", {"name": "x", "user": user}, 404)
    schedule = ids.by_path["/v1/schedules/"]
    await other.post("/v1/routing/queues", {"name": "x", "schedule": schedule}, 404)
    await other.put("/v1/routing/org-settings", {"schedule": schedule}, 404)
    skills = [{"skill": ids.by_path["/v1/routing/skills/"], "level": 1}]
    await other.put(f"/v1/conversations/{own}", {"skills": skills}, 404)
    await other.post("/v1/routing/skill-rules", {"name": "x", "criteria": {"and": [NAMED]}, "skills": skills}, 404)
    stranger = (await other.post("/v1/users", {"name": "x"}))["data"]["id"]
    before = await house.store.last_position()
    await other.put(f"/v1/routing/users/{stranger}/skills", {"skills": skills}, 404)
    assert await house.store.last_position() == before
