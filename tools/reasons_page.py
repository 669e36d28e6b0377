"""Writes docs/reference/reasons.md from the tables of codes that routing goes by.

`python tools/reasons_page.py` writes the page; a test refuses one that is stale.
"""

from __future__ import annotations

from pathlib import Path

from interlock.domain.routing import CANDIDATES_KEPT, NOT_CHOSEN, TESTS, WAITING

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "reference" / "reasons.md"

NEXT: dict[str, str] = {
    "NO_TEAM_SERVES_QUEUE": "Give the queue to a team: `PUT /v1/routing/settings/{team}` with `enabled` and `queues`.",
    "NO_AGENT_SIGNED_IN": "Somebody of these teams has to sign in; or give the queue to another team as well.",
    "NONE_AVAILABLE": "The sentence names who is there, and in which kind of status.",
    "ALL_AT_CAPACITY": "The sentence names them with their load. Free somebody, raise a limit, or wait.",
    "NONE_WITH_SKILL": "Give an agent the skill, prefer it instead of requiring it, or let the requirement relax.",
    "TOO_HEAVY": "Lower the queue's `itemSize`, or raise a capacity.",
    "KEPT_FOR_AGENT": "Nothing: when the time of the queue's `sticky` is over it goes to anybody.",
    "OFFERED": "Nothing: the sentence says how many seconds are left.",
    "ALL_DECLINED": "Nothing: `reofferSeconds` of the org says when they are asked again.",
    "BEHIND_OTHERS": "Nothing: the figure says how many items are before it.",
    "QUEUE_PAUSED": "Let the queue go on, or move the item.",
    "ITEM_PAUSED": "It comes back when its snooze is over, or the customer writes.",
    "OUTSIDE_HOURS": "It is offered when the queue opens; `outsideHours: route` would not hold it.",
    "EXTERNAL_QUEUE": "The system outside decides.",
    "NOT_YET_ROUTED": "Nothing: it lasts for milliseconds. If not, the router is behind (`interlock doctor`).",
    "UNKNOWN": "Report it: the row is in the log, at `GET /v1/routing/decisions`.",
}


def page() -> str:
    """The page."""
    waiting = "\n".join(f"### {code}\n\n{meaning} {NEXT[code]}\n" for code, meaning in WAITING)
    tests = "\n".join(f"| {n} | `{code}` | {meaning} |" for n, (code, meaning) in enumerate(TESTS, 1))
    passed = "\n".join(f"| `{code}` | {meaning} |" for code, meaning in NOT_CHOSEN)
    return f"""# Reasons

Every code by which routing says why. This page is written by `tools/reasons_page.py` from the tables that
routing itself goes by. How a choice is made: [how routing chooses](../explanation/how-routing-chooses.md).

## Why an item waits

Exactly one code for each item that waits; derived when it is asked for, from the floor as it is then.

{waiting}
## Why an agent may not be offered an item

In this order; the first test that fails is stored.

| | code | the agent … |
|---|---|---|
{tests}

## Why an agent who could take it was not chosen

| code | the agent … |
|---|---|
{passed}

A decision names its first {CANDIDATES_KEPT} candidates with their reasons, the chosen one first, then whoever else
could take it, in order, then the nearest misses. `counts` holds for all live sessions; the chosen one counts as
`CHOSEN`.
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
