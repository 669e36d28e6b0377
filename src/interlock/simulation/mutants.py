"""Known-bad variants of the production path. They exist to show that the checks can fail, and live nowhere else.

`MUTANTS` lists them all, each with the scenario it is played in and the invariant that must catch it. `rev_only` and
`blind_write` can also be put into a running server; there `reverse.decided` is the point between the decision and the
write where the incident's worker stood while a workflow assigned a user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interlock.domain import agent, sync
from interlock.domain import assignment as unit
from interlock.domain import settle as settling
from interlock.domain.conversation import Conversation, show
from interlock.domain.decision import Basis, Decision, Why, step
from interlock.domain.errors import RevMoved
from interlock.domain.log import entry_of, snapshot_of
from interlock.domain.record import Address
from interlock.domain.work_item import WorkItem
from interlock.ports import Commit, World
from interlock.service import orgs, reactions
from interlock.service import sync as sync_service
from interlock.service.cues import Cue, React, Reaction
from interlock.service.reactions import REACTIONS
from interlock.service.sync import by_sync
from interlock.simulation import bad_merges, bad_writes
from interlock.simulation.play import Policy
from interlock.simulation.signals import Signals


def rev_only(signals: Signals) -> Sequence[Reaction]:
    """The incident's own fault: decided from an old item, written under a fresh rev, which the guard lets pass."""
    return _with_reverse(_rev_only(signals))


def _rev_only(signals: Signals) -> React:
    async def reverse(world: World, cue: Cue) -> None:
        decided = _decided(cue)
        await signals.at("reverse.decided")
        await _write(world, cue, decided, await _conversation(world, decided))

    return reverse


def blind_write(signals: Signals) -> Sequence[Reaction]:
    """No guard at all: on a conflict the same value is sent again until it is taken."""
    return _with_reverse(_blind_write(signals))


def _blind_write(signals: Signals) -> React:
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

    return reverse


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


def _mutant(name: str, words: str, scenario: str, caught_by: str, **how: Any) -> Policy:
    return Policy(name=name, words=words, scenario=scenario, caught_by=frozenset(caught_by.split()), **how)


def _merge(by: Any) -> tuple[tuple[Any, str, Any], ...]:
    return ((unit, "merge", by),)


_FREE = Signals()
MUTANTS: tuple[Policy, ...] = (
    _mutant(
        "rev-only", "the incident's own: an old decision under a freshly read rev", "incident", "I1",
        replaced=((reactions.reverse, _rev_only(_FREE)),),
    ),
    _mutant(
        "blind-write", "no guard: the same value is sent until it is taken", "incident", "I1",
        replaced=((reactions.reverse, _blind_write(_FREE)),),
    ),
    _mutant(
        "re-sent", "on a conflict the computed value is sent again under the new rev", "crossing", "I1",
        swaps=((sync_service, "transact", bad_writes.resending),),
    ),
    _mutant(
        "payload-trusted", "the event's payload is written in place of what is there", "crossing", "I1",
        replaced=((reactions.forward, bad_writes.trusting_forward),),
    ),
    _mutant("by-clock", "last writer wins, by the clock", "skew", "I1 I4", swaps=_merge(bad_merges.by_clock)),
    _mutant("by-lamport", "last writer wins, by number", "crossing", "I1", swaps=_merge(bad_merges.by_lamport)),
    _mutant("by-priority", "the highest class wins, whoever had seen whom", "takes-away", "I1 I4",
        swaps=_merge(bad_merges.by_priority)),
    _mutant("by-field", "last writer wins, field by field", "incident", "I3",
        swaps=((settling, "status_of", bad_merges.status_by_field),)),
    _mutant("three-way", "three-way merge, field by field", "incident", "I2", swaps=_merge(bad_merges.by_field)),
    _mutant("sealed", "the winner of a conflict is written back as a new intent", "crossing", "I7",
        swaps=((sync, "reverse", bad_merges.sealing_reverse),)),
    _mutant("absent-as-empty", "no users in the event is read as: no users", "incident", "I7",
        swaps=((sync, "reverse", bad_merges.emptying_reverse),)),
    _mutant("early-return", "the same is shown, so what was seen is not written down", "reopen", "I10",
        swaps=((sync, "forward", bad_merges.hasty_forward),)),
    _mutant("no-audit", "a conflict that names no loser", "crossing", "I9",
        swaps=((sync, "_taken", bad_merges.silent_taken),)),
    _mutant("forgetful", "an intent forgets what was taken in", "takes-away", "I2",
        swaps=((unit, "intend", bad_merges.blind_intend),)),
    _mutant("counter", "load is a tally that is added to", "snooze", "I3",
        swaps=((agent, "hold", bad_writes.counting_hold),)),
    _mutant("assignee-only", "a claim's lock looks at the assignee only", "transfer", "I1 I6",
        guard=bad_writes.owner_only),
    _mutant("zombie", "a paused worker writes what it had decided", "zombie", "I1",
        guard=bad_writes.zombie_unfenced),
    _mutant("no-epoch", "after a restore dots are given twice", "restore", "I2",
        swaps=((orgs, "raise_epoch", bad_writes.no_new_epoch),)),
    _mutant("acknowledged-first", "acknowledged before anything was done", "crash", "I10",
        batch=bad_writes.acknowledging_first, heals=False),
    _mutant("published-by-hand", "the event is sent by hand, after the commit", "crash", "I10", by_hand=True,
        crashes=("workflow",)),
    _mutant("own-echo", "our own copy comes back and is taken for a wish", "crossing", "I7", echo=True,
        replaced=((reactions.forward, bad_writes.echoing_forward),)),
)  # fmt: skip
"""In the order in which people read them. Each has to be caught by one of its invariants; a test says so."""


def mutant(name: str) -> Policy | None:
    """The mutant of this name."""
    return next((m for m in MUTANTS if m.name == name), None)
