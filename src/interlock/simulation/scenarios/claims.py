"""Two agents claim the same waiting item, while a router is about to offer it to one of them.

Both see it in the queue and take it. One of them has it; the other is told so, and carries nothing. The router's offer,
if it comes first, goes to whoever it was made to; if it comes late, it is dropped.
"""

from __future__ import annotations

from interlock.simulation.deeds import orders, runs_round
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person


def build() -> Stage:
    """An item in its queue, two agents with room for one, and a router."""
    stage = Stage()
    c = stage.conversation()
    item = stage.item(c)
    stage.sign_in(stage.ann, total=1)
    stage.sign_in(stage.ben, total=1)
    stage.listen("reverse")
    for agent in (stage.ann, stage.ben):
        stage.actor(agent.name, orders(person(agent.id), item, accepted_by=agent.id))
    stage.actor("router", runs_round(stage.default.id))
    return stage


SCENARIO = Scenario(name="claims", words=__doc__ or "", build=build)
