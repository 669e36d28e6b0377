"""One log out of two: the rows of the records service's own log are appended to routing's, in their order, each once.

Rows, the copies of the records that they wrote, and the position reached are one commit in routing's database. So
whoever is killed goes on where the log ends; no row is lost or doubled, and a copy is there as soon as its row is.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from interlock.domain.decision import Write
from interlock.domain.errors import RevMoved, Unavailable
from interlock.domain.log import Row, snapshot_of
from interlock.domain.record import Address, Record
from interlock.domain.side import Collected, collected_up_to
from interlock.ports import Commit, Mark, Store

SPACE = "collected"
KEY = "records"
PAIR_SPACE = "pair"
PAIR_KEY = "id"
ROWS_MAX = 128
"""Rows that are taken in by one commit."""
TRIES = 5


class Reached(msgspec.Struct, frozen=True):
    """The last row that was taken in: its position in the records service's log, and its id there."""

    position: int
    row: str


_pack, _unpack = msgspec.json.Encoder().encode, msgspec.json.Decoder(Reached).decode


async def reached(routing: Store) -> Reached:
    """How far the records service's log has been taken in."""
    mark = await routing.mark(SPACE, "", KEY)
    return _unpack(mark.value) if mark is not None and mark.value is not None else Reached(0, "")


async def join(records: Store, routing: Store, fresh: str) -> None:
    """See to it that these two belong together: empty ones do from now on, under this fresh name.

    Raises `Unavailable` with what to do if they do not, if one is a store of its own, or if the records database was
    put back to a time before what routing has taken in. While the records database is away nothing is said of it.
    """
    ours = await _name_of(routing)
    try:
        theirs = await _name_of(records)
        if ours is None and theirs is None:
            if await records.last_position() or await routing.last_position():
                raise Unavailable(
                    "One of the two databases is a store of its own already, and two begin empty. Start with --db to "
                    "use it as it is."
                )
            await routing.commit(Commit(marks=(_pair(fresh, "routing"),)))
            await records.commit(Commit(marks=(_pair(fresh, "records"),)))
            return
        if (
            ours is not None
            and theirs is None
            and not await records.last_position()
            and not (await reached(routing)).position
        ):
            await records.commit(Commit(marks=(_pair(ours[0], "records"),)))
            return
    except Unavailable:
        if ours is None or ours[1] != "routing" or await _answers(records):
            raise
        return
    if ours is None or theirs is None or ours[0] != theirs[0] or (ours[1], theirs[1]) != ("routing", "records"):
        raise Unavailable(
            "These two databases do not belong together. Look whether --records-db and --routing-db are the two of one "
            "installation, and the right way round."
        )
    await refuse_gone_back(records, routing)


async def refuse_gone_back(records: Store, routing: Store) -> None:
    """Raises `Unavailable` if the records service's log does not have the row that was taken in last."""
    last = await reached(routing)
    if not last.position:
        return
    found = await records.changes(last.position - 1, 1)
    if not found or found[0].position != last.position or found[0].id != last.row:
        raise Unavailable(
            f"The records database does not have row {last.position} ({last.row}), which routing has taken in: it was "
            "put back to an earlier time. Put the routing database back to a time before that too."
        )


async def _answers(store: Store) -> bool:
    try:
        await store.last_position()
    except Unavailable:
        return False
    return True


def _pair(name: str, side: str) -> Mark:
    return Mark(space=PAIR_SPACE, org="", key=PAIR_KEY, value=f"{name} {side}".encode())


async def _name_of(store: Store) -> tuple[str, str] | None:
    """The name of the pair that a database belongs to, and which side of it; `None`: it is no part of any."""
    mark = await store.mark(PAIR_SPACE, "", PAIR_KEY)
    if mark is None or mark.value is None:
        return None
    name, _, side = mark.value.decode().partition(" ")
    return name, side


async def refuse_half(store: Store) -> None:
    """Raises `Unavailable` with what to do for a store that is one of two databases."""
    half = await _name_of(store)
    if half is not None:
        raise Unavailable(
            f"This is the {half[1]} database of two: start with --records-db and --routing-db, not with --db."
        )


async def run_once(records: Store, routing: Store, *, limit: int = ROWS_MAX) -> int:
    """Take in the next rows; how many there were.

    Raises `Unavailable` if either database is away. Of two that do this at once one goes on and the other's commit is
    refused, so that it starts from what is there; each row is taken in once all the same.
    """
    for _ in range(TRIES):
        try:
            return await _take_in(records, routing, limit)
        except RevMoved:
            continue
    raise Unavailable("Somebody else takes the records service's log in: looking again later.")


async def _take_in(records: Store, routing: Store, limit: int) -> int:
    last = await _last(routing)
    position = last.rev if last is not None else (await reached(routing)).position
    rows = await records.changes(position, limit)
    if rows:
        await routing.commit(await _commit(routing, last, rows))
    return len(rows)


async def _last(routing: Store) -> Collected | None:
    """The record that says how far it is; `None` at the very beginning, and in a copy of a database, where the mark
    says it.
    """
    found = (await routing.load([collected_up_to(1).address]))[0]
    return found if isinstance(found, Collected) else None


async def _commit(routing: Store, last: Collected | None, rows: Sequence[Row]) -> Commit:
    """One commit for all of them: the rows, the copies of what they wrote, in their order, and the position reached."""
    addresses = list(dict.fromkeys(Address(c.type, row.org, c.id) for row in rows for c in row.changes))
    copies: dict[Address, Record | None] = dict(zip(addresses, await routing.load(addresses), strict=True))
    writes: list[Write] = []
    for change in (change for row in rows for change in row.changes):
        after = snapshot_of(change)
        writes.append(Write(copies[after.address], after))
        copies[after.address] = after
    end = rows[-1]
    writes.append(Write(last, collected_up_to(end.position)))
    *earlier, entry = (r.entry() for r in rows)
    mark = Mark(space=SPACE, org="", key=KEY, value=_pack(Reached(end.position, end.id)))
    return Commit(entry=entry, earlier=tuple(earlier), writes=tuple(writes), marks=(mark,))
