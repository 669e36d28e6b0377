"""Any read may be answered by a replica that is one version behind.

Nobody asserts that what it reads is fresh. A commit is checked against the truth, so a decision on an old version is
refused and made anew; news that an old read hid is found by the sweep.
"""

from __future__ import annotations

from interlock.simulation.deeds import orders, says
from interlock.simulation.faults import Faults
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person, workflow


def build() -> Stage:
    """An item in its queue, and a store that may answer with yesterday's version."""
    stage = Stage()
    c = stage.conversation()
    item = stage.item(c)
    stage.listen("forward", "reverse")
    stage.actor("assign", says(person("supervisor"), c, users=(stage.ann.id,)))
    stage.actor("move", orders(workflow(), item, queue=stage.second.id))
    return stage


SCENARIO = Scenario(name="stale-reads", words=__doc__ or "", build=build, faults=Faults(stale=1), heals=True)
