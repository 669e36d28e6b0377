"""Notes: what colleagues write to each other about a conversation. A note is counted; it wakes and reopens nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from interlock.domain.conversation import Conversation, Shared, update
from interlock.domain.decision import Decision, Moment, birth
from interlock.domain.record import Index, Record


class Note(Record, frozen=True, kw_only=True):
    """One note. `mentions`: the users who are meant to read it."""

    TYPE: ClassVar[str] = "note"
    PATH: ClassVar[str] = "/v1/notes/"
    NOUN: ClassVar[str] = "note"
    RELATIONS: ClassVar[Mapping[str, str]] = {
        "org": "org",
        "conversation": "conversation",
        "customer": "customer",
        "created_by": "user",
    }

    body: str
    external_id: str | None = None
    mentions: tuple[str, ...] = ()
    conversation: str = ""
    customer: str | None = None
    created_by: str | None = None

    def index(self) -> Index:
        """Listed below its conversation, in the order of writing."""
        return Index(parent=self.conversation, sort=f"{self.created_at:015d}")


def add(c: Conversation, note: Note, moment: Moment) -> Decision:
    """A note joins its conversation, which counts it."""
    fields = {"note_count": c.note_count + 1, "last_activity_at": moment.now}
    decision = update(c, fields, Shared(), moment, basis=c.rev)
    return msgspec.structs.replace(decision, writes=(*decision.writes, birth(note)))
