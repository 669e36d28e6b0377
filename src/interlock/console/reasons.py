"""Why an item waits, in words: one sentence and, where there is one, the next thing to do, for each of routing's codes.

The codes are routing's own: what is said here explains a decision, and takes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNKNOWN = "UNKNOWN"
WORDS: dict[str, tuple[str, str, str]] = {
    "NO_TEAM_SERVES_QUEUE": ("no team serves it", "No team serves this queue.", "Add the queue to a team."),
    "NO_AGENT_SIGNED_IN": ("nobody signed in", "Nobody who serves this queue is signed in.", ""),
    "NONE_AVAILABLE": ("nobody available", "Those who serve this queue are signed in, but not available.", ""),
    "ALL_AT_CAPACITY": ("all full", "Every available agent is full.", "The next who finishes takes it."),
    "NONE_WITH_SKILL": ("no one with the skill", "No available agent has a skill that it needs.", ""),
    "SKILL_MISSING": ("no one with the skill", "No available agent has a skill that it needs.", ""),
    "TOO_HEAVY": ("too heavy", "It weighs more than any agent may carry.", "Raise a capacity, or its queue's weight."),
    "KEPT_FOR_AGENT": ("kept for its agent", "It is kept for the customer's own agent, who has no room yet.", ""),
    "OFFERED": ("offered", "It is offered to an agent.", ""),
    "ALL_DECLINED": ("all declined", "Everybody who could take it declined.", "It is offered again after a while."),
    "BEHIND_OTHERS": ("behind others", "Others are served first.", ""),
    "QUEUE_PAUSED": ("queue paused", "The queue is paused.", "Resume the queue."),
    "ITEM_PAUSED": ("snoozed", "Its conversation is snoozed.", ""),
    "OUTSIDE_HOURS": ("outside hours", "The queue is closed at this hour.", ""),
    "EXTERNAL_QUEUE": ("in a queue outside", "It waits in a queue of another system.", ""),
    "NOT_YET_ROUTED": ("not yet routed", "Routing has not come to it yet.", ""),
    UNKNOWN: ("not explained", "This wait is not explained.", "See the incidents."),
}
"""Code → (short, sentence, next thing to do)."""


def sentence(code: str, told: Mapping[str, Any]) -> str:
    """The sentence of one item: the server's own, which names people and times, before the general one."""
    own = told.get("sentence") or " ".join(told.get("sentences") or ())
    return str(own) or WORDS.get(code, WORDS[UNKNOWN])[1]


def next_step(code: str) -> str:
    """The next thing to do; empty if there is none."""
    return WORDS.get(code, WORDS[UNKNOWN])[2]


def brief(code: str) -> str:
    """Two or three words."""
    return WORDS[code][0] if code in WORDS else code.lower().replace("_", " ")


def counted(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """How many wait for which reason, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"code": code, "count": n, "brief": brief(code)} for code, n in ordered]
