"""The reference API's 37 operations, walked by hand: method, path, query, body → status and shape; and who may.

The table is written from the reference's own list, not from our code, so that neither can drift unseen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from tests.worlds import Client, Floor, House, settled

from interlock.api.app import operations

P = "org.permission."
R, W, A = "org.user.routing.read", "org.user.routing.write", "org.admin.routing.write"


def routing(name: str, legacy: str) -> tuple[str, ...]:
    """`x.y`, or routing of the same verb, or the legacy name."""
    return f"{P}{name}", f"{P}routing.{name.rsplit('.', 1)[1]}", legacy


class Op(NamedTuple):
    """One operation. `shape`: the type of `data`, in a list if it stands in brackets; empty: nothing comes back."""

    number: int
    method: str
    path: str
    roles: tuple[str, ...]
    status: int
    shape: str
    query: str = ""
    body: Any = None


QUEUE_READ = routing("queue.read", R)
RULE_READ = routing("queue_rule.read", R)
STATUS_READ = (*routing("routing_status.read", R), "org.admin.routing.read")
READ = (f"{P}routing.read", R)
SESSION_READ = routing("work_session.read", R)
CHAT = {"and": [{"conversation_channel": {"operator": "equals", "value": "chat"}}]}
V = "/v1/routing"

TABLE = (
    Op(1, "GET", "/v1/chat/queues/metrics/{queue}", (f"{P}queue.read", "org.user", "org.admin"), 200,
       "[session_queue]", "rangeFrom=0"),
    Op(2, "GET", f"{V}/queue-rules", RULE_READ, 200, "[queue-rule]", "enabled=true"),
    Op(3, "POST", f"{V}/queue-rules", routing("queue_rule.create", A), 201, "queue-rule",
       body={"name": "new", "criteria": CHAT, "queue": "{queue}"}),
    Op(4, "GET", f"{V}/queue-rules-criteria", RULE_READ, 200, "queue-rule-criteria"),
    Op(5, "PUT", f"{V}/queue-rules/order", routing("queue_rule.update", A), 200, "[queue-rule]",
       body={"rules": ["{second}", "{rule}"]}),
    Op(6, "GET", f"{V}/queue-rules/{{rule}}", RULE_READ, 200, "queue-rule"),
    Op(7, "PUT", f"{V}/queue-rules/{{rule}}", routing("queue_rule.update", A), 200, "queue-rule",
       body={"name": "renamed"}),
    Op(8, "DELETE", f"{V}/queue-rules/{{second}}", routing("queue_rule.delete", A), 204, ""),
    Op(9, "GET", f"{V}/queues", QUEUE_READ, 200, "[queue]", "page=1&pageSize=1000&system=false&key=orders"),
    Op(10, "POST", f"{V}/queues", routing("queue.create", A), 201, "queue", body={"name": "Parcels", "itemSize": 2}),
    Op(11, "GET", f"{V}/queues/{{queue}}", QUEUE_READ, 200, "queue"),
    Op(12, "PUT", f"{V}/queues/{{queue}}", routing("queue.update", A), 200, "queue", body={"priority": 2}),
    Op(13, "GET", f"{V}/statuses", STATUS_READ, 200, "[status]", "page=1&pageSize=2"),
    Op(14, "POST", f"{V}/statuses", routing("routing_status.create", A), 201, "status",
       body={"name": "Lunch", "statusType": "unavailable", "selectable": True}),
    Op(15, "GET", f"{V}/statuses/{{status}}", STATUS_READ, 200, "status"),
    Op(16, "PUT", f"{V}/statuses/{{status}}", routing("routing_status.update", A), 200, "status",
       body={"externalId": None}),
    Op(17, "GET", f"{V}/settings", READ, 200, "[team_routing_settings]"),
    Op(18, "GET", f"{V}/settings/{{team}}", READ, 200, "team_routing_settings"),
    Op(19, "PUT", f"{V}/settings/{{team}}", (f"{P}routing.update", A), 200, "team_routing_settings",
       body={"workItemCapacity": 4}),
    Op(20, "GET", f"{V}/users/current/settings", READ, 200, "[team_routing_settings]"),
    Op(21, "GET", f"{V}/conversations/{{conversation}}/work-items", READ, 200, "[work_item]", "status=!wrap-up"),
    Op(22, "GET", f"{V}/queues/{{queue}}/work-items", READ, 200, "[work_item]", "sort=desc&status=queued"),
    Op(23, "GET", f"{V}/queues/{{queue}}/work-items/next", QUEUE_READ, 200, "work_item"),
    Op(24, "GET", f"{V}/work-items", READ, 200, "[work_item]", "sort=asc"),
    Op(25, "POST", f"{V}/work-items", (f"{P}routing.create", W), 200, "work_item",
       body={"resource": {"id": "{conversation}", "type": "conversation", "rev": 1}, "channel": "chat"}),
    Op(26, "GET", f"{V}/work-items/{{item}}", READ, 200, "work_item"),
    Op(27, "PUT", f"{V}/work-items/{{item}}", (f"{P}routing.update", W), 200, "work_item",
       body={"rev": "{rev}", "assignedTo": "{user}"}),
    Op(28, "GET", f"{V}/queues/{{queue}}/work-sessions", SESSION_READ, 200, "[work_session]",
       "routable=true&statusType=available&channel=chat&app=x"),
    Op(29, "GET", f"{V}/users/{{user}}/work-sessions", SESSION_READ, 200, "[work_session]"),
    Op(30, "GET", f"{V}/users/{{user}}/work-sessions/current", SESSION_READ, 200, "work_session"),
    Op(31, "GET", f"{V}/work-sessions", SESSION_READ, 200, "[work_session]", "user=false&active=true"),
    Op(32, "GET", f"{V}/work-sessions/current", SESSION_READ, 200, "work_session"),
    Op(33, "PUT", f"{V}/work-sessions/current", routing("work_session.update", W), 200, "work_session",
       body={"status": "{status}"}),
    Op(34, "GET", f"{V}/work-sessions/current/work-items", SESSION_READ, 200, "[work_item]"),
    Op(35, "GET", f"{V}/work-sessions/{{session}}", SESSION_READ, 200, "work_session"),
    Op(36, "PUT", f"{V}/work-sessions/{{session}}", routing("work_session.update", W), 200, "work_session",
       body={"status": "{status}"}),
    Op(37, "GET", f"{V}/work-sessions/{{session}}/work-items", SESSION_READ, 200, "[work_item]"),
)  # fmt: skip
NAMES = {op.number: f"{op.number} {op.method} {op.path}" for op in TABLE}


class Desk(NamedTuple):
    """What a walk needs: the ids, a key of the agent who is signed in, and the house."""

    house: House
    admin: Client
    ids: dict[str, Any]

    def filled(self, value: Any) -> Any:
        """A path or a body with the ids in it."""
        if isinstance(value, dict):
            return {k: self.filled(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.filled(v) for v in value]
        if isinstance(value, str) and value.startswith("{") and value.endswith("}") and "/" not in value:
            return self.ids[value[1:-1]]
        return value.format(**self.ids) if isinstance(value, str) else value

    async def key(self, *roles: str) -> Client:
        """A key of the agent with just these roles."""
        body = {"name": "walk", "roles": list(roles), "user": self.ids["user"]}
        return self.house.client((await self.admin.post("/v1/api-keys", body))["meta"]["secret"])

    async def ask(self, client: Client, op: Op) -> Any:
        """One operation, as a client of the reference API sends it: a slash at the end, `null` on a GET."""
        path = self.filled(op.path) + "/" + (f"?{op.query}" if op.query else "")
        headers = {"accept": "application/json", "content_type": "application/json"}
        content = b"null" if op.method == "GET" else None
        return await client.send(op.method, path, json=self.filled(op.body), content=content, **headers)


@pytest.fixture
async def desk(house: House, admin: Client, floor: Floor) -> Desk:
    """An agent with an offer, a second item that waits, two rules."""
    session = (await floor.sign_in())["data"]["id"]
    made = [
        (await admin.post(f"{V}/queue-rules", {"name": n, "criteria": CHAT, "queue": floor.queue}))["data"]["id"]
        for n in ("one", "two")
    ]
    body = {"channels": ["chat"], "queue": {"id": floor.queue}}
    for _ in range(2):
        c = (await admin.post("/v1/conversations", body))["data"]["id"]
        house.clock.pass_ms(1)
        await settled(house)
    item = (await admin.get(f"{V}/conversations/{c}/work-items"))["data"][0]
    return Desk(
        house,
        admin,
        {
            "queue": floor.queue,
            "team": floor.team,
            "user": floor.agents[0],
            "session": session,
            "status": floor.available,
            "rule": made[0],
            "second": made[1],
            "conversation": c,
            "item": item["id"],
            "rev": item["attributes"]["rev"],
        },
    )


def test_all_of_them_are_there() -> None:
    assert [op.number for op in TABLE] == list(range(1, 38))
    ours = {(o.method, o.path.count("/"), o.path.split("/{")[0]) for o in operations()}
    for op in TABLE:
        assert (op.method, op.path.count("/"), op.path.split("/{")[0]) in ours, NAMES[op.number]


@pytest.mark.parametrize("op", TABLE, ids=lambda op: NAMES[op.number])
async def test_an_operation_answers_in_its_shape(desk: Desk, op: Op) -> None:
    """With one documented role alone."""
    answer = await desk.ask(await desk.key(op.roles[0]), op)
    assert answer.status_code == op.status, answer.text
    if not op.shape:
        assert answer.content == b""
        return
    document = answer.json()
    assert answer.headers["content-type"] == "application/json"
    if not op.shape.startswith("["):
        assert document["data"]["type"] == op.shape
        return
    assert {d["type"] for d in document["data"]} == {op.shape.strip("[]")}, "a list that is not empty"
    assert document["links"]["next"] is None or document["links"]["next"].startswith("/v1/")
    assert isinstance(document["meta"], dict)
    for d in document["data"]:
        assert d["attributes"]["updatedAt"]
        assert all("data" not in r or r["data"] is not None for r in d["relationships"].values())


@pytest.mark.parametrize("op", TABLE, ids=lambda op: NAMES[op.number])
async def test_any_one_of_its_roles_opens_it_and_no_other(desk: Desk, op: Op) -> None:
    for role in op.roles:
        answer = await desk.ask(await desk.key(role), op)
        assert answer.status_code != 403, f"{role}: {answer.text}"
    before = await desk.house.store.last_position()
    if op.number != 33:  # anybody may, for themselves
        client = await desk.key(f"{P}conversation.read", f"{P}team.update")
        before = await desk.house.store.last_position()
        refused = await desk.ask(client, op)
        assert refused.status_code == 403
        assert set(refused.json()["errors"][0]["meta"]["roles"]) >= set(op.roles)
    nobody = await desk.ask(desk.house.client("ilk_" + "0" * 64), op)
    assert nobody.status_code == 401
    assert await desk.house.store.last_position() == before


@pytest.mark.parametrize("op", [op for op in TABLE if "{" in op.path], ids=lambda op: NAMES[op.number])
async def test_what_is_not_there_is_not_found(desk: Desk, op: Op) -> None:
    absent = desk._replace(ids={**desk.ids, **{n: "f" * 24 for n in desk.ids if f"{{{n}}}" in op.path}})
    answer = await absent.ask(desk.admin, op)
    assert answer.status_code == 404, answer.text
    assert answer.json()["errors"][0]["message"]
