"""A transfer whose reverse sync is late, and an assignment meanwhile.

Ann has the item and transfers it to the second level. Before the conversation hears of it, a supervisor who still sees
Ann there assigns Ben. Both are people and neither had seen the other: one wins by the table on both sides, the other is
named as the loser.
"""

from __future__ import annotations

from interlock.simulation.deeds import orders, says
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person


def build() -> Stage:
    """An item that Ann has, in step with its conversation."""
    stage = Stage()
    stage.sign_in(stage.ann)
    c = stage.conversation()
    stage.accept(stage.offer(stage.item(c)))
    item = stage.item_of(c)
    stage.listen("forward", "reverse")
    stage.actor("transfer", orders(person(stage.ann.id), item, queue=stage.second.id))
    stage.actor("assign", says(person("supervisor"), c, users=(stage.ben.id,)))
    return stage


SCENARIO = Scenario(name="transfer", words=__doc__ or "", build=build)
