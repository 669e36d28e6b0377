"""Bulk: up to a hundred conversations made, changed or deleted with one request, each by a command of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.conversations import SPOKEN, ConversationChange, ConversationNew, fields_said, said_by
from interlock.api.document import rows
from interlock.api.operation import delete, get, post, put
from interlock.api.shapes import Base, Id, Rev
from interlock.domain.bulk import RECORDS_MAX, Act, Bulk, Outcome, Wish
from interlock.domain.errors import InvalidCombination, Malformed, TooMany
from interlock.domain.ids import is_id
from interlock.domain.resource import link
from interlock.service import bulk as service

PATH = "/v1/conversations/bulk"
ClientRef = Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType


class NewOne(ConversationNew, frozen=True, kw_only=True):
    """A new conversation, and the name that its author gives it here."""

    client_ref: ClientRef = msgspec.field(default=UNSET, name="_clientRef")


class ChangedOne(ConversationChange, frozen=True, kw_only=True):
    """A change of one conversation; `rev` or `basis`: what its author had seen."""

    id: Id
    client_ref: ClientRef = msgspec.field(default=UNSET, name="_clientRef")


class DeletedOne(Base, frozen=True, kw_only=True):
    """A conversation to delete."""

    id: Id
    rev: Rev | UnsetType = UNSET
    client_ref: ClientRef = msgspec.field(default=UNSET, name="_clientRef")


class BulkNew(Base, frozen=True, kw_only=True):
    """New conversations. A list alone is understood as well."""

    records: Annotated[tuple[NewOne, ...], Meta(min_length=1, max_length=RECORDS_MAX)]


class BulkChange(ConversationChange, frozen=True, kw_only=True):
    """Changes of conversations, each with its id. With `?ids=` instead one change, which is done to all of them."""

    records: Annotated[tuple[ChangedOne, ...], Meta(min_length=1, max_length=RECORDS_MAX)] | UnsetType = UNSET


class BulkDelete(Base, frozen=True, kw_only=True):
    """Conversations to delete. `?ids=` may name them instead."""

    records: Annotated[tuple[DeletedOne, ...], Meta(max_length=RECORDS_MAX)] | UnsetType = UNSET


class TheseIds(msgspec.Struct, frozen=True):
    """Ids, separated by commas."""

    ids: Annotated[str, Meta(max_length=RECORDS_MAX * 25)] = ""


_ABOUT: dict[str, Any] = {
    "tag": "bulk",
    "kind": Bulk,
    "status": 201,
    "answers": "one",
    "guard": "no",
    "idempotency": "optional",
    "wraps": "records",
}


@post(
    PATH,
    "bulkCreateConversations",
    roles=roles.CONVERSATION_CREATE,
    body=BulkNew,
    example={"records": [{"_clientRef": "a", "name": "Where is my parcel?"}]},
    **_ABOUT,
)
async def create(call: Call) -> Answer:
    """Make many conversations: the job is queued, then running, then complete; a record may fail by itself."""
    return await _queue(call, "create", [_wish(r) for r in call.body.records])


@put(
    PATH,
    "bulkUpdateConversations",
    roles=roles.CONVERSATION_UPDATE,
    body=BulkChange,
    query=TheseIds,
    example={"records": [{"id": "69a551900000000000000c01", "priority": 4}]},
    **_ABOUT,
)
async def change(call: Call) -> Answer:
    """Change many conversations: each record by its id, or with `?ids=` all of them alike."""
    body: BulkChange = call.body
    ids = _ids(call)
    if bool(ids) == (body.records is not UNSET):
        raise InvalidCombination("Send either records or ids.", pointer="/records", fields=["records", "ids"])
    if body.records is not UNSET:
        return await _queue(call, "update", [_wish(r, r.id) for r in body.records])
    return await _queue(call, "update", [_wish(body, id) for id in ids])


@delete(
    PATH,
    "bulkDeleteConversations",
    roles=roles.CONVERSATION_DELETE,
    body=BulkDelete,
    query=TheseIds,
    example={"records": [{"id": "69a551900000000000000c01"}]},
    **_ABOUT,
)
async def remove(call: Call) -> Answer:
    """Delete many conversations: each is done, its work item completed; it is kept, marked deleted."""
    body: BulkDelete = call.body
    wishes = [
        Wish(_ref(r.client_ref), r.id, r.rev if r.rev is not UNSET else None)
        for r in (body.records if body.records is not UNSET else ())
    ]
    wishes += [Wish(target=id) for id in _ids(call)]
    if not wishes:
        raise Malformed("Name the conversations: records, or ids.", pointer="/records")
    return await _queue(call, "delete", wishes)


def _ids(call: Call) -> list[str]:
    ids = list(dict.fromkeys(i for i in call.query.ids.split(",") if i))
    if any(not is_id(i) for i in ids):
        raise Malformed("ids are ids of conversations, separated by commas.", parameter="ids")
    return ids


def _ref(given: str | UnsetType) -> str | None:
    return None if given is UNSET else given


def _wish(said: Any, target: str | None = None) -> Wish:
    """One record of the body as a job keeps it."""
    basis = getattr(said, "basis", UNSET)
    known = next((s.rev for s in basis if s.id == target), None) if basis is not UNSET and basis else None
    rev = getattr(said, "rev", UNSET)
    fields = fields_said(said, but=(*SPOKEN, "id", "client_ref", "records"))
    return Wish(
        _ref(getattr(said, "client_ref", UNSET)),
        target,
        None if rev is UNSET else rev,
        known,
        service.plain(fields),
        said_by(said),
    )


async def _queue(call: Call, act: Act, wishes: Sequence[Wish]) -> Answer:
    if len(wishes) > RECORDS_MAX:
        raise TooMany(f"At most {RECORDS_MAX} records in one request.", pointer="/records")
    return await call.act(lambda beside: service.take_in(call.world, call.by, act, wishes, beside=beside), Bulk)


@get("/v1/bulk/{id:str}", "getBulk", tag="bulk", roles=roles.CONVERSATION_READ, kind=Bulk)
async def read(call: Call) -> Answer:
    """Read a bulk job: how far it is, and how many of its records went through."""
    return call.show(await call.one(Bulk, call.id()))


@get("/v1/bulk/{id:str}/batches", "listBulkBatches", tag="bulk", roles=roles.CONVERSATION_READ, answers="outcomes")
async def batches(call: Call) -> Answer:
    """List what came of each record of a bulk job, in the order of the request, each with its `_clientRef`."""
    job = await call.one(Bulk, call.id())
    outcomes = await service.outcomes(call.world, job)
    data = [_batch(job, n, wish, outcomes.get(n)) for n, wish in enumerate(job.wishes)]
    meta = {"page": 1, "pageSize": len(data), "total": len(data), "status": job.status}
    return Answer(200, rows(data, meta, {"self": call.path, "next": None}))


def _batch(job: Bulk, n: int, wish: Wish, outcome: Outcome | None) -> dict[str, Any]:
    told: dict[str, Any] = shown_outcome(outcome) if outcome else {"state": "queued"}
    if wish.client_ref is not None:
        told["_clientRef"] = wish.client_ref
    about = (outcome.id if outcome else None) or wish.target
    return {
        "type": "bulk_batch",
        "id": f"{job.id}.{n}",
        "attributes": {**told, "number": n},
        "relationships": {"conversation": link("conversation", about)} if about and is_id(about) else {},
    }


def shown_outcome(o: Outcome) -> dict[str, Any]:
    """One outcome as it is shown."""
    told: dict[str, Any] = {"state": "done" if o.went_through else "failed", "status": o.status}
    error = {k: v for k, v in (("code", o.code), ("detail", o.detail), ("pointer", o.pointer)) if v}
    more = {"rev": o.rev, "error": error or None}
    return told | {k: v for k, v in more.items() if v is not None}


OPERATIONS = (create, change, remove, read, batches)
