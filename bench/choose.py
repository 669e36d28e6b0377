"""Time for each decision of routing on a small floor and on a large one, in one run. `python bench/choose.py [--json]`.

    free     an agent finishes and gets the first item that they can take, of all that waits; another comes in its place
    arrive   an item comes to a floor on which somebody is free for it
    why      why one waiting item waits, with its place in the line
    queue    why everything in a queue waits, by class

Both floors have the same kinds of queues, channels, weights, skills and limits, so that only their size differs. A part
of what waits asks for a skill that nobody has: it stands before the rest and blocks none of it. A decision
is the whole of it but the store: the news, the choice with its fifty candidates and its counts, and the new versions of
item and agent. Processor time, the median of blocks; trust the ratio, for absolute figures are the machine's.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Callable

from interlock.domain import agent, matching
from interlock.domain.agent import Capacity, Held, OrgSettings, WorkSession
from interlock.domain.floor import Floor
from interlock.domain.queue import Ageing, Queue
from interlock.domain.skill import Requirement
from interlock.domain.work_item import PassHead, WorkItem

ORG = "68f0a0000000000000000001"
NOW = 1_772_442_000_000
QUEUES = 20
SERVED = 5
BLOCKS = 5
CHANNELS = ("chat", "email", "voice")
SKILLS = ("fr", "de", "es")
UNKNOWN_SKILL = (Requirement("klingon"),)


class Bench:
    """A floor of some size, and the things that happen on it, one at a time."""

    def __init__(self, items: int, agents: int, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.n = 0
        self.now = NOW
        self.known: list[str] = []
        self.decisions = 0
        self.floor = Floor(ORG, NOW)
        self.floor.put(OrgSettings(id=ORG, org=ORG, updated_at=NOW))
        for q in range(QUEUES):
            queue = Queue(id=f"q{q:02d}", org=ORG, name=f"Queue {q}", priority=1 + q % 3)
            self.floor.put(queue.with_(ageing=Ageing(3_600)) if q % 4 == 0 else queue)
        self.sessions = {s.id: s for s in (self.session(n) for n in range(agents))}
        for s in self.sessions.values():
            self.floor.put(s)
        for _ in range(items):
            self.floor.put(self.item())
        self.busy = list(self.sessions)
        self.floor.look_at_all()
        assert not matching.match(self.floor, 10), "every agent is full: nothing may be matched yet"

    def session(self, n: int) -> WorkSession:
        """An agent who is full, and gets room when the bench says so."""
        draw = self.random
        queues = tuple(f"q{q:02d}" for q in draw.sample(range(QUEUES), SERVED))
        skills = {s: draw.randint(1, 5) for s in SKILLS if draw.random() < 0.4}
        full = Held(f"old-{n}", 3, "chat", 1)
        s = WorkSession(
            id=f"s{n:06d}",
            org=ORG,
            user=f"u{n:06d}",
            status="available",
            routing_settings="team",
            queues=queues,
            skills=skills,
            limits=Capacity(3, {"voice": 1} if n % 2 else {}),
            signed_in_at=NOW - draw.randrange(8 * 3_600_000),
        )
        return agent.hold(s, full)

    def item(self, queue: str = "", skills: tuple[Requirement, ...] | None = None) -> WorkItem:
        """An item that waits, drawn at random."""
        draw = self.random
        self.n += 1
        q = queue or f"q{draw.randrange(QUEUES):02d}"
        if skills is None:
            asked = draw.random()
            skills = UNKNOWN_SKILL if asked < 0.1 else (Requirement(draw.choice(SKILLS), 2),) if asked < 0.3 else ()
        entered = self.now - draw.randrange(3_600_000) if self.now == NOW else self.now
        return WorkItem(
            id=f"w{self.n:08d}",
            org=ORG,
            resource=f"c{self.n}",
            pass_=f"p{self.n}",
            status="queued",
            queue=q,
            channel=draw.choice(CHANNELS),
            item_size=1,
            priority=1 + int(q[1:]) % 3,
            resource_priority=draw.choice((3, 3, 3, 5)),
            skills=skills,
            last_revision=PassHead(entered_queue_at=entered),
            updated_at=entered,
        )

    def commit(self, found: matching.Match) -> None:
        """What the commit of an assignment does to the two."""
        choice, entry = found.choice, self.floor.items[found.item]
        s = self.sessions[choice.session]
        w = entry.waiting
        taken = agent.hold(s, Held(w.id, w.weight, w.channel, w.priority))
        taken = agent.given(taken, w.queue, self.now).with_(rev=s.rev + 1, last_assigned_item_at=self.now)
        self.sessions[s.id] = taken
        self.floor.put(
            WorkItem(id=w.id, org=ORG, resource="", pass_="", rev=w.rev + 1, status="assigned", updated_at=self.now)
        )
        self.floor.put(taken)

    def free(self) -> None:
        """An agent finishes what they have, gets the first item that they can take, and an item comes in its place."""
        self.now += 7
        s = self.random.choice(self.busy)
        after = agent.reckon(self.sessions[s].with_(holding=(), rev=self.sessions[s].rev + 1, updated_at=self.now))
        self.sessions[s] = after
        self.floor.advance(self.now)
        self.floor.put(after)
        while found := matching.match(self.floor, 1):
            self.commit(found[0])
            self.decisions += 1
            self.floor.put(self.item())

    def arrive(self) -> None:
        """An item comes to a queue in which nothing waits, and a tenth of the floor is free."""
        self.now += 7
        self.floor.advance(self.now)
        self.floor.put(self.item("q99", skills=()))
        (found,) = matching.match(self.floor, 1)
        self.commit(found)
        self.decisions += 1

    def open_empty_queue(self) -> None:
        """A queue in which nothing waits, and a tenth of the floor free for it alone."""
        self.floor.put(Queue(id="q99", org=ORG, name="Empty"))
        for s in list(self.sessions.values())[: max(40, len(self.sessions) // 10)]:
            alone = s.with_(queues=("q99",), holding=(), limits=Capacity(1_000), rev=s.rev + 1, updated_at=self.now)
            self.sessions[s.id] = agent.reckon(alone)
            self.floor.put(self.sessions[s.id])
        matching.match(self.floor, 0)

    def why(self) -> None:
        """Why one of them waits."""
        assert matching.waits(self.floor, self.random.choice(self.known)) is not None
        self.decisions += 1

    def queue(self) -> None:
        """Why everything in one queue waits."""
        assert matching.kinds_of(self.floor, f"q{self.random.randrange(QUEUES):02d}")
        self.decisions += 1

    def seconds_each(self, do: Callable[[], None], times: int) -> float:
        """Processor seconds for each decision, the median of blocks of them."""
        blocks: list[float] = []
        for _ in range(BLOCKS):
            self.decisions = 0
            began = time.process_time()
            for _ in range(times):
                do()
            blocks.append((time.process_time() - began) / self.decisions)
        return statistics.median(blocks)


def measured(bench: Bench, times: int) -> dict[str, float]:
    """Seconds of each kind of decision."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        out = {"free": bench.seconds_each(bench.free, times)}
        bench.known = list(bench.floor.items)[:: max(1, len(bench.floor.items) // 200)]
        out["why"] = bench.seconds_each(bench.why, times)
        out["queue"] = bench.seconds_each(bench.queue, max(5, times // 20))
        bench.open_empty_queue()
        out["arrive"] = bench.seconds_each(bench.arrive, times)
    finally:
        gc.enable()
        gc.unfreeze()
    return out


def main() -> None:
    """Measure both floors, and print the medians and their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", type=int, nargs=2, default=(1_000, 100), metavar=("ITEMS", "AGENTS"))
    parser.add_argument("--large", type=int, nargs=2, default=(1_000_000, 10_000), metavar=("ITEMS", "AGENTS"))
    parser.add_argument("--times", type=int, default=60, help="agents freed, and so on, in each block")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for name, (items, agents) in (("small", given.small), ("large", given.large)):
        began = time.process_time()
        bench = Bench(items, agents)
        found[name] = {"fill_per_item": (time.process_time() - began) / items} | measured(bench, given.times)
        print(f"{name}: {len(bench.floor.items)} items, {agents} agents", file=sys.stderr)
    ratios = {kind: found["large"][kind] / found["small"][kind] for kind in found["small"]}
    if given.json:
        print(json.dumps({"seconds": found, "ratios": ratios, "sizes": {"small": given.small, "large": given.large}}))
        return
    print(f"{'':14} {'small':>12} {'large':>12} {'ratio':>7}")
    for kind, ratio in ratios.items():
        small, large = found["small"][kind] * 1e6, found["large"][kind] * 1e6
        print(f"{kind:14} {small:9.1f} µs {large:9.1f} µs {ratio:7.2f}")


if __name__ == "__main__":
    main()
