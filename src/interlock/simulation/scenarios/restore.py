"""The conversations are restored from an old backup, while routing keeps what it knows.

A supervisor assigns Ann. Perhaps routing hears of it, perhaps not; then the conversation's side is put back to the
backup that was made before. The operator raises the org's epoch, as the manual says, and a workflow assigns Ben. Ann's
dot and Ben's must never be taken for one another, and whatever routing had heard comes back. That last is why I7 is not
counted here: the conversation takes its own lost intent from routing, which is a sync write for no intent of routing's.
"""

from __future__ import annotations

from interlock.simulation.deeds import one_by_one, raises_epoch, restores, says
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person, workflow


def build() -> Stage:
    """An item in its queue, a backup, and an operator."""
    stage = Stage()
    c = stage.conversation()
    stage.item(c)
    c = stage.now(c)
    stage.listen("forward", "reverse")
    ann = says(person("supervisor"), c, users=(stage.ann.id,))
    ben = says(workflow(), c, users=(stage.ben.id,))
    stage.actor("operator", one_by_one(ann, restores(c), raises_epoch(), ben))
    return stage


SCENARIO = Scenario(
    name="restore", words=__doc__ or "", build=build, whole=False, heals=True, excused=frozenset({"I7"})
)
