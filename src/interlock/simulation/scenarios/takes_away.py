"""An agent accepts; a supervisor sees it and takes it away.

The supervisor has seen the accept: the second wish replaces the first, whatever their classes, clocks and numbers. No
delivery of the accept that is still on its way may bring it back.
"""

from __future__ import annotations

from interlock.simulation.deeds import accepts, after, says, shows_users, touches
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person


def build() -> Stage:
    """An item that is offered to Ann, and a supervisor who waits until she has it."""
    stage = Stage()
    stage.sign_in(stage.ann)
    c = stage.conversation()
    offer = stage.offer(stage.item(c))
    stage.listen("forward", "reverse")
    stage.actor("touch", touches(person(stage.ben.id), c))
    stage.actor("accept", accepts(offer))
    takes_away = says(person("supervisor"), c, users=())
    stage.actor("supervisor", after("Ann", shows_users(c, stage.ann.id), takes_away, c))
    return stage


SCENARIO = Scenario(name="takes-away", words=__doc__ or "", build=build)
