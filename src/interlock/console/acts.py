"""What supervisors do to people and to the work they have: reassign a conversation, say somebody's status."""

from __future__ import annotations

from interlock.console.asked import Asked, Done, Missing, Page
from interlock.console.door import Json
from interlock.console.history import head_of
from interlock.console.names import Names
from interlock.console.rendering import several
from interlock.console.route import act, page

PEOPLE_MAX = 200


async def _agents(asked: Asked) -> list[Json]:
    told: Json = (await asked.api.get("/v1/routing/overview"))["data"]["attributes"]
    return told["agents"]


@page("/conversations/{id}/reassign", "updateConversation", "listUsers")
async def reassign(asked: Asked) -> Page:
    """Whom it is with, and who could have it, those with room first."""
    id = asked.params["id"]
    record = (await asked.api.get(f"/v1/conversations/{id}"))["data"]
    head = head_of(record)
    here = {a["user"]: a for a in await _agents(asked)}
    names = Names(asked.api)
    await names.learn([("user", u) for u in head["users"]] + [("queue", head["queue"] or "")])
    listed = (await asked.api.get("/v1/users", pageSize=PEOPLE_MAX))["data"]
    people = [_person(u, here.get(u["id"])) for u in listed if u["id"] not in head["users"]]
    people.sort(key=lambda p: (p["order"], p["name"].lower()))
    data = {
        "id": id,
        "rev": record["attributes"]["rev"],
        "now": ", ".join(names.of(u) for u in head["users"]) or "nobody",
        "queue": names.of(head["queue"]) if head["queue"] else "",
        "queueId": head["queue"] or "",
        "status": head["status"],
        "people": people,
    }
    return Page(template="reassign.html", data=data)


def _person(user: Json, agent: Json | None) -> Json:
    """A person as somebody to choose: their state, and what they carry."""
    name = str(user["attributes"].get("name", "")) or user["id"]
    if agent is None:
        return {"id": user["id"], "name": name, "words": "not signed in", "order": 3}
    room = agent["total"] - agent["used"]
    order = 0 if agent["state"] == "free" and room > 0 else 1 if agent["state"] in ("free", "full", "offered") else 2
    return {
        "id": user["id"],
        "name": name,
        "words": f"{agent['state']}, {agent['used']}/{agent['total']}",
        "order": order,
    }


@act("/conversations/{id}/reassign", "updateConversation", "listUsers")
async def reassigned(asked: Asked) -> Done:
    """Give it to somebody, or back to its queue; refused if it moved since it was looked at."""
    id, to, queue, rev = (asked.params["id"], *(asked.form.get(n, "") for n in ("to", "queue", "rev")))
    body: Json = {"assignedUsers": [to]} if to else {"assignedUsers": [], "queue": {"id": queue}}
    if rev.isdigit() and len(rev) < 16:
        body["rev"] = int(rev)
    await asked.api.send("PUT", f"/v1/conversations/{id}", body, once=asked.form.get("once", ""))
    names = Names(asked.api)
    await names.learn([("user", to)])
    title = f"It is with {names.of(to)} now." if to else "It waits in its queue again."
    detail = "The work item follows; the timeline shows both."
    return Done(title=title, detail=detail, changed=("conversation",), back=f"/conversations/{id}")


@page("/agents/{id}/status", "updateWorkSession")
async def status(asked: Asked) -> Page:
    """What an agent is, and what they could be said to be. `id`: of their session."""
    agent = next((a for a in await _agents(asked) if a["session"] == asked.params["id"]), None)
    if agent is None:
        raise Missing
    listed = (await asked.api.get("/v1/routing/statuses", pageSize=100))["data"]
    statuses = [{"id": s["id"], "name": s["attributes"]["name"], "type": s["attributes"]["statusType"]}
                for s in listed if s["attributes"]["enabled"]]  # fmt: skip
    held = len(agent["holding"])
    state = "has an offer" if agent["state"] == "offered" else f"is {agent['state']}"
    effect = f"{agent['name']} {state} and has {several(held, 'item')}; what they have stays with them."
    return Page(template="agent.html", data={"agent": agent, "statuses": statuses, "effect": effect})


@act("/agents/{id}/status", "updateWorkSession")
async def said(asked: Asked) -> Done:
    """Say it, in the supervisor's name."""
    body = {"status": asked.form.get("status", "")}
    path = f"/v1/routing/work-sessions/{asked.params['id']}"
    told = await asked.api.send("PUT", path, body, once=asked.form.get("once", ""))
    type = told["data"]["attributes"]["statusType"]
    return Done(title=f"Said: {type} from now on.", detail="Routing goes by it.", changed=("agents",), back="/queues")


ROUTES = (reassign, reassigned, status, said)
