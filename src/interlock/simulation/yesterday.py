"""Yesterday, out of a log: who came and what the rules saw then, who was there, and how people answered and how long
they took.

A log is told record by record, each version with what it rested on: rows of a store, or events as they are exported.
The rest of the simulation does not know which it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import msgspec

from interlock.domain.agent import OrgSettings, RoutingSettings, Status, Team, User, WorkSession
from interlock.domain.conversation import Conversation
from interlock.domain.customer import Customer
from interlock.domain.kinds import KINDS
from interlock.domain.log import Row, snapshot_of
from interlock.domain.message import Message
from interlock.domain.queue import Queue
from interlock.domain.record import Record
from interlock.domain.reservation import Reservation
from interlock.domain.resource import INNER_NAMES
from interlock.domain.rule import QueueRule
from interlock.domain.schedule import Schedule
from interlock.domain.skill import Skill
from interlock.domain.work_item import WorkItem

CONFIGURATION = (OrgSettings, RoutingSettings, Queue, QueueRule, Schedule, Skill, Status, Team, User)
KEPT_REVS = 8
"""Versions of one conversation that are kept until the rules have run on it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Told(NamedTuple):
    """One version of a record: when it was committed (ms), through which client, resting on which revs by type."""

    at: int
    org: str
    record: Record
    client: str
    basis: Mapping[str, tuple[str, int]]


class Entry(msgspec.Struct):
    """One stay in a queue, as it was. Times in ms; `waited`, `held`: how long, `None` if that was not seen.

    by_rules  the queue rules chose the queue, and `conversation`, `customer`, `messages` are what they saw
    missing   types of what they saw that the log does not have
    ended     accepted by an agent, or left in another way (a person moved it, the customer gave up)
    """

    item: str
    at: int
    queue: str
    by_rules: bool
    conversation: Conversation
    customer: Customer | None = None
    messages: tuple[Message, ...] = ()
    missing: tuple[str, ...] = ()
    ended: str = ""
    waited: int | None = None
    held: int | None = None


class Turn(NamedTuple):
    """From when on (ms) a shift was like this: the record as it was then."""

    at: int
    session: WorkSession


class Yesterday(msgspec.Struct):
    """What a log says of a span of time.

    answers   how offers ended, and after how long (ms)      holds   how long agents held an item, by channel (ms)
    limits    whether sessions say what they may carry (events do not; then it is reckoned from the settings)
    """

    org: str = ""
    begin: int = 0
    end: int = 0
    rows: int = 0
    limits: bool = True
    config: dict[tuple[str, str], Record] = {}
    entries: list[Entry] = []
    turns: dict[str, list[Turn]] = {}
    answers: list[tuple[str, int]] = []
    holds: dict[str, list[int]] = {}

    def kept(self, kind: type[Record]) -> list[Any]:
        """The configuration records of a kind, as the log left them."""
        return [r for (type, _), r in sorted(self.config.items()) if type == kind.TYPE]


def told_by_rows(rows: Iterable[Row]) -> Iterator[Told]:
    """The versions that rows of a store's log brought."""
    for row in rows:
        basis = {b.type: (b.id, b.rev) for b in row.basis}
        client = "rules" if row.why.direction == "rule" else row.by.client
        for change in row.changes:
            if change.type in KINDS:
                yield Told(row.at, row.org, snapshot_of(change), client, basis)


def told_by_events(lines: Iterable[str | bytes]) -> Iterator[Told]:
    """The versions that events brought: the JSON lines of `interlock events`. Raises `ValueError` with the line."""
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = msgspec.json.decode(line)
            body = event["data"]
            resource = body["data"]
            if resource["type"] not in KINDS:
                continue
            basis = {b["type"]: (b["id"], b["rev"]) for b in body.get("basis", ())}
            yield Told(_ms(body["createdAt"]), body["org"], record_of(resource, body["org"]), body["client"], basis)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as broken:
            raise ValueError(f"line {n} is no event of Interlock: {broken}") from broken


def record_of(resource: Mapping[str, Any], org: str) -> Record:
    """A record from its outward form. What is not shown has its default."""
    kind = KINDS[resource["type"]]
    attributes, related = resource["attributes"], resource.get("relationships", {})
    values: dict[str, Any] = {"id": resource["id"], "org": org}
    for field, stored in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        name = kind.outward(field)
        if field in kind.RELATIONS:
            data = related.get(name, {}).get("data")
            if data:
                values[stored] = [d["id"] for d in data] if isinstance(data, list) else data["id"]
        elif name in attributes:
            values[stored] = _inner(name, attributes[name])
    return msgspec.convert(values, kind, str_keys=True)


_INWARD = {shown: stored for stored, shown in INNER_NAMES.items()}


def _inner(name: str, value: Any) -> Any:
    """A value with its times as ms, also inside."""
    if isinstance(value, dict) and name not in ("custom", "criteria", "meta"):
        held = cast("dict[str, Any]", value)
        return {_INWARD.get(k, k): _inner(_INWARD.get(k, k), v) for k, v in held.items()}
    if isinstance(value, str) and name.endswith("At"):
        return _ms(value)
    return value


def _ms(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def gather(told: Iterable[Told], *, since: int = 0, until: int = 1 << 62, limits: bool = True) -> Yesterday:
    """Everything that a log tells of the span from `since` on and before `until` (ms); of the first org in it."""
    out = Gathering(since, until)
    for each in told:
        out.take(each)
    out.day.limits = limits
    return out.finished()


class Gathering:
    """What is known while a log is read, version by version: the span from `since` on and before `until` (ms)."""

    def __init__(self, since: int = 0, until: int = 1 << 62) -> None:
        self.day = Yesterday()
        self._since, self._until = since, until
        self._conversations: dict[str, dict[int, Conversation]] = {}
        self._customers: dict[str, dict[int, Customer]] = {}
        self._messages: dict[str, list[Message]] = {}
        self._items: dict[str, WorkItem] = {}
        self._open: dict[str, Entry] = {}
        self._accepted: dict[str, tuple[Entry, int, str]] = {}

    def take(self, t: Told) -> None:
        """One version."""
        day, record = self.day, t.record
        day.org = day.org or t.org
        if t.org != day.org or t.at >= self._until:
            return
        if t.at >= self._since:
            day.begin = min(day.begin or t.at, t.at)
            day.end = max(day.end, t.at)
            day.rows += 1
        match record:
            case Conversation():
                revs = self._conversations.setdefault(record.id, {})
                revs[record.rev] = record
                if len(revs) > KEPT_REVS:
                    del revs[min(revs)]
            case Customer():
                self._customers.setdefault(record.id, {})[record.rev] = record
            case Message():
                self._messages.setdefault(record.conversation, []).append(record)
            case WorkItem():
                self._item(t, record)
            case WorkSession():
                self._turn(t, record)
            case Reservation() if record.ended_at is not None and record.state != "rescinded" and t.at >= self._since:
                day.answers.append((record.state, max(0, record.ended_at - record.offered_at)))
            case OrgSettings() | RoutingSettings() | Queue() | QueueRule() | Schedule() | Skill() | Status() | Team():
                day.config[record.TYPE, record.id] = record
            case User():
                day.config[record.TYPE, record.id] = record
            case _:
                pass

    def _item(self, t: Told, w: WorkItem) -> None:
        before, head = self._items.get(w.id), w.last_revision
        self._items[w.id] = w
        entered = head.entered_queue_at if head else None
        had = before.last_revision.entered_queue_at if before and before.last_revision else None
        holding = self._accepted.get(w.id)
        if holding is not None and (w.assigned_to != holding[2] or w.status == "completed"):
            self._released(w, holding, t.at)
        if entered is not None and w.queue and (entered != had or (before is not None and before.pass_ != w.pass_)):
            self._enter(t, w, entered)
        entry = self._open.get(w.id)
        if entry is None or w.status in ("queued", "routed"):
            return
        del self._open[w.id]
        accepted = head.accepted_at if head else None
        entry.ended = "accepted" if accepted is not None else "left"
        entry.waited = max(0, (accepted if accepted is not None else t.at) - entry.at)
        if accepted is not None and w.assigned_to:
            self._accepted[w.id] = entry, accepted, w.assigned_to

    def _released(self, w: WorkItem, holding: tuple[Entry, int, str], at: int) -> None:
        entry, since, _ = self._accepted.pop(w.id, holding)
        entry.held = max(0, at - since)
        if entry.at >= self._since:
            self.day.holds.setdefault(w.channel, []).append(entry.held)

    def _enter(self, t: Told, w: WorkItem, entered: int) -> None:
        known = self._conversations.get(w.resource, {})
        by_rules = t.client == "rules"
        missing: list[str] = []
        wanted = t.basis.get(Conversation.TYPE, ("", 0))[1]
        conversation = known.get(wanted) if by_rules else known[max(known)] if known else None
        customer: Customer | None = None
        messages: tuple[Message, ...] = ()
        if conversation is None:
            missing.append(Conversation.TYPE)
            conversation = Conversation(id=w.resource, org=w.org, channels=(w.channel,) if w.channel else ())
        elif by_rules:
            messages = tuple(self._messages.get(w.resource, ()))
            if len(messages) < conversation.message_count:
                missing.append(Message.TYPE)
            if Customer.TYPE in t.basis:
                id, rev = t.basis[Customer.TYPE]
                customer = self._customers.get(id, {}).get(rev)
                if customer is None:
                    missing.append(Customer.TYPE)
        entry = Entry(w.id, entered, w.queue or "", by_rules, conversation, customer, messages, tuple(missing))
        self._open[w.id] = entry
        if entered >= self._since:
            self.day.entries.append(entry)

    def _turn(self, t: Told, s: WorkSession) -> None:
        turns = self.day.turns.setdefault(s.id, [])
        if not turns or _differs(turns[-1].session, s):
            turns.append(Turn(max(t.at, self._since), s))

    def finished(self) -> Yesterday:
        """The day. Of shifts that began before the span only how they stood when it began is kept."""
        day = self.day
        for id, turns in list(day.turns.items()):
            first = [turn for turn in turns if turn.at <= self._since]
            kept = [*first[-1:], *(turn for turn in turns if turn.at > self._since)]
            if kept and kept[-1].session.signed_out_at and kept[-1].at <= self._since:
                del day.turns[id]
            else:
                day.turns[id] = kept
        day.entries.sort(key=lambda e: (e.at, e.item))
        return day


def _differs(a: WorkSession, b: WorkSession) -> bool:
    """Whether a shift took another turn: what the agent says, what they serve, what they may carry."""
    return (a.routable, a.status, a.signed_out_at, a.queues, a.limits, a.team) != (
        b.routable, b.status, b.signed_out_at, b.queues, b.limits, b.team,
    )  # fmt: skip


def counted(day: Yesterday) -> Counter[str]:
    """How many of the day's answers there were of each kind."""
    return Counter(state for state, _ in day.answers)
