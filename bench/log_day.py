"""A day of one contact centre as a log: 30,000 conversations at full size, with a few dozen planted incidents.

What happens in it, and what must not be taken for the incident:

    plain           made, queued by a rule, accepted by an agent on the work item, copied to the conversation, done
    by workflow     assigned on the conversation by a workflow, copied to the item, done
    planted         the incident: item made from rev 4, touched, assigned, overwritten by a reverse sync from the item
    honest revert   DECOY: assigned by a workflow, copied to the item, given back there by the agent, and the reverse
                    sync takes the users off: the incident's four lines, but the item had seen the assignment
    manual          DECOY: a supervisor takes the users off on the conversation, 50 to 3,000 ms after they were set
    re-assigned     DECOY: a second workflow replaces the users of the first
    refreshed       DECOY: the item's old revs carry old marks, but the last one before the write is fresh
    duplicates      1 % of the lines come twice, half of them under a new outer id; up to a few hundred lines late
    gaps            0.5 % of the lines of conversations without an incident are missing
    skewed clocks   in 10 % of the conversations the clock of the work item's service is up to 2 s off
    chatter         2 % lines that say nothing: health checks, and text that is no JSON

Half of the sync audits name the rev of the peer that was read. Lines of many conversations are mixed, in the order of
their time. The truth names each planted overwrite.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from typing import Any

from log_lines import ABSENT, Changes, Scene, iso, redelivered
from log_races import Lost

DAY_MS = 86_400_000
LINES_PER_CONVERSATION = 12.2
BYTES_PER_LINE = 2_720
Line = tuple[int, str]
_WORDS = ("the", "caller", "asks", "about", "an", "order", "that", "has", "not", "come", "and", "wants", "a", "call")


class Floor:
    """What every conversation shares: queues, users, workflows."""

    def __init__(self, rng: random.Random, start: int) -> None:
        scene = Scene(rng, start - 10**10, lean=True)
        self.queues = [scene.id(start - 10**10) for _ in range(12)]
        self.users = [scene.id(start - 10**10) for _ in range(400)]
        self.workflows = [scene.id(start - 10**10) for _ in range(20)]
        self.rule = scene.id(start - 10**10)


class Case:
    """One conversation of the day, told as lines with their times."""

    def __init__(self, floor: Floor, rng: random.Random, start: int) -> None:
        skew = rng.randrange(-2_000, 2_000) if rng.random() < 0.1 else 0
        preview = " ".join(rng.choices(_WORDS, k=210))
        self.floor, self.rng, self.at = floor, rng, start
        self.scene = Scene(rng, start, lean=False, skew=skew, preview=preview)
        self.named = rng.random() < 0.5
        self.a: dict[str, Any] = {"users": (), "queue": None, "status": "open"}
        self.b: dict[str, Any] = {"users": (), "queue": None, "status": "ivr", "seen": 0}
        self.a_rev = self.b_rev = 0
        self.a_at = self.b_at = start
        self.lines: list[Line] = []
        self.lost: list[Lost] = []
        self.queue = rng.choice(floor.queues)

    def wait(self, low: int, high: int) -> None:
        """Time passes (ms)."""
        self.at += self.rng.randrange(low, high)

    def conversation(self, changes: Changes, *, client: str, **more: Any) -> None:
        """One version of the conversation."""
        self.a_rev += 1
        said = {
            **changes,
            "updatedAt": ("replace", iso(self.a_at), iso(self.at)),
            "rev": ("replace", self.a_rev - 1, self.a_rev),
        }
        self.a_at = self.at
        verb = "create" if self.a_rev == 1 else "update"
        self.lines.append(
            (self.at, self.scene.conversation(self.at, self.a_rev, said, self.a, client=client, verb=verb, **more))
        )

    def item(self, changes: Changes, *, client: str, **more: Any) -> None:
        """One version of the work item."""
        self.b_rev += 1
        at = self.at + self.scene.skew
        said = {
            **changes,
            "updatedAt": ("replace", iso(self.b_at), iso(at)),
            "rev": ("replace", self.b_rev - 1, self.b_rev),
        }
        self.b_at = at
        verb = "create" if self.b_rev == 1 else "update"
        self.lines.append(
            (self.at, self.scene.item(self.at, self.b_rev, said, self.b, client=client, verb=verb, **more))
        )

    def audit(self, written: dict[str, Any], guard: int, peer: int, trace: str, *, forward: bool = False) -> None:
        """The worker's line about a sync write."""
        self.at += 20
        named = peer if self.named else None
        self.lines.append(
            (self.at, self.scene.audit(self.at, written, guard, forward=forward, peer_rev=named, trace=trace))
        )

    def opened(self) -> None:
        """Made and touched up to rev 4; the item made from it and queued."""
        self.conversation({}, client="web")
        for _ in range(3):
            self.touch()
        self.wait(500, 3_000)
        self.b["seen"] = self.a_rev
        self.item({}, client="routing-worker")
        self.wait(100, 400)
        self.b.update(status="queued", queue=self.queue)
        changes: Changes = {
            "status": ("replace", "ivr", "queued"),
            "→queue": ("add", None, ("queue", self.queue)),
            "→rule": ("add", None, ("queue-rule", self.floor.rule)),
        }
        self.item(changes, client="routing-worker")

    def touch(self) -> None:
        """Something unrelated."""
        self.wait(50, 900)
        self.conversation({"messageCount": ("replace", self.a_rev, self.a_rev + 1)}, client="web")

    def set_users(self, users: tuple[str, ...], **more: Any) -> None:
        """The conversation's users, by whoever."""
        changes: Changes = {"assignedUsers": ("replace", list(self.a["users"]), list(users))}
        self.a["users"] = users
        self.conversation(changes, **more)

    def assign(self) -> None:
        """By a workflow, on the conversation."""
        source = ("workflow", self.rng.choice(self.floor.workflows))
        self.set_users((self.rng.choice(self.floor.users),), client="workflow", source=source)

    def item_user(self, user: str | None, status: str, **more: Any) -> None:
        """The item's agent and status."""
        old = next(iter(self.b["users"]), None)
        moved = ("remove", ("user", old), ABSENT) if user is None else ("add", None, ("user", user))
        changes: Changes = {"→assignedTo": moved, "status": ("replace", self.b["status"], status)}
        if more.get("sync"):
            changes["resourceRev"] = ("replace", self.b["seen"], self.a_rev)
            self.b["seen"] = self.a_rev
        self.b.update(users=(user,) if user else (), status=status)
        self.item(changes, **more)

    def forward(self) -> None:
        """The conversation's users, copied to the item."""
        trace, guard = self.scene.trace(), self.b_rev
        self.wait(20, 200)
        self.item_user(self.a["users"][0], "assigned", client="routing-worker", sync=True, trace=trace)
        self.audit({"assignedTo": list(self.a["users"]), "status": "assigned"}, guard, self.a_rev, trace, forward=True)

    def reverse(self, low: int = 20, high: int = 200, *, peer: int | None = None) -> None:
        """The item's users, copied to the conversation."""
        trace, guard = self.scene.trace(), self.a_rev
        self.wait(low, high)
        self.set_users(self.b["users"], client="routing-worker", sync=True, trace=trace)
        self.audit({"assignedUsers": list(self.b["users"])}, guard, peer or self.b_rev, trace)

    def accept(self) -> None:
        """An agent takes the item, who has seen the conversation as it is."""
        self.wait(2_000, 60_000)
        self.b["seen"] = self.a_rev
        user = self.rng.choice(self.floor.users)
        self.item_user(user, "assigned", client="web", source=("user", user))
        self.reverse()

    def done(self) -> None:
        """The conversation ends."""
        self.wait(30_000, 600_000)
        self.a["status"] = "done"
        self.conversation({"status": ("replace", "open", "done")}, client="web")


def plain(case: Case) -> None:
    """Queued, accepted, done."""
    case.opened()
    case.accept()
    case.touch()
    case.touch()
    case.done()


def by_workflow(case: Case) -> None:
    """Assigned on the conversation, copied to the item."""
    case.opened()
    case.touch()
    case.assign()
    case.forward()
    case.touch()
    case.done()


def honest_revert(case: Case) -> None:
    """The item had seen the assignment; its agent gave it back; the sync says so on the conversation."""
    case.opened()
    case.assign()
    case.forward()
    case.wait(10, 900)
    case.item_user(None, "queued", client="web", source=("user", case.a["users"][0]))
    case.reverse()
    case.done()


def manual(case: Case) -> None:
    """A supervisor takes the users off."""
    case.opened()
    case.assign()
    case.wait(50, 3_000)
    case.set_users((), client="web", source=("user", case.rng.choice(case.floor.users)))
    case.touch()
    case.touch()
    case.done()


def reassigned(case: Case) -> None:
    """Another workflow decides otherwise."""
    case.opened()
    case.assign()
    case.wait(50, 3_000)
    case.assign()
    case.forward()
    case.done()


def refreshed(case: Case) -> None:
    """Old revs of the item carry old marks, and the one that the sync read is fresh."""
    case.opened()
    case.assign()
    case.touch()
    case.forward()
    case.wait(1_000, 9_000)
    case.item_user(None, "queued", client="web", source=("user", case.a["users"][0]))
    case.wait(20, 90)
    case.reverse()
    case.done()


def planted(case: Case) -> None:
    """The incident."""
    case.opened()
    case.touch()
    case.wait(50, 300)
    case.assign()
    lost = case.a_rev
    case.reverse(40, 300)
    case.lost.append(Lost(case.scene.conversation_id, "conversation", case.a_rev, lost, case.named))
    case.touch()
    case.accept()
    case.done()


USUAL = ((plain, 60), (by_workflow, 15), (honest_revert, 8), (manual, 7), (reassigned, 5), (refreshed, 5))


def chatter(rng: random.Random, at: int) -> str:
    """A line that says nothing of any record."""
    if rng.random() < 0.3:
        return f"{iso(at)} INFO worker tick {rng.randrange(10**6)} took {rng.randrange(40)} ms"
    return f'{{"level":30,"time":{at},"pid":1,"hostname":"3f4427bc006c","name":"http","msg":"GET /health 200","v":0}}'


def day(conversations: int, seed: int, start: int, incidents: int) -> Iterator[tuple[list[str], list[Lost]]]:
    """The day's lines in portions, in the order of time, each with the truth about the conversation it begins."""
    rng = random.Random(seed)
    floor = Floor(rng, start)
    scripts, weights = zip(*USUAL, strict=True)
    bad = set(rng.sample(range(conversations), min(incidents, conversations)))
    waiting: list[tuple[int, int, str]] = []
    number = 0
    for n in range(conversations):
        begins = start + n * DAY_MS // conversations
        case = Case(floor, rng, begins)
        (planted if n in bad else rng.choices(scripts, weights)[0])(case)
        for at, line in case.lines:
            number += 1
            chance = rng.random()
            if chance < 0.005 and n not in bad:
                continue
            heapq.heappush(waiting, (at, number, line))
            if chance > 0.99:
                heapq.heappush(waiting, (at + rng.randrange(60_000), -number, redelivered(line, rng)))
            elif chance > 0.97:
                heapq.heappush(waiting, (at, -number, chatter(rng, at)))
        due = []
        while waiting and waiting[0][0] < begins:
            due.append(heapq.heappop(waiting)[2])
        yield due, case.lost
    yield [heapq.heappop(waiting)[2] for _ in range(len(waiting))], []
