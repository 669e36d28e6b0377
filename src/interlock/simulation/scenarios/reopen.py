"""Done, then reopened, with an old state still in flight.

Ann has accepted, but the conversation has not heard of it yet. She sets it to done and reopens it at once.
The old news arrives in between or afterwards, and must not bring anything back that "done" and "open" had seen.
"""

from __future__ import annotations

from interlock.simulation.deeds import one_by_one, says
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person


def build() -> Stage:
    """An item that Ann has accepted a moment ago."""
    stage = Stage()
    stage.sign_in(stage.ann)
    c = stage.conversation()
    offer = stage.offer(stage.item(c))
    stage.listen("forward", "reverse")
    stage.take(offer)
    ann = person(stage.ann.id)
    stage.actor("ann", one_by_one(says(ann, c, status="done"), says(ann, c, status="open")))
    return stage


SCENARIO = Scenario(name="reopen", words=__doc__ or "", build=build)
