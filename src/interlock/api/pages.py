"""Pages of lists: `page` and `pageSize`, clamped, with links that are paths and a `next` that is null at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import listing, rows, tag_of
from interlock.domain.record import Record

PAGE_SIZE = 25
PAGE_SIZE_MAX = 100
ROWS_MAX = 100_000
Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Pages(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Which page; what is out of range is clamped, not refused: clients in use ask for 1000."""

    page: Number = 1
    page_size: Number = PAGE_SIZE


class Window(msgspec.Struct, frozen=True):
    """A page as a store reads it. One row more than is shown is asked for, to know whether there is a next page."""

    page: int
    size: int

    @property
    def offset(self) -> int:
        """Rows before it."""
        return (self.page - 1) * self.size

    @property
    def limit(self) -> int:
        """Rows to ask for."""
        return 0 if self.offset >= ROWS_MAX else self.size + 1


def window(query: Pages, most: int = PAGE_SIZE_MAX) -> Window:
    """The page that was asked for, within bounds."""
    return Window(max(1, query.page), min(most, max(1, query.page_size)))


def page_links(path: str, w: Window, *, more: bool, filters: str = "") -> dict[str, Any]:
    """The links of a page: paths with `page`, `pageSize` and then the filters that were asked for, if there are any."""

    def to(page: int) -> str:
        return f"{path}?page={page}&pageSize={w.size}{filters}"

    return {
        "self": to(w.page),
        "first": to(1),
        "prev": to(w.page - 1) if w.page > 1 else None,
        "next": to(w.page + 1) if more else None,
    }


def filters_of(query: msgspec.Struct) -> str:
    """What a query says beside its page, as it goes on in a link: a reader who follows it keeps the filter."""
    said: list[tuple[str, str]] = []
    for f in msgspec.structs.fields(query):
        value = getattr(query, f.name)
        if f.encode_name not in ("page", "pageSize") and value != f.default:
            said.append((f.encode_name, str(value).lower() if isinstance(value, bool) else str(value)))
    return f"&{urlencode(said)}" if said else ""


Find = Callable[[int, int], Awaitable[Sequence[Record]]]


async def paged(call: Call, find: Find, *, most: int = PAGE_SIZE_MAX) -> Answer:
    """One page of what `find(offset, limit)` gives."""
    w = window(call.query, most)
    found = await find(w.offset, w.limit) if w.limit else []
    links = page_links(call.path, w, more=len(found) > w.size, filters=filters_of(call.query))
    body, tag = listing(found[: w.size], {"page": w.page, "pageSize": w.size}, links)
    return Answer(200, body, tag)


def whole(call: Call, records: Sequence[Record]) -> Answer:
    """A list that has no pages."""
    links = {"self": call.path, "first": call.path, "prev": None, "next": None}
    body, tag = listing(records, {"page": 1, "pageSize": len(records)}, links)
    return Answer(200, body, tag)


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """A cursor page over the log: `page[after]` is a position."""

    size: Annotated[int, msgspec.Meta(ge=1, le=200)] = msgspec.field(default=50, name="page[size]")
    after: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = msgspec.field(default=0, name="page[after]")


def cursor_page(call: Call, data: list[Any], size: int, last: int | None, *, more: bool) -> Answer:
    """A cursor page of what is no record."""
    to = f"{call.path}?page[size]={size}&page[after]={last}" if more and last is not None else None
    links = {"self": call.path, "next": to}
    return Answer(200, rows(data, {"page": {"size": size, "after": last}}, links))


__all__ = ["Cursor", "Pages", "Window", "cursor_page", "paged", "tag_of", "whole", "window"]
