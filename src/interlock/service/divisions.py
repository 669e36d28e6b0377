"""How a role is divided among processes, and how it is divided anew without leaving out a row.

The division in force is a mark. When it changes, each new share begins at the earliest position of the old ones: rows
between are looked at again, which ends in decisions that nothing is to be done. Processes of the old division may go on
for a while beside those of the new one, as they do while a deployment rolls.
"""

from __future__ import annotations

from collections.abc import Iterable

from interlock.domain.share import Share, shares
from interlock.ports import Commit, Mark, Store

SPACE = "division"
POSITIONS = "position"


async def division_of(store: Store, role: str) -> tuple[Share, ...]:
    """The shares that a role is divided into now: one, if nobody ever divided it."""
    mark = await store.mark(SPACE, "", role)
    if mark is None or not mark.value:
        return shares(role)
    of, _, lanes = mark.value.decode().partition("x")
    return shares(role, int(of), int(lanes))


async def positions_of(store: Store, consumers: Iterable[Share]) -> dict[str, int]:
    """How far each share has come, 0 if it never said."""
    found: dict[str, int] = {}
    for share in consumers:
        mark = await store.mark(POSITIONS, "", share.name)
        found[share.name] = int(mark.value) if mark is not None and mark.value else 0
    return found


async def divide(store: Store, role: str, of: int = 1, lanes: int = 1) -> tuple[Share, ...]:
    """Divide a role so; its shares. Two processes that do it at once come to the same, or one of them a little earlier,
    which only repeats more.
    """
    wanted, present = shares(role, of, lanes), await division_of(store, role)
    if wanted == present:
        return wanted
    start = min((await positions_of(store, present)).values())
    marks = [Mark(space=POSITIONS, org="", key=share.name, value=b"%d" % start) for share in wanted]
    mark = Mark(space=SPACE, org="", key=role, value=f"{of}x{wanted[0].lanes}".encode())
    await store.commit(Commit(marks=(*marks, mark)))
    return wanted
