"""Several commands, each once: its outcome becomes durable in the commit that carries it out, so a worker that died in
between, or a caller who asks again, finds it and goes on with the next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec

from interlock.domain.bulk import Outcome
from interlock.domain.decision import Decision
from interlock.domain.errors import KeyTaken, Problem, Unavailable
from interlock.domain.record import Record
from interlock.ports import Commit, Mark, World
from interlock.service.transact import Beside, Done

SPACE = "outcome"
KEPT_MS = 7 * 24 * 3_600_000
_pack, _unpack = msgspec.json.Encoder().encode, msgspec.json.Decoder(Outcome).decode


async def once(
    world: World, org: str, key: str, kind: type[Record], do: Callable[[Beside], Awaitable[Done]], status: int = 200
) -> Outcome:
    """Carry out one command under a key, unless it has its outcome already. A refusal is an outcome too.

    `kind`: whose record the outcome names; `status`: that of success. Raises `Unavailable`: nothing was written.
    """
    kept = await outcome_of(world, org, key)
    if kept is not None:
        return kept
    until = world.clock.now() + KEPT_MS

    def mark(outcome: Outcome) -> Mark:
        return Mark(space=SPACE, org=org, key=key, value=_pack(outcome), until=until, once=True)

    def beside(decision: Decision) -> Sequence[Mark]:
        return (mark(_done(decision, kind, status)),)

    try:
        return _done((await do(beside)).decision, kind, status)
    except Unavailable:
        raise
    except Problem as refused:
        kept = await outcome_of(world, org, key) if isinstance(refused, KeyTaken) else None
        outcome = kept or _refused(refused)
    if kept is None:
        with suppress(KeyTaken):
            await keep_mark(world, mark(outcome))
    return outcome


async def outcome_of(world: World, org: str, key: str) -> Outcome | None:
    """The outcome under a key, if there is one."""
    found = await world.store.mark(SPACE, org, key)
    return _unpack(found.value) if found is not None and found.value else None


async def keep_mark(world: World, mark: Mark) -> None:
    """Make a mark durable that no record goes with. Raises `KeyTaken` if it is there already."""
    await world.store.commit(Commit(marks=(mark,)))


def _done(decision: Decision, kind: type[Record], status: int) -> Outcome:
    after = decision.after(kind.TYPE)
    if after is not None:
        return Outcome(status, after.id, after.rev)
    about = decision.why.record
    return Outcome(200, about.id if about else None, decision.why.rev_after or None)


def _refused(problem: Problem) -> Outcome:
    detail = problem.detail or problem.title
    return Outcome(problem.STATUS, code=problem.code, detail=detail, pointer=problem.pointer or None)
