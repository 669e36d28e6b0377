"""Two syncs cross: each side has news for the other at the same time.

A supervisor assigns Ann on the conversation; another one, who has not seen that, assigns Ben on the work item. Forward
and reverse sync each carry one of the two wishes past the other. Both records must end up with the same one, and the
log must say who lost.
"""

from __future__ import annotations

from interlock.simulation.deeds import orders, says
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person


def build() -> Stage:
    """An item in its queue, in step with its conversation."""
    stage = Stage()
    c = stage.conversation()
    item = stage.item(c)
    stage.listen("forward", "reverse")
    stage.actor("on the conversation", says(person("supervisor-1"), c, users=(stage.ann.id,)))
    stage.actor("on the item", orders(person("supervisor-2"), item, assigned_to=stage.ben.id))
    return stage


SCENARIO = Scenario(name="crossing", words=__doc__ or "", build=build)
