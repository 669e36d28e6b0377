"""A supervisor re-assigns many conversations while their agents accept them.

Two items are offered, one to Ann and one to Ben, and both accept. A bulk job gives both conversations to Ben. Each
conversation is a case of its own: what one of them comes to says nothing about the other.
"""

from __future__ import annotations

from interlock.simulation.deeds import accepts, one_by_one, says
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, person


def build() -> Stage:
    """Two items, each offered to an agent."""
    stage = Stage()
    stage.sign_in(stage.ann, total=1)
    first, second = stage.conversation("One"), stage.conversation("Two")
    offer = stage.offer(stage.item(first))
    stage.sign_in(stage.ben, total=1)
    other = stage.offer(stage.item(second))
    stage.listen("forward", "reverse")
    stage.actor("ann", accepts(offer))
    stage.actor("ben", accepts(other))
    to_ben = [says(person("supervisor"), each, users=(stage.ben.id,)) for each in (first, second)]
    stage.actor("bulk", one_by_one(*to_ben))
    return stage


SCENARIO = Scenario(name="bulk", words=__doc__ or "", build=build, small=False)
