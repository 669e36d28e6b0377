"""Two rounds of routing for one agent with room for one.

Two items wait and Ann has room for one. Two routers, each of which may look before and write after the other, offer at
the same time. She is offered one of them and never more than she has room for.
"""

from __future__ import annotations

from interlock.simulation.deeds import runs_round
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage


def build() -> Stage:
    """Two items in a queue, one agent, two routers."""
    stage = Stage()
    first, second = stage.conversation("One"), stage.conversation("Two")
    stage.item(first)
    stage.item(second)
    stage.sign_in(stage.ann, total=1)
    for name in ("router", "another router"):
        stage.actor(name, runs_round(stage.default.id))
    return stage


SCENARIO = Scenario(name="one-free-place", words=__doc__ or "", build=build)
