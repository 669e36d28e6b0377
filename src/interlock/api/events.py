"""The log as events: pages, a stream, and the history of one conversation. Only of the caller's org."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from interlock.api import roles
from interlock.api.answer import Answer, wants_stream
from interlock.api.call import Call
from interlock.api.document import encode, rows
from interlock.api.host import Host
from interlock.api.operation import get
from interlock.api.pages import Cursor
from interlock.api.stream import OPENING, Line, resumed_from, streamed
from interlock.domain.conversation import Conversation
from interlock.domain.errors import Malformed
from interlock.domain.event import decision_resource, events_of
from interlock.domain.log import Row
from interlock.service import views

PAGE = 100
PAGE_MAX = 1_000
STREAM_PAGE = 200
Position = Annotated[int, Meta(ge=0, le=2**53)]


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows after a position; of these topics only (types, nouns or `type/id`, separated by commas)."""

    after: Position | None = None
    limit: Annotated[int, Meta(ge=1, le=2**31)] = PAGE
    topics: str = ""
    page_size: Annotated[int, Meta(ge=1, le=200)] | None = msgspec.field(default=None, name="page[size]")
    page_after: Position | None = msgspec.field(default=None, name="page[after]")


def _topics(text: str) -> frozenset[str]:
    return frozenset(t.strip().removeprefix("interlock.") for t in text.split(",") if t.strip())


def _start(call: Call) -> int:
    q: LogPage = call.query
    if q.after is not None and q.page_after is not None:
        raise Malformed("Send either after or page[after].", parameter="after")
    return resumed_from(call, q.after if q.after is not None else q.page_after) or 0


@get("/v1/events", "listEvents", tag="events", roles=roles.EVENT_READ, answers="events", query=LogPage, own=True)
async def listed(call: Call) -> Answer:
    """Read events after a position, or follow them as a stream if `text/event-stream` is accepted.

    At least once; for one subject in the order of its rev; `rev` shows repeats and gaps. An event tells where to look:
    load the record and decide, do not copy.
    """
    q: LogPage = call.query
    start, topics = _start(call), _topics(q.topics)
    if wants_stream(call.headers.get(b"accept", b"")):
        return Answer(stream=streamed(call.host, Follower(call.host, call.org, start, topics).follow))
    size = q.page_size or min(q.limit, PAGE_MAX)
    found = await views.log_page(call.world, call.org, start, size + 1)
    page, more = found[:size], len(found) > size
    now = call.world.clock.now()
    data = [event for row in page for event in events_of(row, published_at=now, topics=topics)]
    last = page[-1].position if page else start
    kept = f"&topics={q.topics}" if q.topics else ""
    links = {"self": call.path, "next": f"{call.path}?after={last}&limit={size}{kept}" if more else None}
    return Answer(200, rows(data, {"after": last, "more": more}, links))


class Follower:
    """One reader of the events of an org."""

    def __init__(self, host: Host, org: str, after: int, topics: frozenset[str]) -> None:
        self._host = host
        self._org = org
        self._after = after
        self._topics = topics

    async def follow(self, line: Line) -> None:
        """Page after page of the log, at the pace of the client; a beat when it is quiet."""
        host, settings = self._host, self._host.settings
        opening = OPENING
        if self._after > await host.world.store.last_position() or self._after < await views.trimmed_to(host.world):
            self._after = 0
            opening += b"event: reset\ndata: {}\n\n"
        await line.out(opening)
        quiet = 0.0
        while not line.ended:
            news = host.news.waiter()
            page = await views.log_page(host.world, self._org, self._after, STREAM_PAGE)
            if page:
                self._after = page[-1].position
                text = b"".join(self._told(row) for row in page)
                if text:
                    await line.out(text)
                    quiet = 0.0
                if len(page) == STREAM_PAGE:
                    continue
            pause = min(settings.poll_seconds, settings.beat_seconds)
            await line.wait(news, pause)
            quiet += pause
            if quiet >= settings.beat_seconds and not news.done():
                quiet = 0.0
                await line.out(b"id: %d\nevent: beat\ndata: {}\n\n" % self._after)

    def _told(self, row: Row) -> bytes:
        """The events of a row. Only the last carries the position: a client cut off in between gets the row again."""
        events = events_of(row, published_at=self._host.world.clock.now(), topics=self._topics)
        lines = [b"event: %s\ndata: %s\n\n" % (e["type"].encode(), encode(e)) for e in events]
        if lines:
            lines[-1] = b"id: %d\n" % row.position + lines[-1]
        return b"".join(lines)


@get(
    "/v1/conversations/{id:str}/events",
    "listConversationEvents",
    tag="events",
    roles=roles.EVENT_READ,
    answers="events",
    query=Cursor,
    own=True,
)
async def of_conversation(call: Call) -> Answer:
    """Read the history of a conversation and its work items, with changes; the decisions stand in `included`."""
    id = (await call.one(Conversation, call.id())).id
    size, after = call.query.size, call.query.after
    found = await views.log_page(call.world, call.org, after, size + 1, partition=id)
    page, now = found[:size], call.world.clock.now()
    last = page[-1].position if page else after
    to = f"{call.path}?page[size]={size}&page[after]={last}" if len(found) > size else None
    body = encode(
        {
            "data": [event for row in page for event in events_of(row, published_at=now)],
            "included": [decision_resource(row) for row in page],
            "meta": {"after": last},
            "links": {"self": call.path, "next": to},
        }
    )
    return Answer(200, body)


OPERATIONS = (listed, of_conversation)
