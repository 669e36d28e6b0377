"""The demonstration's call centre: three queues, the rules that fill them, three teams, twelve agents, a workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.cli.demo.client import Client
from interlock.cli.demo.traffic import STAFF, TEAMS

QUEUES: tuple[dict[str, Any], ...] = (
    {"name": "Calls", "key": "calls", "priority": 1, "itemSize": 3, "targetSeconds": 20},
    {"name": "Français", "key": "francais", "priority": 2, "itemSize": 1, "targetSeconds": 60},
    {"name": "Messages", "key": "messages", "priority": 3, "itemSize": 1, "targetSeconds": 120},
)
CAPACITY = 5
"""Weight that one agent carries: a call (3) and two messages, or five messages."""
ACCEPT_SECONDS = 5
SPECIAL_TAG, CALL_TAG = "key account", "call back"
RULES: tuple[tuple[str, str, str, Any, str], ...] = (
    ("French speaks to French", "conversation_defaultLang", "equals", "fr", "francais"),
    ("Calls ring", "conversation_channel", "equals", "voice", "calls"),
    ("Key accounts are called back", "conversation_tags", "contains_all", [CALL_TAG], "calls"),
    ("Everything else is written", "conversation_channel", "in", ["chat", "email"], "messages"),
)
"""Name, field, operator, value and queue of each rule, in their order."""


class Seat(msgspec.Struct, frozen=True):
    """One agent as the server knows them: the user's id, the key they act with, their team's id."""

    user: str
    key: str
    team: str


class Floor(msgspec.Struct, frozen=True):
    """What was set up: statuses by type, and each agent's seat by name."""

    statuses: dict[str, str]
    seats: dict[str, Seat]


async def set_up(client: Client, key: str) -> Floor:
    """Everything the day needs, made over the API as an administrator would."""

    async def make(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return (await client.send("POST", path, body, key=key))["data"]

    listed = (await client.send("GET", "/v1/routing/statuses", key=key))["data"]
    statuses = {s["attributes"]["statusType"]: s["id"] for s in listed}
    lunch = await make("/v1/routing/statuses", {"name": "Break", "statusType": "unavailable"})
    statuses["break"] = lunch["id"]
    queues = {q["key"]: (await make("/v1/routing/queues", q))["id"] for q in QUEUES}
    for name, field, operator, value, queue in RULES:
        criteria = {"and": [{field: {"operator": operator, "value": value}}]}
        await make("/v1/routing/queue-rules", {"name": name, "criteria": criteria, "queueKey": queue})
    settings = {
        "acceptTimeoutSeconds": ACCEPT_SECONDS, "requeueWhenOffline": True, "capacity": {"total": CAPACITY},
        "voiceAfterWork": "off",
    }  # fmt: skip
    await client.send("PUT", "/v1/routing/org-settings", settings, key=key)
    teams: dict[str, str] = {}
    for name, serves in TEAMS.items():
        teams[name] = (await make("/v1/teams", {"name": name}))["id"]
        served = {"enabled": True, "workItemCapacity": CAPACITY, "queues": [queues[k] for k in serves]}
        await client.send("PUT", f"/v1/routing/settings/{teams[name]}", served, key=key)
    seats = {name: await hire(client, key, name, teams[team]) for name, team in STAFF}
    await make("/v1/workflows", _workflow(seats[STAFF[0][0]].user))
    return Floor(statuses, seats)


async def hire(client: Client, key: str, name: str, team: str) -> Seat:
    """One more agent in a team, with a key of their own."""
    user = await client.send("POST", "/v1/users", {"name": name, "teams": [team]}, key=key)
    id = user["data"]["id"]
    body = {
        "name": f"{name}'s key",
        "roles": ["org.user", "org.permission.conversation", "org.permission.routing"],
        "user": id,
    }
    made = await client.send("POST", "/v1/api-keys", body, key=key)
    return Seat(id, made["meta"]["secret"], team)


def _workflow(user: str) -> dict[str, Any]:
    """The first message of a key account goes to their own agent: decided while the rules are placing the item."""
    tagged = {"op": "contains", "values": ["/#steps.1.attributes.tags", SPECIAL_TAG]}
    first = {"op": "eq", "values": ["/#steps.1.attributes.messageCount", 1]}
    return {
        "name": "Key accounts to Ana",
        "trigger": {
            "id": "first-message",
            "eventName": "interlock.conversation.update",
            "transitions": [{"target": "assign", "condition": {"op": "and", "values": [tagged, first]}}],
        },
        "steps": [{"id": "assign", "action": "interlock.conversation.update", "params": {"assignedUsers": [user]}}],
    }
