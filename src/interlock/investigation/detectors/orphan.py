"""R22 orphan: links that lead nowhere, and two items where there is one."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from interlock.investigation import vocabulary as words
from interlock.investigation.detectors.build import found
from interlock.investigation.finding import Certainty, Finding
from interlock.investigation.history import STATUS, Chronicle, Track, Version


def orphan(c: Chronicle) -> Iterator[Finding]:
    """An item about a conversation that was deleted before; two open items for one conversation; a conversation that
    names another item than the one that names it.

    Silent if: the log does not show the conversation at all; an item's end may lie in revs that the log does not show.
    """
    if c.conversation is not None:
        gone = next((v for v in c.conversation.versions if v.first.verb == "delete"), None)
        for item in c.items:
            if gone is not None and item.first.first.verb == "create" and _after(item.first, gone):
                yield found("R22", item.first, proofs=(gone,), facts={"what": "its conversation had been deleted"})
        yield from _one_way(c, c.conversation)
    for n, item in enumerate(c.items):
        for other in c.items[:n]:
            yield from _both_open(other, item)


def _after(v: Version, other: Version) -> bool:
    return v.at is not None and other.at is not None and v.at > other.at


def _both_open(a: Track, b: Track) -> Iterator[Finding]:
    older, newer = sorted((a, b), key=lambda t: (t.first.at or 0, t.first.order))
    born = newer.first
    if born.first.verb != "create" or born.at is None or born.shows(STATUS) in words.FINAL:
        return
    then: Version | None = None
    for v in older.versions:
        if v.at is not None and v.at <= born.at:
            then = v
    if then is None or then.shows(STATUS) in words.FINAL or then.shows(STATUS) is UNSET:
        return
    if any(v.first.verb == "delete" for v in older.versions if v.at is not None and v.at <= born.at):
        return
    following = [v for v in older.versions if v.rev > then.rev]
    certainty: Certainty = "proven" if following and following[0].rev == then.rev + 1 else "inferred"
    if not following:
        certainty = "possible"
    facts = {"what": "another item of the conversation was still open", "other": older.record, "other_rev": then.rev}
    yield found("R22", born, certainty=certainty, proofs=(then, *following[:1]), facts=facts)


def _one_way(c: Chronicle, conversation: Track) -> Iterator[Finding]:
    items = {t.record.id for t in c.items}
    if not items or any(t.starts_late for t in c.items):
        return
    for v in conversation.versions:
        named = words.id_of(words.shown(v.first, ("workItem", "work_item")))
        if isinstance(named, str) and named and named not in items:
            yield found(
                "R22", v, certainty="inferred", facts={"what": "it names an item that does not name it", "other": named}
            )
            return
