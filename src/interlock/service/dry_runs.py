"""Queue rules tried on what was: a change of them is seen before it is saved. Reads the log; writes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from interlock.domain import dry_run, rule
from interlock.domain.conversation import Conversation
from interlock.domain.criteria import check_each
from interlock.domain.customer import Customer
from interlock.domain.dry_run import Moved, Need, Tally, Targets, check_draft, facts_of
from interlock.domain.errors import HistoryNotRecorded, NotFound
from interlock.domain.facts import Facts
from interlock.domain.log import RuleRun
from interlock.domain.queue import Queue
from interlock.domain.record import Address, Record
from interlock.domain.resource import iso
from interlock.domain.rule import QueueRule, RuleList
from interlock.ports import Sought, World
from interlock.service import views
from interlock.service.requirements import latest_message
from interlock.service.transact import Reading, provenance

RUNS_MAX = 100_000
"""Runs of one dry run."""
ITEMS_MAX = 1_000
"""Changed items that an answer lists."""
PAGE = 500
PAGE_WHOLE = 100
"""Runs of a page where each comes with all rows of its conversation until then."""
VERSIONS_KEPT = 10_000
RUNS_OF_ONE_MAX = 10_000
Json = dict[str, Any]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs: of one conversation, or the newest `last` of those from `since` on and before `until` (ms)."""

    conversation: str | None = None
    last: int = RUNS_MAX
    since: int = 0
    until: int


async def drafts(world: World, org: str, given: Sequence[Mapping[str, Any]] | None) -> list[QueueRule]:
    """Rules as they would be saved, in the order given; `None`: the stored ones.

    One that bears the `id` of a stored rule stands for it. Raises, with a pointer into the list, what saving would.
    """
    stored = await views.rules(world, org, QueueRule)
    if given is None:
        return stored
    reading = Reading(world, provenance(org, "api"))
    known = {r.id: r for r in stored}
    made: list[QueueRule] = []
    for n, fields in enumerate(given):
        if fields.get("id") and fields["id"] not in known:
            raise NotFound(f"There is no queue rule {fields['id']}.", pointer=f"/rules/{n}/id")
        values: dict[str, Any] = {"id": f"draft-{n + 1}", **fields}
        draft = QueueRule(org=org, rev=0, position=n + 1, **values)
        target = await reading.one(Queue, draft.queue, pointer=f"/rules/{n}/queue") if draft.queue else None
        check_draft(n, draft, target)
        made.append(draft)
    return made


async def targets(world: World, org: str) -> Targets:
    """The queues there are now: what a changed rule would find."""
    return Targets.among(await views.listing(world, org, Queue, 0, views.ALL))


async def try_out(world: World, org: str, rules: Sequence[QueueRule], span: Span, *, items_max: int) -> Json:
    """These rules against runs of the past: per queue before and after, which items change and why.

    What the rules matched then is replayed exactly, from the versions they had read. Raises `HistoryNotRecorded` if it
    is asked about one conversation and the log does not have it.
    """
    tally = Tally(rules, await targets(world, org), items_max=items_max)
    need = dry_run.need_of(rules)
    known: dict[tuple[Address, int], Record | None] = {}
    async for page in _pages(world, org, span, need):
        await _learn(world, page, need, known)
        for run in page:
            try:
                facts = facts_of(run, need, known)
            except HistoryNotRecorded as missing:
                if span.conversation:
                    raise
                tally.leave_out(run, missing)
            else:
                tally.take(run, facts)
    return await _told(world, org, tally, span)


async def _pages(world: World, org: str, span: Span, need: Need) -> AsyncIterator[list[RuleRun]]:
    """Runs that chose a queue, page by page, the latest first."""
    if span.conversation is not None:
        yield [await run_of(world, org, span.conversation, need)]
        return
    left, before, whole = min(span.last, RUNS_MAX), (span.until, 0), need.message
    size = PAGE_WHOLE if whole else PAGE
    while left:
        page = await world.store.rule_runs(org, since=span.since, before=before, limit=min(size, left), whole=whole)
        if not page:
            return
        before = page[-1].at, page[-1].position
        chose = [run for run in page if run.kind == "intent"]
        left -= len(chose)
        yield chose


async def run_of(world: World, org: str, conversation: str, need: Need) -> RuleRun:
    """The latest run of the rules on a conversation. Raises `NotFound` if they never ran on it."""
    c = await Reading(world, provenance(org, "api")).one(Conversation, conversation, pointer="/conversation")
    rows = await views.newest_rows(world, org, RUNS_OF_ONE_MAX, partition=c.id)
    ran = next((r for r in reversed(rows) if r.why.direction == "rule" and r.why.kind == "intent"), None)
    if ran is None:
        raise NotFound("The queue rules never chose a queue for this conversation.", pointer="/conversation")
    before = ran.at, ran.position + 1
    found = await world.store.rule_runs(org, since=ran.at, before=before, limit=1, whole=need.message)
    return found[0]


async def _learn(
    world: World, runs: Sequence[RuleRun], need: Need, known: dict[tuple[Address, int], Record | None]
) -> None:
    """The versions that these runs had read, where they do not bring them along."""
    if len(known) > VERSIONS_KEPT:
        known.clear()
    sought = {w: Sought(*w, run.position) for run in runs for w in dry_run.wanted_of(run, need) if w not in known}
    if sought:
        known.update(zip(sought, await world.store.versions(list(sought.values())), strict=True))


async def _told(world: World, org: str, tally: Tally, span: Span) -> Json:
    queues = await views.named(world, org, Queue, sorted({*tally.before, *tally.after}))
    queues.sort(key=lambda q: (q.name.lower(), q.id))
    rules_then = [m.rule_before.id for m in tally.moved if m.rule_before]
    names = {r.id: r.name for r in await views.named(world, org, QueueRule, sorted(set(rules_then)))}
    return {
        "exact": "what the rules matched, from the very versions they had read; what happened afterwards is not told",
        "span": {
            "conversation": span.conversation,
            "from": iso(span.since) if span.since else None,
            "to": iso(span.until),
        },
        "runs": tally.runs,
        "changed": tally.changed,
        "queues": [
            {
                "queue": q.id, "key": q.key, "name": q.name, "before": tally.before[q.id], "after": tally.after[q.id],
                "in": tally.into[q.id], "out": tally.out_of[q.id],
            }
            for q in queues
        ],
        "rules": [
            {"rule": r.id, "name": r.name, "enabled": r.enabled, "matched": tally.matched[r.id]} for r in tally.rules
        ],
        "items": [_moved(m, {q.id: q for q in queues}, names) for m in tally.moved],
        "leftOut": {
            "count": sum(tally.refused.values()),
            "because": {f"{type} not recorded": n for type, n in sorted(tally.refused.items())},
            "conversations": [run.partition for run in tally.left_out],
        },
    }  # fmt: skip


def _moved(m: Moved, queues: Mapping[str, Queue], names: Mapping[str, str]) -> Json:
    def shown(id: str) -> Json:
        queue = queues.get(id)
        return {"queue": id, "key": queue.key if queue else "", "name": queue.name if queue else ""}

    before, after = shown(m.before), shown(m.after)
    if m.rule_before:
        before["rule"] = {"id": m.rule_before.id, "rev": m.rule_before.rev, "name": names.get(m.rule_before.id, "")}
    if m.rule_after:
        after["rule"] = {"id": m.rule_after.id, "name": m.rule_after.name}
    return {
        "conversation": m.run.partition,
        "decision": m.run.id,
        "position": m.run.position,
        "at": iso(m.run.at),
        "before": before,
        "after": after,
        "because": m.because,
        "tried": [{"rule": t.rule, "failed": t.failed} for t in m.tried],
    }


async def evaluate(world: World, org: str, rules: Sequence[QueueRule], conversation: str, *, then: bool) -> Json:
    """Each rule against one conversation, with the first condition that fails and what was found there.

    `then`: as the rules saw it when they last ran on it; otherwise as it is now.
    """
    need = dry_run.need_of([r.with_(enabled=True) for r in rules])
    run = await run_of(world, org, conversation, need) if then else None
    facts = await _facts_then(world, need, run) if run else await _facts_now(world, org, conversation)
    placed = dry_run.place(RuleList(rules), facts, await targets(world, org))
    return {
        "conversation": {"id": conversation, "rev": facts.conversation.rev},
        "at": iso(facts.now),
        "asItWas": then,
        "queue": {"id": placed.queue.id, "key": placed.queue.key, "name": placed.queue.name},
        "rule": placed.rule.id if placed.rule else None,
        "recorded": _recorded(run) if run else None,
        "rules": [_judged(r, facts, placed) for r in sorted(rules, key=lambda r: r.position)],
    }


async def _facts_then(world: World, need: Need, run: RuleRun) -> Facts:
    known: dict[tuple[Address, int], Record | None] = {}
    await _learn(world, [run], need, known)
    return facts_of(run, need, known)


async def _facts_now(world: World, org: str, conversation: str) -> Facts:
    reading = Reading(world, provenance(org, "api"))
    c = await reading.one(Conversation, conversation, pointer="/conversation")
    return Facts(
        c, await reading.maybe(Customer, c.customer), await latest_message(reading, c), reading.moment.now
    )  # fmt: skip


def _recorded(run: RuleRun) -> Json:
    why = run.why
    return {
        "decision": run.id,
        "position": run.position,
        "queue": run.queue,
        "rule": {"id": run.rule.id, "rev": run.rule.rev} if run.rule else None,
        "tried": [{"rule": t.rule, "rev": t.rev, "failed": t.failed} for t in why.tried],
    }


def _judged(r: QueueRule, facts: Facts, placed: dry_run.Placed) -> Json:
    """One rule: whether it holds, the first condition that does not, and whether an earlier rule hides it."""
    failed = _first_failing(r, facts)
    chosen = placed.rule is not None and placed.rule.id == r.id
    over = next((t.failed for t in placed.tried if t.rule == r.id and t.failed == rule.RULE_TARGET_UNKNOWN), "")
    hidden = placed.rule is not None and placed.rule.position < r.position and failed is None and r.enabled
    return {
        "rule": r.id,
        "name": r.name,
        "position": r.position,
        "enabled": r.enabled,
        "holds": failed is None,
        "chosen": chosen,
        "passedOver": over or None,
        "hiddenBy": placed.rule.id if hidden and placed.rule else None,
        "firstFailing": failed,
    }


def _first_failing(r: QueueRule, facts: Facts) -> Json | None:
    """The first condition of `and` that does not hold, else the whole of `or` if none of it does; `None`: it holds."""
    for checked in check_each(r.criteria, "and", facts):
        if not checked.holds:
            return _condition(checked)
    ors = check_each(r.criteria, "or", facts)
    if ors and not any(c.holds for c in ors):
        return {**_condition(ors[0]), "oneOf": [c.condition.name for c in ors]}
    return None


def _condition(checked: Any) -> Json:
    c = checked.condition
    return {
        "pointer": c.pointer,
        "field": c.name,
        "operator": c.operator,
        "wanted": _plain(c.value),
        "found": _plain(checked.found),
    }


def _plain(value: Any) -> Any:
    return list(cast("Sequence[Any]", value)) if isinstance(value, tuple | frozenset) else value
