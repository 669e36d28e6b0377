"""Topics and positions: where to look, never what to show. A page lives on it; late, doubled or reordered, it costs a
fetch and cannot show an old state.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from interlock.api import roles
from interlock.api.answer import Answer, wants_stream
from interlock.api.call import Call
from interlock.api.document import encode, rows
from interlock.api.host import Host
from interlock.api.operation import get
from interlock.api.problems import Forbidden, Unauthenticated
from interlock.api.roles import Roles
from interlock.api.stream import OPENING, Line, resumed_from, streamed
from interlock.api.throttle import Throttle, Told
from interlock.domain.access import ApiKey, allowed
from interlock.domain.errors import Malformed
from interlock.domain.resource import iso
from interlock.domain.topic import FAMILIES, OF_ONE, Family, family_of, topics_of
from interlock.ports import World
from interlock.service import views

TOPICS_MAX = 500
BEHIND_MAX = 10_000
"""Rows a reader may be behind. Further back it is told to look at everything anew, which costs less than the way."""
PAGE = 500
ROLES: dict[Family, Roles] = {
    "queues": roles.QUEUE_READ,
    "queue": roles.QUEUE_READ,
    "agents": roles.SESSION_READ,
    "agent": roles.SESSION_READ,
    "conversation": roles.CONVERSATION_READ,
    "incidents": roles.EVENT_READ,
    "rules": roles.QUEUE_RULE_READ,
    "system": roles.ANYBODY,
}


OPENS: Roles = tuple(dict.fromkeys(role for accepted in ROLES.values() for role in accepted))
"""Whoever may see one topic may ask; which ones are told is another question."""


class ChangesSince(msgspec.Struct, frozen=True, kw_only=True):
    """After which position, and of which topics (separated by commas; none: all that the key may see)."""

    after: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    topics: Annotated[str, Meta(max_length=20_000)] = ""


class Wanted:
    """What a reader asked for, held against what its key may see: when it asks, and again with each sending."""

    def __init__(self, topics: frozenset[str]) -> None:
        self._topics = topics

    def refused(self, key: ApiKey) -> str:
        """The first topic asked for that this key may not see; empty: none."""
        return next((t for t in sorted(self._topics) if not may_see(key, t)), "")

    def of(self, topics: frozenset[str], key: ApiKey) -> frozenset[str]:
        """Those of some topics that are told to the reader."""
        return topics & self._topics if self._topics else frozenset(t for t in topics if may_see(key, t))


def may_see(key: ApiKey, topic: str) -> bool:
    """Whether a key may see a topic; an agent always sees its own."""
    family = family_of(topic)
    own = family == "agent" and key.user is not None and topic == f"agent:{key.user}"
    return family is not None and (own or allowed(key.roles, ROLES[family]))


def wanted(text: str, key: ApiKey) -> Wanted:
    """The topics named in a query. Raises `Malformed` for one that is none, `Forbidden` for one not to be seen."""
    named = frozenset(t.strip() for t in text.split(",") if t.strip())
    if len(named) > TOPICS_MAX:
        raise Malformed(f"At most {TOPICS_MAX} topics at a time.", parameter="topics")
    for topic in sorted(named):
        if family_of(topic) is None:
            known = ", ".join(f"{f}:{{id}}" if f in OF_ONE else f for f in FAMILIES)
            raise Malformed(f"{topic[:100]} is no topic; there are {known}.", parameter="topics")
    out = Wanted(named)
    refused = out.refused(key)
    if refused:
        accepted = ROLES[family_of(refused) or "system"]
        raise Forbidden(f"To see {refused}, any one of these roles would do: {', '.join(accepted)}.", topic=refused)
    return out


@get("/v1/changes", "listChanges", tag="events", roles=OPENS, answers="changes", query=ChangesSince, own=True)
async def listed(call: Call) -> Answer:
    """Read which topics changed after a position, or follow them as a stream if `text/event-stream` is accepted.

    Topics: `queues`, `queue:{id}`, `agents`, `agent:{id}`, `conversation:{id}`, `incidents`, `rules`, `system`. Without
    `after` it begins now. `reset`: what lies between is not told; look at everything anew. A topic is told at once,
    then at most every 250 ms; `agent:{id}` always at once. Resume from the last id, or from `meta.position`.
    """
    q: ChangesSince = call.query
    asked = wanted(q.topics, call.key)
    since = resumed_from(call, q.after)
    if wants_stream(call.headers.get(b"accept", b"")):
        authorization = call.headers.get(b"authorization")
        return Answer(stream=streamed(call.host, Changes(call.host, call.org, authorization, asked, since).follow))
    start, reset = await begin(call.world, since)
    newest: dict[str, int] = {}
    position = start
    more = True
    while more:
        page = await views.log_page(call.world, call.org, position, PAGE)
        newest |= {t: row.position for row in page for t in asked.of(topics_of(row), call.key)}
        position, more = page[-1].position if page else position, len(page) == PAGE
    data = [{"type": "topic", "id": t, "attributes": {"position": at}} for t, at in newest.items()]
    meta = {
        "position": position,
        "reset": reset,
        "at": iso(call.world.clock.now()),
        "build": call.host.settings.version,
    }
    return Answer(200, rows(data, meta, {"self": call.path, "next": None}))


def _now(host: Host) -> dict[str, Any]:
    """The server's time and build: a page corrects its clock by the one and reloads by the other."""
    return {"at": iso(host.world.clock.now()), "build": host.settings.version}


async def begin(world: World, since: int | None) -> tuple[int, bool]:
    """Where to begin, and whether what the reader had seen cannot be followed up.

    It cannot if the position was trimmed, lies so far back that looking anew costs less, or does not exist (the store
    was put back from a copy).
    """
    last = await world.store.last_position()
    if since is None:
        return last, False
    if since > last or since < last - BEHIND_MAX or since < await views.trimmed_to(world):
        return last, True
    return since, False


class Changes:
    """One reader of the stream."""

    def __init__(self, host: Host, org: str, authorization: bytes | None, asked: Wanted, since: int | None) -> None:
        self._host = host
        self._org = org
        self._authorization = authorization
        self._asked = asked
        self._since = since
        self._read = 0
        self._throttle = Throttle(0, 0)
        self._beat_at = 0.0

    async def follow(self, line: Line) -> None:
        """Until the line ends, or the key may no longer see what was asked for."""
        host = self._host
        self._read, reset = await begin(host.world, self._since)
        self._throttle = Throttle(self._read, host.settings.throttle_seconds)
        opening = b'id: %d\nevent: reset\ndata: {"position":%d}\n\n' % (self._read, self._read) if reset else b""
        await line.out(OPENING + opening + self._beat())
        while not line.ended:
            news = host.news.waiter()
            key = await self._key()
            if key is None:
                return
            before = self._throttle.position
            told, more = await self._next(key)
            now = host.timer()
            text = self._written(told, before) + (self._beat() if now >= self._beat_at else b"")
            if text:
                await line.out(text)
            if not more:
                await line.wait(news, self._pause(now))

    async def _key(self) -> ApiKey | None:
        """The key as it is now; `None` if it is no longer good for what was asked."""
        try:
            key = await self._host.keyring.key_of(self._authorization)
        except Unauthenticated:
            return None
        return None if self._asked.refused(key) or key.org != self._org else key

    async def _next(self, key: ApiKey) -> tuple[list[Told], bool]:
        """What is to be told now, and whether more is waiting to be read."""
        host, throttle = self._host, self._throttle
        page = await views.log_page(host.world, self._org, self._read, PAGE)
        now = host.timer()
        told = throttle.release(now, now)
        for row in page:
            told += throttle.changed(self._asked.of(topics_of(row), key), row.position, now)
        if page:
            self._read = page[-1].position
        throttle.passed(self._read)
        return told, len(page) == PAGE

    def _written(self, told: list[Told], before: int) -> bytes:
        """Only the last carries the new position: a reader who is cut off in between gets all of them again."""
        ids = [before] * (len(told) - 1) + [self._throttle.position]
        return b"".join(_change(id, t) for id, t in zip(ids, told, strict=False))

    def _beat(self) -> bytes:
        host = self._host
        self._beat_at = host.timer() + host.settings.beat_seconds
        position = self._throttle.position
        said: dict[str, Any] = {"at": iso(host.world.clock.now()), "position": position, "build": host.settings.version}
        return b"id: %d\nevent: beat\ndata: %s\n\n" % (position, encode(said))

    def _pause(self, now: float) -> float:
        due = self._throttle.due
        waits = [self._host.settings.poll_seconds, self._beat_at - now, *([] if due is None else [due - now])]
        return max(0.001, min(waits))


def _change(id: int, told: Told) -> bytes:
    data = encode({"topic": told.topic, "position": told.position})
    return b"id: %d\nevent: change\ndata: %s\n\n" % (id, data)


OPERATIONS = (listed,)
