"""Work items: the queue rules that place them, and the commands that programs and supervisors give."""

from __future__ import annotations

from interlock.domain import life_cycle, rule
from interlock.domain import order as orders
from interlock.domain.agent import Status
from interlock.domain.assignment import Actor, unseen
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Basis, Decision, Moment, Provenance, Reason, Why
from interlock.domain.errors import InvalidValue, NotFound
from interlock.domain.order import Order
from interlock.domain.queue import DEFAULT_KEY, Queue, claim_of_key
from interlock.domain.routing import in_force
from interlock.domain.rule import Match, QueueRule
from interlock.domain.settle import Manner
from interlock.domain.work_item import WorkItem
from interlock.ports import World
from interlock.service.cases import case_of, last_item, lent_case, open_item
from interlock.service.dated import NOW, Dated
from interlock.service.preconditions import Precondition
from interlock.service.requirements import facts_of
from interlock.service.routing import active_user, settings_of
from interlock.service.rule_lists import in_order
from interlock.service.transact import Beside, Done, Reading, transact


def by_rules(org: str, *, trace: str = "", cause: str = "") -> Provenance:
    """The provenance of a queue rule's decision."""
    return Provenance(org, Actor("rule", "queue-rule", "queue-rules"), "rules", trace, cause=cause)


async def queue_by_rules(world: World, by: Provenance, item: str) -> Done:
    """The first queue rule that matches places an item that has no queue yet; without one the default queue takes it.

    The intent rests on what the item has taken in. If the conversation already carries an intent that the item has not
    seen (somebody was assigned meanwhile), the rule declines: the forward sync brings the news.
    """

    async def decide(reading: Reading) -> Decision:
        w = await reading.one(WorkItem, item)
        c = await reading.one(Conversation, w.resource)
        declined = _declines(w, c, reading.moment.now)
        if declined:
            return _declined(w, c, declined, reading.moment)
        match = await _match(reading, c)
        case = await case_of(reading, w, queues=(match.queue.id,))
        why = Why(direction="rule", kind="intent", rule=match.basis, tried=match.tried, peer=life_cycle.seen_of(c))
        reason = Reason("QUEUE_WORK_ITEM", match.code, {"conversationRev": c.rev, "queue": match.queue.id})
        manner = Manner(rule=match.basis.id if match.basis else None, seen=c.rev)
        return life_cycle.enter(case, match.queue.id, reading.moment, manner, reason, why=why)

    return await transact(world, by, decide)


def _declines(w: WorkItem, c: Conversation, now: int) -> str:
    """Why the rules have nothing to say about this item; empty if they do."""
    if w.status != "ivr":
        return f"the item is {w.status}"
    if w.rules_due_at is not None and w.rules_due_at > now:
        return "the item is held until the phone menu has ended, or its workflows have run"
    if unseen(c.coupled.unit, w.coupled.unit.ctx):
        return "the conversation has news that the item has not taken in"
    if c.queue or c.external_queue or c.assigned_users:
        return "the conversation has a queue or an assignment of its own"
    return ""


def _declined(w: WorkItem, c: Conversation, reason: str, moment: Moment) -> Decision:
    why = Why(
        direction="rule",
        kind="declined",
        reason=reason,
        record=w.ref,
        rev_before=w.rev,
        rev_after=w.rev,
        peer=Basis(c.TYPE, c.id, c.rev, moment.now),
    )
    return Decision(partition=w.resource, why=why)


class _Target:
    """Where the rules send an item: the queue, the rule that said so (none: the default queue), and what was tried."""

    def __init__(self, queue: Queue, basis: Basis | None, match: Match) -> None:
        self.queue = queue
        self.basis = basis
        self.tried = match.tried
        self.code = "QUEUE_RULES_HIT" if basis else "DEFAULT_QUEUE"


async def _match(reading: Reading, c: Conversation) -> _Target:
    rules = await in_order(reading, QueueRule)
    facts = await facts_of(reading, c, rules)
    match = rule.first_match(rules, facts)
    while match.rule is not None:
        target = await _target(reading, match)
        if target is not None:
            return _Target(target, Basis(QueueRule.TYPE, match.rule.id, match.rule.rev), match)
        match = rule.next_match(rules, facts, match)
    default = await reading.claimed(Queue, claim_of_key(reading.org, DEFAULT_KEY))
    if default is None:
        raise NotFound("This org has no default queue.")
    return _Target(default, None, match)


async def _target(reading: Reading, match: Match) -> Queue | None:
    """The queue a matching rule names, by id or by key; `None` if there is no such open queue (the rule is passed
    over).
    """
    if match.queue:
        found = await reading.maybe(Queue, match.queue)
    else:
        found = await reading.claimed(Queue, claim_of_key(reading.org, match.queue_key or ""))
    return found if found and not found.archived else None


async def create(
    world: World,
    by: Provenance,
    conversation: str,
    order: Order,
    *,
    seen: int | None = None,
    dated: Dated = NOW,
    beside: Beside,
) -> Done:
    """A new item for a conversation; if it has an open one, that one is given back unchanged (`decision.writes` is
    empty).
    """

    async def decide(reading: Reading) -> Decision:
        c = await reading.one(Conversation, conversation, pointer="/resource/id")
        present = await open_item(reading, conversation)
        if present is not None:
            case = await case_of(reading, present)
            return life_cycle.noop(case, reading.moment, "the conversation has an open item")
        life_cycle.based_on(c, seen)
        last = await last_item(reading, conversation)
        users = (*c.assigned_users[:1], *((order.assigned_to,) if isinstance(order.assigned_to, str) else ()))
        queues = [q for q in (c.queue, order.queue if isinstance(order.queue, str) else None) if q]
        await _exist(reading, order)
        lent = await lent_case(reading, c, users, queues)
        return dated.told(orders.create(c, last, lent, order, dated.moment(reading.moment)), reading.moment)

    return await transact(world, by, decide, beside=beside)


async def command(
    world: World,
    by: Provenance,
    item: str,
    order: Order,
    precondition: Precondition,
    *,
    seen: int | None = None,
    dated: Dated = NOW,
    beside: Beside,
) -> Done:
    """One PUT: everything it says, reached in one atomic step, or refused whole."""

    async def decide(reading: Reading) -> Decision:
        w = await reading.one(WorkItem, item)
        await precondition.check(reading, w, order.names())
        c = await reading.one(Conversation, w.resource)
        life_cycle.based_on(c, seen)
        await _exist(reading, order)
        case = await case_of(reading, w, users=order.users(), queues=order.queues())
        goal = case.queues.get((order.queue if isinstance(order.queue, str) else w.queue) or "")
        settings = in_force(await settings_of(reading), goal)
        silent = await reading.maybe(Status, settings.timeout_status) if order.timedout else None
        moment = dated.moment(reading.moment)
        decision = orders.carry_out(case, order, moment, settings=settings, seen=seen, silent=silent)
        return dated.told(decision, reading.moment)

    return await transact(world, by, decide, beside=beside)


async def _exist(reading: Reading, order: Order) -> None:
    """Raises unless the users and queues that an order names are there."""
    for user in order.users():
        await active_user(reading, user, pointer="/assignedTo")
    for queue in order.queues():
        found = await reading.one(Queue, queue, pointer="/queue/id")
        if found.archived:
            raise InvalidValue(f"The queue {found.name} is archived.", pointer="/queue/id")
