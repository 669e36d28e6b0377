"""A small floor: three conversations, two agents, a router, a workflow, a supervisor, and deliveries that repeat.

Nobody has searched this to its end; it is for random runs. Ann accepts the first thing that she is offered and ends it,
Ben goes home, a workflow gives one conversation to Ann, a supervisor moves another one, a customer's call ends.
"""

from __future__ import annotations

from interlock.domain.reservation import Reservation
from interlock.simulation.deeds import one_by_one, orders, says, signs_out, takes_first_offer
from interlock.simulation.faults import Faults
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person, workflow


def build() -> Stage:
    """Three conversations: one without an item, one placed, one offered."""
    stage = Stage()
    first, second, third = (stage.conversation(name) for name in ("One", "Two", "Three"))
    stage.sign_in(stage.ann, total=2)
    offer: Reservation = stage.offer(stage.item(third))
    stage.sign_in(stage.ben, total=1)
    stage.listen("forward", "rules", "reverse", "routing")
    stage.remind("forward", first)
    placed = stage.item(second)
    stage.actor(
        "ann", one_by_one(takes_first_offer(stage.ann.id, offer), says(person(stage.ann.id), third, status="done"))
    )
    stage.actor("ben", signs_out(stage.ben.id, stage.offline.id))
    stage.actor("workflow", says(workflow(), first, users=(stage.ann.id,)))
    stage.actor("supervisor", orders(person("supervisor"), placed, queue=stage.second.id))
    stage.actor("customer", says(workflow("telephony"), second, ended=True))
    return stage


SCENARIO = Scenario(
    name="floor", words=__doc__ or "", build=build, faults=Faults(repeat=1, reorder=True), rules=True, small=False
)
