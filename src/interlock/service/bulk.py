"""Bulk jobs: taken in with one commit, then carried out record by record, each a command of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from interlock.domain.bulk import Act, Bulk, Outcome, Wish
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.decision import Decision, Provenance
from interlock.ports import World
from interlock.service import conversations, records
from interlock.service.once import once, outcome_of
from interlock.service.preconditions import Precondition
from interlock.service.transact import Beside, Done, Reading, transact


async def take_in(world: World, by: Provenance, act: Act, wishes: Sequence[Wish], *, beside: Beside) -> Done:
    """A new job; nothing is carried out yet."""
    fields = {"act": act, "wishes": tuple(wishes), "total": len(wishes), "actor": by.actor}
    return await records.create(world, by, Bulk, fields, beside=beside)


async def carry_out(world: World, by: Provenance, id: str) -> None:
    """Every record of a job that has no outcome yet, in order; then the job is complete. Again: nothing happens.

    Each is a commit of its own, so that no two records share the time of their last change for long, and a job that
    was cut off goes on where it was. `by` carries on from the job's event.
    """
    job = await _moved(world, by, id, "running")
    if job is None:
        return
    mine = Provenance(by.org, job.actor, "bulk", by.trace, cause=by.cause, source=job.ref)
    outcomes = [await _one(world, mine, job, n, wish) for n, wish in enumerate(job.wishes)]
    await _moved(world, by, id, "complete", outcomes)


async def _moved(world: World, by: Provenance, id: str, status: str, outcomes: Sequence[Outcome] = ()) -> Bulk | None:
    """The job at its next status; `None` if it was complete before."""

    async def decide(reading: Reading) -> Decision:
        job = await reading.one(Bulk, id)
        if job.status == "complete":
            return records.put(job, {}, reading.moment)
        fields: dict[str, Any] = {"status": status}
        if status == "complete":
            good = sum(o.went_through for o in outcomes)
            fields |= {
                "outcomes": tuple(outcomes),
                "succeeded": good,
                "failed": len(outcomes) - good,
                "completed_at": reading.moment.now,
            }
        return records.put(job, fields, reading.moment)

    done = await transact(world, by, decide)
    found = done.record(Bulk)
    if found is not None:
        return found
    present = await Reading(world, by).one(Bulk, id)
    return present if present.status == "running" else None


async def outcomes(world: World, job: Bulk) -> dict[int, Outcome]:
    """What came of the records so far, by their place; of a job that runs, as far as it has come."""
    if job.status == "complete":
        return dict(enumerate(job.outcomes))
    found = {n: await outcome_of(world, job.org, f"{job.id}/{n}") for n in range(len(job.wishes))}
    return {n: o for n, o in found.items() if o is not None}


async def _one(world: World, by: Provenance, job: Bulk, n: int, wish: Wish) -> Outcome:
    status = {"create": 201, "update": 200, "delete": 204}[job.act]
    return await once(
        world, by.org, f"{job.id}/{n}", Conversation, lambda beside: _command(world, by, job.act, wish, beside), status
    )


async def _command(world: World, by: Provenance, act: Act, wish: Wish, beside: Beside) -> Done:
    fields, target = _typed(wish.fields), wish.target or ""
    precondition = Precondition(rev=wish.rev, basis=wish.basis, machine=True)
    if act == "create":
        return await conversations.create(world, by, fields, wish.said, beside=beside)
    if act == "delete":
        gone, done = {"deleted": True}, Shared(status="done")
        return await conversations.update(world, by, target, gone, done, precondition, beside=beside)
    return await conversations.update(world, by, target, fields, wish.said, precondition, beside=beside)


def plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Domain fields as plain JSON, as a job keeps them."""
    return msgspec.json.decode(msgspec.json.encode(fields))


def _typed(fields: Mapping[str, Any]) -> dict[str, Any]:
    types = _types()
    return {name: msgspec.convert(value, types[name]) for name, value in fields.items()}


@lru_cache(1)
def _types() -> dict[str, Any]:
    return {info.name: info.type for info in msgspec.structs.fields(Conversation)}
