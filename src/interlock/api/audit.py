"""The audit log: every stored change, with who made it and the decision that it came from."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import rows
from interlock.api.operation import get
from interlock.api.shapes import Id, Moment, Name, ms
from interlock.domain.event import event_id
from interlock.domain.resource import changes_of, iso, link
from interlock.service import audit

COUNT_MAX = 1_000
Position = Annotated[int, Meta(ge=0, le=2**53)]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries. `filter[include]=changes` shows what moved; `after` and `before` are positions of the log."""

    count: Annotated[int, Meta(ge=1, le=2**31)] = 100
    after: Position = 0
    before: Position = 0
    type: Name | None = msgspec.field(default=None, name="filter[objectType]")
    id: Id | None = msgspec.field(default=None, name="filter[objectId]")
    user: Id | None = msgspec.field(default=None, name="filter[userId]")
    include: Literal["changes"] | None = msgspec.field(default=None, name="filter[include]")
    start: Moment | None = msgspec.field(default=None, name="filter[start]")
    end: Moment | None = msgspec.field(default=None, name="filter[end]")


@get("/v1/audit-logs", "listAuditLogs", tag="events", roles=roles.AUDIT_READ, answers="audit", query=Asked)
async def listed(call: Call) -> Answer:
    """Read who changed which record, newest first; each entry names the decision that it came from.

    A commit is never divided, so a page may hold a few more than `count`. A page may hold fewer and still point on:
    one request looks back over at most 20,000 rows of the log.
    """
    q: Asked = call.query
    wanted = audit.Wanted(
        type=q.type or "",
        id=q.id or "",
        actor=q.user or "",
        start=ms(q.start) if q.start else 0,
        end=ms(q.end) if q.end else 0,
        after=q.after,
        before=q.before,
    )
    count = min(q.count, COUNT_MAX)
    page = await audit.entries(call.world, call.org, wanted, count)
    data = [_shown(entry, changes=q.include == "changes") for entry in page.entries]
    following = None
    if page.before:
        said = [(name, value) for name, value in _said(q) if name not in ("before", "count")]
        following = f"{call.path}?{urlencode([('count', count), ('before', page.before), *said])}"
    return Answer(200, rows(data, {"count": len(data)}, {"self": call.path, "next": following}))


def _said(q: Asked) -> list[tuple[str, Any]]:
    given = ((f, getattr(q, f.name)) for f in msgspec.structs.fields(Asked))
    return [(f.encode_name, iso(ms(v)) if f.name in ("start", "end") else v) for f, v in given if v != f.default]


def _shown(entry: audit.Entry, *, changes: bool) -> dict[str, Any]:
    row, change, by = entry.row, entry.change, entry.row.by
    attributes: dict[str, Any] = {
        "objectType": change.type,
        "objectId": change.id,
        "action": change.verb,
        "rev": change.rev,
        "createdAt": iso(row.at),
        "updatedAt": iso(row.at),
        "position": row.position,
        "client": by.client,
        "actor": {"class": by.actor.cls, "type": by.actor.type, "id": by.actor.id},
        "trace": by.trace,
        "decision": row.id,
    }
    if by.source is not None:
        attributes["source"] = {"type": by.source.type, "id": by.source.id}
    if changes and change.before_rev:
        attributes["changes"] = changes_of(change)
    decision = link("decision", row.id)
    decision["links"] = {"self": f"/v1/routing/decisions/{row.id}?position={row.position}"}
    related: dict[str, Any] = {"object": link(change.type, change.id), "decision": decision}
    if by.actor.type == "user":
        related["user"] = link("user", by.actor.id)
    return {"type": "audit_log", "id": event_id(row.id, entry.n), "attributes": attributes, "relationships": related}


OPERATIONS = (listed,)
