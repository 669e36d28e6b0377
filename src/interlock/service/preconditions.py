"""What a writer says it had seen, and what follows if the record has moved since."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.domain.errors import Malformed, PreconditionFailed, PreconditionRequired, StaleBasis
from interlock.domain.log import Row
from interlock.domain.record import Record
from interlock.service.transact import Reading

COUPLED_AS_ONE = frozenset(
    {
        "status",
        "queue",
        "externalQueue",
        "assignedUsers",
        "ended",
        "endedAt",
        "snooze",
        "assignedTo",
        "routedTo",
        "reservation",
        "paused",
    }
)
"""Fields that count as one when it is judged whether a stale rev matters: the unit and its registers."""


class Precondition(msgspec.Struct, frozen=True, kw_only=True):
    """The rev a write rests on, in one of three forms.

    if_match  exact: the record must be at this rev
    rev       by field: a later change of other fields does no harm
    basis     what an automatic writer's decision had seen: compared with the unit's context, so that an unrelated
              touch does no harm
    required  without any of them the write is refused
    machine   without any of them the writer is one that decides on what it loads, and is taken to have seen just that
    """

    if_match: int | None = None
    rev: int | None = None
    basis: int | None = None
    required: bool = False
    machine: bool = False

    def seen(self, record: Record) -> int | None:
        """The rev the author had seen of this record; `None` if they did not say (an unconditional write)."""
        given = [r for r in (self.basis, self.if_match, self.rev) if r is not None]
        if not given:
            return record.rev if self.machine else None
        return given[0] if self.basis is not None else record.rev

    async def check(self, reading: Reading, record: Record, names: set[str]) -> None:
        """Raises what conventions 1.4 says. `names`: the outward fields about to be written."""
        if self.if_match is not None and self.rev is not None and self.if_match != self.rev:
            raise Malformed("If-Match and rev name different revs; send one of them.", pointer="/rev")
        given = self.if_match if self.if_match is not None else self.rev
        if given is None:
            self._check_without(record)
            return
        if given == record.rev:
            return
        meta = await self._since(reading, record, given)
        if given > record.rev:
            raise PreconditionFailed(
                f"There is no rev {given} yet; the record is at {record.rev}.", pointer=self._pointer, **meta
            )
        if self.if_match is None:
            moved = {entry["field"] for entry in meta["changedSince"]}
            if not (moved & names or (moved & COUPLED_AS_ONE and names & COUPLED_AS_ONE)):
                return
        raise PreconditionFailed(
            f"It is at rev {record.rev}, not {given}; read it again and decide anew.",
            pointer=self._pointer,
            header="" if self.if_match is None else "If-Match",
            **meta,
        )

    @property
    def _pointer(self) -> str:
        return "/rev" if self.if_match is None else ""

    def _check_without(self, record: Record) -> None:
        if self.basis is not None and self.basis > record.rev:
            raise StaleBasis(
                f"There is no rev {self.basis} yet.", pointer="/basis", currentRev=record.rev, givenRev=self.basis
            )
        if self.required and self.basis is None:
            raise PreconditionRequired(
                "Send If-Match or rev: the rev of the record you decided on.", currentRev=record.rev
            )

    async def _since(self, reading: Reading, record: Record, given: int) -> dict[str, Any]:
        """`currentRev`, `givenRev` and who changed which field at which rev since, newest last."""
        rows = await reading.world.store.changes(0, 1000, org=record.org, partition=partition_of(record), newest=True)
        changed = [entry for row in rows for entry in _fields(row, record, given)]
        return {"currentRev": record.rev, "givenRev": given, "changedSince": changed}


_NOISE = frozenset({"rev", "updatedAt", "modifiedAt", "coupled", "unitRev"})


def _fields(row: Row, record: Record, given: int) -> list[dict[str, Any]]:
    return [
        {"field": name, "rev": change.rev, "client": row.by.client, "at": row.at}
        for change in row.changes
        if change.type == record.TYPE and change.id == record.id and change.rev > given
        for name in (*change.attributes, *change.relationships)
        if name not in _NOISE
    ]


def partition_of(record: Record) -> str:
    """The partition of the log in which a record's changes stand."""
    for field in ("resource", "conversation"):
        if field in record.RELATIONS and getattr(record, field, ""):
            return getattr(record, field)
    return record.id
