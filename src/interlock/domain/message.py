"""Messages, and what one does to its conversation: it is counted, it wakes a snoozed one, and a reply reopens a done
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from interlock.domain.conversation import Conversation, MessageMark, Shared, Snooze, update
from interlock.domain.decision import Decision, Moment, birth
from interlock.domain.record import Index, Record


class Message(Record, frozen=True, kw_only=True):
    """One message in or out. `sent_at` is its own time, `created_at` when we learnt of it."""

    TYPE: ClassVar[str] = "message"
    PATH: ClassVar[str] = "/v1/messages/"
    NOUN: ClassVar[str] = "message"
    RELATIONS: ClassVar[Mapping[str, str]] = {
        "org": "org",
        "conversation": "conversation",
        "customer": "customer",
        "created_by": "user",
    }

    channel: str
    app: str = ""
    direction: Literal["in", "out"] = "in"
    direction_type: str = ""
    preview: str = ""
    subject: str | None = None
    status: str = "received"
    auto: bool = False
    external_id: str | None = None
    sent_at: int = 0
    meta: dict[str, Any] = {}
    conversation: str = ""
    customer: str | None = None
    created_by: str | None = None

    def index(self) -> Index:
        """Listed below its conversation and its customer, in the order of sending."""
        return Index(
            state=self.direction, parent=self.conversation, owner=self.customer or "", sort=f"{self.sent_at:015d}"
        )


def receive(c: Conversation, m: Message, moment: Moment) -> Decision:
    """A message joins its conversation: counters, first and last marks, waking and reopening, all in one commit."""
    mark = MessageMark(m.id, m.sent_at, m.created_at, m.channel, m.direction_type or m.direction, m.created_by)
    inbound = m.direction == "in"
    fields: dict[str, Any] = {
        "message_count": c.message_count + 1,
        "last_message_at": m.sent_at,
        "last_message_direction": m.direction,
        "last_activity_at": moment.now,
        "preview": m.preview,
        "channels": c.channels if m.channel in c.channels else (*c.channels, m.channel),
    }
    side = "in" if inbound else "out"
    fields["inbound_message_count" if inbound else "outbound_message_count"] = (
        c.inbound_message_count if inbound else c.outbound_message_count
    ) + 1
    fields[f"last_message_{side}"] = mark
    if getattr(c, f"first_message_{side}") is None:
        fields[f"first_message_{side}"] = mark
    decision = update(c, fields, _answer(c, inbound), moment, basis=c.rev)
    return msgspec.structs.replace(decision, writes=(*decision.writes, birth(m)))


def _answer(c: Conversation, inbound: bool) -> Shared:
    """What an inbound message wants of the coupled state: a done conversation opens, a snoozed one wakes."""
    if not inbound:
        return Shared()
    if c.status == "done":
        return Shared(status="open", ended=False) if c.ended else Shared(status="open")
    if c.status == "snoozed":
        wake_at = c.snooze.wake_at if c.snooze else None
        return Shared(status="open", snooze=Snooze(wake_at, "canceled"))
    return Shared()
