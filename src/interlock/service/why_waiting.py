"""Why work waits, in words: what a round of routing would go by just now, told with names, figures and times.

The reason is that of `domain/matching.waits`, which looks at the floor as a round does; here it only gets its words.
Nothing is stored for it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from interlock.domain import matching, routing
from interlock.domain.agent import Team, User, WorkSession
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Candidate
from interlock.domain.errors import NotFound
from interlock.domain.floor import Floor
from interlock.domain.matching import Kind, Waits
from interlock.domain.queue import Queue
from interlock.domain.reservation import Reservation
from interlock.domain.resource import iso
from interlock.domain.routing import Key, Wants
from interlock.domain.rule import QueueRule
from interlock.domain.skill import Requirement, Skill
from interlock.domain.work_item import QueuePass, WorkItem
from interlock.domain.workflow import Workflow
from interlock.ports import World
from interlock.service import views
from interlock.service.floors import floor_of, look_up, read_whole
from interlock.service.routing import by_routing
from interlock.service.transact import Reading

Json = dict[str, Any]
Named = type[User] | type[Team] | type[QueueRule] | type[Workflow] | type[Queue] | type[Skill]
NAMED_MAX = 5
ITEMS_MAX = 100


class Names:
    """Names of users, teams, rules, workflows, queues and skills for sentences, loaded once each."""

    def __init__(self, world: World, org: str) -> None:
        self._world, self._org = world, org
        self._known: dict[str, str] = {}

    async def learn(self, kind: Named, ids: Iterable[str | None]) -> None:
        """Load the names of these records."""
        wanted = sorted({i for i in ids if i and i not in self._known})
        for record in await views.named(self._world, self._org, kind, wanted):
            self._known[record.id] = record.name

    def of(self, id: str | None) -> str:
        """The name behind an id, or the id."""
        return self._known.get(id or "", id or "nobody")

    def some(self, ids: Sequence[str]) -> str:
        """The first few names, and how many more there are."""
        named = ", ".join(self.of(i) for i in ids[:NAMED_MAX])
        return f"{named} and {len(ids) - NAMED_MAX} more" if len(ids) > NAMED_MAX else named


async def floor_to_read(world: World, org: str) -> Floor:
    """The floor of an org as it is now: the one that is kept here, or one read for this purpose."""
    by = by_routing(org)
    if world.floors is not None:
        return await floor_of(world, by)
    floor = await read_whole(world, by)
    await look_up(Reading(world, by), floor)
    return floor


async def of_item(world: World, names: Names, item: WorkItem) -> Json:
    """Why one item waits: the code, sentences with the facts, and what was thought of each agent."""
    p = await views.present(world, item.org, QueuePass, item.pass_)
    if p is None:
        raise NotFound(f"The item {item.id} has no queue pass.")
    floor = await floor_to_read(world, item.org)
    found = matching.waits(floor, item.id) if item.queue else None
    if found is None:
        return _elsewhere(item, p)
    words = Words(world, names, floor)
    told = await words.of(found, item=item, pass_=p)
    return {
        "because": found.because,
        "sentences": told,
        "counts": found.choice.counts,
        "ahead": found.ahead,
        "since": iso(p.entered_queue_at) if p.entered_queue_at else None,
        "changesAt": iso(found.due) if found.due is not None else None,
        "opensAt": iso(found.opens) if found.opens is not None else None,
        "asks": _asks(found.wants),
        "candidates": [candidate(c) for c in found.choice.candidates],
    }


def _elsewhere(item: WorkItem, p: QueuePass) -> Json:
    """An item that is in no queue of ours."""
    if item.external_queue:
        code, told = (
            "EXTERNAL_QUEUE",
            f"It waits in {item.external_queue}, a queue outside: it is not offered from here.",
        )
    elif item.paused:
        code, told = "ITEM_PAUSED", "Its conversation is snoozed."
    else:
        code, told = "NOT_YET_ROUTED", "It is in no queue yet."
    since = iso(p.entered_queue_at) if p.entered_queue_at else None
    return {"because": code, "sentences": [told], "counts": {}, "ahead": 0, "since": since, "candidates": []}


async def of_queue(world: World, queue: Queue, items: Sequence[str] = ()) -> Json:
    """Why everything in a queue waits: how many for which reason, by class, and the first items one by one; or `items`,
    those of them that wait here.
    """
    floor = await floor_to_read(world, queue.org)
    names = Names(world, queue.org)
    words = Words(world, names, floor)
    q = floor.queue_floor(queue.id)
    kinds = sorted(matching.kinds_of(floor, queue.id), key=_most_first)
    counts: Counter[str] = Counter()
    for kind in kinds:
        counts[kind.because] += kind.items
    counts += Counter({"OFFERED": len(q.off_line["routed"]), "ITEM_PAUSED": len(q.off_line["paused"])})
    serving = sum(len(g.agents) for g in q.groups.values())
    total = counts.total()
    sentences = [f"{total} wait in {queue.name}; {serving} signed-in agents serve it."]
    sentences += [f"{n} × {code}: {_MEANING[code]}" for code, n in counts.most_common()]
    return {
        "sentences": sentences,
        "counts": dict(counts),
        "waiting": total,
        "agents": serving,
        "classes": [await _class(words, kind, floor) for kind in kinds[:ITEMS_MAX]],
        "items": await _items(words, floor, queue.id, items),
    }


_MEANING = dict(routing.WAITING)


def _most_first(kind: Kind) -> tuple[int, str]:
    return -kind.items, kind.first


async def _class(words: Words, kind: Kind, floor: Floor) -> Json:
    waits = matching.waits(floor, kind.first)
    assert waits is not None
    return {
        "because": kind.because,
        "items": kind.items,
        "first": kind.first,
        "asks": _asks(kind.wants),
        "declinedBy": sorted(floor.items[kind.first].declined),
        "counts": kind.counts,
        "sentences": await words.of(waits),
    }


def _first(floor: Floor, queue: str) -> list[str]:
    """The first items of a queue in routing order, those that are offered or snoozed among them."""
    q = floor.queue_floor(queue)
    off_line = (floor.place_of(floor.items[i].waiting).key for ids in q.off_line.values() for i in ids)
    lines: list[Iterable[Key]] = [*(c.items for c in q.classes.values()), heapq.nsmallest(ITEMS_MAX, off_line)]
    return [key[-1] for key in islice(heapq.merge(*lines), ITEMS_MAX)]


async def _items(words: Words, floor: Floor, queue: str, wanted: Sequence[str]) -> list[Json]:
    here = (i for i in wanted if i in floor.items and floor.items[i].waiting.queue == queue)
    ids = list(islice(here, ITEMS_MAX)) if wanted else _first(floor, queue)
    told: list[Json] = []
    apart = await words.items([id for id in ids if floor.items[id].standing is None])
    for id in ids:
        found = matching.waits(floor, id)
        if found is not None:
            entered = floor.items[id].waiting.entered_at
            told.append({
                "workItem": id,
                "because": found.because,
                "sentences": await words.of(found, item=apart.get(id)),
                "counts": found.choice.counts,
                "ahead": found.ahead,
                "since": iso(entered),
            })  # fmt: skip
    return told


def _asks(wants: Wants) -> Json:
    skills = [{"skill": r.skill, "level": r.level, "mode": r.mode} for r in wants.skills]
    found: Json = {"queue": wants.queue, "channel": wants.channel, "weight": wants.weight, "priority": wants.priority}
    return found | ({"skills": skills} if skills else {}) | ({"keptFor": wants.kept_for} if wants.kept_for else {})


def candidate(c: Candidate) -> Json:
    """A candidate as it is shown."""
    return {
        "user": c.user,
        "session": c.session,
        "rev": c.rev,
        "eligible": c.eligible,
        "reason": c.reason,
        "rank": c.rank,
    }


class Words:
    """Sentences for reasons. Names are loaded as they are needed."""

    def __init__(self, world: World, names: Names, floor: Floor) -> None:
        self._world, self._names, self._floor = world, names, floor

    async def items(self, ids: Sequence[str]) -> dict[str, WorkItem]:
        """Work items, by id: for what is said of one alone."""
        return {w.id: w for w in await views.named(self._world, self._floor.org, WorkItem, ids)}

    async def of(self, found: Waits, *, item: WorkItem | None = None, pass_: QueuePass | None = None) -> list[str]:
        """The facts behind a reason; with the item at hand also those of the item alone."""
        names, wants = self._names, found.wants
        await names.learn(Queue, [wants.queue])
        await names.learn(Skill, [r.skill for r in wants.skills])
        await names.learn(User, [wants.kept_for, *(c.user for c in found.choice.candidates)])
        said = await self._facts(found, item)
        if pass_ is not None and pass_.declined_by:
            await names.learn(User, pass_.declined_by)
            said.append(f"Declined by {names.some(pass_.declined_by)}.")
        if found.ahead and found.because != "OFFERED":
            said.append(f"{found.ahead} {'item is' if found.ahead == 1 else 'items are'} before it.")
        if found.due is not None and found.because not in ("OFFERED", "ALL_DECLINED", "KEPT_FOR_AGENT"):
            said.append(f"Its place, or what it asks for, changes at {iso(found.due)} if it still waits then.")
        return said

    async def _facts(self, found: Waits, item: WorkItem | None) -> list[str]:
        match found.because:
            case "OFFERED":
                return await self._offered(item)
            case "ITEM_PAUSED":
                return await self._snoozed(item)
            case "QUEUE_PAUSED":
                return [self._queue_paused(found.wants.queue)]
            case "OUTSIDE_HOURS":
                until = (
                    f"until {iso(found.opens)}"
                    if found.opens is not None
                    else "and does not open in the next two years"
                )
                return [f"{self._names.of(found.wants.queue)} is closed {until}; its items are held."]
            case "NO_TEAM_SERVES_QUEUE" | "NO_AGENT_SIGNED_IN":
                return [await self._nobody(found)]
            case _:
                return self._about_agents(found)

    async def _offered(self, item: WorkItem | None) -> list[str]:
        offer = (
            await views.present(self._world, item.org, Reservation, item.reservation)
            if item and item.reservation
            else None
        )
        if offer is None or offer.state != "pending":
            return ["It is offered to an agent."]
        await self._names.learn(User, [offer.user])
        left = max(0, offer.expires_at - self._floor.now) // 1000
        return [f"It is offered to {self._names.of(offer.user)}, {left} s left."]

    async def _snoozed(self, item: WorkItem | None) -> list[str]:
        c = await views.present(self._world, item.org, Conversation, item.resource) if item else None
        until = c.snooze.wake_at if c and c.snooze and c.snooze.status == "scheduled" else None
        return [f"Its conversation is snoozed until {iso(until)}." if until else "Its conversation is snoozed."]

    def _queue_paused(self, queue: str) -> str:
        q = self._floor.queue_of(queue)
        if q.archived:
            return f"The queue {q.name} is archived."
        reason = (q.paused or {}).get("reason")
        return f"The queue {q.name} is paused" + (f": {reason}." if reason else ".")

    async def _nobody(self, found: Waits) -> str:
        queue = self._names.of(found.wants.queue)
        serving = [t for t in self._floor.teams.values() if t.enabled and found.wants.queue in t.queues]
        if not serving:
            return f"No team that takes part in routing has the queue {queue}."
        teams = await views.named(self._world, self._floor.org, Team, [t.team for t in serving])
        agents = len({m for t in teams for m in t.members})
        whom = f"None of the {agents} agents" if agents else "No agent"
        return f"{whom} of {', '.join(t.name for t in teams[:NAMED_MAX])} is signed in."

    def _about_agents(self, found: Waits) -> list[str]:
        names, wants, counts = self._names, found.wants, found.choice.counts
        match found.because:
            case "NOT_YET_ROUTED":
                if found.choice.user:
                    return [f"{names.of(found.choice.user)} could take it: the next round of routing offers it."]
                return ["The next round of routing decides about it."]
            case "BEHIND_OTHERS":
                able = [c.user for c in found.choice.candidates if c.eligible]
                return [f"{names.some(able)} could take it; what stands before it is served first."]
            case "NONE_WITH_SKILL":
                needs = " and ".join(self._skill(r) for r in wants.skills if r.mode == "required")
                return [f"No available agent has {needs}.", *self._counted(found, ("SKILL_MISSING", "SKILL_LEVEL"))]
            case "TOO_HEAVY":
                most = max((s.limits.total for s in self._sessions(found, ("TOO_HEAVY",))), default=0)
                return [f"Weight {wants.weight} is more than any available agent's whole capacity ({most})."]
            case "KEPT_FOR_AGENT":
                until = f" until {iso(found.due)}" if found.due is not None else ""
                return [f"It is kept for {names.of(wants.kept_for)}{until}, who is there and has no room yet."]
            case "ALL_DECLINED":
                who = [c.user for c in found.choice.candidates if c.reason == "DECLINED_BEFORE"]
                again = f"; they are asked again at {iso(found.due)}" if found.due is not None else ""
                return [f"{names.some(who)} declined{again}."]
            case "NONE_AVAILABLE":
                total = sum(n for code, n in counts.items() if code != "QUEUE_NOT_SERVED")
                return [f"{total} signed in, and nobody available.", *self._counted(found, ("STATUS_NOT_AVAILABLE",))]
            case _:
                return self._full(found)

    def _skill(self, r: Requirement) -> str:
        level = f" at level {r.level}" if r.level > 1 else ""
        return f"{self._names.of(r.skill)}{level} (required)"

    def _sessions(self, found: Waits, reasons: Iterable[str]) -> list[WorkSession]:
        wanted = frozenset(reasons)
        return [self._floor.agents[c.session].session for c in found.choice.candidates if c.reason in wanted]

    def _full(self, found: Waits) -> list[str]:
        full = self._sessions(found, ("AT_CAPACITY",))
        counts = found.choice.counts
        figures = {f"{s.used} of {s.limits.total}" for s in full}
        others = sum(n for code, n in counts.items() if code not in ("AT_CAPACITY", "QUEUE_NOT_SERVED"))
        said: list[str] = []
        if full and len(figures) == 1 and not others and len(full) == counts["AT_CAPACITY"]:
            said.append(f"All agents at {figures.pop()}.")
        elif full:
            named = "; ".join(f"{self._names.of(s.user)} at {s.used} of {s.limits.total}" for s in full[:NAMED_MAX])
            more = counts["AT_CAPACITY"] - min(len(full), NAMED_MAX)
            said.append(named + (f"; and {more} more at capacity." if more > 0 else "."))
        rest = [code for code in counts if code not in ("AT_CAPACITY", "QUEUE_NOT_SERVED")]
        return [*said, *self._counted(found, rest)]

    def _counted(self, found: Waits, reasons: Iterable[str]) -> list[str]:
        """For each reason: who, by name as far as they are listed, and what is the matter with them."""
        said: list[str] = []
        for code in reasons:
            n = found.choice.counts.get(code, 0)
            who = [c for c in found.choice.candidates if c.reason == code]
            if n and who:
                named = ", ".join(self._named(c) for c in who[:NAMED_MAX])
                more = f" and {n - NAMED_MAX} more" if n > NAMED_MAX else ""
                said.append(f"{named}{more}: {routing.REASONS[code]}.")
        return said

    def _named(self, c: Candidate) -> str:
        name = self._names.of(c.user)
        s = self._floor.agents.get(c.session)
        return f"{name} ({s.session.status_type})" if c.reason == "STATUS_NOT_AVAILABLE" and s else name
