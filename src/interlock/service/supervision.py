"""What supervisors do to a queue: pause it, let it go on, and move what waits in it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from interlock.domain.bulk import Outcome
from interlock.domain.decision import Provenance
from interlock.domain.errors import InvalidValue
from interlock.domain.order import Order
from interlock.domain.queue import Queue
from interlock.domain.work_item import WorkItem
from interlock.ports import World
from interlock.service import records, views, work_items
from interlock.service.once import once
from interlock.service.preconditions import Precondition
from interlock.service.queues import check_queue
from interlock.service.transact import Beside, Done

MOVES_MAX = 100


async def pause(
    world: World, by: Provenance, queue: str, reason: str | None, precondition: Precondition, *, beside: Beside
) -> Done:
    """Nothing of the queue is offered any more; offers that are out stay."""
    said = {"reason": reason or "", "by": {"type": by.actor.type, "id": by.actor.id}, "at": world.clock.now()}
    return await _set(world, by, queue, said, precondition, beside)


async def resume(world: World, by: Provenance, queue: str, precondition: Precondition, *, beside: Beside) -> Done:
    """The queue goes on."""
    return await _set(world, by, queue, None, precondition, beside)


async def _set(
    world: World, by: Provenance, queue: str, paused: object, precondition: Precondition, beside: Beside
) -> Done:
    fields = {"paused": paused}
    return await records.update(world, by, Queue, queue, fields, precondition, beside=beside, check=check_queue)


class Moved(msgspec.Struct, frozen=True):
    """What came of a move: each item with its outcome, and whether more wait behind them."""

    items: list[tuple[str, Outcome]]
    more: bool


async def move(world: World, by: Provenance, queue: str, to: str, items: Sequence[str] | None, key: str) -> Moved:
    """Move items to another queue, each by a command of its own that rests on the item as it is read now.

    `items=None`: what waits and is not offered, in routing order, at most a hundred. Under the same `key` an item is
    moved once, however often it is asked.
    """
    if queue == to:
        raise InvalidValue("Name another queue to move them to.", pointer="/to")
    more = False
    if items is None:
        waiting = await views.items_of_queue(world, by.org, queue, frozenset({"queued"}), 0, MOVES_MAX + 1)
        items, more = [w.id for w in waiting[:MOVES_MAX]], len(waiting) > MOVES_MAX
    return Moved([(id, await _moved(world, by, queue, to, id, key)) for id in items], more)


async def _moved(world: World, by: Provenance, queue: str, to: str, id: str, key: str) -> Outcome:
    async def do(beside: Beside) -> Done:
        item = await views.one(world, by.org, WorkItem, id)
        if item.queue != queue or item.status not in ("queued", "routed"):
            raise InvalidValue("It does not wait in this queue any more.", pointer="/items")
        seen = Precondition(rev=item.rev)
        return await work_items.command(world, by, id, Order(queue=to), seen, beside=beside)

    return await once(world, by.org, f"{key}/{id}", WorkItem, do)
