"""Which processes take part in which roles: each has a numbered seat, a mark that runs out unless it is renewed."""

from __future__ import annotations

from collections.abc import Collection

from interlock.domain.errors import KeyTaken, Unavailable
from interlock.ports import Commit, Mark, Store

SPACE = "seat"
SEATS_MAX = 32
"""Processes that can take part."""
EMPTY_MAX = 4
"""So many empty seats in a row of looking mean that nobody sits behind them: seats are taken from the front."""


async def sit(store: Store, holder: str, roles: Collection[str], until: int) -> tuple[int, dict[str, int]]:
    """Take a seat, or keep it until then (ms); its number, and how many processes take part in each role, this one
    among them. Raises `Unavailable` if every seat is taken.
    """
    members = dict.fromkeys(roles, 1)
    free: list[int] = []
    mine = -1
    for seat in range(SEATS_MAX):
        mark = await store.mark(SPACE, "", str(seat))
        sitter, _, said = (mark.value or b"").decode().partition(" ") if mark is not None else ("", "", "")
        if sitter == holder:
            mine = seat
        elif sitter:
            for role in said.split(","):
                members[role] = members.get(role, 0) + 1
        else:
            free.append(seat)
            if len(free) == EMPTY_MAX:
                break
    value = f"{holder} {','.join(roles)}".encode()
    if mine >= 0:
        await store.commit(Commit(marks=(_mark(mine, value, until),)))
        return mine, members
    for seat in free:
        try:
            await store.commit(Commit(marks=(_mark(seat, value, until, once=True),)))
        except KeyTaken:
            continue
        return seat, members
    raise Unavailable(f"More than {SEATS_MAX} processes take part.")


async def leave(store: Store, seat: int) -> None:
    """Give a seat up."""
    await store.commit(Commit(marks=(_mark(seat, None, None),)))


def _mark(seat: int, value: bytes | None, until: int | None, *, once: bool = False) -> Mark:
    return Mark(space=SPACE, org="", key=str(seat), value=value, until=until, once=once)
