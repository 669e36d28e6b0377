"""The supervisor's screen: queues as they are now, why each item waits, agents and what they carry, and what to do."""

from __future__ import annotations

from typing import Any

from interlock.console import reasons
from interlock.console.asked import Asked, Done, Missing, Page
from interlock.console.door import Json, Refusal
from interlock.console.history import head_of
from interlock.console.names import Names
from interlock.console.rendering import milliseconds, several
from interlock.console.route import act, page

ITEMS_SHOWN = 50
MOVED_MAX = 100
LATEST = 8
ACTS = {"pause": "updateQueue", "resume": "updateQueue", "priority": "updateQueue", "move": "updateWorkItem"}
"""What can be done to a queue, and the operation of the API that it needs."""
SHOWS = ("waiting", "late", "offered", "paused")


@page("/queues", "getOverview")
async def queues(asked: Asked) -> Page:
    """Every queue and every agent; one queue opened in place."""
    told: Json = (await asked.api.get("/v1/routing/overview"))["data"]["attributes"]
    opened = asked.query.get("open", "")
    if opened and opened not in {q["id"] for q in told["queues"]}:
        opened = ""
    names = Names(asked.api)
    for q in told["queues"]:
        await _name_who_paused(q, names)
        q["late"] = is_late(q, told["at"])
        q["percent"] = percent(q["hour"])
    show = asked.query.get("show", "")
    show = show if show in SHOWS else ""
    wants = not asked.region or asked.region == "table"
    data = {
        **told,
        "percent": percent(told["hour"]),
        "opened": opened,
        "why": await explained(asked, opened) if opened and wants else None,
        "show": show,
        "shown": [q["id"] for q in told["queues"] if _is_shown(q, show)],
        "incidents": await _incidents(asked) if asked.region in ("", "cards") else 0,
        "latest": await _latest(asked, names) if asked.region in ("", "latest") else [],
    }
    topics = ["queues", "agents", *([f"queue:{opened}"] if opened else [])]
    return Page(template="queues.html", data=data, more={"topics": ",".join(topics), "wall": "wall" in asked.query})


async def _latest(asked: Asked, names: Names) -> list[Json]:
    """The conversations that moved last, with where they are now: what happens, while it happens."""
    if "wall" in asked.query or not asked.who.may("listConversations"):
        return []
    told = (await asked.api.get("/v1/conversations", pageSize=LATEST))["data"]
    heads = [(c, head_of(c)) for c in told]
    await names.learn([("user", u) for _, h in heads for u in h["users"]] + [("queue", h["queue"]) for _, h in heads])
    return [
        {"id": c["id"], "channel": ", ".join(c["attributes"].get("channels", [])), "status": h["status"],
         "preview": c["attributes"].get("preview", ""), "queue": names.of(h["queue"]) if h["queue"] else "",
         "users": [names.of(u) for u in h["users"]], "changed": c["attributes"]["updatedAt"]}
        for c, h in heads
    ]  # fmt: skip


async def _name_who_paused(q: Json, names: Names) -> None:
    """A queue that was paused over the API names an id; one that was paused here names a person."""
    by = (q["paused"] or {}).get("by")
    if isinstance(by, dict):
        await names.learn([(by["type"], by["id"])])
        q["paused"] = {**q["paused"], "by": names.actor(by)}


def is_late(q: Json, at: str) -> bool:
    """Whether somebody waits past the queue's target."""
    target = q["targetSeconds"]
    return bool(target is not None and q["since"] and milliseconds(at) - milliseconds(q["since"]) > target * 1000)


def percent(hour: Json) -> int | None:
    """The share inside the target in whole percent; never rounded up to 100."""
    if not hour["of"]:
        return None
    return 100 * int(hour["inTarget"]) // int(hour["of"])


def _is_shown(q: Json, show: str) -> bool:
    match show:
        case "waiting":
            return bool(q["waiting"])
        case "late":
            return bool(q["late"])
        case "offered":
            return bool(q["offered"])
        case "paused":
            return bool(q["paused"])
        case _:
            return True


async def _incidents(asked: Asked) -> int:
    """How many kinds of incident are open."""
    if not asked.who.may("listIncidents"):
        return 0
    told = await asked.api.maybe("/v1/incidents")
    return sum(i["attributes"]["state"] == "open" for i in told["data"]) if told else 0


async def explained(asked: Asked, queue: str) -> Json:
    """A page of a queue's items in routing order, each with why it waits, and how many wait for which reason."""
    given = asked.query.get("page", "1")
    number = int(given) if given.isdigit() and 0 < len(given) < 6 else 1
    path = f"/v1/routing/queues/{queue}"
    listed = await asked.api.get(f"{path}/work-items", page=number, pageSize=ITEMS_SHOWN)
    ids = ",".join(item["id"] for item in listed["data"])
    told: Json = (await asked.api.get(f"{path}/explain", items=ids))["data"]["attributes"]
    because = {i["workItem"]: i for i in told.get("items", [])}
    first = (number - 1) * ITEMS_SHOWN
    items = [_item(n, item, because.get(item["id"])) for n, item in enumerate(listed["data"], first + 1)]
    return {
        "counts": reasons.counted(told.get("counts", {})),
        "sentences": told.get("sentences", []),
        "items": items,
        "page": number,
        "more": bool(listed["links"]["next"]),
    }


def _item(position: int, item: Json, told: Json | None) -> Json:
    about, relations = item["attributes"], item["relationships"]
    code = (told or {}).get("waitingBecause") or (told or {}).get("because") or reasons.UNKNOWN
    return {
        "position": position,
        "id": item["id"],
        "conversation": relations["resource"]["data"]["id"],
        "channel": about.get("channel", ""),
        "priority": about.get("priority"),
        "weight": about.get("itemSize"),
        "offered": about["status"] == "routed",
        "since": (about.get("lastRevision") or {}).get("enteredQueueAt") or about["updatedAt"],
        "because": code,
        "sentence": reasons.sentence(code, told or {}),
        "next": reasons.next_step(code),
    }


@page("/queues/{id}/{act}", "getOverview")
async def confirm(asked: Asked) -> Page:
    """What an act would do, in numbers, before it is done."""
    queue, told = await _queue(asked)
    others = [{"id": q["id"], "name": q["name"]} for q in told["queues"] if q["id"] != queue["id"]]
    data = {"act": asked.params["act"], "queue": queue, "others": others, "effect": effect(asked.params["act"], queue)}
    return Page(template="act.html", data=data)


async def _queue(asked: Asked) -> tuple[Json, Json]:
    needed = ACTS.get(asked.params["act"])
    if needed is None or not asked.who.may(needed):
        raise Missing
    told: Json = (await asked.api.get("/v1/routing/overview"))["data"]["attributes"]
    queue = next((q for q in told["queues"] if q["id"] == asked.params["id"]), None)
    if queue is None:
        raise Missing
    return queue, told


def effect(name: str, queue: Json) -> str:
    """What will come of it, as a sentence with numbers."""
    waits, offered = queue["waiting"] - queue["offered"], queue["offered"]
    keep = f"{several(offered, 'is', 'are')} offered and {'stays' if offered == 1 else 'stay'} with the offer"
    match name:
        case "pause":
            wait = f"{several(waits, 'item')} will wait until somebody resumes the queue"
            return f"{wait}; {keep}." if offered else f"{wait}. Nothing is lost, and new items still come in."
        case "resume":
            free = queue["agents"]["free"]
            return (
                f"{several(waits, 'waiting item')} can be offered again; {several(free, 'agent')} serving it are free."
            )
        case "priority":
            one = "keeps the priority it" if waits == 1 else "keep the priority they"
            return f"{several(waits, 'waiting item')} {one} came with; new ones get the new one."
        case _:
            moves = f"Moves {several(min(waits, MOVED_MAX), 'item')}"
            return f"{moves}; {keep}." if offered else f"{moves}."


@act("/queues/{id}/{act}", "getOverview")
async def perform(asked: Asked) -> Done:
    """Do it, in the person's name."""
    queue, told = await _queue(asked)
    once, name, title = asked.form.get("once", ""), asked.params["act"], queue["name"]
    path = f"/v1/routing/queues/{queue['id']}"
    match name:
        case "pause":
            reason = asked.form.get("note", "").strip()[:200]
            paused: dict[str, Any] = {"reason": reason, "by": asked.who.name, "at": milliseconds(told["at"])}
            await asked.api.send("PUT", path, {"paused": paused}, once=once)
            said = "paused"
        case "resume":
            await asked.api.send("PUT", path, {"paused": None}, once=once)
            said = "open again"
        case "priority":
            given = asked.form.get("priority", "")
            if not given.isdigit() or not 1 <= int(given) <= 100:
                raise Refusal(422, {"title": "The priority is a number from 1 to 100.", "detail": "1 is served first."})
            await asked.api.send("PUT", path, {"priority": int(given)}, once=once)
            said = f"at priority {given} now"
        case _:
            return await _move(asked, queue)
    return Done(title=f"{title} is {said}.", detail=effect(name, queue), changed=("queues",), back="/queues")


async def _move(asked: Asked, queue: Json) -> Done:
    """One command for each waiting item: what is taken meanwhile stays with whoever took it."""
    body = {"to": asked.form.get("to", "")}
    path = f"/v1/routing/queues/{queue['id']}/move"
    told = (await asked.api.send("POST", path, body, once=asked.form.get("once", "")))["meta"]
    stayed = f"{several(told['failed'], 'item')} went elsewhere meanwhile and stayed there. " if told["failed"] else ""
    more = "More wait behind them: move again." if told["more"] else ""
    title = f"Moved {several(told['succeeded'], 'item')}."
    return Done(title=title, detail=stayed + more, changed=("queues",), back="/queues")


ROUTES = (queues, confirm, perform)
