"""The incident: a workflow assigns a user while the reverse sync of an older decision is on its way.

The conversation stands at rev 4; its item is begun and placed by the queue rules. Meanwhile somebody touches a tag of
the conversation (rev 5), and a workflow assigns Ann (rev 6). In the incident the reverse sync, decided on rev 4, then
wrote "nobody" under a freshly read rev, and every guard let it pass.
"""

from __future__ import annotations

from interlock.simulation.deeds import says, touches
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person, workflow


def build() -> Stage:
    """A conversation at rev 4 whose creation is still to be delivered, and everybody who has to do with it."""
    stage = Stage()
    c = stage.conversation(rev=4)
    stage.listen("forward", "rules", "reverse")
    stage.remind("forward", c)
    stage.actor("touch", touches(person(stage.ben.id), c))
    stage.actor("workflow", says(workflow(), c, users=(stage.ann.id,)))
    return stage


SCENARIO = Scenario(name="incident", words=__doc__ or "", build=build, rules=True)
