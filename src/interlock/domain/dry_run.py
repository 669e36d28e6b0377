"""What queue rules would have done: their runs as the log has them, tried again with other rules. Nothing is written.

A run's facts are put together from the very versions that it rested on. Where the log does not have one of them, that
run is left out and says so: history that was not recorded is never made up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import msgspec

from interlock.domain.conversation import Conversation
from interlock.domain.customer import Customer
from interlock.domain.decision import Basis, Tried
from interlock.domain.errors import HistoryNotRecorded, Problem
from interlock.domain.facts import Facts
from interlock.domain.log import RuleRun, decode_versions
from interlock.domain.message import Message
from interlock.domain.queue import Queue
from interlock.domain.record import Address, Record
from interlock.domain.rule import Match, QueueRule, RuleList, check_rule

Known = Mapping[tuple[Address, int], Record | None]
"""Records as they were at a rev; `None`: the log does not have it."""


class Need(NamedTuple):
    """What has to be known besides the conversation to judge a list of rules."""

    customer: bool
    message: bool


def need_of(rules: Sequence[QueueRule]) -> Need:
    """What these rules look at."""
    live = [r for r in rules if r.enabled]
    return Need(any(r.wants_customer for r in live), any(r.wants_message for r in live))


def wanted_of(run: RuleRun, need: Need) -> list[tuple[Address, int]]:
    """The versions that a run had read, is judged by, and does not bring along in its rows."""
    out: list[tuple[Address, int]] = []
    for b in run.basis:
        if (need.customer and b.type == "customer") or (b.type == "conversation" and b.rev > 1 and not need.message):
            out.append((Address(b.type, run.org, b.id), b.rev))
    return out


def facts_of(run: RuleRun, need: Need, known: Known) -> Facts:
    """What a run saw, to the letter. Raises `HistoryNotRecorded` with the type of what the log does not have."""
    customer = message = None
    if need.message:
        c, at = _conversation(run)
        message = _message(run, c, at)
    else:
        c = _begun(run) or cast("Conversation | None", _version(run, Conversation.TYPE, known))
        if c is None:
            raise _missing(Conversation.TYPE, run)
    if need.customer:
        customer = cast("Customer | None", _version(run, Customer.TYPE, known))
        if customer is None and run.rests_on(Customer.TYPE):
            raise _missing(Customer.TYPE, run)
    return Facts(c, customer, message, run.at)


def _begun(run: RuleRun) -> Conversation | None:
    """The conversation as it began, if that is how the run had read it."""
    basis = run.rests_on(Conversation.TYPE)
    if basis is None or basis.rev != 1:
        return None
    began = (v for v in decode_versions(run.first) if v.id == run.partition and v.rev == 1 and v.type == "conversation")
    return next((cast("Conversation", v.record()) for v in began), None)


def _version(run: RuleRun, type: str, known: Known) -> Record | None:
    basis = run.rests_on(type)
    return known.get((Address(type, run.org, basis.id), basis.rev)) if basis else None


def _conversation(run: RuleRun) -> tuple[Conversation, int]:
    basis = run.rests_on(Conversation.TYPE)
    rev = basis.rev if basis else 0
    for position, v in run.versions():
        if v.rev == rev and v.type == "conversation" and v.id == run.partition:
            return cast("Conversation", v.record()), position
    raise _missing(Conversation.TYPE, run)


def _message(run: RuleRun, c: Conversation, at: int) -> Message | None:
    """The latest message of the conversation as the run had it.

    A run that looked at messages has named the one it read. For one that did not, they are counted: the log must have
    each that the conversation had counted by then.
    """
    seen = run.rests_on(Message.TYPE)
    until = run.position if seen else at
    sent = [cast("Message", v.record()) for position, v in run.versions() if v.type == "message" and position <= until]
    if seen:
        found = next((m for m in sent if m.id == seen.id and m.rev == seen.rev), None)
        if found is None:
            raise _missing(Message.TYPE, run)
        return found
    if len(sent) != c.message_count:
        raise _missing(Message.TYPE, run)
    return max(sent, key=lambda m: (m.index().sort, m.id), default=None)


def _missing(type: str, run: RuleRun) -> HistoryNotRecorded:
    return HistoryNotRecorded(
        f"The log has no {type} as the rules saw it for {run.partition}.", record=type, conversation=run.partition
    )


class Targets(NamedTuple):
    """The queues of an org as rules find them: by id and by key, and the default queue."""

    by_id: Mapping[str, Queue]
    by_key: Mapping[str, Queue]
    default: Queue

    @classmethod
    def among(cls, queues: Sequence[Queue]) -> Targets:
        """Of these, those that are open."""
        live = [q for q in queues if not q.archived]
        return cls({q.id: q for q in live}, {q.key: q for q in live if q.key}, next(q for q in queues if q.system))

    def of(self, match: Match) -> Queue | None:
        """The queue that a match names, if it is there."""
        return self.by_id.get(match.queue) if match.queue else self.by_key.get(match.queue_key or "")


class Placed(NamedTuple):
    """Where rules send a conversation: the queue, the rule that said so (none: the default queue), what was tried."""

    queue: Queue
    rule: QueueRule | None
    tried: tuple[Tried, ...]


def place(rules: RuleList, facts: Facts, targets: Targets) -> Placed:
    """What the rules make of these facts: the same steps as a run that commits."""
    match = rules.first(facts)
    while match.rule is not None:
        queue = targets.of(match)
        if queue is not None:
            return Placed(queue, match.rule, match.tried)
        match = rules.next(facts, match)
    return Placed(targets.default, None, match.tried)


class Moved(msgspec.Struct, frozen=True):
    """A run that would have come out otherwise. `rule_before` as it was then; `because` says why in one sentence."""

    run: RuleRun
    before: str
    after: str
    rule_before: Basis | None
    rule_after: QueueRule | None
    tried: tuple[Tried, ...]
    because: str


class Tally:
    """The outcome of a dry run while it grows: per queue before and after, what moves, and what could not be told."""

    def __init__(self, rules: Sequence[QueueRule], targets: Targets, *, items_max: int) -> None:
        self.rules, self._targets, self._items_max = rules, targets, items_max
        self._by_id = {r.id: r for r in rules}
        self._ready = RuleList(rules)
        self.before, self.after = Counter[str](), Counter[str]()
        self.into, self.out_of = Counter[str](), Counter[str]()
        self.matched, self.refused = Counter[str](), Counter[str]()
        self.moved: list[Moved] = []
        self.left_out: list[RuleRun] = []
        self.runs = self.changed = 0

    def leave_out(self, run: RuleRun, problem: HistoryNotRecorded) -> None:
        """A run of which the log does not know enough."""
        self.refused[str(problem.meta["record"])] += 1
        if len(self.left_out) < self._items_max:
            self.left_out.append(run)

    def take(self, run: RuleRun, facts: Facts) -> None:
        """A run, tried again."""
        placed, before = place(self._ready, facts, self._targets), run.queue
        after = placed.queue.id
        self.runs += 1
        self.before[before] += 1
        self.after[after] += 1
        self.matched[placed.rule.id if placed.rule else ""] += 1
        if before == after:
            return
        self.changed += 1
        self.into[after] += 1
        self.out_of[before] += 1
        if len(self.moved) < self._items_max:
            because = self._because(run, placed)
            self.moved.append(Moved(run, before, after, run.rule, placed.rule, placed.tried, because))

    def _because(self, run: RuleRun, placed: Placed) -> str:
        now = f"{placed.rule.name} holds" if placed.rule else "no rule holds, so the default queue takes it"
        if run.rule is None:
            return f"No rule held then; now {now}."
        old = self._by_id.get(run.rule.id)
        if old is None:
            return f"The rule that held then is not among these; {now}."
        if placed.rule is not None and placed.rule.id == old.id:
            return f"{old.name} holds as it did, and names another queue."
        if not old.enabled:
            return f"{old.name}, which held then, is switched off; {now}."
        failed = next((t.failed for t in placed.tried if t.rule == old.id), "")
        if failed:
            return f"{old.name}, which held then, fails at {failed}; {now}."
        return f"{now}, and comes before {old.name}, which held then."


def check_draft(n: int, rule: QueueRule, queue: Queue | None) -> None:
    """Raises unless a draft could be saved; the pointer leads into the list it stands in."""
    values = {f: getattr(rule, f) for f in ("name", "criteria", "queue", "queue_key")}
    try:
        check_rule(values, queue)
    except Problem as problem:
        problem.pointer = f"/rules/{n}{problem.pointer}"
        raise
