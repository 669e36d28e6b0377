"""Items that the queue rules leave in `ivr` for a while: while the phone menu speaks (`ivrHold`), until the workflows
that their conversation starts have run (`rulesWaitMs`). Nothing correct rests on either: each ends by the clock.
"""

from __future__ import annotations

from interlock.domain import workflow
from interlock.domain.agent import OrgSettings
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Provenance, changed, step
from interlock.domain.errors import Refused
from interlock.domain.log import snapshot_of
from interlock.domain.work_item import WorkItem, open_item_claim
from interlock.domain.workflow import Workflow
from interlock.ports import Query, World
from interlock.service.by_clock import due_here
from interlock.service.records import put
from interlock.service.transact import SYSTEM, Done, Reading, provenance, unless_refused

ROWS_LOOKED_AT = 20
"""Of the conversation's newest rows, among which its events and the runs of its workflows would be."""


async def hold_of(reading: Reading, c: Conversation) -> tuple[int | None, bool]:
    """Until when (ms) the rules leave an item of this conversation alone, and whether it is for workflows to run."""
    settings, now = reading.settings, reading.moment.now
    if settings is None:
        return None, False
    hold = settings.ivr_hold
    if hold is not None and c.channel in hold.channels:
        return now + hold.seconds * 1000, False
    if settings.has_workflows and settings.rules_wait_ms and await _to_run(reading, c):
        return now + settings.rules_wait_ms, True
    return None, False


async def _to_run(reading: Reading, c: Conversation) -> bool:
    """Whether an event of this conversation starts a workflow, and none has come to it yet."""
    query = Query(name="listing", org=reading.org, type=Workflow.TYPE, states=("enabled",), limit=1000)
    verbs = ("create", "update") if c.rev > 1 else ("create",)
    enabled = await reading.find(Workflow, query)
    listening = [w for w in enabled if any(workflow.listens(w, c.TYPE, verb) for verb in verbs)]
    if not listening:
        return False
    rows = await reading.world.store.changes(0, ROWS_LOOKED_AT, org=reading.org, partition=c.id, newest=True)
    ran = max((r.why.rev_after for r in rows if r.by.client == "workflow" and r.why.record == c.ref), default=0)
    events = [
        e for r in rows if not r.why.is_sync for e in r.changes if (e.type, e.id) == (c.TYPE, c.id) and e.rev > ran
    ]
    return any(
        workflow.starts(w, c.TYPE, event.verb, snapshot_of(event), event.moved) for event in events for w in listening
    )


async def release(world: World, by: Provenance, item: str, *, early: bool = False) -> Done | None:
    """The rules may place an item that was held. `early`: before its time, if it waits for workflows only."""

    async def decide(reading: Reading) -> Decision:
        w = await reading.one(WorkItem, item)
        if w.rules_due_at is None or (w.rules_due_at > reading.moment.now and not (early and w.waits_for_workflows)):
            raise Refused("It is not held, or not yet to be let go.")
        after = w.with_(rules_due_at=None, waits_for_workflows=False)
        why = changed(w, "system", reason="the rules may place it")
        return Decision(partition=w.resource, why=why, writes=(step(w, after, reading.moment.now),))

    return await unless_refused(world, by, decide)


async def release_after_workflows(world: World, by: Provenance, conversation: str) -> Done | None:
    """The workflows of a conversation have run: its item need not wait for them."""
    item = await Reading(world, by).claimed(WorkItem, open_item_claim(by.org, conversation))
    if item is None or not item.waits_for_workflows:
        return None
    return await release(world, by, item.id, early=True)


async def release_due(world: World) -> list[Done]:
    """Held items, of any org of this process's share, whose time has come."""
    done: list[Done] = []
    for found in await due_here(world, WorkItem):
        made = await release(world, provenance(found.org, "rules", SYSTEM), found.id)
        done += [made] if made else []
    return done


async def note_workflows(world: World, by: Provenance) -> Done | None:
    """The org has workflows from now on; until then nobody looks for them."""

    async def decide(reading: Reading) -> Decision:
        stored = await reading.one(OrgSettings, reading.org)
        if stored.has_workflows:
            raise Refused("It is known.")
        return put(stored, {"has_workflows": True}, reading.moment)

    return await unless_refused(world, by, decide)
