"""Reading everything that one command on a work item may touch, in as few questions as possible."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from interlock.domain.agent import WorkSession
from interlock.domain.assignment import Coupled, shape
from interlock.domain.conversation import Conversation
from interlock.domain.queue import Queue
from interlock.domain.reservation import Reservation
from interlock.domain.settle import Case
from interlock.domain.work_item import QueuePass, WorkItem, open_item_claim
from interlock.ports import Query
from interlock.service.calendars import hours_of
from interlock.service.holding import hold_of
from interlock.service.requirements import requirements
from interlock.service.transact import Reading


async def case_of(reading: Reading, item: WorkItem, *, users: Iterable[str] = (), queues: Iterable[str] = ()) -> Case:
    """The case of an item. `users` may come to own or be offered it, `queues` it may enter; both beside those it
    names itself.
    """
    asked_queues = list(dict.fromkeys(q for q in (item.queue, *queues) if q))
    found = await reading.load(
        (QueuePass, item.pass_), (Reservation, item.reservation),
        *((Queue, q) for q in asked_queues),
    )  # fmt: skip
    pass_, offer = cast("QueuePass", found[0]), cast("Reservation | None", found[1])
    known = {q.id: q for q in found[2:] if isinstance(q, Queue)}
    wanted = (item.assigned_to, offer.user if offer else None, *users)
    hours = await hours_of(reading, known.values())
    return Case(item, pass_, offer, await live_sessions(reading, wanted), known, hours)


async def lent_case(
    reading: Reading, c: Conversation, users: Iterable[str | None], queues: Iterable[str | None]
) -> Case:
    """What an item which does not exist yet may need: sessions, queues, calendars, and what it asks for in `item`."""
    asked = await requirements(reading, c)
    due, waits = await hold_of(reading, c)
    nothing = WorkItem(
        id="", org=reading.org, resource=c.id, pass_="", skills=asked.requirements, rules_due_at=due,
        waits_for_workflows=waits,
    )  # fmt: skip
    blank = QueuePass(id="", org=reading.org, work_item="")
    known = await reading.many(Queue, queues)
    hours = await hours_of(reading, known.values())
    return Case(nothing, blank, None, await live_sessions(reading, users), known, hours)


async def live_sessions(reading: Reading, users: Iterable[str | None]) -> dict[str, WorkSession]:
    """The live sessions of these users, by user."""
    out: dict[str, WorkSession] = {}
    for user in dict.fromkeys(u for u in users if u):
        session = await live_session(reading, user)
        if session is not None:
            out[user] = session
    return out


async def live_session(reading: Reading, user: str) -> WorkSession | None:
    """The live session of one user."""
    return await reading.claimed(WorkSession, f"{reading.org}/live-session/{user}")


async def open_item(reading: Reading, conversation: str) -> WorkItem | None:
    """The item of a conversation that is not completed; there is at most one."""
    return await reading.claimed(WorkItem, open_item_claim(reading.org, conversation))


async def last_item(reading: Reading, conversation: str, *, before: int | None = None) -> WorkItem | None:
    """The newest item of a conversation, open or not; `before`: with a smaller number than this."""
    query = Query(
        name="children", org=reading.org, type=WorkItem.TYPE, parent=conversation, by_id=True, descending=True, limit=20
    )
    found = await reading.find(WorkItem, query)
    if before is not None:
        found = [i for i in found if i.work_item_number < before]
    newest = max(found, key=lambda i: i.work_item_number, default=None)
    if newest is not None:
        reading.saw(newest)
    return newest


def named(*states: Coupled) -> tuple[set[str], set[str]]:
    """The users and queues that any live intent of these states names: whoever may have to do with what comes of a
    merge.
    """
    users: set[str] = set()
    queues: set[str] = set()
    for state in states:
        for slot in state.unit.slots:
            _, who, queue, external = shape(slot.value)
            users.update(who[:1])
            if queue and not external:
                queues.add(queue)
    return users, queues
