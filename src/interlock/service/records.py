"""Configuration records: create and change, where nothing follows but the change itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from interlock.domain.decision import Decision, Moment, Provenance, Why, Write, birth, step
from interlock.domain.errors import KeyTaken
from interlock.domain.record import Record
from interlock.ports import World
from interlock.service.preconditions import Precondition
from interlock.service.transact import Beside, Done, Reading, transact

R = TypeVar("R", bound=Record)
Check = Callable[[Reading, R | None, Mapping[str, Any]], Awaitable[None]]
"""The rule a change has to pass: reading, the record as it is (`None`: it is being made) and the fields."""


async def no_rule(reading: Reading, present: Record | None, fields: Mapping[str, Any]) -> None:
    """Nothing to check."""


async def create(
    world: World,
    by: Provenance,
    kind: type[R],
    fields: Mapping[str, Any],
    *,
    beside: Beside,
    check: Check[R] = no_rule,
    id: str | None = None,
) -> Done:
    """A new record of a kind that nothing else hangs on. Raises `KeyTaken` if one of its unique names is held."""

    async def decide(reading: Reading) -> Decision:
        await check(reading, None, fields)
        decision = new(kind, fields, reading.moment, id=id)
        await _free(reading, decision.writes[0].after, None)
        return decision

    return await transact(world, by, decide, beside=beside)


def new(kind: type[R], fields: Mapping[str, Any], moment: Moment, *, id: str | None = None) -> Decision:
    """The decision that makes a record with these values."""
    now = moment.now
    made = kind(
        id=id or moment.fresh(), org=moment.by.org, created_at=now, updated_at=now, modified_at=now, **fields
    )  # fmt: skip
    why = Why(direction="person", kind="change", record=made.ref, rev_after=1)
    return Decision(partition=made.id, why=why, writes=(birth(made),))


async def update(
    world: World,
    by: Provenance,
    kind: type[R],
    id: str,
    fields: Mapping[str, Any],
    precondition: Precondition,
    *,
    beside: Beside,
    check: Check[R] = no_rule,
) -> Done:
    """Change such a record."""

    async def decide(reading: Reading) -> Decision:
        present = await reading.one(kind, id)
        await precondition.check(reading, present, {kind.outward(f) for f in fields})
        await check(reading, present, fields)
        await _free(reading, present.with_(**fields), present)
        return put(present, fields, reading.moment)

    return await transact(world, by, decide, beside=beside)


async def _free(reading: Reading, after: Record, before: Record | None) -> None:
    held = set(before.claims()) if before else set[str]()
    for claim in after.claims():
        if claim not in held and await reading.claimed(type(after), claim):
            name = claim.split("/", 1)[1]
            raise KeyTaken(f"Another record holds {name}; choose another value.", claim=claim)


def put(present: Record, fields: Mapping[str, Any], moment: Moment) -> Decision:
    """The decision that gives a record these values."""
    after = present.with_(**fields)
    by_hand = moment.by.actor.cls == "person"
    writes = (step(present, after, moment.now, by_hand=by_hand),) if after != present else ()
    why = Why(
        direction="person",
        kind="change" if writes else "noop",
        record=present.ref,
        rev_before=present.rev,
        rev_after=present.rev + len(writes),
        guard=present.rev,
    )
    return Decision(partition=present.id, why=why, writes=writes)


def written(about: Record, writes: tuple[Write, ...]) -> Decision:
    """The decision of several writes that are about one record, whether it is among them or not."""
    own = next((w for w in writes if w.after.id == about.id), None)
    why = Why(
        direction="person",
        kind="change" if writes else "noop",
        record=about.ref,
        rev_before=own.before.rev if own and own.before else 0 if own else about.rev,
        rev_after=own.after.rev if own else about.rev,
    )
    return Decision(partition=about.id, why=why, writes=writes)
