"""Which unique names a commit gives back and which it takes, all its writes together."""

from __future__ import annotations

from collections.abc import Iterable

from interlock.domain.decision import Write
from interlock.domain.errors import KeyTaken
from interlock.domain.record import Address, Record

_NONE = Record.claims
"""What a kind without unique names has."""

Held = tuple[str, Address]
"""A unique name and the record that holds it."""


def moved_claims(writes: Iterable[Write]) -> tuple[list[Held], list[Held]]:
    """(released, taken). A name may pass from one record to another within a commit, in whichever order they come.

    Raises `KeyTaken` if two of the writes take the same name.
    """
    released: dict[Held, None] = {}
    taken: dict[str, Address] = {}
    for write in writes:
        after = write.after
        if type(after).claims is _NONE:
            continue
        new = after.claims()
        old = write.before.claims() if write.before is not None else ()
        if new == old:
            continue
        address = after.address
        for name in old:
            if name in new:
                continue
            if taken.get(name) == address:
                del taken[name]
            else:
                released[name, address] = None
        for name in new:
            if name in old:
                continue
            if (name, address) in released:
                del released[name, address]
            elif name in taken:
                raise taken_by(name)
            else:
                taken[name] = address
    return list(released), list(taken.items())


def taken_by(name: str) -> KeyTaken:
    """The refusal that says which unique name is held already."""
    return KeyTaken(f"The name {name} is held already.", claim=name)
