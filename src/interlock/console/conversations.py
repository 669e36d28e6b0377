"""Conversations: a list to find one, and the timeline of each: two records, and every decision between them."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.console import history, verdict
from interlock.console.asked import Asked, Page
from interlock.console.door import Json
from interlock.console.names import Names
from interlock.console.rendering import lasting, milliseconds
from interlock.console.route import page

PAGES_MAX = 5
PAGE_SIZE = 200
DENSITIES = ("story", "records", "everything")
STATUSES = ("open", "snoozed", "done")


@page("/conversations", "listConversations")
async def listed(asked: Asked) -> Page:
    """The newest ones, with what each comes to."""
    status = asked.query.get("status", "")
    status = status if status in STATUSES else ""
    number = asked.query.get("page", "1")
    number = number if number.isdigit() and number != "0" else "1"
    told = await asked.api.get("/v1/conversations", page=number, pageSize=50, status=status)
    names = Names(asked.api)
    heads = [(c["id"], c["attributes"], history.head_of(c)) for c in told["data"]]
    await names.learn(
        [("user", u) for _, _, h in heads for u in h["users"]] + [("queue", h["queue"] or "") for *_, h in heads]
    )
    rows = [
        {
            "id": id, "status": a["status"], "channels": a.get("channels", []), "preview": a.get("preview", ""),
            "users": [names.of(u) for u in h["users"]], "queue": names.of(h["queue"]) if h["queue"] else "",
            "updatedAt": a["updatedAt"], "rev": a["rev"],
        }
        for id, a, h in heads
    ]  # fmt: skip
    data = {"rows": rows, "status": status, "page": int(number), "more": bool(told["links"]["next"])}
    return Page(template="conversations.html", data=data)


@page("/conversations/{id}", "listConversationEvents", "investigateConversation")
async def timeline(asked: Asked) -> Page:
    """One conversation."""
    data = await timeline_of(asked, asked.params["id"])
    topics = f"conversation:{asked.params['id']}"
    return Page(template="timeline.html", data=data, more={"topics": topics})


class Told(msgspec.Struct, frozen=True):
    """What the API tells of one conversation: every decision as a row, both heads after each, and what it comes to."""

    record: Json
    rows: list[Json]
    states: list[Json]
    findings: list[Json]
    verdict: Json
    names: Names
    cut: bool

    def heads(self, step: int) -> Json:
        """Both heads after a decision, from 1, for people."""
        bare: Json = {"conversation": history.head_of(self.record), "work_item": None}
        return named_heads(self.states[step - 1] if self.states else bare, self.names)


async def told_of(asked: Asked, id: str) -> Told:
    """One conversation."""
    api = asked.api
    record = (await api.get(f"/v1/conversations/{id}"))["data"]
    events, decisions, cut = await _history(asked, id)
    judged: Json = (await api.get(f"/v1/conversations/{id}/investigation"))["data"]["attributes"]
    now = (await api.get("/v1/changes"))["meta"]["at"]
    names = Names(api)
    await names.learn(sorted(history.ids_in(events, decisions)))
    rows = history.rows_of(events, decisions, names)
    states = _states(rows)
    heads = states[-1] if states else {"conversation": history.head_of(record), "work_item": None}
    said = verdict.of_own(judged, rows, heads, names, now)
    for n, row in enumerate(rows, 1):
        row["n"] = n
    return Told(record, rows, states, judged["findings"], said, names, cut)


async def timeline_of(asked: Asked, id: str) -> Json:
    """Everything that a timeline shows, as data."""
    told = await told_of(asked, id)
    rows, about = told.rows, told.record["attributes"]
    view = view_of(asked, rows)
    step = chosen_step(asked, len(rows))
    return {
        "id": id,
        "title": f"Conversation {id}",
        "channels": about.get("channels", []),
        "preview": about.get("preview", ""),
        "left": "Conversation record",
        "right": "Work item record",
        "verdict": told.verdict,
        "findings": told.findings,
        "steps": len(rows),
        "step": step,
        "heads": told.heads(step),
        "atStep": rows[step - 1]["at"] if rows else None,
        "cut": told.cut,
        "span": _span(rows),
        "day": rows[0]["at"][:10] if rows else "",
        "own": True,
        **view,
    }


async def _history(asked: Asked, id: str) -> tuple[list[Json], list[Json], bool]:
    """Events and decisions, page by page, up to a bound; and whether there are more."""
    events: list[Json] = []
    decisions: list[Json] = []
    path: str = f"/v1/conversations/{id}/events"
    query: dict[str, Any] = {"page[size]": PAGE_SIZE}
    for _ in range(PAGES_MAX):
        told = await asked.api.get(path, **query)
        events += told["data"]
        decisions += told["included"]
        if not told["links"]["next"]:
            return events, decisions, False
        query["page[after]"] = told["meta"]["after"]
    return events, decisions, True


def _states(rows: list[Json]) -> list[Json]:
    """Both heads after each row."""
    out: list[Json] = []
    now: Json = {"conversation": None, "work_item": None}
    for row in rows:
        now = {**now, **row["state"]}
        out.append(now)
    return out


def chosen_step(asked: Asked, steps: int) -> int:
    """Which row the heads are shown after, from 1; the last one if it is not said."""
    given = asked.query.get("at", "")
    return min(max(1, int(given)), steps) if given.isdigit() and len(given) < 9 and steps else steps


def named_heads(heads: Json, names: Names) -> Json:
    """Both heads for people, with the fields in which they differ."""
    wrong = history.differing(heads["conversation"], heads["work_item"])

    def named(head: Json | None) -> Json | None:
        if head is None:
            return None
        return {**head, "queueName": names.of(head["queue"]) if head["queue"] else "none",
                "userNames": [names.of(u) for u in head["users"]],
                "offeredName": names.of(head["offered"]) if head.get("offered") else ""}  # fmt: skip

    return {"conversation": named(heads["conversation"]), "work_item": named(heads["work_item"]), "differing": wrong}


def view_of(asked: Asked, every: list[Json]) -> Json:
    """The rows as this reader wants to see them: density, order, what they look for."""
    density = asked.query.get("density", "records")
    density = density if density in DENSITIES else "records"
    order = "clock" if asked.query.get("order") == "clock" else "cause"
    looked_for = asked.query.get("q", "").strip()[:80]
    for n, row in enumerate(every, 1):
        row["n"] = n
    rows = [r for r in every if r["turning"]] or every if density == "story" else every
    if looked_for:
        rows = [r for r in rows if looked_for.lower() in _text(r).lower()]
    if density != "everything":
        rows = history.folded(rows)
    return {
        "density": density,
        "order": order,
        "q": looked_for,
        "rows": history.placed(rows, order),
        "count": len(every),
        "shownCount": len(rows),
    }


def _text(row: Json) -> str:
    """What a filter looks at: fields, writers, outcomes, names."""
    parts: list[str] = []
    for cell in (row["left"], row["right"]):
        if cell:
            parts += [
                cell["head"],
                *(m["field"] for m in cell["moves"]),
                *(m["after"] for m in cell["moves"]),
                *cell["tags"],
            ]
    if row["card"]:
        parts += [row["card"]["title"], row["card"]["outcome"], *(f["text"] for f in row["card"]["facts"])]
    return " ".join(parts)


def _span(rows: list[Json]) -> str:
    if len(rows) < 2:
        return ""
    return lasting(milliseconds(rows[-1]["at"]) - milliseconds(rows[0]["at"]))


ROUTES = (listed, timeline)
