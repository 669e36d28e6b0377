"""Searching what a company has: rows in the order of their last change, tested one by one until a page is full."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import msgspec

from interlock.domain.conversation import Conversation
from interlock.domain.customer import Customer
from interlock.domain.errors import TooMany
from interlock.domain.facts import Facts
from interlock.domain.message import Message
from interlock.domain.record import Record
from interlock.domain.search import KINDS, Search
from interlock.ports import Query, World
from interlock.service.views import named

PAGE = 500
ROWS_MAX = 200_000
"""So many rows a search looks at; one that has to look at more is refused with a hint."""
SORTED_MAX = 10_000
"""So many matches are put into another order than that of their last change."""
BLANK = Conversation(id="", org="")


class Found(msgspec.Struct, frozen=True):
    """One page. `total` is known if everything was looked at."""

    records: list[Record]
    more: bool
    total: int | None


async def search(world: World, org: str, wanted: Search, offset: int, limit: int) -> Found:
    """The matches from `offset` on, at most `limit`. Raises `TooMany` for a search that is too wide."""
    if not wanted.by_change:
        return await _sorted(world, org, wanted, offset, limit)
    seen: list[Record] = []
    count = 0
    async for record, _ in _matches(world, org, wanted, descending=wanted.sort[0].descending):
        count += 1
        if count > offset + limit:
            return Found(seen, True, None)
        if count > offset:
            seen.append(record)
    return Found(seen, False, count)


async def _sorted(world: World, org: str, wanted: Search, offset: int, limit: int) -> Found:
    found: list[tuple[Record, Facts]] = []
    async for pair in _matches(world, org, wanted, descending=False):
        found.append(pair)
        if len(found) > SORTED_MAX:
            raise TooMany(f"More than {SORTED_MAX} match; narrow the search, or sort by updatedAt.", pointer="/sort")
    for sort in reversed(wanted.sort):
        found.sort(key=wanted.key(sort), reverse=sort.descending)
    page = [record for record, _ in found[offset : offset + limit]]
    return Found(page, len(found) > offset + limit, len(found))


async def _matches(world: World, org: str, wanted: Search, *, descending: bool) -> AsyncIterator[tuple[Record, Facts]]:
    looked = 0
    more = True
    while more:
        if looked >= ROWS_MAX:
            raise TooMany(f"It would look at more than {ROWS_MAX} rows; narrow it by updatedAt.", pointer="/and")
        query = Query(
            name="updated",
            org=org,
            type=KINDS[wanted.context].TYPE,
            since=wanted.since,
            before=wanted.before,
            descending=descending,
            offset=looked,
            limit=PAGE,
        )
        page = await world.store.find(query)
        looked, more = looked + len(page), len(page) == PAGE
        for record, facts in zip(page, await _facts(world, org, wanted, page), strict=True):
            if wanted.holds(facts):
                yield record, facts


async def _facts(world: World, org: str, wanted: Search, page: Sequence[Record]) -> list[Facts]:
    """What the conditions look at, loaded for a page at once."""
    now = world.clock.now()
    cases = await _beside(world, org, Conversation, page, "conversation" in wanted.joins)
    people = await _beside(world, org, Customer, page, "customer" in wanted.joins)
    out: list[Facts] = []
    for record in page:
        case = record if isinstance(record, Conversation) else cases.get(getattr(record, "conversation", ""), BLANK)
        person = record if isinstance(record, Customer) else people.get(getattr(record, "customer", None) or "")
        said = record if not isinstance(record, Conversation | Customer) else None
        out.append(Facts(case, person, cast("Message | None", said), now))
    return out


async def _beside(world: World, org: str, kind: type[Any], page: Sequence[Record], wanted: bool) -> dict[str, Any]:
    if not wanted:
        return {}
    ids = dict.fromkeys(id for r in page if (id := getattr(r, kind.TYPE, None)))
    return {r.id: r for r in await named(world, org, kind, list(ids))}
