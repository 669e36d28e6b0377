"""Deliveries overtake each other.

A supervisor assigns Ann and takes her away again while the item is moved to the second level. What waits for a worker
is delivered in any order, singly or together.
"""

from __future__ import annotations

from interlock.simulation.deeds import one_by_one, orders, says
from interlock.simulation.faults import Faults
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person, workflow


def build() -> Stage:
    """An item in its queue, and deliveries in any order."""
    stage = Stage()
    c = stage.conversation()
    item = stage.item(c)
    stage.listen("forward", "reverse")
    by = person("supervisor")
    stage.actor("supervisor", one_by_one(says(by, c, users=(stage.ann.id,)), says(by, c, users=())))
    stage.actor("move", orders(workflow(), item, queue=stage.second.id))
    return stage


SCENARIO = Scenario(name="reordered", words=__doc__ or "", build=build, faults=Faults(reorder=True))
