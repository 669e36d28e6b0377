"""How long items waited in a queue: figures of queue passes that were left, one by one and in steps of time.

Times are ms since 1970, durations ms. The three figures of a pass are those that the reference API's queue metrics
name; they differ only where the item was snoozed while it waited.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from interlock.domain.work_item import QueuePass


class Waits(msgspec.Struct, frozen=True):
    """The wait of one pass, counted in three ways (ms).

    whole        from entry to exit
    lately       from entry or the last waking, whichever came later, to exit
    around_pause never snoozed: all; woken: from waking to exit; left while snoozed: from entry to the snooze
    """

    whole: int
    lately: int
    around_pause: int


def waits_of(p: QueuePass) -> Waits:
    """The figures of a pass that was left."""
    entered = p.entered_queue_at or 0
    left = max(entered, p.left_at or 0)
    woken = p.woken_at if p.woken_at is not None else entered
    lately = max(0, left - max(entered, woken))
    if p.paused_at is None:
        around = left - entered
    elif p.woken_at is not None and p.woken_at >= p.paused_at:
        around = max(0, left - p.woken_at)
    else:
        around = max(0, p.paused_at - entered)
    return Waits(left - entered, lately, around)


class Step(msgspec.Struct, frozen=True):
    """What happened in one step of time.

    entered  items that came into the queue     left      items that left it, for whatever reason
    taken    of those, the ones an agent got    in_target of those, the ones within the queue's target
    longest  the longest wait of those that left; `total`: their waits together
    """

    at: int
    entered: int = 0
    left: int = 0
    taken: int = 0
    in_target: int = 0
    longest: int = 0
    total: int = 0


TAKEN = frozenset({"accepted", "dequeued"})
"""How a pass ends when an agent gets the item: by an answer, or assigned directly."""


def series(
    left: Iterable[QueuePass], still: Iterable[int], begin: int, step: int, steps: int, target: int | None
) -> list[Step]:
    """Figures from `begin` on, in `steps` steps of `step` ms; `still`: when those who wait now came in."""
    entered, taken, gone, within, longest, total = ([0] * steps for _ in range(6))

    def place(at: int | None) -> int | None:
        n = -1 if at is None else (at - begin) // step
        return n if 0 <= n < steps else None

    for p in left:
        came, went = place(p.entered_queue_at), place(p.left_at)
        if came is not None:
            entered[came] += 1
        if went is None:
            continue
        wait = waits_of(p).whole
        gone[went] += 1
        longest[went] = max(longest[went], wait)
        total[went] += wait
        if p.left_because in TAKEN:
            taken[went] += 1
            within[went] += target is None or wait <= target
    for at in still:
        came = place(at)
        if came is not None:
            entered[came] += 1
    starts = range(begin, begin + steps * step, step)
    return [Step(*figures) for figures in zip(starts, entered, gone, taken, within, longest, total, strict=True)]
