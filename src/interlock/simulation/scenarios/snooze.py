"""Snoozed by one, handed over by another: two registers that have nothing to do with each other.

Ann has the item and snoozes the conversation; at the same time somebody gives the item to Ben. Both wishes are granted,
for neither is about what the other is about; and what Ann and Ben carry is counted anew from what they hold.
"""

from __future__ import annotations

from interlock.simulation.deeds import orders, says
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person


def build() -> Stage:
    """An item that Ann has, in step with its conversation; Ben is there, too."""
    stage = Stage()
    stage.sign_in(stage.ann)
    c = stage.conversation()
    stage.accept(stage.offer(stage.item(c)))
    stage.sign_in(stage.ben)
    item = stage.item_of(c)
    stage.listen("forward", "reverse")
    stage.actor("snooze", says(person(stage.ann.id), c, status="snoozed"))
    stage.actor("hand over", orders(person("team-lead"), item, assigned_to=stage.ben.id))
    return stage


SCENARIO = Scenario(name="snooze", words=__doc__ or "", build=build)
