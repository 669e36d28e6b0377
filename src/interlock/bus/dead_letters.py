"""Rows that a consumer gave up, kept where an operator finds them (`interlock doctor`)."""

from __future__ import annotations

import msgspec

from interlock.domain.log import Row
from interlock.ports import Commit, Mark, Store

SPACE = "dead-letters"
KEPT_MAX = 100
WHY_MAX = 500
"""Characters kept of what went wrong."""


class DeadLetter(msgspec.Struct, frozen=True):
    """Which consumer gave up which row of the log, and why."""

    consumer: str
    position: int
    id: str
    org: str
    partition: str
    why: str

    @classmethod
    def of(cls, consumer: str, row: Row, why: str) -> DeadLetter:
        """The letter for a row."""
        return cls(consumer, row.position, row.id, row.org, row.partition, why[:WHY_MAX])


_decode = msgspec.json.Decoder(list[DeadLetter]).decode
encode = msgspec.json.Encoder().encode


async def letters_of(store: Store, consumer: str) -> list[DeadLetter]:
    """The newest letters of a consumer, the oldest of them first."""
    mark = await store.mark(SPACE, "", consumer)
    return _decode(mark.value) if mark is not None and mark.value else []


async def letters_with(store: Store, letter: DeadLetter) -> None:
    """Keep one letter more; the oldest makes room. Raises `Unavailable`."""
    kept = [k for k in await letters_of(store, letter.consumer) if k.position != letter.position]
    value = encode([*kept, letter][-KEPT_MAX:])
    await store.commit(Commit(marks=(Mark(space=SPACE, org="", key=letter.consumer, value=value),)))
