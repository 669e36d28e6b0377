"""Moving a store from one engine to another: its log is replayed, row by row, under the same positions.

Every row holds each record it wrote as it then was, so the log alone brings all records and names; marks, which are
beside it, come last. A row and what it wrote are one commit there too: whoever is killed goes on where the target's log
ends. The source may be in use meanwhile; the copy then follows it, and is whole only once the source stands still.

A mark in the target says from the first moment that it is a copy, and whose. No server starts on it before the copy was
found equal and the mark taken away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import msgspec

from interlock.domain.decision import Write
from interlock.domain.errors import Unavailable
from interlock.domain.log import Row, snapshot_of
from interlock.domain.record import Address, Record
from interlock.ports import Commit, Mark, Query, Store

SPACE = "copy"
KEY = "unfinished"
FINISHED = "finished"
CHUNK = 256
MARKS = 1_000


class Copied(Store, Protocol):
    """A store that can say which marks it has."""

    async def all_marks(self, after: tuple[str, str, str], limit: int) -> list[Mark]:
        """Marks whose (space, org, key) is greater than `after`, in that order."""
        ...


class Compared(msgspec.Struct, frozen=True):
    """How much of two stores was found equal, and the first differences in words."""

    rows: int
    records: int
    names: int
    marks: int
    differences: tuple[str, ...] = ()


class Copy(msgspec.Struct, frozen=True):
    """What a copy came to. `behind`: rows that the source has got meanwhile; only at 0 the copy is finished."""

    rows: int
    behind: int
    compared: Compared

    @property
    def finished(self) -> bool:
        """Whether the target may be used."""
        return not self.behind and not self.compared.differences


async def unfinished_copy(store: Store) -> str | None:
    """The name of the store that this one is an unfinished copy of, if it is one."""
    mark = await store.mark(SPACE, "", KEY)
    return mark.value.decode() if mark is not None and mark.value is not None else None


async def refuse_unfinished(store: Store) -> None:
    """Raises `Unavailable` with what to do for a store that is an unfinished copy."""
    name = await unfinished_copy(store)
    if name is not None:
        raise Unavailable(f"This store is an unfinished copy of {name}: run `interlock db copy` again to finish it.")


async def copy(source: Copied, target: Copied, name: str, *, told: Callable[[int, int], None] | None = None) -> Copy:
    """Bring the target to where the source is, compare the two, and take away the mark if they are equal.

    `name`: how the source is called, kept in the target and the same each time. `told` hears of (done, all) positions.
    Raises `Unavailable` if the target is anything but empty or an unfinished copy of this source.
    """
    finished = await target.mark(SPACE, "", FINISHED)
    if finished is not None and finished.value == name.encode():
        return await _once_more(source, target)
    await _begin(target, name)
    done = await target.last_position()
    began = done
    while rows := await source.changes(done, CHUNK):
        await _replay(target, rows)
        done = rows[-1].position
        if told is not None:
            told(done, await source.last_position())
    await _copy_marks(source, target)
    compared = await compare(source, target)
    behind = await source.last_position() - done
    if not behind and not compared.differences:
        over = Mark(space=SPACE, org="", key=KEY, value=None)
        await target.commit(Commit(marks=(over, Mark(space=SPACE, org="", key=FINISHED, value=name.encode()))))
    return Copy(done - began, behind, compared)


async def _once_more(source: Copied, target: Copied) -> Copy:
    """The copy was finished before, perhaps by a run that was killed before it could say so: nothing is written."""
    compared = await compare(source, target)
    if await source.last_position() != await target.last_position() or compared.differences:
        raise Unavailable("The copy was finished, and one of the two was used since; copy into an empty one.")
    return Copy(0, 0, compared)


async def _begin(target: Copied, name: str) -> None:
    known = await unfinished_copy(target)
    if known is None:
        if await target.last_position():
            raise Unavailable("The target is a store of its own already; copy into an empty one.")
        await target.commit(Commit(marks=(Mark(space=SPACE, org="", key=KEY, value=name.encode()),)))
    elif known != name:
        raise Unavailable(f"The target is an unfinished copy of {known}; copy into an empty one.")


async def _replay(target: Store, rows: Sequence[Row]) -> None:
    """Commit these rows again, together where the target does so, in their order."""
    addresses = list(dict.fromkeys(Address(c.type, row.org, c.id) for row in rows for c in row.changes))
    current = dict(zip(addresses, await target.load(addresses), strict=True))
    commits: list[Commit] = []
    for row in rows:
        writes: list[Write] = []
        for change in row.changes:
            after = snapshot_of(change)
            writes.append(Write(current[after.address] if change.before_rev else None, after))
            current[after.address] = after
        commits.append(Commit(entry=row.entry(), writes=tuple(writes)))
    made = await asyncio.gather(*(target.commit(c) for c in commits))
    for row, copied in zip(rows, made, strict=True):
        if copied is None or copied.position != row.position:
            raise Unavailable(f"Row {row.position} came to another place: somebody else writes into the target.")


async def _copy_marks(source: Copied, target: Copied) -> None:
    """All marks of the source, and none that it has no more."""
    async for theirs in _marks(source):
        await target.commit(Commit(marks=(msgspec.structs.replace(theirs, once=False),)))
    async for ours in _marks(target):
        if await source.mark(ours.space, ours.org, ours.key) is None:
            await target.commit(Commit(marks=(msgspec.structs.replace(ours, value=None),)))


async def _marks(store: Copied) -> AsyncIterator[Mark]:
    after = ("", "", "")
    while found := await store.all_marks(after, MARKS):
        for mark in found:
            if mark.space != SPACE:
                yield mark
        after = (found[-1].space, found[-1].org, found[-1].key)


async def compare(source: Copied, target: Copied, *, differences_max: int = 10) -> Compared:
    """Hold two stores against each other as far as the target's log goes, while both may be in use.

    Rows must be equal, each record in the target must be what the last row about it says, and the same in the source
    unless it has moved on since; each of its names must lead to it; and so must the marks that both have.
    """
    rows = records = names = marks = 0
    odd: list[str] = []
    after, last = 0, await target.last_position()
    while after < last and len(odd) < differences_max:
        ours = await target.changes(after, min(CHUNK, last - after))
        theirs = await source.changes(after, len(ours))
        odd += (
            f"row {a.position} differs"
            for a, b in zip(ours, [*theirs, *[None] * (len(ours) - len(theirs))], strict=True)
            if a != b
        )
        found = await _records(source, target, ours)
        records += found.records
        names += found.names
        odd += found.differences
        rows += len(ours)
        after = ours[-1].position
    async for mark in _marks(target):
        held = await source.mark(mark.space, mark.org, mark.key)
        marks += 1
        if held is None or held.value != mark.value or held.until != mark.until:
            odd.append(f"mark {mark.space}/{mark.org}/{mark.key} differs")
    return Compared(rows, records, names, marks, tuple(odd[:differences_max]))


async def _records(source: Store, target: Store, rows: Sequence[Row]) -> Compared:
    """The records whose last row is among these."""
    newest = {Address(c.type, row.org, c.id): c for row in rows for c in row.changes}
    ours = await target.load(list(newest))
    theirs = await source.load(list(newest))
    records = names = 0
    odd: list[str] = []
    for (address, change), record, original in zip(newest.items(), ours, theirs, strict=True):
        label = f"{address.type} {address.id}"
        if record is None or record.rev < change.rev:
            odd.append(f"{label} is not at rev {change.rev}")
        elif record.rev == change.rev:
            records += 1
            if record != snapshot_of(change):
                odd.append(f"{label} is not as its row says")
            if original is None or original.rev < record.rev or (original.rev == record.rev and original != record):
                odd.append(f"{label} differs from the source")
            for claim in record.claims():
                names += 1
                if not await _holds(target, record, claim):
                    odd.append(f"the name {claim} does not lead to {label}")
    return Compared(0, records, names, 0, tuple(odd))


async def _holds(store: Store, record: Record, claim: str) -> bool:
    found = await store.find(Query(name="claimed", org=record.org, type=record.TYPE, claim=claim, limit=1))
    return [r.id for r in found] == [record.id]
