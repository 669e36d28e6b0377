"""Searching, in the reference's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import listing
from interlock.api.operation import post
from interlock.api.pages import Pages, page_links, window
from interlock.api.shapes import Base, Free
from interlock.domain.errors import Malformed
from interlock.domain.facts import TIME
from interlock.domain.record import Record
from interlock.domain.search import read_search
from interlock.service import search as service

PAGE_MAX = 500
PAGES_MAX = 100
Conditions = Annotated[tuple[Free, ...], Meta(max_length=100)] | UnsetType


class SearchBody(Base, frozen=True, kw_only=True):
    """What is looked for: conditions, an order, and of which kind it is. Times without a zone are in `timeZone`."""

    query_context: Literal["customer", "conversation", "message", "note", "kobject"] = "customer"
    all_of: Conditions = msgspec.field(default=UNSET, name="and")
    any_of: Conditions = msgspec.field(default=UNSET, name="or")
    none_of: Conditions = msgspec.field(default=UNSET, name="not")
    sort: Annotated[tuple[Free, ...], Meta(max_length=3)] | UnsetType = UNSET
    time_zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"


@post(
    "/v1/customers/search",
    "search",
    tag="customers",
    roles=roles.SEARCH_READ,
    body=SearchBody,
    answers="found",
    status=200,
    idempotency="no",
    query=Pages,
    example={
        "queryContext": "conversation",
        "and": [
            {"conversation_updated_at": {"gte": "2026-03-02T09:00:00Z"}},
            {"conversation_status": {"equals": "open"}},
        ],
        "sort": [{"conversation_updated_at": "asc"}],
    },
)
async def search(call: Call) -> Answer:
    """Search customers, conversations, messages or notes.

    At most 100 pages of at most 500. A page that is full may point on to one that is refused; for more, ask again from
    the last `updatedAt`: `gte` is inclusive and exact to the millisecond.
    """
    if not call.key.user:
        call.host.search_limits.count(call.key.id, call.world.clock.now())
    body: SearchBody = call.body
    w = window(call.query, PAGE_MAX)
    if w.page > PAGES_MAX:
        raise Malformed(f"At most {PAGES_MAX} pages; ask again from the last updatedAt.", parameter="page")
    found: service.Found = service.Found([], False, 0)
    if body.query_context != "kobject":
        given = {"and": body.all_of, "or": body.any_of, "not": body.none_of, "sort": body.sort}
        zone = _zone(body.time_zone)
        said = {name: _in_zone(value, zone) for name, value in given.items() if value is not UNSET}
        wanted = read_search(said, body.query_context)
        found = await service.search(call.world, call.org, wanted, w.offset, w.size)
    return _shown(call, found.records, found, w)


def _shown(call: Call, records: list[Record], found: service.Found, w: Any) -> Answer:
    meta: dict[str, Any] = {"page": w.page, "pageSize": w.size}
    if found.total is not None:
        meta |= {"total": found.total, "totalPages": -(-found.total // w.size)}
    out, _ = listing(records, meta, page_links(call.path, w, more=found.more))
    return Answer(200, out)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Malformed(f"{name[:64]} is no time zone; say it as Europe/Paris.", pointer="/timeZone") from None


def _in_zone(value: Any, zone: ZoneInfo) -> Any:
    """Free content with every time that names no zone put into this one."""
    if isinstance(value, str):
        found = TIME.fullmatch(value)
        if found is None or found["zone"]:
            return value
        try:
            return datetime.fromisoformat(value.upper()).replace(tzinfo=zone).isoformat()
        except ValueError:
            return value
    if isinstance(value, Mapping):
        return {k: _in_zone(v, zone) for k, v in value.items()}
    return [_in_zone(v, zone) for v in value] if isinstance(value, list | tuple) else value


OPERATIONS = (search,)
