"""Known-bad ways to write: what other products do in place of load-decide-commit, the log as outbox, and the rev."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from interlock.domain import assignment as unit
from interlock.domain.agent import Held, WorkSession
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Provenance, Why, Write
from interlock.domain.errors import RevMoved
from interlock.domain.log import entry_of, snapshot_of
from interlock.domain.settle import Manner, settle
from interlock.domain.work_item import WorkItem
from interlock.ports import Commit, World
from interlock.service import reactions
from interlock.service.cases import case_of, open_item
from interlock.service.cues import Cue, Reaction, Role, by_type, cues
from interlock.service.relay import BATCH_MAX, follow
from interlock.service.sync import by_sync
from interlock.service.transact import Decide, Done, Reading, transact
from interlock.simulation.world import Memory


async def resending(world: World, by: Provenance, decide: Decide, **_: Any) -> Done:
    """On a conflict the value that was computed is sent again under the rev that is there now."""
    reading = Reading(world, by)
    decision = await decide(reading)
    while True:
        entry = entry_of(decision, world.ids.fresh(), by, reading.moment.now, reading.basis)
        try:
            row = await world.store.commit(Commit(entry=entry, writes=decision.writes))
        except RevMoved:
            now = await world.store.load([w.after.address for w in decision.writes])
            again = [
                Write(n, w.after.with_(rev=(n.rev if n else 0) + 1)) for n, w in zip(now, decision.writes, strict=True)
            ]
            decision = msgspec.structs.replace(decision, writes=tuple(again))
            continue
        assert row is not None
        return Done(row, decision)


async def trusting_forward(world: World, cue: Cue) -> None:
    """The event's payload is what is written; nobody looks at what is there now, or at what the item knew."""
    told = snapshot_of(cue.snapshot)
    assert isinstance(told, Conversation)

    async def decide(reading: Reading) -> Decision:
        item = await open_item(reading, told.id)
        if item is None:
            return Decision(partition=told.id, why=Why(direction="forward", kind="noop", is_sync=True))
        case = await case_of(reading, item)
        writes = settle(case, told.coupled, reading.moment, Manner())
        why = Why(direction="forward", kind="merge", record=item.ref, rev_before=item.rev, is_sync=True)
        return Decision(partition=told.id, why=why, writes=writes)

    await transact(world, by_sync(cue.org, "forward", cause=cue.cause), decide)


async def echoing_forward(world: World, cue: Cue) -> None:
    """Our own copy comes back as an event and is taken for somebody's wish."""
    await reactions.forward(world, cue)
    if not cue.is_sync:
        return

    async def decide(reading: Reading) -> Decision:
        item = await open_item(reading, cue.record.id)
        if item is None:
            return Decision(partition=cue.record.id, why=Why(direction="forward", kind="noop", is_sync=True))
        case = await case_of(reading, item)
        coupled, now = item.coupled, reading.moment.now
        origin = unit.Origin("routing", reading.moment.epoch, reading.moment.by.actor, item.ref, item.rev + 1, now)
        wished = unit.intend(coupled.unit, origin, coupled.outcome.value, coupled.unit.ctx)
        after = msgspec.structs.replace(coupled, unit=wished)
        why = Why(direction="forward", kind="merge", record=item.ref, rev_before=item.rev, is_sync=True)
        return Decision(partition=item.resource, why=why, writes=settle(case, after, reading.moment, Manner()))

    await transact(world, by_sync(cue.org, "forward", cause=cue.cause), decide)


async def acknowledging_first(world: World, role: Role, table: Sequence[Reaction]) -> int:
    """The delivery is acknowledged before anything was done about it."""
    batch = await world.bus.receive(role, BATCH_MAX)
    await world.bus.acknowledge(batch)
    for row in batch.rows:
        await follow(world, role, cues(row, by_type(role, table)))
    return len(batch.rows)


async def no_new_epoch(world: World, by: Provenance) -> None:
    """The manual was not read: after the restore everything goes on as before."""


def owner_only(commit: Commit, store: Memory) -> Commit:
    """The lock of a claim looks at the assignee and at nothing else: if that is the same, the write is let through."""
    for write in commit.writes:
        now = store.at(write.after.address)
        if (
            isinstance(now, WorkItem)
            and isinstance(write.before, WorkItem)
            and now.assigned_to != write.before.assigned_to
        ):
            return commit
    return _unguarded(commit, store)


def zombie_unfenced(commit: Commit, store: Memory) -> Commit:
    """A forward worker believes in its lease: what it decided before it was paused is written when it wakes."""
    forward = commit.entry is not None and commit.entry.why.direction == "forward"
    return _unguarded(commit, store) if forward else commit


def _unguarded(commit: Commit, store: Memory) -> Commit:
    """The same values over whatever is there: as an UPDATE without a condition does it, with the next rev."""
    writes, changes = list(commit.writes), list(commit.entry.changes) if commit.entry else []
    for n, write in enumerate(writes):
        now = store.at(write.after.address)
        if write.before is None or now is None or now.rev == write.before.rev:
            continue
        writes[n] = Write(now, write.after.with_(rev=now.rev + 1))
    if writes == list(commit.writes) or commit.entry is None:
        return commit
    why = commit.entry.why
    entry = entry_of(
        Decision(partition=commit.entry.partition, why=why, writes=tuple(writes)), commit.entry.id, commit.entry.by,
        commit.entry.at, commit.entry.basis,
    )  # fmt: skip
    assert len(entry.changes) == len(changes)
    return msgspec.structs.replace(commit, entry=entry, writes=tuple(writes))


def counting_hold(s: WorkSession, held: Held) -> WorkSession:
    """Load as a tally: each time something is held, it is added, also if it was held already."""
    others = tuple(h for h in s.holding if h.item != held.item)
    return s.with_(
        holding=(*others, held),
        work_item_count=s.work_item_count + 1,
        capacity_remaining=s.capacity_remaining - held.weight,
        capacity_status="not-at-capacity",
    )
