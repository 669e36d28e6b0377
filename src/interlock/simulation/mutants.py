"""Known-bad variants of the production path. They exist to show that the checks can fail, and live nowhere else.

Each replaces one function of the reaction table by what other products do. `reverse.decided` is the point between the
decision and the write where the incident's worker stood while a workflow assigned a user.
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.domain.conversation import Conversation, show
from interlock.domain.decision import Basis, Decision, Why, step
from interlock.domain.errors import RevMoved
from interlock.domain.log import entry_of, snapshot_of
from interlock.domain.record import Address
from interlock.domain.work_item import WorkItem
from interlock.ports import Commit, World
from interlock.service import reactions
from interlock.service.reactions import REACTIONS, Cue, React, Reaction
from interlock.service.sync import by_sync
from interlock.simulation.signals import Signals


def rev_only(signals: Signals) -> Sequence[Reaction]:
    """The incident's own fault: decided from an old item, written under a freshly read rev, which the guard lets
    pass.
    """

    async def reverse(world: World, cue: Cue) -> None:
        decided = _decided(cue)
        await signals.at("reverse.decided")
        await _write(world, cue, decided, await _conversation(world, decided))

    return _with_reverse(reverse)


def blind_write(signals: Signals) -> Sequence[Reaction]:
    """No guard at all: on a conflict the same value is sent again until it is taken."""

    async def reverse(world: World, cue: Cue) -> None:
        decided = _decided(cue)
        read = await _conversation(world, decided)
        await signals.at("reverse.decided")
        while True:
            try:
                await _write(world, cue, decided, read)
                return
            except RevMoved:
                read = await _conversation(world, decided)

    return _with_reverse(reverse)


def _with_reverse(reverse: React) -> Sequence[Reaction]:
    return tuple(
        Reaction(r.role, r.type, reverse, r.fields, r.verbs, each=True) if r.do is reactions.reverse else r
        for r in REACTIONS
    )


def _decided(cue: Cue) -> WorkItem:
    """The payload of the event, trusted: that is the fault."""
    item = snapshot_of(cue.snapshot)
    assert isinstance(item, WorkItem)
    return item


async def _conversation(world: World, item: WorkItem) -> Conversation:
    found = (await world.store.load([Address(Conversation.TYPE, item.org, item.resource)]))[0]
    assert isinstance(found, Conversation)
    return found


async def _write(world: World, cue: Cue, item: WorkItem, c: Conversation) -> None:
    """The item's state put in place of the conversation's: what it does not know of is gone."""
    now = world.clock.now()
    if item.coupled == c.coupled:
        return
    after = show(c.with_(coupled=item.coupled), c.rev + 1, now)
    by = by_sync(cue.org, "reverse", trace=cue.trace, cause=cue.cause)
    why = Why(
        direction="reverse",
        kind="merge",
        record=c.ref,
        rev_before=c.rev,
        rev_after=c.rev + 1,
        guard=c.rev,
        is_sync=True,
        peer=Basis(item.TYPE, item.id, item.rev, now),
    )
    decision = Decision(partition=c.id, why=why, writes=(step(c, after, now),))
    entry = entry_of(decision, world.ids.fresh(), by, now, (Basis(item.TYPE, item.id, item.rev, now),))
    await world.store.commit(Commit(entry=entry, writes=decision.writes))
