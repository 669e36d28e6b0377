"""The only load-decide-commit. A conflict is answered by loading and deciding anew; a computed value is never sent
twice.

A rev check alone does not save an assignment: what counts is that nothing decided before the conflict survives it. So
`decide` gets a fresh `Reading` on every try, and everything it returns was derived from that reading alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar, cast

import msgspec

from interlock.domain.access import Org
from interlock.domain.agent import OrgSettings
from interlock.domain.assignment import Actor
from interlock.domain.decision import Basis, Decision, Moment, Provenance, Why
from interlock.domain.errors import Conflict, KeyTaken, NotFound, Problem, Refused, RevMoved
from interlock.domain.log import Entry, Row, entry_of
from interlock.domain.record import Address, Record
from interlock.ports import Commit, Mark, Query, World

TRIES = 5
"""How often a decision is made anew before it is given up as a conflict (a person) or parked (a machine)."""

R = TypeVar("R", bound=Record)


class Reading:
    """One look at the store. Remembers every version it handed out: the basis of whatever is decided on it."""

    def __init__(self, world: World, by: Provenance, epoch: int = 1, settings: OrgSettings | None = None) -> None:
        self.world = world
        self.by = by
        self.settings = settings
        """The org's routing settings as they were when the transaction began, for what is measured, not decided."""
        self._basis: dict[tuple[str, str], Basis] = {}
        self.moment = Moment(world.clock.now(), by, world.ids.fresh, epoch)

    @property
    def basis(self) -> tuple[Basis, ...]:
        """The versions read so far."""
        return tuple(self._basis.values())

    @property
    def org(self) -> str:
        """The org that all of this happens in."""
        return self.by.org

    def saw(self, *records: Record) -> None:
        """Count these versions into the basis."""
        for r in records:
            self._basis[r.TYPE, r.id] = Basis(r.TYPE, r.id, r.rev, self.moment.now)

    async def load(self, *wanted: tuple[type[Record], str | None]) -> list[Record | None]:
        """Several records at once; `None` where no id was given or nothing is there."""
        asked = [(kind, id) for kind, id in wanted if id]
        found = iter(
            await self.world.store.load([Address(kind.TYPE, self.org, id) for kind, id in asked]) if asked else ()
        )
        out = [next(found) if id else None for _, id in wanted]
        self.saw(*(r for r in out if r is not None))
        return out

    async def maybe(self, kind: type[R], id: str | None) -> R | None:
        """One record, or `None`."""
        return cast("R | None", (await self.load((kind, id)))[0])

    async def one(self, kind: type[R], id: str, *, pointer: str = "") -> R:
        """One record; raises `NotFound` if it is not there or belongs to another org."""
        record = await self.maybe(kind, id)
        if record is None:
            raise NotFound(f"There is no {kind.TYPE} {id}.", pointer=pointer)
        return record

    async def many(self, kind: type[R], ids: Iterable[str | None]) -> dict[str, R]:
        """Those of these records that are there, by id."""
        wanted = list(dict.fromkeys(i for i in ids if i))
        found = await self.load(*((kind, i) for i in wanted))
        return {i: cast("R", r) for i, r in zip(wanted, found, strict=True) if r is not None}

    async def find(self, kind: type[R], query: Query, *, basis: bool = False) -> list[R]:
        """The answers to a named query; they count into the basis only if `basis` says so."""
        found = await self.world.store.find(query)
        if basis:
            self.saw(*found)
        return cast("list[R]", found)

    async def claimed(self, kind: type[R], claim: str) -> R | None:
        """The record that holds a unique name."""
        found = await self.find(
            kind, Query(name="claimed", org=self.org, type=kind.TYPE, claim=claim, limit=1), basis=True
        )
        return found[0] if found else None


class Done(msgspec.Struct, frozen=True):
    """What a transaction came to: the row in the log and the decision behind it."""

    row: Row
    decision: Decision

    def record(self, kind: type[R]) -> R | None:
        """The first written record of this kind, as it now stands."""
        return cast("R | None", self.decision.after(kind.TYPE))


Decide = Callable[[Reading], Awaitable[Decision]]
Beside = Callable[[Decision], Sequence[Mark]]


def _nothing_beside(_: Decision) -> Sequence[Mark]:
    return ()


async def transact(
    world: World, by: Provenance, decide: Decide, *, beside: Beside = _nothing_beside, tries: int = TRIES
) -> Done:
    """Load, decide and commit; on a conflict once more from the beginning, at most `tries` times.

    `beside` gives marks that become durable with the decision. Raises what `decide` raises (nothing was written), or
    the last conflict.
    """
    epoch, settings = await standing(world, by.org)
    last: Conflict | None = None
    for _ in range(tries):
        reading = Reading(world, by, epoch, settings)
        decision = await decide(reading)
        entry = entry_of(decision, world.ids.fresh(), by, reading.moment.now, reading.basis)
        commit = Commit(entry=entry, writes=decision.writes, marks=tuple(beside(decision)), urgent=not decision.intake)
        try:
            row = await world.store.commit(commit)
        except (RevMoved, KeyTaken) as moved:
            last = moved
            continue
        assert row is not None
        return Done(row, decision)
    assert last is not None
    raise last


async def unless_refused(
    world: World, by: Provenance, decide: Decide, *, also: tuple[type[Problem], ...] = ()
) -> Done | None:
    """The same for what a role does by itself; `None` where there was nothing to do: refused, or one of `also`."""
    try:
        return await transact(world, by, decide)
    except (Refused, *also):
        return None


async def standing(world: World, org: str) -> tuple[int, OrgSettings | None]:
    """The epoch in which this org's sites mint dots now (1 for an org that has no record yet), and its settings."""
    found, settings = await world.store.load([Address(Org.TYPE, org, org), Address(OrgSettings.TYPE, org, org)])
    epoch = found.epoch if isinstance(found, Org) else 1
    return epoch, settings if isinstance(settings, OrgSettings) else None


async def note(world: World, by: Provenance, partition: str, why: Why) -> Row | None:
    """Log a decision that wrote nothing and was made outside a transaction: parked, refused, given up."""
    at = world.clock.now()
    entry = Entry(world.ids.fresh(), by.org, partition, at, by, why)
    return await world.store.commit(Commit(entry=entry))


SYSTEM = Actor("system", "system", "system")
"""What acts on nobody's behalf: expiry, requeue, healing."""


def provenance(org: str, client: str, actor: Actor = SYSTEM, *, trace: str = "", cause: str = "") -> Provenance:
    """The provenance of something that a role of the service does by itself."""
    return Provenance(org, actor, client, trace, cause=cause)
