"""A worker is paused with its decision in hand; another one takes its delivery; then it comes back.

Two workers do the forward sync. What one has received and not acknowledged, the other is given too, as after a lease
that ran out. Each may stand still between any two of its calls for as long as it likes, and then go on.
"""

from __future__ import annotations

from interlock.simulation.deeds import one_by_one, says
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person


def build() -> Stage:
    """An item in its queue, and two forward workers on the same deliveries."""
    stage = Stage()
    c = stage.conversation()
    stage.item(c)
    stage.listen("forward")
    stage.twin("forward-again", "forward")
    by = person("supervisor")
    stage.actor("supervisor", one_by_one(says(by, c, users=(stage.ann.id,)), says(by, c, status="done")))
    return stage


SCENARIO = Scenario(name="zombie", words=__doc__ or "", build=build)
