"""A worker dies at any of its calls, before it or after it, and starts again.

Every call of forward sync, queue rules and reverse sync is a point at which the process may end: between reading and
committing, after the commit and before its answer, between commit and acknowledgement. What it had done and not
acknowledged is delivered again. Each point is searched with all its interleavings.
"""

from __future__ import annotations

from interlock.simulation.deeds import says
from interlock.simulation.play import Scenario
from interlock.simulation.stage import Stage, workflow


def build() -> Stage:
    """A conversation whose creation is still to be delivered, and a workflow that assigns."""
    stage = Stage()
    c = stage.conversation()
    stage.listen("forward", "rules", "reverse")
    stage.remind("forward", c)
    stage.actor("workflow", says(workflow(), c, users=(stage.ann.id,)))
    return stage


SCENARIO = Scenario(name="crash", words=__doc__ or "", build=build, rules=True, crashes=("forward", "rules", "reverse"))
