"""A workflow assigns somebody else while an accept is in flight.

Ann has been offered the item and accepts. At the same moment a workflow assigns Ben on the conversation. Ann was told
"yours": a person outranks a workflow that had not seen it, and the workflow's wish is kept as the one that lost. If the
workflow comes first and the item has heard of it, Ann is told that the offer is gone.
"""

from __future__ import annotations

from interlock.simulation.deeds import accepts, says
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, workflow


def build() -> Stage:
    """An item that is offered to Ann."""
    stage = Stage()
    stage.sign_in(stage.ann)
    c = stage.conversation()
    offer = stage.offer(stage.item(c))
    stage.listen("forward", "reverse")
    stage.actor("accept", accepts(offer))
    stage.actor("workflow", says(workflow(), c, users=(stage.ben.id,)))
    return stage


SCENARIO = Scenario(name="reassign", words=__doc__ or "", build=build)
