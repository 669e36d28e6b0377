"""Facts: what criteria may look at, as one table of fields, each with its family and where it is read.

Names and families are those of the reference API. A field that is not there reads as `None`; one that holds several
values reads as a tuple.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, cast, get_args

import msgspec

from interlock.domain.conversation import Channel, Conversation, Status
from interlock.domain.customer import Customer
from interlock.domain.message import Message

Family = Literal["string", "string_notanalyzed", "text", "number", "datetime", "boolean", "list", "tree"]


class Facts(msgspec.Struct, frozen=True):
    """What a rule is tested against: the conversation, its customer and its latest message if there are any, the time
    (ms).
    """

    conversation: Conversation
    customer: Customer | None
    message: Message | None
    now: int


Read = Callable[[Facts], Any]


class Field(msgspec.Struct, frozen=True):
    """A field that criteria may name: its family, where it is read (`None`: missing; a tuple: several), its known
    values.
    """

    family: Family
    read: Read
    enum: tuple[str, ...] = ()
    user: bool = False


def _of(part: str, path: str) -> Read:
    get = attrgetter(path)

    def of_customer(facts: Facts) -> Any:
        record = facts.customer
        return None if record is None else get(record)

    def of_message(facts: Facts) -> Any:
        record = facts.message
        return None if record is None else get(record)

    return {"customer": of_customer, "message": of_message}.get(part) or attrgetter(f"conversation.{path}")


def _texts(value: Any, *keys: str) -> tuple[str, ...]:
    """Every text in a value that may be a text, an object with one of `keys`, or a list of these."""
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, Mapping):
        held = cast("Mapping[str, Any]", value)
        return next((found for k in keys if (found := _texts(held.get(k)))), ())
    if isinstance(value, list | tuple):
        return tuple(t for v in cast("list[Any]", value) for t in _texts(v, *keys))
    return ()


def _meta(*names: str) -> Read:
    """A text in a message's `meta`: the first of these members that is there, or an object's `email` or `address`."""

    def read(facts: Facts) -> Any:
        meta = facts.message.meta if facts.message else {}
        return next((found for n in names if (found := _texts(meta.get(n), "email", "address"))), None)

    return read


def _contacts(field: str, key: str) -> Read:
    get = _of("customer", field)
    return lambda facts: _texts(get(facts), key)


def _satisfaction(facts: Facts) -> Any:
    return str(facts.conversation.satisfaction)


def _polarity(part: str) -> Read:
    get = _of(part, "sentiment")

    def read(facts: Facts) -> Any:
        sentiment = cast("Mapping[str, Any] | None", get(facts)) or {}
        found = sentiment.get("polarity")
        return None if found is None else f"{found:g}" if isinstance(found, int | float) else str(found)

    return read


def _first_response(facts: Facts) -> int | None:
    """When the first message out was sent that answers one in (ms)."""
    c = facts.conversation
    asked, answered = c.first_message_in, c.first_message_out
    return answered.sent_at if asked and answered and answered.sent_at >= asked.sent_at else None


def _first_response_time(facts: Facts) -> int | None:
    """How long the first message in waited for an answer (ms)."""
    answered, asked = _first_response(facts), facts.conversation.first_message_in
    return answered - asked.sent_at if answered is not None and asked else None


_CHANNELS: tuple[str, ...] = get_args(Channel)
_WAYS = ("in", "out")

FIELDS: dict[str, Field] = {
    "customer_name": Field("string", _of("customer", "name")),
    "customer_email": Field("string", _contacts("emails", "email")),
    "customer_phone": Field("string", _contacts("phones", "phone")),
    "customer_conversationsCount": Field("number", _of("customer", "conversations_count")),
    "customer_activityAt": Field("datetime", _of("customer", "last_activity_at")),
    "customer_lastSeenAt": Field("datetime", _of("customer", "last_seen_at")),
    "customer_signedUpAt": Field("datetime", _of("customer", "signed_up_at")),
    "customer_createdAt": Field("datetime", _of("customer", "created_at")),
    "customer_createdBy": Field("list", _of("customer", "created_by"), user=True),
    "customer_company": Field("list", _of("customer", "company")),
    "customer_sentiment": Field("list", _polarity("customer")),
    "conversation_name": Field("string", _of("conversation", "name")),
    "conversation_satisfaction": Field("string", _satisfaction),
    "conversation_defaultLang": Field("string_notanalyzed", _of("conversation", "default_lang")),
    "conversation_subStatus": Field("string_notanalyzed", _of("conversation", "sub_status")),
    "conversation_messageCount": Field("number", _of("conversation", "message_count")),
    "conversation_noteCount": Field("number", _of("conversation", "note_count")),
    "conversation_outboundMessageCount": Field("number", _of("conversation", "outbound_message_count")),
    "conversation_firstResponseTime": Field("number", _first_response_time),
    "conversation_createdAt": Field("datetime", _of("conversation", "created_at")),
    "conversation_firstResponseSentAt": Field("datetime", _first_response),
    "conversation_direction": Field("list", _of("conversation", "direction"), _WAYS),
    "conversation_sentiment": Field("list", _polarity("conversation")),
    "conversation_status": Field("list", _of("conversation", "status"), get_args(Status)),
    "conversation_channel": Field("list", _of("conversation", "channels"), _CHANNELS),
    "conversation_replyChannel": Field("list", _of("conversation", "reply_channel"), _CHANNELS),
    "conversation_tags": Field("list", _of("conversation", "tags")),
    "conversation_lastMessageDirection": Field("list", _of("conversation", "last_message_direction"), _WAYS),
    "message_preview": Field("string", _of("message", "preview")),
    "message_meta_recipient_email": Field("string", _meta("recipient_email", "recipient")),
    "message_meta_from": Field("string", _meta("from")),
    "message_meta_to": Field("string", _meta("to")),
    "message_meta_subject": Field("string", _meta("subject")),
    "message_app": Field("string_notanalyzed", _of("message", "app")),
    "message_language": Field("string_notanalyzed", _meta("language", "lang")),
    "message_subject": Field("text", _of("message", "subject")),
    "message_auto": Field("boolean", _of("message", "auto")),
    "message_channel": Field("list", _of("message", "channel"), _CHANNELS),
    "message_directionType": Field("list", _of("message", "direction_type")),
    "message_direction": Field("list", _of("message", "direction"), _WAYS),
    "message_status": Field("list", _of("message", "status")),
}
"""Every field but the custom attributes. `message_` is the latest message of the conversation."""

SUFFIXES: dict[str, Family] = {
    "Str": "string", "Txt": "text", "Num": "number", "At": "datetime", "Bool": "boolean", "Url": "string_notanalyzed",
    "Tree": "tree",
}  # fmt: skip
_CUSTOM = re.compile(rf"(customer|conversation)_custom_(\w+({'|'.join(SUFFIXES)}))", re.ASCII)


def field_of(name: str) -> Field | None:
    """The field that a condition names, custom attributes included; `None` if there is none of this name."""
    found = FIELDS.get(name)
    custom = None if found else _CUSTOM.fullmatch(name)
    return found if custom is None else _custom(custom[1], custom[2], SUFFIXES[custom[3]])


def _custom(part: str, key: str, family: Family) -> Field:
    all_of = _of(part, "custom")
    fits = FITS[family]

    def read(facts: Facts) -> Any:
        held = cast("Mapping[str, Any] | None", all_of(facts))
        return fits(held.get(key)) if held else None

    return Field(family, read)


def _as_text(value: Any) -> Any:
    return value if isinstance(value, str) else _texts(value) or None


def as_number(value: Any) -> Any:
    """The value if it is a number (a truth value is none), else `None`."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _as_ms(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else as_number(value)


def as_bool(value: Any) -> Any:
    """The value if it is true or false, else `None`."""
    return value if isinstance(value, bool) else None


FITS: dict[Family, Callable[[Any], Any]] = {
    "string": _as_text, "string_notanalyzed": _as_text, "text": _as_text, "number": as_number, "datetime": _as_ms,
    "boolean": as_bool, "list": _as_text, "tree": _as_text,
}  # fmt: skip

TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def parse_time(text: str) -> float | None:
    """Milliseconds since 1970 of an RFC 3339 time, a space for the `T` and microseconds allowed; `None` if it is none.

    A time without a zone is taken to be UTC (records of other systems have such); conditions must name theirs.
    """
    found = TIME.fullmatch(text)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) / timedelta(milliseconds=1)
