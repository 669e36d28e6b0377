"""R14 invalid-combination: what cannot be true at once, and for how long it was shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import between, found, known
from interlock.investigation.finding import Finding
from interlock.investigation.history import STATUS, USERS, Chronicle, Track, Version


class _Span(NamedTuple):
    """From the version that began it to the one that ended it (`None`: the log ends first)."""

    what: str
    began: Version
    ended: Version | None
    beside: Version | None = None


def invalid_combination(c: Chronicle) -> Iterator[Finding]:
    """One item: queued with users, assigned without, done with an offer. A pair: the conversation is assigned while its
    item waits in a queue. With how long it lasted; medium if it stood for the window at rest, low in flight.

    Silent if: the pair came to agree because the item took the assignment: that is a sync on its way.
    """
    for item in c.items:
        for span in _alone(item):
            yield _tell(c, span)
        if c.conversation is not None:
            for span in _pair(c.conversation, item):
                yield _tell(c, span)


def _alone(item: Track) -> Iterator[_Span]:
    began: Version | None = None
    what = ""
    for v in item.versions:
        wrong = _wrong(item, v)
        if began is not None and wrong != what:
            yield _Span(what, began, v)
            began = None
        if wrong and began is None:
            began, what = v, wrong
    if began is not None:
        yield _Span(what, began, None)


def _wrong(item: Track, v: Version) -> str:
    status, users = v.shows(STATUS), v.shows(USERS)
    if status in words.WAITING and users not in (UNSET, ()):
        return "queued with users"
    if status in words.HELD and (users == () or (users is UNSET and v.first.snapshot and item.ever_shows(USERS))):
        return "assigned without users"
    if status in words.FINAL and words.shown(v.first, ("routedTo", "reservation")) not in (UNSET, None):
        return "done with an offer"
    return ""


def _pair(conversation: Track, item: Track) -> Iterator[_Span]:
    """Spans in which the conversation has users while the item waits, unless the other side then took what was new."""
    moments = [v for v in (*conversation.versions, *item.versions) if v.at is not None]
    moments.sort(key=lambda v: v.at or 0)
    has: Any = False
    waits: Any = False
    began: Version | None = None
    beside: Version | None = None
    newest: dict[str, Version] = {}
    for v in moments:
        newest[v.track.side] = v
        if v.track is conversation:
            users, status = v.shows(USERS), v.shows(STATUS)
            has = has if users is UNSET else bool(users)
            has = has and status not in words.FINAL
        else:
            state = v.shows(STATUS)
            waits = waits if state is UNSET else state in words.WAITING
        if has and waits:
            if began is None:
                began, beside = v, newest.get("item" if v.track is conversation else "conversation")
        elif began is not None:
            if v.track is began.track:
                yield _Span("conversation assigned, item queued", began, v, beside)
            began = None
    if began is not None:
        yield _Span("conversation assigned, item queued", began, None, beside)


def _tell(c: Chronicle, span: _Span) -> Finding:
    until = span.ended.at if span.ended is not None else c.end
    lasted = between(until, span.began.at)
    at_rest = lasted is not None and lasted >= c.limits.rest_ms
    return found(
        "R14",
        span.began,
        severity="medium" if at_rest else "low",
        field=STATUS,
        proofs=(span.ended, span.beside),
        intervals=known(lasted=lasted),
        facts={"what": span.what, "at_rest": at_rest, "ended": span.ended is not None},
    )
