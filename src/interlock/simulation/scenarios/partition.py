"""The two services cannot reach each other while people work on both sides.

On the conversation a workflow assigns Ann and a supervisor replaces her by Ben. On the item somebody moves it to the
second level, and a program puts it elsewhere. Nothing crosses until all four have been told "done"; then all does.
"""

from __future__ import annotations

from interlock.simulation.deeds import one_by_one, orders, says, wishes_of
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person, workflow
from interlock.simulation.world import Memory


def build() -> Stage:
    """An item in its queue; the syncs wait for the link."""
    stage = Stage()
    c = stage.conversation()
    item = stage.item(c)
    stage.listen("forward", "reverse")
    apart = one_by_one(says(workflow(), c, users=(stage.ann.id,)), says(person("supervisor"), c, users=(stage.ben.id,)))
    stage.actor("conversations", apart)
    moved = orders(person("team-lead"), item, queue=stage.second.id)
    back = orders(workflow("overflow"), item, queue=stage.voice.id)
    stage.actor("routing", one_by_one(moved, back))

    def linked(store: Memory) -> bool:
        return wishes_of(store.at(c.address), "conversation") >= 2 and wishes_of(store.at(item.address), "routing") >= 3

    stage.hold_back(linked, c, item)
    return stage


SCENARIO = Scenario(name="partition", words=__doc__ or "", build=build)
