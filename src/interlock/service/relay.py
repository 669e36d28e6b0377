"""A role at work: receive a batch of rows, do what each asks for, acknowledge. Order is kept within a partition.

A cue that fails is tried again with fresh eyes; one that keeps failing is parked with a row in the log, so that the
rest of its org flows on, and the sweep comes back to the record.
"""

from __future__ import annotations

from collections.abc import Sequence

from interlock.domain.decision import Why
from interlock.domain.errors import NotFound, Problem, Unavailable
from interlock.ports import World
from interlock.service.cues import Cue, React, ReactAtOnce, Reaction, Role, Round, by_type, cues, due, rounds
from interlock.service.floors import feed
from interlock.service.reactions import REACTIONS, rounds_of
from interlock.service.transact import note, provenance

ATTEMPTS = 3
BATCH_MAX = 256


async def run_once(world: World, role: Role, table: Sequence[Reaction] = REACTIONS, *, limit: int = BATCH_MAX) -> int:
    """One batch of a role, from receiving to acknowledging. Answers how many cues there were.

    What one partition has to do is done in order, partitions side by side; then the reactions that look at all news at
    once, org by org.
    """
    share = world.share
    batch = await world.bus.receive(share.name if share is not None else role, limit)
    partitions: dict[str, list[tuple[Reaction, Cue]]] = {}
    news: dict[tuple[int, str], tuple[Round, list[Cue]]] = {}
    mine, together = by_type(role, table), rounds_of(role)
    if together:
        feed(world, batch.rows)
    for row in batch.rows:
        told = cues(row, mine) if share is None or share.answers(row) else []
        if told:
            partitions.setdefault(row.partition, []).extend(told)
        for each, cue in rounds(row, together):
            news.setdefault((id(each), row.org), (each, []))[1].append(cue)
    work = [todo for told in partitions.values() if (todo := due(told))]
    if work:
        await world.together([_carry_out(world, role, todo) for todo in work])
    if news:
        await world.together([attempt(world, role, each.do, told) for each, told in news.values()])
    await world.bus.acknowledge(batch)
    return sum(len(told) for told in partitions.values()) + sum(len(told) for _, told in news.values())


async def follow(world: World, role: Role, told: Sequence[tuple[Reaction, Cue]]) -> None:
    """What the cues of one partition ask for, in order."""
    await _carry_out(world, role, due(told))


async def _carry_out(world: World, role: Role, todo: Sequence[tuple[Reaction, Cue]]) -> None:
    for reaction, cue in todo:
        await attempt(world, role, _alone(reaction.do), (cue,))


def _alone(do: React) -> ReactAtOnce:
    async def one(world: World, cues: Sequence[Cue]) -> None:
        await do(world, cues[0])

    return one


async def attempt(world: World, role: Role, do: ReactAtOnce, cues: Sequence[Cue]) -> None:
    """One step: tried again on a conflict or an outage, then parked."""
    failed: Problem | None = None
    for _ in range(ATTEMPTS):
        try:
            await do(world, cues)
            return
        except NotFound:
            return
        except Problem as problem:
            failed = problem
    assert failed is not None
    if isinstance(failed, Unavailable):
        raise failed
    cue = cues[-1]
    by = provenance(cue.org, role, trace=cue.trace, cause=cue.cause)
    why = Why(direction="system", kind="parked", reason=f"{failed.code}: {failed}", record=cue.record)
    await note(world, by, cue.record.id, why)
