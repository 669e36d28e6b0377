"""Which processes take part in which roles: each has a numbered seat, a mark that runs out unless it is renewed."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from interlock.domain.errors import KeyTaken, Unavailable
from interlock.ports import Commit, Mark, Store

SPACE = "seat"
SEATS_MAX = 128
"""Processes that can take part."""
EMPTY_MAX = 4
"""So many empty seats in a row of looking mean that nobody sits behind them: seats are taken from the front."""


class Seat(msgspec.Struct, frozen=True):
    """A seat's number; by role, the seats of all processes that take part in it, this one's among them, in order."""

    number: int
    members: dict[str, list[int]]

    def part(self, role: str, shares: int) -> int:
        """How many of a role's shares this process is to hold: each as many as any other, and who sits in front one of
        the rest; none of a role that it has no part in.
        """
        members = self.members.get(role, [])
        if self.number not in members:
            return 0
        each, rest = divmod(shares, len(members))
        return each + (members.index(self.number) < rest)


async def sit(store: Store, holder: str, roles: Collection[str], until: int) -> Seat:
    """Take a seat for these roles, or keep it until then (ms). Raises `Unavailable` if every seat is taken."""
    members: dict[str, list[int]] = {}
    free: list[int] = []
    mine = -1
    for seat in range(SEATS_MAX):
        mark = await store.mark(SPACE, "", str(seat))
        sitter, _, said = (mark.value or b"").decode().partition(" ") if mark is not None else ("", "", "")
        if sitter == holder:
            mine = seat
        elif sitter:
            for role in said.split(","):
                members.setdefault(role, []).append(seat)
        else:
            free.append(seat)
            if len(free) == EMPTY_MAX:
                break
    value = f"{holder} {','.join(roles)}".encode()
    if mine >= 0:
        await store.commit(Commit(marks=(_mark(mine, value, until),)))
        return _seated(mine, roles, members)
    for seat in free:
        try:
            await store.commit(Commit(marks=(_mark(seat, value, until, once=True),)))
        except KeyTaken:
            continue
        return _seated(seat, roles, members)
    raise Unavailable(f"More than {SEATS_MAX} processes take part.")


def _seated(number: int, roles: Collection[str], members: dict[str, list[int]]) -> Seat:
    return Seat(number, members | {role: sorted([*members.get(role, []), number]) for role in roles})


async def leave(store: Store, seat: int) -> None:
    """Give a seat up."""
    await store.commit(Commit(marks=(_mark(seat, None, None),)))


def _mark(seat: int, value: bytes | None, until: int | None, *, once: bool = False) -> Mark:
    return Mark(space=SPACE, org="", key=str(seat), value=value, until=until, once=once)
