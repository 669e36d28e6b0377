"""`interlock explain`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Annotated, Any

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.connection import Connection, Server
from interlock.cli.failure import DONE, FAILED, Failure
from interlock.cli.output import Json

HERE = Server()
PLACES = (
    "/v1/conversations/{id}/explain",
    "/v1/routing/work-items/{id}/explain",
    "/v1/routing/queues/{id}/explain",
    "/v1/routing/decisions/{id}",
)
"""Where an id may be explained, in the order in which they are asked."""
_ID = re.compile(r"[0-9a-f]{24}")


def explain(
    id: str, *, server: Annotated[Server, Parameter(name="*")] = HERE, db: str | None = None, json: Json = False
) -> int:
    """Why this assignment, this sync, this wait: by the id of a conversation, work item, queue or decision.

    Example: interlock explain 621fc1d36a39b4aa389cb72b

    Parameters
    ----------
    id
        The id, or a link or address that ends with it.
    db
        Read this store instead of asking a server: sqlite:FILE or postgresql://…
    """
    found = _ID.findall(id)
    if not found:
        raise Failure(
            f"{id!r} holds no id", "an id is 24 hexadecimal digits", "interlock explain 621fc1d36a39b4aa389cb72b"
        )
    told = asyncio.run(_offline(db, found[-1])) if db else _online(Connection(server), found[-1])
    if told is None:
        where = db or "this server"
        raise Failure(
            f"nothing here is called {found[-1]}", f"{where} has no record or decision of this id", code=FAILED
        )
    if json:
        output.document(told)
    else:
        for text in lines(told):
            output.line(text)
    return DONE


def _online(connection: Connection, id: str) -> Any:
    for place in PLACES:
        answer = connection.get(place.format(id=id), missing_ok=True)
        if answer.status == 200:
            return answer.json()["data"]["attributes"]
    return None


async def _offline(db: str, id: str) -> Any:
    from interlock.cli.offline import reading
    from interlock.domain.conversation import Conversation
    from interlock.domain.errors import NotFound
    from interlock.domain.event import decision_resource
    from interlock.domain.queue import Queue
    from interlock.domain.record import Address
    from interlock.domain.work_item import WorkItem
    from interlock.service import by_clock, explanations

    async with reading(db) as (world, store):
        async for org in by_clock.each_org(world):
            kinds = (Conversation, WorkItem, Queue)
            conversation, item, queue = await store.load([Address(k.TYPE, org.id, id) for k in kinds])
            if isinstance(conversation, Conversation):
                return await explanations.of_conversation(world, conversation)
            if isinstance(item, WorkItem):
                return await explanations.of_item(world, item)
            if isinstance(queue, Queue):
                return await explanations.of_queue(world, queue)
            try:
                return decision_resource(await explanations.decision(world, org.id, id, None))["attributes"]
            except NotFound:
                continue
    return None


def lines(told: Any) -> Iterator[str]:
    """An explanation for people: its sentences, and then the figures; a decision by what it says, name by name."""
    sentences = [s for s in told.get("sentences") or told.get("text") or () if isinstance(s, str)]
    yield from sentences
    for each in told.get("classes") or ():
        yield f"{each['items']:>8} × {each['because']}: {_asks(each['asks'])}. {' '.join(each['sentences'])}"
    waiting = told.get("waiting")
    if isinstance(waiting, dict) and waiting["counts"]:
        yield "Agents: " + ", ".join(f"{n} × {code}" for code, n in sorted(waiting["counts"].items())) + "."
    if sentences:
        return
    for name, value in told.items():
        if name == "candidates":
            yield from (f"candidate {c['user']}: {c.get('reason') or 'chosen'}" for c in value)
        else:
            yield f"{name}: {value if isinstance(value, str | int | float) else _short(value)}"


def _asks(asks: Any) -> str:
    """What the items of a class ask for."""
    skills = [f"{s['mode']} skill {s['skill']} at level {s['level']}" for s in asks.get("skills", ())]
    kept = [f"kept for {asks['keptFor']}"] if "keptFor" in asks else []
    return ", ".join([asks["channel"] or "any channel", f"weight {asks['weight']}", *skills, *kept])


def _short(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)
