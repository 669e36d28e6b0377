"""Every delivery may come twice.

A supervisor assigns Ann on the conversation and somebody moves the item to the second level. Each batch may be
delivered again after it was acknowledged, once for each worker, at any later moment.
"""

from __future__ import annotations

from interlock.simulation.deeds import orders, says
from interlock.simulation.faults import Faults
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person, workflow


def build() -> Stage:
    """An item in its queue, and deliveries that repeat."""
    stage = Stage()
    c = stage.conversation()
    item = stage.item(c)
    stage.listen("forward", "reverse")
    stage.actor("assign", says(person("supervisor"), c, users=(stage.ann.id,)))
    stage.actor("move", orders(workflow(), item, queue=stage.second.id))
    return stage


SCENARIO = Scenario(name="duplicates", words=__doc__ or "", build=build, faults=Faults(repeat=1))
