"""What may go wrong, by name.

Four need no option, being ways in which steps can fall: a delivery is late (its worker is long not chosen), a worker
is paused and comes back as a zombie (`Stage.twin`), the two sides cannot reach each other (`Stage.hold_back`), a
side is restored from a backup (`deeds.restores`). A service's clock is wrong by its `skew`.
"""

from __future__ import annotations

import msgspec


class Faults(msgspec.Struct, frozen=True):
    """What may go wrong in a run, so often for each worker. Delay and pause need no figure: any task may stand still.

    repeat   a batch is delivered, and delivered again    reorder  rows of a batch come one by one, in any order
    drop     a batch is gone before anybody saw it        stale    a read answers with the version before
    crash    (task, n-th call, after): the task dies before that call, or after it without its answer, and starts anew
    """

    repeat: int = 0
    reorder: bool = False
    drop: int = 0
    stale: int = 0
    crash: tuple[str, int, bool] | None = None
