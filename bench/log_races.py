"""Many short logs, each one interleaving of the incident's race, with the exact truth beside.

The cast: a touch, a workflow (or two), the creation of the work item and its queue rule, forward and reverse sync, and
where only one workflow acts an agent who gives the item back. Each step between two `yield`s is atomic; a seeded
scheduler picks who goes next. Every value carries the set of intents it includes (`known`), so the truth is not read
out of the log: a sync write is a stale overwrite where it replaces the value of an intent that what it was decided
from does not include.

Protocols: `fresh` (the incident's: guard = the rev read last), `lww_now`, `lww_carry`, `lww_field` (by clocks, which
are skewed), `three` (three-way merge), `basis` (refuses if the basis moved), `ours` (knows the intents of a value).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from log_lines import ABSENT, Changes, Scene, iso

PROTOCOLS = ("fresh", "fresh", "fresh", "lww_now", "lww_carry", "lww_field", "three", "basis", "ours")
STEPS_MAX = 80
Step = Iterator[Callable[[], bool] | None]
"""A coroutine of atomic steps; it yields a condition to wait for, or nothing."""


class Lost(NamedTuple):
    """One true stale overwrite: which write, and whose value it replaced."""

    conversation: str
    record: str
    rev: int
    lost_rev: int
    named: bool


class State:
    """One of the two records. `known`: the intents its value includes; `by`: who set `users` (intent, rev, own?)."""

    def __init__(self, rev: int, at: int) -> None:
        self.rev, self.at = rev, at
        self.users: tuple[str, ...] = ()
        self.queue: str | None = None
        self.status = "ivr"
        self.seen = 0
        self.base: tuple[tuple[str, ...], str | None] = ((), None)
        self.stamp = self.users_at = self.queue_at = 0
        self.known: frozenset[int] = frozenset()
        self.by: tuple[int, int] | None = None

    def copy(self) -> State:
        """As it is now."""
        other = State(self.rev, self.at)
        other.__dict__.update(self.__dict__)
        return other


class Race:
    """One log: run it, then read `lines` and `lost`."""

    def __init__(self, rng: random.Random, protocol: str, named: bool, start: int) -> None:
        self.rng, self.protocol, self.named = rng, protocol, named
        skew = rng.choice((0, 0, 0, rng.randrange(-40, 40)))
        self.scene = Scene(rng, start, lean=True, skew=skew)
        self.now = start + 3_000
        self.skew = skew
        self.a, self.b = State(4, start), State(0, 0)
        self.lines: list[str] = []
        self.lost: list[Lost] = []
        self.to_reverse: list[State] = []
        self.to_forward: list[State] = []
        self.forwarding = 0
        self.intents = 0
        self.queue, self.workflow = self.scene.id(start - 10**9), self.scene.id(start - 10**9)

    def run(self) -> None:
        """Every actor to its end, in a random order."""
        two = self.rng.random() < 0.3
        actors = [self.touch(), self.assign(), self.create(), self.reverse(), self.forward()]
        if two:
            actors.append(self.assign())
        elif self.rng.random() < 0.4:
            actors.append(self.give_back())
        waiting: list[tuple[Step, Callable[[], bool] | None]] = [(a, None) for a in actors]
        for _ in range(STEPS_MAX):
            ready = [w for w in waiting if w[1] is None or w[1]()]
            if not ready:
                return
            chosen = self.rng.choice(ready)
            waiting.remove(chosen)
            self.now += 1 + self.rng.randrange(60)
            condition = next(chosen[0], StopIteration)
            if condition is not StopIteration:
                waiting.append((chosen[0], condition))  # type: ignore[arg-type]

    def touch(self) -> Step:
        """An unrelated field of the conversation."""
        yield None
        self.put_a({"→brand": ("add", None, ("brand", self.workflow))}, {}, client="web")

    def assign(self) -> Step:
        """The workflow assigns a user."""
        yield None
        self.intents += 1
        user = (self.scene.id(self.now - 10**9),)
        self.a.known |= {self.intents}
        self.a.by = (self.intents, self.a.rev + 1)
        self.put_a({}, {"users": user}, client="workflow", source=("workflow", self.workflow))

    def create(self) -> Step:
        """The item is made from the conversation as it was read, then queued by the rule if nobody has it."""
        a = self.a.copy()
        yield None
        b = self.b = State(1, self.now)
        b.users, b.queue, b.seen, b.known, b.base = a.users, a.queue, a.rev, a.known, (a.users, a.queue)
        b.status = "assigned" if a.users else "ivr"
        b.stamp, b.users_at, b.queue_at = self.now + self.skew, a.users_at, a.queue_at
        self.say(self.scene.item(self.now, 1, {}, self.shown(b), client="routing-worker", verb="create"))
        self.to_reverse.append(b.copy())
        yield None
        if (self.protocol == "fresh" and not a.users) or not self.b.users:
            self.put_b({"status": "queued", "queue": self.queue}, client="routing-worker")

    def give_back(self) -> Step:
        """The agent, who has seen the assignment, gives the item back once nothing is under way."""
        yield lambda: bool(self.b.users) and not self.to_forward and not self.forwarding
        self.put_b({"users": (), "status": "queued"}, client="web", source=("user", self.b.users[0]))

    def reverse(self) -> Step:
        """Item → conversation, guarded by the conversation's rev as read last."""
        while True:
            yield lambda: bool(self.to_reverse)
            self.to_reverse.pop(0 if self.rng.random() < 0.8 else -1)
            b, trace = self.b.copy(), self.scene.trace()
            while True:
                yield None
                a = self.a.copy()
                wish = self.reversed(a, b)
                if not wish:
                    break
                yield None
                if self.a.rev == a.rev:
                    self.write_a(wish, b, trace)
                    break

    def reversed(self, a: State, b: State) -> dict[str, Any]:
        """What the protocol would write to the conversation."""
        users, queue = {"users": b.users}, {"queue": b.queue}
        match self.protocol:
            case "fresh":
                wish = users | queue
            case "basis":
                wish = users | queue if a.rev == b.seen else {}
            case "lww_now" | "lww_carry":
                wish = users | queue if b.stamp > a.stamp else {}
            case "lww_field":
                wish = (users if b.users_at > a.users_at else {}) | (queue if b.queue_at > a.queue_at else {})
            case "three":
                wish = users if b.users != b.base[0] and a.users == b.base[0] else {}
                wish |= queue if b.queue != b.base[1] and a.queue == b.base[1] else {}
            case _:
                wish = (users if a.by is None or a.by[0] in b.known else {}) | queue
        return {k: v for k, v in wish.items() if getattr(a, k) != v}

    def write_a(self, wish: dict[str, Any], b: State, trace: str) -> None:
        """The reverse sync's write, and whether it was a stale overwrite."""
        guard, by = self.a.rev, self.a.by
        if "users" in wish and by is not None:
            if by[0] not in b.known:
                self.lost.append(Lost(self.scene.conversation_id, "conversation", guard + 1, by[1], self.named))
            self.a.by = None
        if self.protocol != "lww_now":
            wish["stamp"] = b.stamp
        self.a.known |= b.known
        self.put_a({}, wish, client="routing-worker", sync=True, trace=trace)
        self.now += 5 + self.rng.randrange(30)
        self.audit(wish, guard, b.rev, trace)

    def forward(self) -> Step:
        """Conversation → item; the conversation is read anew, the item is guarded by its rev as read last."""
        while True:
            yield lambda: bool(self.to_forward) and self.b.rev > 0
            self.to_forward.pop(0 if self.rng.random() < 0.8 else -1)
            self.forwarding = 1
            a, trace = self.a.copy(), self.scene.trace()
            while True:
                yield None
                b = self.b.copy()
                wish = self.forwarded(a, b)
                if not wish:
                    break
                yield None
                if self.b.rev == b.rev:
                    self.b.known |= a.known
                    self.put_b({**wish, "seen": a.rev}, client="routing-worker", sync=True, trace=trace)
                    self.now += 5 + self.rng.randrange(30)
                    self.audit(wish, b.rev, a.rev, trace, forward=True)
                    break
            self.forwarding = 0

    def forwarded(self, a: State, b: State) -> dict[str, Any]:
        """What the protocol would write to the item."""
        status = "assigned" if a.users else ("queued" if b.queue else b.status)
        wish: dict[str, Any] = {"users": a.users, "status": status}
        match self.protocol:
            case "lww_now" | "lww_carry":
                wish = wish if a.stamp > b.stamp else {}
            case "lww_field":
                wish = wish if a.users_at > b.users_at else {}
            case "three" | "basis" | "ours":
                moved = a.users != b.base[0] and b.users == b.base[0] and a.rev >= b.seen
                wish = {**wish, "base": (a.users, b.base[1])} if moved else {}
        return wish if any(getattr(b, k) != v for k, v in wish.items()) else {}

    def put_a(
        self, changes: Changes, wish: dict[str, Any], *, client: str, sync: bool = False,
        source: tuple[str, str] | None = None, trace: str = "",
    ) -> None:  # fmt: skip
        """One write to the conversation, and its line."""
        a, said = self.a, dict(changes)
        if "users" in wish:
            said["assignedUsers"] = ("replace", list(a.users), list(wish["users"]))
            a.users_at = self.now
        if "queue" in wish:
            said["→queue"] = _moved("queue", a.queue, wish["queue"])
            a.queue_at = self.now
        self._stamp(a, said, self.now, wish, sync)
        self.say(
            self.scene.conversation(
                self.now, a.rev, said, self.shown(a), client=client, sync=sync, source=source, trace=trace
            )
        )
        if not sync:
            self.to_forward.append(a.copy())

    def put_b(
        self,
        wish: dict[str, Any],
        *,
        client: str,
        sync: bool = False,
        source: tuple[str, str] | None = None,
        trace: str = "",
    ) -> None:
        """One write to the work item, and its line."""
        b, said = self.b, {}
        if "users" in wish and b.users != wish["users"]:
            old, new = (next(iter(u), None) for u in (b.users, wish["users"]))
            said["→assignedTo"] = _moved("user", old, new)
            b.users_at = self.now + self.skew
        if wish.get("status", b.status) != b.status:
            said["status"] = ("replace", b.status, wish["status"])
        if "queue" in wish:
            said["→queue"] = _moved("queue", b.queue, wish["queue"])
            b.queue_at = self.now + self.skew
        if "seen" in wish:
            said["resourceRev"] = ("replace", b.seen, wish["seen"])
        self._stamp(b, said, self.now + self.skew, wish, sync)
        self.say(
            self.scene.item(self.now, b.rev, said, self.shown(b), client=client, sync=sync, source=source, trace=trace)
        )
        if not sync:
            self.to_reverse.append(b.copy())

    def _stamp(self, state: State, said: Changes, at: int, wish: dict[str, Any], sync: bool) -> None:
        said["updatedAt"] = ("replace", iso(state.at), iso(at))
        said["rev"] = ("replace", state.rev, state.rev + 1)
        state.rev, state.at = state.rev + 1, at
        state.stamp = at if "stamp" not in wish else state.stamp
        for name, value in wish.items():
            setattr(state, name, value)

    def audit(self, wish: dict[str, Any], guard: int, peer: int, trace: str, *, forward: bool = False) -> None:
        """The worker's line. In half of the logs it names the rev of the other record that it had read."""
        outward = {"users": "assignedTo" if forward else "assignedUsers", "queue": "queue", "status": "status"}
        written = {outward[k]: list(v) if isinstance(v, tuple) else v for k, v in wish.items() if k in outward}
        self.say(
            self.scene.audit(
                self.now, written, guard, forward=forward, peer_rev=peer if self.named else None, trace=trace
            )
        )

    def shown(self, state: State) -> dict[str, Any]:
        """What the event shows of a record."""
        return {
            "users": state.users,
            "queue": state.queue,
            "status": state.status if state is self.b else "open",
            "seen": state.seen,
        }

    def say(self, line: str) -> None:
        """One line of the log, in the order of the writes."""
        self.lines.append(line)


def _moved(kind: str, before: str | None, after: str | None) -> tuple[str, Any, Any]:
    if after is None:
        return "remove", (kind, before), ABSENT
    return ("add", None, (kind, after)) if before is None else ("replace", (kind, before), (kind, after))


def races(count: int, seed: int, start: int) -> Iterator[tuple[list[str], list[Lost]]]:
    """`count` logs, one after the other: their lines, and what was lost in each."""
    rng = random.Random(seed)
    for n in range(count):
        race = Race(rng, rng.choice(PROTOCOLS), rng.random() < 0.5, start + n * 1_000)
        race.run()
        yield race.lines, race.lost
