"""Secrets: shown in the answer that made them, and in no repeat of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import document
from interlock.domain.decision import Decision
from interlock.domain.record import Record
from interlock.service.transact import Beside, Done


def fresh_digits(call: Call) -> str:
    """256 random bits in hexadecimal."""
    return "".join(call.world.ids.fresh()[8:] for _ in range(4))


async def act_with_secret(
    call: Call, secret: str, do: Callable[[Beside], Awaitable[Done]], kind: type[Record], *, id: str = ""
) -> Answer:
    """As `Call.act`, with the secret in `meta.secret` of this answer; what is kept for a repeat is without it."""
    fresh: list[Record] = []

    def show(record: Record, _: Decision) -> bytes:
        fresh[:] = [record]
        return document(record)

    answer = await call.act(do, kind, id=id, show=show)
    if fresh:
        answer.body = document(fresh[0], meta={"secret": secret})
    return answer
