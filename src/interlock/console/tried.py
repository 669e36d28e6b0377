"""Queue rules tried on what was, before they are saved: the stored list, and one that might replace it."""

from __future__ import annotations

from typing import Any

from interlock.console.asked import Asked
from interlock.console.door import Json, Refusal
from interlock.console.fields import criteria_of

PATH = "/v1/routing/queue-rules"
LAST = 1_000
SHOWN = 20
SENT = ("id", "name", "description", "enabled", "criteria", "queueKey", "queue")


async def stored(asked: Asked) -> list[Json]:
    """The rules as they are, in order."""
    return [_rule(r) for r in (await asked.api.get(PATH))["data"]]


def _rule(r: Json) -> Json:
    a = r["attributes"]
    queue = r["relationships"].get("queue", {}).get("data", {}).get("id")
    return {
        "id": r["id"], "rev": a["rev"], "name": a["name"], "enabled": a["enabled"], "criteria": a["criteria"],
        "description": a.get("description", ""), "queueKey": a.get("queueKey"), "queue": queue,
    }  # fmt: skip


async def run(asked: Asked, draft: list[Json] | None) -> Json:
    """These rules, or the stored ones, against the newest runs: exactly replayed, nothing simulated."""
    body: Json = {"last": LAST, "items": SHOWN}
    if draft is not None:
        body["rules"] = [{k: v for k, v in r.items() if k in SENT and v is not None} for r in draft]
    return (await asked.api.send("POST", f"{PATH}/dry-run", body))["data"]["attributes"]


async def with_rule(asked: Asked, id: str, texts: dict[str, str], types: dict[str, str]) -> Json:
    """What the stored list would have done with one rule as a form has it, in its place or at the end."""
    rules = await stored(asked)
    mine: Json = {
        "name": texts["name"] or "New rule", "description": texts["description"], "enabled": texts["enabled"] == "on",
        "criteria": criteria_of(texts["criteria"], types), "queue": texts["queue"] or None,
        "queueKey": None if texts["queue"] else texts["queueKey"] or None,
    }  # fmt: skip
    draft = [{**mine, "id": id} if r["id"] == id else r for r in rules]
    if all(r["id"] != id for r in rules):
        draft.append(mine)
    try:
        told = await run(asked, draft)
    except Refusal as no:
        return {"tried": None, "moved": [], "trouble": f"{no.title} {no.detail}".strip()}
    return {"tried": told, "moved": told["items"][:SHOWN], "trouble": ""}


def moved_of(told: Any) -> list[Json]:
    """The first conversations that would have gone elsewhere."""
    return told["items"][:SHOWN] if told else []
