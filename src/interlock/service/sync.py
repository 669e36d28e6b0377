"""Forward and reverse sync, and healing: look at both records as they are now, take the other's state, commit on one
side.

An event only says where to look. Both directions and the sweep that repairs what was missed are the same step with the
ends exchanged, so a repeat, a reordering or an echo ends in a row that says "nothing new".
"""

from __future__ import annotations

from interlock.domain import sync
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Provenance
from interlock.domain.record import Ref
from interlock.domain.settle import Case
from interlock.domain.work_item import WorkItem
from interlock.ports import Query, World
from interlock.service.cases import case_of, last_item, lent_case, named, open_item
from interlock.service.transact import Done, Reading, provenance, transact


def by_sync(org: str, direction: str, *, trace: str = "", cause: str = "", source: Ref | None = None) -> Provenance:
    """The provenance of a copy: nobody's intent, whatever it carries."""
    return Provenance(org, Actor("system", "sync", direction), "sync", trace, cause=cause, source=source)


async def forward(world: World, by: Provenance, conversation: str) -> Done:
    """The work item takes the conversation's state; if the conversation needs an agent and has no open item, one
    begins.
    """

    async def decide(reading: Reading) -> Decision:
        c = await reading.one(Conversation, conversation)
        item = await open_item(reading, conversation)
        if item is not None:
            users, queues = named(item.coupled, c.coupled)
            case = await case_of(reading, item, users=users, queues=queues)
            return sync.forward(c, case, item, None, reading.moment)
        last = await last_item(reading, conversation)
        return sync.forward(c, None, last, await _lent(reading, c, last), reading.moment)

    return await transact(world, by, decide)


async def _lent(reading: Reading, c: Conversation, last: WorkItem | None) -> Case:
    users, queues = named(c.coupled, *([last.coupled] if last else []))
    return await lent_case(reading, c, users, queues)


async def reverse(world: World, by: Provenance, item: str) -> Done:
    """The conversation takes the work item's state."""

    async def decide(reading: Reading) -> Decision:
        w = await reading.one(WorkItem, item)
        c = await reading.one(Conversation, w.resource)
        return sync.reverse(c, w, reading.moment)

    return await transact(world, by, decide)


async def heal(world: World, org: str, *, older_than: int, limit: int = 100) -> list[Done]:
    """Bring pairs into step that no event did: those out of step and not written since `older_than` (ms).

    The same two steps that events take. What it finds is counted by its caller: in a healthy system it finds nothing.
    """
    pairs = await world.store.find(Query(name="out_of_step", org=org, before=older_than, limit=limit))
    done: list[Done] = []
    for c in pairs:
        reading = Reading(world, provenance(org, "sync"))
        item = await open_item(reading, c.id) or await last_item(reading, c.id)
        if item is not None:
            done.append(await reverse(world, by_sync(org, "heal"), item.id))
        done.append(await forward(world, by_sync(org, "heal"), c.id))
    return done
