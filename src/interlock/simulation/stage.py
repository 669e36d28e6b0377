"""A stage: the records that are there before a run begins, and the parts that then act on them.

It is set up once with the production functions, and every run begins from a copy of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from interlock.domain.access import Org
from interlock.domain.agent import Capacity, OrgSettings, Status, User, WorkSession, reckon
from interlock.domain.assignment import Actor
from interlock.domain.conversation import Conversation, Shared
from interlock.domain.decision import Decision, Provenance, Why, birth
from interlock.domain.log import entry_of
from interlock.domain.queue import DEFAULT_KEY, Queue
from interlock.domain.record import Address, Record
from interlock.domain.reservation import Reservation
from interlock.domain.work_item import WorkItem
from interlock.ports import Commit, World
from interlock.service import conversations, reservations, routing, sync, work_items
from interlock.service.cues import Reaction, Role
from interlock.service.preconditions import Precondition
from interlock.service.reactions import REACTIONS
from interlock.service.reactions import forward as forward_cue
from interlock.service.reactions import reverse as reverse_cue
from interlock.service.relay import run_once
from interlock.service.sync import by_sync
from interlock.service.transact import Done
from interlock.service.work_items import by_rules
from interlock.simulation.world import Channel, Clock, Counted, Memory, Room, Step, at_once

ORG = "68f0a0000000000000000001"
R = TypeVar("R", bound=Record)


class Seat(msgspec.Struct, frozen=True):
    """What a part has before it: its ports, and the room (for parts that wait for something to be seen)."""

    world: World
    room: Room

    def until(self, what: str, seen: Callable[[Memory], bool], *records: Record) -> Step:
        """Wait until the store shows something about these records."""
        reads = 0
        for record in records:
            reads |= self.room.place_of(record)
        return Step(f"sees {what}", lambda _: None, reads=reads, ready=lambda: seen(self.room.store))


Act = Callable[[Seat], Coroutine[Any, Any, object]]


class Part(msgspec.Struct, frozen=True):
    """One task of a run. `again`: it is a worker, which begins anew when it has ended a batch.

    skew     ms by which its clock is wrong           channel  the deliveries it takes, if not of its own name
    unsure   it may be told no: a refusal or a conflict is an answer, not a fault
    """

    name: str
    act: Act
    again: bool = False
    skew: int = 0
    channel: str = ""
    alone: bool = True
    unsure: bool = True


class _NoBus:
    async def receive(self, consumer: str, limit: int) -> Any:
        raise NotImplementedError

    async def acknowledge(self, batch: Any) -> None:
        raise NotImplementedError


def nothing(_: object) -> tuple[()]:
    """No marks beside a decision."""
    return ()


def person(user: str) -> Provenance:
    """A person at the console."""
    return Provenance(ORG, Actor("person", "user", user), "console")


def workflow(name: str = "assign-caller") -> Provenance:
    """An automation."""
    return Provenance(ORG, Actor("workflow", "workflow", name), "workflow")


ANYHOW = Precondition()
"""An unconditional write."""

_ONE_WAY: dict[str, tuple[Role, Callable[[Reaction], bool]]] = {
    "forward": ("sync", lambda r: r.do is forward_cue),
    "reverse": ("sync", lambda r: r.do is reverse_cue),
    "sync": ("sync", lambda r: r.role == "sync"),
    "rules": ("rules", lambda r: r.role == "rules"),
    "routing": ("routing", lambda r: r.role == "routing"),
    "workflow": ("workflow", lambda r: r.role == "workflow"),
}


class Stage:
    """Records, parts, and the channels of the workers among them.

    `known` is what `users`, queues and so on are called; `mail` says whether what the set-up committed is still to be
    delivered (else it has been dealt with).
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = Memory(self.clock)
        self.parts: list[Part] = []
        self.channels: list[Channel] = []
        self.world = World(self.store, _NoBus(), self.clock, Counted(self.clock, 0))
        self.seed()

    def do(self, work: Coroutine[Any, Any, Done]) -> Done:
        """One production call of the set-up; its rows join the channels that are there already."""
        done = at_once(work)
        self.store.catch_up()
        self._deliver(done)
        return done

    def _deliver(self, done: Done) -> None:
        for channel in self.channels:
            if channel.wants(done.row):
                channel.rows.append(done.row)

    def lay(self, *records: Record) -> None:
        """Records put there in one commit, as an import would; in one for each side where the sides are apart."""
        for part in self.store.parted(records):
            self._lay(part)
        self.store.catch_up()

    def _lay(self, records: Sequence[Record]) -> None:
        by = Provenance(ORG, Actor("person", "cli", "set-up"), "cli")
        why = Why(direction="person", kind="change", record=records[0].ref, rev_after=1)
        decision = Decision(partition=ORG, why=why, writes=tuple(birth(r) for r in records))
        entry = entry_of(decision, self.world.ids.fresh(), by, self.clock.now(), ())
        at_once(self.store.commit(Commit(entry=entry, writes=decision.writes)))

    def seed(self) -> None:
        """The org, two queues beside the default one, a status, and two agents who are signed in."""
        fresh, now = self.world.ids.fresh, self.clock.now()
        times: dict[str, Any] = {"created_at": now, "updated_at": now, "modified_at": now}
        self.available = Status(id=fresh(), org=ORG, name="Available", status_type="available", routable=True, **times)
        away = Status(id=fresh(), org=ORG, name="Unavailable", status_type="unavailable", **times)
        self.offline = Status(id=fresh(), org=ORG, name="Offline", status_type="offline", **times)
        self.default = Queue(id=fresh(), org=ORG, name="Default queue", key=DEFAULT_KEY, system=True, **times)
        self.voice = Queue(id=fresh(), org=ORG, name="Voice", key="voice", **times)
        self.second = Queue(id=fresh(), org=ORG, name="Second level", key="second", **times)
        self.ann = User(id=fresh(), org=ORG, name="Ann", **times)
        self.ben = User(id=fresh(), org=ORG, name="Ben", **times)
        settings = OrgSettings(id=ORG, org=ORG, timeout_status=away.id, capacity={"total": 2, "channels": {}}, **times)
        self.lay(
            Org(id=ORG, org=ORG, name="Acme", **times), self.default, self.voice, self.second, self.available, away,
            self.offline, settings, self.ann, self.ben,
        )  # fmt: skip

    def sign_in(self, user: User, *, total: int = 2) -> WorkSession:
        """A shift of this agent in every queue."""
        now = self.clock.now()
        session = reckon(
            WorkSession(
                id=self.world.ids.fresh(),
                org=ORG,
                user=user.id,
                status=self.available.id,
                signed_in_at=now,
                queues=(self.default.id, self.voice.id, self.second.id),
                limits=Capacity(total),
                team="team",
                routing_settings="team",
                created_at=now,
                updated_at=now,
                modified_at=now,
            )
        )
        self.lay(session)
        return session

    def conversation(self, name: str = "Outbound call", *, rev: int = 1, **said: Any) -> Conversation:
        """A new conversation, touched until it is at this rev."""
        by = Provenance(ORG, Actor("workflow", "api_key", "import"), "api")
        shared = Shared(**said) if said else Shared()
        done = self.do(
            conversations.create(self.world, by, {"name": name, "channels": ("voice",)}, shared, beside=nothing)
        )
        made = done.record(Conversation)
        assert made is not None
        for n in range(2, rev + 1):
            self.do(conversations.update(
                self.world, by, made.id, {"name": f"{name} {n}"}, Shared(), ANYHOW, beside=nothing,
            ))  # fmt: skip
        return self.now(made)

    def item(self, c: Conversation, *, placed: bool = True, step: bool = True) -> WorkItem:
        """The item of a conversation: begun, placed by the rules in the default queue, and the conversation told."""
        self.do(sync.forward(self.world, by_sync(ORG, "forward"), c.id))
        item = self.item_of(c)
        if placed:
            self.do(work_items.queue_by_rules(self.world, by_rules(ORG), item.id))
        if step:
            self.do(sync.reverse(self.world, by_sync(ORG, "reverse"), item.id))
        return self.item_of(c)

    def offer(self, item: WorkItem) -> Reservation:
        """The item offered to the one agent who has room."""
        done = at_once(routing.round(self.world, routing.by_routing(ORG), queues=[item.queue or ""]))
        self._deliver(done[0])
        made = next(w.after for w in done[0].decision.writes if isinstance(w.after, Reservation))
        assert isinstance(made, Reservation)
        return made

    def accept(self, offer: Reservation) -> None:
        """Its agent takes it, and the conversation is told."""
        self.take(offer)
        self.do(sync.reverse(self.world, by_sync(ORG, "reverse"), offer.work_item))

    def take(self, offer: Reservation) -> None:
        """Its agent takes it; the conversation is not told."""
        self.do(reservations.accept(self.world, person(offer.user), offer.id, offer.user, beside=nothing))

    def now(self, record: R) -> R:
        """A record as it stands on the stage."""
        found = self.store.at(record.address)
        assert isinstance(found, type(record))
        return found

    def item_of(self, c: Conversation) -> WorkItem:
        """The newest item of a conversation."""
        found = [r for r in self.store.all(WorkItem.TYPE) if isinstance(r, WorkItem) and r.resource == c.id]
        return max(found, key=lambda i: i.work_item_number)

    def listen(self, *names: str) -> None:
        """From here on, what is committed waits for these workers; they are parts of the run."""
        for name in names:
            role, mine = _ONE_WAY[name]
            self.channels.append(Channel(name, role, TABLE.of(mine)))
            self.parts.append(worker(name, role, mine))

    def remind(self, name: str, record: Record) -> None:
        """The latest news of a record of the set-up is still to be delivered to this worker."""
        channel = next(c for c in self.channels if c.name == name)
        told = [r for r in self.store.rows if any(c.id == record.id for c in r.changes) and channel.wants(r)]
        channel.rows.append(told[-1])

    def twin(self, name: str, of: str) -> None:
        """A second worker on the same deliveries: whatever is not acknowledged, it is given too."""
        found = next(p for p in self.parts if p.name == of)
        role, mine = _ONE_WAY[of]
        shared = worker(name, role, mine)
        self.parts[self.parts.index(found)] = msgspec.structs.replace(found, alone=False)
        self.parts.append(msgspec.structs.replace(shared, channel=of, alone=False))

    def skew(self, ms: int, *names: str) -> None:
        """The clocks of these workers are off by so much."""
        self.parts = [msgspec.structs.replace(p, skew=ms) if p.name in names else p for p in self.parts]

    def hold_back(self, until: Callable[[Memory], bool], *records: Record) -> None:
        """No worker of this stage does anything before the store shows this."""
        self.parts = [
            msgspec.structs.replace(p, act=_held(p.act, until, records)) if p.again else p for p in self.parts
        ]

    def actor(self, name: str, act: Act, *, skew: int = 0) -> None:
        """Somebody who acts once."""
        self.parts.append(Part(name, act, skew=skew))

    def address(self, kind: type[Record], id: str) -> Address:
        """Where a record of this org is."""
        return Address(kind.TYPE, ORG, id)


def _held(act: Act, until: Callable[[Memory], bool], records: Sequence[Record]) -> Act:
    async def held(seat: Seat) -> None:
        await seat.until("the link", until, *records)
        await act(seat)

    return held


def worker(name: str, role: Role, mine: Callable[[Reaction], bool]) -> Part:
    """A role at work on some of its reactions, batch after batch."""

    async def act(seat: Seat) -> None:
        await TABLE.batch(seat.world, role, TABLE.of(mine))

    return Part(name, act, again=True, unsure=False)


class Table:
    """The reactions in force and the function that runs a batch: production's, unless a mutant has put others there."""

    def __init__(self) -> None:
        self.reactions: Sequence[Reaction] = REACTIONS
        self.stands_for: dict[int, Reaction] = {}
        self.batch: Callable[[World, Role, Sequence[Reaction]], Coroutine[Any, Any, int]] = run_once

    def replace(self, do: Any, by: Any, *, each: bool = True, echo: bool = False) -> None:
        """Another function in place of one of production's."""
        after: list[Reaction] = []
        for r in REACTIONS:
            if r.do is do:
                other = msgspec.structs.replace(r, do=by, each=each, echo=r.echo or echo)
                self.stands_for[id(other)] = r
                after.append(other)
            else:
                after.append(r)
        self.reactions = tuple(after)

    def of(self, mine: Callable[[Reaction], bool]) -> list[Reaction]:
        """Those of a worker, and those that stand in the place of one of its own."""
        return [r for r in self.reactions if mine(self.stands_for.get(id(r), r))]

    def restore(self) -> None:
        """Production's own again."""
        self.__init__()


TABLE = Table()
