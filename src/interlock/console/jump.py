"""The jump box: any id, or the name of a queue or an agent, leads to its page."""

from __future__ import annotations

import re
from urllib.parse import quote

from interlock.console.asked import Asked, Page, Sent, go
from interlock.console.route import page

_ID = re.compile(r"[0-9a-f]{24}")
SHOWN = 20


@page("/jump", "getOverview")
async def jump(asked: Asked) -> Page | Sent:
    """Where it leads; several places, or none, are said."""
    wanted = asked.query.get("q", "").strip()[:100]
    found = _ID.search(wanted.lower())
    if found:
        to = await _of_id(asked, found[0])
        if to:
            return go(to)
    told = (await asked.api.get("/v1/routing/overview"))["data"]["attributes"]
    low = wanted.lower()
    places = [{"to": f"/queues?open={q['id']}", "what": "queue", "name": q["name"]}
              for q in told["queues"] if low and (low in q["name"].lower() or low == q["key"].lower())]  # fmt: skip
    places += [{"to": "/queues#agents", "what": "agent", "name": a["name"]}
               for a in told["agents"] if low and low in a["name"].lower()]  # fmt: skip
    if len(places) == 1:
        return go(places[0]["to"])
    return Page(template="jump.html", data={"q": wanted, "places": places[:SHOWN]})


async def _of_id(asked: Asked, id: str) -> str:
    """The page of whatever has this id: a conversation, a work item, a queue, an investigation."""
    api = asked.api
    if await api.maybe(f"/v1/conversations/{id}"):
        return f"/conversations/{id}"
    item = await api.maybe(f"/v1/routing/work-items/{id}")
    if item:
        return f"/conversations/{item['data']['relationships']['resource']['data']['id']}"
    if await api.maybe(f"/v1/routing/queues/{id}"):
        return f"/queues?open={quote(id)}"
    return f"/investigate/{id}" if await api.maybe(f"/v1/investigations/{id}") else ""


ROUTES = (jump,)
