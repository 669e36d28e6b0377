"""One conversation, its work items and its agents, kept in memory: the decisions of the domain, carried out one by one.

`take` is the commit: it refuses a decision made on another version, and checks what holds after every commit (load is
the sum of what is held and of what people have; what is shown is what the coupled state says).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from interlock.domain import agent, conversation, life_cycle, sync
from interlock.domain import assignment as unit
from interlock.domain.agent import Capacity, WorkSession
from interlock.domain.assignment import Actor, ActorClass
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.decision import Decision, Moment, Provenance, Reason
from interlock.domain.queue import Queue
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.settle import Case, Manner
from interlock.domain.work_item import QueuePass, WorkItem, status_of

ORG = "68f0a0000000000000000001"
CREATED = 1_772_442_000_000
USERS = ("u1", "u2", "u3")
QUEUES = {
    "q1": Queue(id="q1", org=ORG, name="One", item_size=2, priority=7),
    "q2": Queue(id="q2", org=ORG, name="Two", item_size=3, priority=4),
    "shut": Queue(id="shut", org=ORG, name="Shut", archived=True),
    "guarded": Queue(id="guarded", org=ORG, name="Guarded", restrict_transfers_by_users=True),
}
R = TypeVar("R", bound=Record)
QUEUE_SET = Reason("QUEUE_WORK_ITEM", "QUEUE_SET")


def session_of(user: str, total: int = 20) -> WorkSession:
    """A live shift that serves every queue."""
    blank = WorkSession(
        id=f"s-{user}", org=ORG, user=user, status="available", team="t1", routing_settings="t1", queues=tuple(QUEUES),
        signed_in_at=CREATED, limits=Capacity(total),
    )  # fmt: skip
    return agent.reckon(blank)


def actor(cls: ActorClass) -> Actor:
    """Somebody of this class."""
    return Actor(
        cls, {"person": "user", "workflow": "workflow", "rule": "queue-rule", "system": "system"}[cls], f"a-{cls}"
    )


class Floor:
    """The records of one conversation, the time, and the source of ids."""

    def __init__(self, *users: str) -> None:
        self.now = CREATED
        self.epoch = 1
        self._ids = itertools.count(1)
        self.records: dict[tuple[str, str], Record] = {}
        self.decisions: list[Decision] = []
        for user in users or USERS:
            self.put(session_of(user))

    def put(self, record: Record) -> None:
        """A record as a test wants it, past every rule."""
        self.records[record.TYPE, record.id] = record

    def fresh(self) -> str:
        """The next id."""
        return f"id-{next(self._ids):04d}"

    def moment(self, cls: ActorClass = "person") -> Moment:
        """Now, by somebody of this class."""
        return Moment(self.now, Provenance(ORG, actor(cls), "test"), self.fresh, self.epoch)

    def find(self, kind: type[R], id: str) -> R:
        """One record as it stands."""
        return cast("R", self.records[kind.TYPE, id])

    def all(self, kind: type[R]) -> list[R]:
        """All records of a kind, the oldest first."""
        return [cast("R", r) for (type_, _), r in self.records.items() if type_ == kind.TYPE]

    @property
    def c(self) -> Conversation:
        """The conversation."""
        return self.all(Conversation)[0]

    @property
    def item(self) -> WorkItem:
        """The newest work item."""
        return max(self.all(WorkItem), key=lambda w: w.work_item_number)

    @property
    def pass_(self) -> QueuePass:
        """The current queue pass of the newest item."""
        return self.find(QueuePass, self.item.pass_)

    def passes(self) -> list[QueuePass]:
        """The passes of the newest item, the oldest first."""
        return sorted((p for p in self.all(QueuePass) if p.work_item == self.item.id), key=lambda p: p.number)

    def session(self, user: str) -> WorkSession:
        """The shift of a user."""
        return self.find(WorkSession, f"s-{user}")

    def sessions(self) -> dict[str, WorkSession]:
        """Live shifts by user."""
        return {s.user: s for s in self.all(WorkSession) if not s.signed_out_at}

    def case(self) -> Case:
        """The newest item and everything a command on it may touch."""
        item = self.item
        offer = self.find(Reservation, item.reservation) if item.reservation else None
        return Case(item, self.pass_, offer, self.sessions(), dict(QUEUES))

    def take(self, decision: Decision) -> Decision:
        """Commit: every base rev is checked, then everything is written."""
        seen: set[tuple[str, str]] = set()
        for write in decision.writes:
            key = (write.after.TYPE, write.after.id)
            assert key not in seen, f"{key} is written twice in one decision"
            seen.add(key)
            stored = self.records.get(key)
            assert write.before is None or write.before == stored, f"{key} was decided on another version"
            assert (write.before is None) == (stored is None)
            assert write.after.rev == (stored.rev + 1 if stored else 1)
        for write in decision.writes:
            self.put(write.after)
        self.decisions.append(decision)
        self.check()
        return decision

    def check(self) -> None:
        """What holds after every commit."""
        for s in self.all(WorkSession):
            assert agent.reckon(s) == s, "figures are sums"
        for s in self.sessions().values():
            mine = [w for w in self.all(WorkItem) if w.is_open and s.user in (w.assigned_to, w.routed_to)]
            assert sorted(h.item for h in s.holding) == sorted(w.id for w in mine), (
                f"{s.user} is charged for what they have"
            )
            assert s.used == sum(w.item_size for w in mine if not w.paused)
            assert s.pending_reservation == next((w.reservation for w in mine if w.routed_to == s.user), None)
        for w in self.all(WorkItem):
            show_is_true(w, self.records)
        for c in self.all(Conversation):
            assert conversation.show(c, c.unit_rev, self.now) == c

    def open(self, said: Shared | None = None, **fields: Any) -> None:
        """A new conversation."""
        c = Conversation(id="c1", org=ORG, created_at=self.now, updated_at=self.now, channels=("chat",), **fields)
        self.take(conversation.create(c, said or Shared(), self.moment()))

    def forward(self) -> Decision:
        """The item takes the conversation's state."""
        items = self.all(WorkItem)
        moment = self.moment("system")
        if not items:
            return self.take(sync.forward(self.c, None, None, self.lent(), moment))
        last = self.item
        case = self.case() if last.is_open else None
        return self.take(sync.forward(self.c, case, last, None if case else self.lent(), moment))

    def lent(self) -> Case:
        """Sessions and queues for an item that does not exist yet."""
        blank = WorkItem(id="", org=ORG, resource="", pass_="")
        return Case(blank, QueuePass(id="", org=ORG, work_item=""), None, self.sessions(), dict(QUEUES))

    def reverse(self) -> Decision:
        """The conversation takes the newest item's state."""
        return self.take(sync.reverse(self.c, self.item, self.moment("system")))

    def say(self, said: Shared, cls: ActorClass = "person") -> Decision:
        """A write of the conversation's shared fields, based on what is stored."""
        return self.take(conversation.update(self.c, {}, said, self.moment(cls), basis=self.c.rev))

    def do(self, command: Callable[..., Decision], /, *args: Any, **named: Any) -> Decision:
        """A command on the item that takes (case, …, moment, …)."""
        return self.take(command(self.case(), *args, **named))

    def enter(self, queue: str, cls: ActorClass = "rule", **named: Any) -> Decision:
        """Into a queue."""
        manner = Manner(rule="r1") if cls == "rule" else Manner()
        return self.do(life_cycle.enter, queue, self.moment(cls), manner, QUEUE_SET, **named)

    def offer(self, user: str) -> Decision:
        """To an agent, for 30 s."""
        return self.do(life_cycle.offer, user, self.moment("rule"), expires_at=self.now + 30_000)

    def accept(self, user: str) -> Decision:
        """By an agent."""
        return self.do(life_cycle.accept, user, self.moment(), Manner())

    def assign(self, *users: str, cls: ActorClass = "person", **named: Any) -> Decision:
        """Straight to somebody."""
        return self.do(life_cycle.assign, users, self.moment(cls), Manner(), **named)


def show_is_true(w: WorkItem, records: dict[tuple[str, str], Record]) -> None:
    """A work item shows what its coupled state says, and nothing beside it."""
    word, users, queue, external = unit.shape(w.coupled.outcome.value)
    assert unit.valid(w.coupled.outcome.value)
    offer = records.get((Reservation.TYPE, w.reservation or ""))
    pending = isinstance(offer, Reservation) and offer.state == "pending"
    assert w.status == status_of(w.coupled, pending)
    assert (w.routed_to is not None) == (w.status == "routed") == (w.reservation is not None)
    owner = w.assigned_to if w.status in ("assigned", "wrap-up") else None
    assert owner == (users[0] if word == "assigned" else None)
    if word == "queued":
        assert (w.queue, w.external_queue) == ((None, queue) if external else (queue, None))
    open_passes = [
        p
        for p in records.values()
        if isinstance(p, QueuePass) and p.work_item == w.id and p.entered_queue_at and not p.left_at
    ]
    assert [p.id for p in open_passes] == ([w.pass_] if word == "queued" else [])
    running = {name for name in ("ivr", "handle", "wrap_up") if (t := getattr(w, name)) and t.running}
    assert running == {"ivr": {"ivr"}, "assigned": {"handle"}, "wrap-up": {"wrap_up"}}.get(w.status, set())
    assert w.paused == (w.coupled.is_paused and word != "done")
