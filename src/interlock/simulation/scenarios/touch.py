"""An agent accepts while somebody touches the conversation.

Ann accepts what she was offered; meanwhile a tag of the conversation is changed. A guard that compares revs refuses the
news of her accept, or undoes it. The touch has nothing to do with it.
"""

from __future__ import annotations

from interlock.simulation.deeds import accepts, touches
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person


def build() -> Stage:
    """An item that is offered to Ann."""
    stage = Stage()
    stage.sign_in(stage.ann)
    c = stage.conversation()
    offer = stage.offer(stage.item(c))
    stage.listen("forward", "reverse")
    stage.actor("accept", accepts(offer))
    stage.actor("touch", touches(person(stage.ben.id), c))
    return stage


SCENARIO = Scenario(name="touch", words=__doc__ or "", build=build)
