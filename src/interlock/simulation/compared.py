"""Two configurations on the same day, side by side: what moves, how long people wait, how the load lies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from interlock.domain.agent import User
from interlock.domain.dry_run import need_of
from interlock.domain.queue import Queue
from interlock.domain.resource import iso
from interlock.simulation.what_if import Outcome, Stay, WhatIf, queues_of
from interlock.simulation.yesterday import Entry, Yesterday, counted

Json = dict[str, Any]


def told(day: Yesterday, before: WhatIf, after: WhatIf | None, *, seed: int, source: str) -> Json:
    """The whole comparison as one document. Times of waits in seconds."""
    queues = {**queues_of(before), **(queues_of(after) if after else {})}
    recorded = [_recorded(e) for e in day.entries if e.queue]
    sides = {"before": before.out.stays} | ({"after": after.out.stays} if after else {})
    sides = ({"recorded": recorded} if recorded else {}) | sides
    by_rules = sum(e.by_rules for e in day.entries)
    names = {u.id: u.name for u in day.kept(User)}
    return {
        "source": source,
        "from": iso(day.begin),
        "to": iso(day.end),
        "seed": seed,
        "exact": [
            f"{len(day.entries)} arrivals in queues at the times of the log, {by_rules} of them placed by rules",
            "rule matches: what was recorded is replayed; other rules judge what those that ran had seen",
            f"{len(day.turns)} shifts: when agents signed in and out, and what they said" if day.turns else
            "no shifts: there is no log of them",
        ],
        "simulated": [
            "waits, and who gets what: production's own rounds of routing on a virtual clock",
            f"answers to offers: drawn from {len(day.answers)} of the log" if day.answers else
            "answers to offers: the log has none; each is accepted after 5 s",
            f"handle times: drawn from {sum(map(len, day.holds.values()))} of the log, by channel" if day.holds else
            "handle times: the log has none; 5 minutes each",
            "nobody is made Unavailable by a silent offer: what agents said is replayed" if day.turns
            else "shifts: everybody is there all day",
        ],
        "answers": dict(counted(day)),
        "queues": [
            _queue(q, {name: [s for s in stays if s.queue == id] for name, stays in sides.items()}, before, after)
            for id, q in sorted(queues.items(), key=lambda pair: (pair[1].name.lower(), pair[0]))
            if any(s.queue == id for stays in sides.values() for s in stays)
        ],
        "moved": _moved(before, after, queues) if after else [],
        "agents": _agents(names, before.out, after.out if after else None),
        "offers": {
            name: {"made": o.offers, "timedOut": o.timed_out, "declined": o.declined}
            for name, o in (("before", before.out), *((("after", after.out),) if after else ()))
        },
    }  # fmt: skip


def left_out(day: Yesterday, rules: Sequence[Any]) -> list[Entry]:
    """Arrivals of which the log does not know what these rules would look at; they are taken out of both sides."""
    need = need_of(rules)
    unknown = {"conversation"} | ({"customer"} if need.customer else set()) | ({"message"} if need.message else set())
    return [e for e in day.entries if e.by_rules and unknown & set(e.missing)]


def _recorded(e: Entry) -> Stay:
    return Stay(e, e.queue, e.waited, e.ended)


def _queue(q: Queue, sides: Mapping[str, list[Stay]], before: WhatIf, after: WhatIf | None) -> Json:
    out: Json = {"queue": q.id, "key": q.key, "name": q.name}
    for name, stays in sides.items():
        target = q.target_seconds
        out[name] = _figures(stays, target)
    if after is not None:
        was = {s.entry.item + str(s.entry.at): s.queue for s in before.out.stays}
        now = {s.entry.item + str(s.entry.at): s.queue for s in after.out.stays}
        out["in"] = sum(1 for k, v in now.items() if v == q.id and was.get(k) != q.id)
        out["out"] = sum(1 for k, v in was.items() if v == q.id and now.get(k) != q.id)
    return out


def _figures(stays: Sequence[Stay], target_s: int | None) -> Json:
    """Figures of one queue on one side; waits are those of items that an agent took."""
    taken = sorted(s.waited for s in stays if s.ended == "accepted" and s.waited is not None)
    within = None
    if target_s is not None and taken:
        within = round(sum(w <= target_s * 1000 for w in taken) / len(taken), 3)
    return {
        "items": len(stays), "taken": len(taken), "left": sum(s.ended == "left" for s in stays),
        "stillWaiting": sum(not s.ended for s in stays), "waitP50Seconds": _quantile(taken, 0.5),
        "waitP95Seconds": _quantile(taken, 0.95), "withinTarget": within,
    }  # fmt: skip


def _quantile(ordered: Sequence[int], share: float) -> float | None:
    """The wait (s) that this share did not exceed."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1000, 1)


def _moved(before: WhatIf, after: WhatIf | None, queues: Mapping[str, Queue]) -> list[Json]:
    if after is None:
        return []
    was = {(s.entry.item, s.entry.at): s.queue for s in before.out.stays}
    out: list[Json] = []
    for s in after.out.stays:
        old = was.get((s.entry.item, s.entry.at), s.queue)
        if old != s.queue:
            out.append({"conversation": s.entry.conversation.id, "workItem": s.entry.item, "at": iso(s.entry.at),
                        "before": _name(queues, old), "after": _name(queues, s.queue)})  # fmt: skip
    return out


def _name(queues: Mapping[str, Queue], id: str) -> str:
    q = queues.get(id)
    return (q.key or q.name) if q else id


def _agents(names: Mapping[str, str], before: Outcome, after: Outcome | None) -> list[Json]:
    users: Iterable[str] = sorted({*before.load, *(after.load if after else ())}, key=lambda u: (names.get(u, u), u))
    return [
        {"user": u, "name": names.get(u, u), "loadBefore": _share(before.load.get(u)),
         **({"loadAfter": _share(after.load.get(u))} if after else {})}
        for u in users
    ]  # fmt: skip


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
