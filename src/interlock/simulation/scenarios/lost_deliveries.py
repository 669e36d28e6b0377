"""Deliveries that nobody ever sees.

A batch is gone before its worker had it, once for each worker. Nothing of an assignment may depend on a delivery: the
sweep that compares the pairs brings both sides into step.
"""

from __future__ import annotations

from interlock.simulation.deeds import orders, says
from interlock.simulation.faults import Faults
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person, workflow


def build() -> Stage:
    """An item in its queue, and deliveries that vanish."""
    stage = Stage()
    c = stage.conversation()
    item = stage.item(c)
    stage.listen("forward", "reverse")
    stage.actor("assign", says(person("supervisor"), c, users=(stage.ann.id,)))
    stage.actor("move", orders(workflow(), item, queue=stage.second.id))
    return stage


SCENARIO = Scenario(name="lost-deliveries", words=__doc__ or "", build=build, faults=Faults(drop=1), heals=True)
