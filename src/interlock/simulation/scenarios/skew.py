"""The clocks of the two services disagree.

Routing's clock is four seconds ahead of the conversation's. Ann is assigned on the item; a supervisor sees it on the
conversation and takes her away. By their stamps the supervisor's wish is the older one. No clock decides anything: it
has seen the other, so it replaces it.
"""

from __future__ import annotations

from interlock.simulation.deeds import after, orders, says, shows_users, touches
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person, workflow


def build() -> Stage:
    """An item in its queue; routing's workers live in the future."""
    stage = Stage()
    c = stage.conversation()
    item = stage.item(c)
    stage.listen("forward", "reverse")
    stage.skew(4_000, "forward")
    stage.actor("touch", touches(workflow(), c))
    stage.actor("assign", orders(person("team-lead"), item, assigned_to=stage.ann.id), skew=4_000)
    takes_away = says(person("supervisor"), c, users=())
    stage.actor("supervisor", after("Ann", shows_users(c, stage.ann.id), takes_away, c))
    return stage


SCENARIO = Scenario(name="skew", words=__doc__ or "", build=build)
