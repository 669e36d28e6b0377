"""Notes: what colleagues write to each other about a conversation."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.operation import get, post
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Ids, Long, Name, fields_of
from interlock.domain.conversation import Conversation
from interlock.domain.note import Note
from interlock.service import conversations as service
from interlock.service import views

PATH = "/v1/conversations/{id:str}/notes"


class NoteNew(Base, frozen=True, kw_only=True):
    """A new note, and the users who are meant to read it."""

    body: Long
    external_id: Name | UnsetType | None = UNSET
    mentions: Ids | UnsetType = UNSET


@get(PATH, "listConversationNotes", tag="notes", roles=roles.NOTE_READ, kind=Note, answers="many", query=Pages)
async def listed(call: Call) -> Answer:
    """List the notes of a conversation, oldest first."""
    id = (await call.one(Conversation, call.id())).id
    return await paged(call, lambda offset, limit: views.children(call.world, call.org, Note, id, offset, limit))


@post(
    PATH,
    "createConversationNote",
    tag="notes",
    roles=roles.NOTE_CREATE,
    body=NoteNew,
    kind=Note,
    example={"body": "She called twice; the parcel is at the depot."},
)
async def create(call: Call) -> Answer:
    """Add a note to a conversation. It is counted; it wakes and reopens nothing."""
    id, fields = call.id(), fields_of(call.body, Note)
    if call.key.user:
        fields["created_by"] = call.key.user
    return await call.act(lambda beside: service.add_note(call.world, call.by, id, fields, beside=beside), Note)


@get("/v1/notes/{id:str}", "getNote", tag="notes", roles=roles.NOTE_READ, kind=Note)
async def read(call: Call) -> Answer:
    """Read a note."""
    return call.show(await call.one(Note, call.id()))


OPERATIONS = (listed, create, read)
