"""R26 over-capacity: a second pass, by user, over what each history says of who held what. Small rows, no histories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.anomalies import severity_of
from interlock.investigation.finding import Evidence, Finding
from interlock.investigation.history import STATUS, USERS, Chronicle, Version
from interlock.investigation.observation import RecordRef

SESSION_TYPES = frozenset({"work_session", "work-session", "agent", "user", "routing_settings"})


class Held(msgspec.Struct, frozen=True):
    """A user had an item from `since` to `until` (ms; `None`: the log does not show the end)."""

    org: str
    user: str
    item: RecordRef
    rev: int
    since: int
    until: int | None
    weight: int
    evidence: Evidence


class Limit(msgspec.Struct, frozen=True):
    """How much a user may hold, from `at` on. `flagged`: items that somebody decided to give them beyond it; `over`: by
    how much the session itself shows that it is over."""

    org: str
    user: str
    at: int
    limit: int
    flagged: tuple[str, ...] = ()
    over: int = 0


def holdings(c: Chronicle) -> Iterator[Held | Limit]:
    """The rows of one history for the second pass."""
    for item in c.items:
        yield from _held(item.versions)
    for track in c.tracks:
        if track.record.type in SESSION_TYPES:
            for v in track.versions:
                yield from _limit(v)


def _held(versions: list[Version]) -> Iterator[Held]:
    had: tuple[str, Version] | None = None
    for v in versions:
        now = _owner(v)
        if had is not None and now != had[0]:
            yield _row(*had, v.at)
            had = None
        if now and had is None and v.at is not None:
            had = (now, v)
    if had is not None:
        yield _row(*had, None)


def _owner(v: Version) -> str:
    if v.shows(STATUS) not in words.HELD or words.shown(v.first, ("paused",)) is True:
        return ""
    users = v.shows(USERS)
    return users[0] if users is not UNSET and users else ""


def _row(user: str, v: Version, until: int | None) -> Held:
    weight = words.shown(v.first, ("itemSize", "weight"))
    size = weight if isinstance(weight, int) and not isinstance(weight, bool) else 1
    record = v.first.record
    assert v.at is not None
    return Held(record.org, user, record, v.rev, v.at, until, size, Evidence(v.first.place, v.first.event_id))


def _limit(v: Version) -> Iterator[Limit]:
    o = v.first
    user = words.id_of(words.shown(o, ("user", "userId")))
    if user is UNSET:
        user = o.record.id
    capacity: Any = words.shown(o, ("totalCapacity", "workItemCapacity", "limits", "capacity", "limit"))
    if isinstance(capacity, Mapping):
        capacity = capacity.get("total")
    if not isinstance(capacity, int) or isinstance(capacity, bool) or not isinstance(user, str) or v.at is None:
        return
    holding = words.shown(o, ("holding",))
    flagged = (
        [h.get("item", "") for h in holding if isinstance(h, Mapping) and h.get("over")]
        if isinstance(holding, list)
        else []
    )
    over = words.shown(o, ("overCapacity",))
    yield Limit(o.record.org, user, v.at, capacity, tuple(flagged), over if isinstance(over, int) else 0)


def over_capacity(rows: Iterable[Held | Limit]) -> Iterator[Finding]:
    """A user's open items weigh more than the limit that the log states, and nothing flags that somebody decided so.

    Silent if: the log states no limit; the excess is flagged; the items are paused, or merely offered.
    """
    held: dict[tuple[str, str], list[Held]] = {}
    limits: dict[tuple[str, str], list[Limit]] = {}
    for row in rows:
        if isinstance(row, Held):
            held.setdefault((row.org, row.user), []).append(row)
        else:
            limits.setdefault((row.org, row.user), []).append(row)
    for key, known in limits.items():
        if key in held:
            yield from _sweep(held[key], sorted(known, key=lambda limit: limit.at))


def _since(held: Held) -> tuple[int, int, int]:
    """By time; of one moment by place, so that it does not matter in which order conversations are looked at."""
    place = held.evidence.place
    return held.since, place.input, place.line


def _sweep(held: list[Held], limits: list[Limit]) -> Iterator[Finding]:
    open_: list[Held] = []
    flagged = {item for limit in limits for item in limit.flagged}
    allowed = max(limit.over for limit in limits)
    over = False
    for row in sorted(held, key=_since):
        open_ = [h for h in open_ if h.until is None or h.until > row.since]
        open_.append(row)
        limit = next((x.limit for x in reversed(limits) if x.at <= row.since), limits[0].limit)
        load = sum(h.weight for h in open_ if h.item.id not in flagged)
        if load > limit + allowed and not over and row.item.id not in flagged:
            yield Finding(
                rule="R26",
                severity=severity_of("R26"),
                certainty="proven",
                record=row.item,
                field=USERS,
                rev=row.rev,
                at=row.since,
                evidence=tuple(h.evidence for h in open_),
                facts={"user": row.user, "load": load, "limit": limit, "items": len(open_)},
            )
        over = load > limit + allowed
