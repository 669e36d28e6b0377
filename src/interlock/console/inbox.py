"""An agent's own screen: the offer that waits for an answer, what they have, what they missed, and their status."""

from __future__ import annotations

from typing import Any

from interlock.console.asked import Asked, Done, Missing, Page
from interlock.console.door import Json, Refusal
from interlock.console.names import Names
from interlock.console.rendering import lasting, milliseconds
from interlock.console.route import act, page

HERE = "/v1/routing/work-sessions/current"
OFFERS = "/v1/routing/reservations"
REASONS = (
    "not mine to answer",
    "wrong language or skill",
    "I am about to leave",
    "technical trouble",
    "another reason",
)
"""Why not, by the code that the API takes, from 1."""
MISSED_SHOWN = 10
GONE = frozenset({"OFFER_TAKEN", "OFFER_EXPIRED", "CONFLICT", "STALE_BASIS"})


@page("/inbox", "listReservations", "updateCurrentWorkSession")
async def inbox(asked: Asked) -> Page:
    """The strip, the items, the status."""
    if not asked.who.user:
        raise Missing
    names = Names(asked.api)
    now = (await asked.api.get("/v1/changes"))["meta"]["at"]
    session = await asked.api.maybe(HERE)
    data: Json = {
        "now": now,
        "offer": await _offer(asked, names),
        "reasons": REASONS,
        "session": _session(session),
        "missed": await _missed(asked, names),
        "items": [],
        "statuses": [],
    }
    if asked.region in ("", "items"):
        data["items"] = await _items(asked, names) if session else []
    if asked.region in ("", "status", "strip"):
        listed = await asked.api.get("/v1/routing/statuses", pageSize=100)
        data["statuses"] = [
            {"id": s["id"], "name": s["attributes"]["name"], "type": s["attributes"]["statusType"]}
            for s in listed["data"]
            if s["attributes"]["enabled"] and s["attributes"]["selectable"]
        ]
    data["silenced"] = _silenced(data)
    return Page(template="inbox.html", data=data, more={"topics": f"agent:{asked.who.user}"})


def _session(told: Any) -> Json | None:
    if told is None:
        return None
    a = told["data"]["attributes"]
    status = told["data"]["relationships"].get("status", {}).get("data", {}).get("id", "")
    used = a["totalCapacity"] - a["capacityRemaining"] + a["overCapacity"]
    return {"status": status, "type": a["statusType"], "used": used, "total": a["totalCapacity"], "rev": a["rev"]}


async def _offer(asked: Asked, names: Names) -> Json | None:
    """The offer that waits, with who it is about and why it came here."""
    pending = (await asked.api.get(OFFERS, state="pending"))["data"]
    if not pending:
        return None
    offer = pending[0]
    a, r = offer["attributes"], offer["relationships"]
    about = await asked.api.maybe(f"/v1/conversations/{r['conversation']['data']['id']}")
    queue = r.get("queue", {}).get("data", {}).get("id", "")
    await names.learn([("queue", queue)])
    c = about["data"]["attributes"] if about else {}
    return {
        "id": offer["id"],
        "conversation": r["conversation"]["data"]["id"],
        "rev": c.get("rev"),
        "channel": ", ".join(c.get("channels", [])) or "conversation",
        "preview": c.get("preview", ""),
        "queue": names.of(queue) if queue else "",
        "strategy": a.get("strategy", "").replace("-", " "),
        "weight": a["weight"],
        "expiresAt": a["expiresAt"],
        "extended": a["extended"],
    }


async def _missed(asked: Asked, names: Names) -> list[Json]:
    """Offers that ran out, newest first."""
    told = (await asked.api.get(OFFERS, state="timed-out", pageSize=MISSED_SHOWN))["data"]
    return [
        {
            "id": o["id"],
            "at": o["attributes"].get("endedAt") or o["attributes"]["expiresAt"],
            "conversation": o["relationships"]["conversation"]["data"]["id"],
        }
        for o in told
    ]


def _silenced(data: Json) -> Json | None:
    """The missed offer that made this agent unavailable, if that is how things stand."""
    session, missed = data["session"], data["missed"]
    if session is None or session["type"] != "unavailable" or not missed or data["offer"]:
        return None
    return missed[0]


async def _items(asked: Asked, names: Names) -> list[Json]:
    """What this agent carries, the oldest first."""
    told = (await asked.api.get(f"{HERE}/work-items"))["data"]
    out: list[Json] = []
    for item in told:
        a, r = item["attributes"], item["relationships"]
        if a["status"] == "routed":
            continue
        queue = r.get("queue", {}).get("data", {}).get("id", "")
        await names.learn([("queue", queue)])
        conversation = await asked.api.maybe(f"/v1/conversations/{r['resource']['data']['id']}")
        c = conversation["data"]["attributes"] if conversation else {}
        state = "snoozed" if a["paused"] else "wrap-up" if a["status"] == "wrap-up" else "active"
        out.append({
            "id": item["id"], "conversation": r["resource"]["data"]["id"], "state": state,
            "channel": a.get("channel", ""),
            "preview": c.get("preview", ""), "queue": names.of(queue) if queue else "none", "rev": c.get("rev"),
            "since": (a.get("handle") or {}).get("enteredAt") or a["updatedAt"], "weight": a.get("itemSize"),
        })  # fmt: skip
    return sorted(out, key=lambda i: ("active", "wrap-up", "snoozed").index(i["state"]))


@act("/inbox/status", "updateCurrentWorkSession")
async def say(asked: Asked) -> Done:
    """What the agent is from now on."""
    wanted = asked.form.get("status", "")
    await asked.api.send("PUT", HERE, {"status": wanted})
    return Done(title="Said.", detail="Routing goes by it from now on.", changed=("agent",), back="/inbox")


@act("/inbox/offers/{id}/{answer}", "acceptReservation")
async def answer(asked: Asked) -> Done:
    """Accept, decline or ask for more time. Nothing counts as taken before it is stored."""
    id, verb, once = asked.params["id"], asked.params["answer"], asked.form.get("once", "")
    body: Json = {}
    match verb:
        case "accept":
            rev = asked.form.get("rev", "")
            title = "Yours."
            body = {"resource": {"rev": int(rev)}} if rev.isdigit() and len(rev) < 16 else {}
        case "reject":
            code = asked.form.get("reason", "1")
            code = code if code in "12345" and len(code) == 1 else "1"
            body = {"reasonCode": int(code), "reason": REASONS[int(code) - 1]}
            title = f"Declined: {REASONS[int(code) - 1]}."
        case "extend":
            title = "You have more time."
        case _:
            raise Missing
    try:
        await asked.api.send("POST", f"{OFFERS}/{id}/{verb}", body, once=once)
    except Refusal as no:
        if no.code in GONE:
            raise await _told(asked, id, no) from no
        raise
    return Done(title=title, changed=("agent",), back="/inbox")


async def _told(asked: Asked, id: str, no: Refusal) -> Refusal:
    """A lost race in words: who was first, and by how much."""
    offer = (await asked.api.get(f"{OFFERS}/{id}"))["data"]
    item = (await asked.api.get(f"/v1/routing/work-items/{offer['relationships']['workItem']['data']['id']}"))["data"]
    now = (await asked.api.get("/v1/changes"))["meta"]["at"]
    owner = item["relationships"].get("assignedTo", {}).get("data", {}).get("id", "")
    ended = offer["attributes"].get("endedAt")
    names = Names(asked.api)
    await names.learn([("user", owner)])
    if owner and owner != asked.who.user:
        at = (item["attributes"].get("lastRevision") or {}).get("acceptedAt") or item["attributes"]["updatedAt"]
        earlier = lasting(max(1, milliseconds(now) - milliseconds(at)))
        said = {
            "title": f"{names.of(owner)} was first, {earlier} earlier.",
            "detail": "The item is theirs; nothing was lost.",
        }
    elif ended:
        said = {
            "title": f"This offer was over at {ended[11:19]} UTC.",
            "detail": f"It is {offer['attributes']['state']} now.",
        }
    else:
        said = {"title": no.title, "detail": no.detail}
    return Refusal(no.status, {**said, "code": no.code})


@act("/inbox/items/{id}/{what}", "updateConversation")
async def handle(asked: Asked) -> Done:
    """Done with a conversation, or with the call in it."""
    changes: dict[str, Json] = {"done": {"status": "done"}, "end": {"ended": True}}
    wanted = changes.get(asked.params["what"])
    if wanted is None:
        raise Missing
    rev = asked.form.get("rev", "")
    body = {**wanted, **({"rev": int(rev)} if rev.isdigit() and len(rev) < 16 else {})}
    await asked.api.send("PUT", f"/v1/conversations/{asked.params['id']}", body, once=asked.form.get("once", ""))
    return Done(title="Done." if "status" in wanted else "The call is over.", changed=("agent",), back="/inbox")


ROUTES = (inbox, say, answer, handle)
