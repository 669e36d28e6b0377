"""Who gets which item: rounds over a floor. Items in order, for each the agent whom the queue's strategy names.

Time for each match is that of the classes and groups that differ, times the logarithm of what stands in them. An item
that nobody can take blocks none behind it, and a class that nobody can serve is passed over as one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Literal, NamedTuple

import msgspec

from interlock.domain import routing, skill
from interlock.domain.decision import Candidate
from interlock.domain.floor import Class, Entry, Floor, Group, QueueFloor
from interlock.domain.line import Line
from interlock.domain.routing import Choice, Fit, Key, Wants

JUDGED_MAX = 10_000
"""Judgements that a class remembers: most are of groups that are there no more."""

Ranked = tuple[bool, int, int, str, str]
"""Whether something preferred is missing, two figures of the strategy, user, session: smallest first."""


class Match(msgspec.Struct, frozen=True):
    """One item for one agent, as the floor sees it. `revs`: of the item and the session that it saw."""

    item: str
    choice: Choice
    revs: tuple[int, int] = (0, 0)


class LeftWaiting(msgspec.Struct, frozen=True):
    """An item that waits beside an agent who could take it, for so long (ms): never to be seen."""

    item: str
    user: str
    for_ms: int


class _Head(NamedTuple):
    """An item to be looked at, and where it came from: an agent with news, a class with news, or itself."""

    key: Key
    n: int
    agent: str = ""
    of_class: tuple[str, Wants] | None = None


def match(floor: Floor, most: int) -> list[Match]:
    """What can be granted now, items in order, at most so many. What is matched is `given` until its records come.

    Only what is news is looked at: of an old item and an old agent it is known that they do not fit.
    """
    heads = _heads(floor)
    found: list[Match] = []
    while heads:
        head = heapq.heappop(heads)
        entry = floor.items.get(head.key[-1])
        if entry is not None and entry.standing is not None and entry.key == head.key:
            if len(found) >= most:
                _put_off(floor, head)
                continue
            choice = choose(floor, entry)
            if choice.user:
                revs = entry.waiting.rev, floor.agents[choice.session].session.rev
                found.append(Match(entry.waiting.id, choice, revs))
                floor.give(entry, choice.session)
            elif head.of_class is not None and not entry.declined:
                continue
        following = _following(floor, head)
        if following is not None:
            heapq.heappush(heads, head._replace(key=following))
    return found


def _heads(floor: Floor) -> list[_Head]:
    heads: list[_Head] = []
    for id in floor.news_items:
        entry = floor.items.get(id)
        if entry is not None and entry.standing is not None and not floor.held(entry.waiting.queue):
            heads.append(_Head(entry.key, len(heads)))
    for id in floor.news_agents:
        first = first_for(floor, id)
        if first is not None:
            heads.append(_Head(first, len(heads), id))
    for of_class in floor.news_classes:
        found = _class(floor, of_class)
        first = found.items.first() if found is not None and not floor.held(of_class[0]) else None
        if first is not None:
            heads.append(_Head(first, len(heads), "", of_class))
    floor.news_items, floor.news_agents, floor.news_classes = {}, {}, {}
    heapq.heapify(heads)
    return heads


def _put_off(floor: Floor, head: _Head) -> None:
    """It stays news for the next call."""
    if head.of_class is not None:
        floor.news_classes[head.of_class] = None
    elif head.agent:
        floor.news_agents[head.agent] = None
    else:
        floor.news_items[head.key[-1]] = None


def _following(floor: Floor, head: _Head) -> Key | None:
    """What comes next from where this one came: the agent's next item while they are free, the class's next."""
    if head.of_class is not None:
        found = _class(floor, head.of_class)
        return next(found.items.after(head.key), None) if found else None
    return first_for(floor, head.agent) if head.agent else None


def _class(floor: Floor, of_class: tuple[str, Wants]) -> Class | None:
    q = floor.queues.get(of_class[0])
    return q.classes.get(of_class[1]) if q else None


def first_for(floor: Floor, session: str) -> Key | None:
    """The first item in order that an agent could take now, of all the queues that they serve."""
    standing = floor.agents.get(session)
    if standing is None or standing.given:
        return None
    user, best = standing.session.user, None
    for id, (group, _) in standing.groups.items():
        q = floor.queues[id]
        if not q.classes or floor.held(id):
            continue
        for wants, each in q.classes.items():
            if judged(each, group)[0] or (wants.kept_for and not _free_to(floor, q, wants, user)):
                continue
            for key in each.items:
                if best is not None and key >= best:
                    break
                if user not in floor.items[key[-1]].declined:
                    best = key
                    break
    return best


def judged(each: Class, group: Group) -> tuple[str, bool]:
    """The first test that a group fails for a class (empty: none), and whether it lacks what is preferred."""
    found = each.judged.get(group.n)
    if found is None:
        if len(each.judged) > JUDGED_MAX:
            each.judged.clear()
        found = each.judged[group.n] = _judge(each.wants, group.fit)
    return found


def _judge(wants: Wants, fit: Fit) -> tuple[str, bool]:
    return routing.unfit(wants, fit), bool(wants.skills) and not skill.preferred(dict(fit.skills), wants.skills)


def fits(floor: Floor, item: str, session: str) -> bool:
    """Whether an item and an agent are both there for each other, as far as the floor knows."""
    entry, standing = floor.items.get(item), floor.agents.get(session)
    if entry is None or entry.standing is None or standing is None or floor.held(entry.waiting.queue):
        return False
    at = standing.groups.get(entry.waiting.queue)
    return at is not None and not judged(entry.standing, at[0])[0] and standing.session.user not in entry.declined


def _free_to(floor: Floor, q: QueueFloor, wants: Wants, user: str) -> bool:
    """Whether items of a class may go to this agent, as far as they are kept for one."""
    return wants.kept_for in ("", user) or _owner(floor, q, wants)[0] == "away"


def _owner(floor: Floor, q: QueueFloor, wants: Wants) -> tuple[Literal["away", "full", "able"], Ranked | None]:
    """How the agent stands for whom a class is kept, and their place in the order."""
    session = floor.by_user.get(wants.kept_for, "")
    at = floor.agents[session].groups.get(q.id) if session else None
    if at is None:
        return "away", None
    group, rank = at
    reason = routing.unfit(wants, group.fit)
    if reason:
        return ("full" if reason in routing.FULL else "away"), None
    return "able", (False, *rank)


def choose(floor: Floor, entry: Entry) -> Choice:
    """One agent for one waiting item, and what was thought of the others."""
    q = floor.queue_floor(entry.waiting.queue)
    view = _View(floor, q, entry)
    owner, own = ("away", None) if not view.wants.kept_for else _owner(floor, q, view.wants)
    ranked = view.ranked()
    chosen = own if owner == "able" else None if owner == "full" else next(ranked, None)
    if owner == "able":
        ranked = (r for r in ranked if r[3] != view.wants.kept_for)
    return Choice(
        user=chosen[3] if chosen else "",
        session=chosen[4] if chosen else "",
        candidates=tuple(islice(view.candidates(chosen, ranked, kept=owner != "away"), routing.CANDIDATES_KEPT)),
        counts=view.counts(chosen, kept=owner != "away"),
        strategy=floor.strategy(q.id),
        afresh=entry.afresh,
    )


class _View:
    """The groups of a queue, as one item sees them. It lives inside one choice."""

    def __init__(self, floor: Floor, q: QueueFloor, entry: Entry) -> None:
        self.floor = floor
        self.q = q
        each = entry.standing or Class(floor.place_of(entry.waiting).wants, Line(), {})
        self.wants = each.wants
        self.able: list[tuple[bool, Group]] = []
        self.unable: list[tuple[str, Group]] = []
        for group in q.groups.values():
            reason, unmet = judged(each, group)
            if reason:
                self.unable.append((reason, group))
            else:
                self.able.append((unmet, group))
        self.declined = [
            s
            for user in sorted(entry.declined)
            if (s := floor.by_user.get(user)) and any(g is _at(floor, s, q) for _, g in self.able)
        ]
        self._without = entry.declined

    def ranked(self) -> Iterator[Ranked]:
        """Who may be offered it, in order."""
        lines = [_behind(unmet, group) for unmet, group in self.able]
        merged: Iterator[Ranked] = heapq.merge(*lines) if len(lines) > 1 else iter(lines[0]) if lines else iter(())
        return (r for r in merged if r[3] not in self._without) if self._without else merged

    def candidates(self, chosen: Ranked | None, others: Iterator[Ranked], *, kept: bool) -> Iterator[Candidate]:
        """All of them: the chosen one, whoever else could take it, in order, and then the nearest misses first."""
        if chosen is not None:
            yield self._candidate(chosen[4], "", True, 1)
        for n, ranked in enumerate(others, 1 + (chosen is not None)):
            yield self._candidate(ranked[4], _reason(ranked[0], chosen, kept), True, n)
        for session in self.declined:
            yield self._candidate(session, "DECLINED_BEFORE", False)
        for reason, group in sorted(self.unable, key=_nearest_first):
            for rank in group.agents:
                yield self._candidate(rank[3], reason, False)

    def _candidate(self, session: str, reason: str, eligible: bool, place: int = 0) -> Candidate:
        s = self.floor.agents[session].session
        return Candidate(s.user, s.id, s.rev, eligible, reason, place)

    def counts(self, chosen: Ranked | None, *, kept: bool) -> dict[str, int]:
        """How many of all live sessions there are for each reason."""
        counts: dict[str, int] = {}
        for reason, group in self.unable:
            counts[reason] = counts.get(reason, 0) + group.agents.size
        told: dict[int, str] = {}
        for unmet, group in self.able:
            reason = told[group.n] = _reason(unmet, chosen, kept)
            counts[reason] = counts.get(reason, 0) + group.agents.size
        elsewhere = len(self.floor.agents) - sum(counts.values())
        if elsewhere:
            counts["QUEUE_NOT_SERVED"] = elsewhere
        moved = [(s, "DECLINED_BEFORE") for s in self.declined] + ([(chosen[4], "CHOSEN")] if chosen else [])
        for session, code in moved:
            group = _at(self.floor, session, self.q)
            if group is not None:
                counts[told[group.n]] -= 1
                counts[code] = counts.get(code, 0) + 1
        return {reason: n for reason, n in counts.items() if n}


def _behind(unmet: bool, group: Group) -> Iterator[Ranked]:
    return ((unmet, *rank) for rank in group.agents)


def _at(floor: Floor, session: str, q: QueueFloor) -> Group | None:
    at = floor.agents[session].groups.get(q.id)
    return at[0] if at else None


def _reason(unmet: bool, chosen: Ranked | None, kept: bool) -> str:
    """Why an agent who could take it was passed over."""
    if kept:
        return "STICKY_ELSEWHERE"
    return "SKILL_PREFERRED_ELSEWHERE" if chosen is not None and unmet > chosen[0] else "RANKED_LOWER"


_ORDER = {code: -n for n, (code, _) in enumerate(routing.TESTS)}


def _nearest_first(each: tuple[str, Group]) -> int:
    return _ORDER[each[0]]


def left_waiting(floor: Floor, older_than_ms: int) -> list[LeftWaiting]:
    """Items beside an agent who could take them, both for longer than this: one for each class and group that fit.

    It looks at everything, not at news alone: it is what shows that looking at news is enough.
    """
    found: list[LeftWaiting] = []
    for q in floor.queues.values():
        if q.classes and not floor.held(q.id):
            for each in q.classes.values():
                for key in each.items:
                    entry = floor.items[key[-1]]
                    choice = choose(floor, entry)
                    if choice.user:
                        able = [floor.agents[c.session] for c in choice.candidates if c.eligible]
                        since = max(entry.since, min(s.since for s in able))
                        if floor.now - since > older_than_ms:
                            found.append(LeftWaiting(entry.waiting.id, choice.user, floor.now - since))
                    if not entry.declined:
                        break
    return found


class Waits(msgspec.Struct, frozen=True):
    """Why an item waits: the code, what was thought of the agents, and what the code rests on.

    ahead  items of its queue before it     due  when it will stand elsewhere by itself (ms), if it will
    opens  when its queue opens (ms), if that is what it waits for
    """

    because: str
    wants: Wants
    choice: Choice
    ahead: int
    due: int | None = None
    opens: int | None = None


def waits(floor: Floor, item: str) -> Waits | None:
    """Why an item waits, by what a round would go by; `None` for one that waits in no queue of ours."""
    entry = floor.items.get(item)
    if entry is None:
        return None
    w = entry.waiting
    at = floor.place_of(w)
    q = floor.queue_floor(w.queue)
    choice = choose(floor, entry)
    ahead = sum(each.items.before(at.key) for each in q.classes.values())
    opens = None
    if w.state == "routed":
        code = "OFFERED"
    elif w.state == "paused":
        code = "ITEM_PAUSED"
    else:
        code = floor.held(w.queue)
        opens = floor.hours.of(w.queue).next_open(floor.now) if code == "OUTSIDE_HOURS" else None
        if entry.given:
            code = code or "NOT_YET_ROUTED"
        code = code or reason_of_class(floor, q, at.wants, choice.counts, ahead)
    return Waits(code, at.wants, choice, ahead, at.due, opens)


def reason_of_class(floor: Floor, q: QueueFloor, wants: Wants, counts: Mapping[str, int], ahead: int) -> str:
    """Why items of a class wait that are neither held nor offered."""
    return routing.because(
        counts,
        served=any(t.enabled and q.id in t.queues for t in floor.teams.values()),
        skilled=any(routing.could_one_day(wants, fit) for fit in q.groups),
        kept=bool(wants.kept_for) and _owner(floor, q, wants)[0] == "full",
        ahead=ahead,
    )


class Kind(msgspec.Struct, frozen=True):
    """Items of a queue that wait for one reason: of one class, and declined by as many or by nobody."""

    because: str
    wants: Wants
    items: int
    first: str
    counts: dict[str, int]


def kinds_of(floor: Floor, queue: str) -> list[Kind]:
    """Why everything in a queue waits, a class at a time: those asked first, then what somebody has declined."""
    q = floor.queue_floor(queue)
    held = floor.held(queue)
    found: list[Kind] = []
    for wants, each in q.classes.items():
        refused = sorted(e.key for i in q.declined if (e := floor.items[i]).standing is each)
        plain = len(each.items) - len(refused)
        if plain:
            first = next(k for k in each.items if not floor.items[k[-1]].declined)
            found.append(_kind(floor, q, wants, plain, first, held))
        by_decliners: dict[frozenset[str], list[Key]] = {}
        for key in refused:
            by_decliners.setdefault(floor.items[key[-1]].declined, []).append(key)
        found += [_kind(floor, q, wants, len(keys), keys[0], held) for keys in by_decliners.values()]
    return found


def _kind(floor: Floor, q: QueueFloor, wants: Wants, items: int, first: Key, held: str) -> Kind:
    choice = choose(floor, floor.items[first[-1]])
    ahead = sum(each.items.before(first) for each in q.classes.values())
    code = held or reason_of_class(floor, q, wants, choice.counts, ahead)
    return Kind(code, wants, items, first[-1], choice.counts)
