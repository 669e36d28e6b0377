"""Two conversations beside each other, or one at two moments: `a` and `b` are ids, with `@n` after decision n."""

from __future__ import annotations

import re
from typing import Any

from interlock.console import comparing, conversations, history
from interlock.console.asked import Asked, Page
from interlock.console.door import Json, Refusal
from interlock.console.route import page

_SIDE = re.compile(r"\s*([0-9a-f]{24})\s*(?:@\s*(\d{1,6}))?\s*")


@page("/compare", "listConversationEvents", "investigateConversation")
async def compare(asked: Asked) -> Page:
    """Both heads, and the decisions of both, aligned by what they did."""
    sides: list[Json | None] = []
    said: list[str] = []
    for name in ("a", "b"):
        side, trouble = await _side(asked, asked.query.get(name, ""))
        sides.append(side)
        said += [trouble] if trouble else []
    a, b = sides
    data: Json = {
        "given": {n: asked.query.get(n, "") for n in ("a", "b")},
        "a": _head(a),
        "b": _head(b),
        "said": said,
        "rows": [],
        "heads": [],
        "parted": None,
    }
    if a and b:
        rows = comparing.aligned(a["every"], b["every"])
        data["rows"] = rows
        data["parted"] = comparing.parted(rows)
        data["heads"] = [
            {"name": words, "fields": comparing.heads(_named(a["heads"][record]), _named(b["heads"][record]))}
            for record, words in (("conversation", "Conversation"), ("work_item", "Work item"))
        ]
    return Page(template="compare.html", data=data)


async def _side(asked: Asked, text: str) -> tuple[Json | None, str]:
    """One side, up to its moment; and what is wrong with how it was named."""
    if not text:
        return None, ""
    found = _SIDE.fullmatch(text.lower())
    if found is None:
        return None, f"“{text[:60]}” is no id of a conversation; with @3 behind it, it is as it stood after decision 3."
    id, wanted = found[1], int(found[2] or 0)
    try:
        told = await conversations.told_of(asked, id)
    except Refusal as no:
        return None, f"{id}: {no.title}"
    steps = len(told.rows)
    step = min(wanted or steps, steps)
    every = [r for r in history.placed(told.rows[:step], "cause") if "idle" not in r]
    preview = told.record["attributes"].get("preview", "")
    side = {"id": id, "step": step, "steps": steps, "preview": preview, "verdict": told.verdict, "every": every}
    return {**side, "heads": told.heads(step)}, ""


def _head(side: Json | None) -> Json | None:
    return {n: side[n] for n in ("id", "step", "steps", "preview", "verdict")} if side else None


def _named(head: Any) -> Json | None:
    """A head with names in place of ids."""
    if head is None:
        return None
    return {**head, "queue": head["queueName"], "users": head["userNames"], "offered": head.get("offeredName", "")}


ROUTES = (compare,)
