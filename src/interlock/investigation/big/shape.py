"""The lines that the fast parser knows, as types: what a row needs is decoded, everything else is passed over.

A line that does not fit is refused by the decoder, and is then read by the readers. So what would need a closer look
is typed such that it cannot fit: `_Never` for a member that must not be there, `None` for one that must be null. No
member keeps a view of its line: a thousand decoded lines are held at once, and their bytes are not.

Fields stand in the order in which logs have them; the decoder finds them faster so.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from interlock.investigation.compact import NUMBER_MAX

_Never = Annotated[int, Meta(gt=0, lt=0)]
Users = tuple[str, ...] | None | UnsetType
Text = str | None | UnsetType
Rev = Annotated[int, Meta(ge=0, lt=NUMBER_MAX)]


class Skipped(Struct, frozen=True, gc=False):
    """An object of which nothing is looked at."""


class Id(Struct, frozen=True, gc=False):
    """The id in a link."""

    id: str


class Link(Struct, frozen=True, gc=False):
    """A relationship to one record, or to none."""

    data: Id | None


Linked = Link | None | UnsetType


class UsersMoved(Struct, frozen=True, gc=False):
    """A change of the users of a conversation."""

    op: str
    before: Users = UNSET
    after: Users = UNSET


class TextMoved(Struct, frozen=True, gc=False):
    """A change of a status."""

    op: str
    before: Text = UNSET
    after: Text = UNSET


class RevMoved(Struct, frozen=True, gc=False):
    """A change of a rev, or of a rev seen."""

    before: Rev | None = -1
    after: int | UnsetType | None = UNSET


class LinkMoved(Struct, frozen=True, gc=False):
    """A change of a link."""

    op: str
    before: Linked = UNSET
    after: Linked = UNSET


class _About(Struct, frozen=True, gc=False):
    type: Literal["conversation"]
    id: str


class _Resource(Struct, frozen=True, gc=False):
    data: _About


class _Null(Struct, frozen=True, gc=False):
    data: None


class _Attributes(Struct, frozen=True, gc=False, kw_only=True):
    status: Text = UNSET
    updatedAt: str  # noqa: N815 - as it stands in the log
    assignedUsers: Users = UNSET  # noqa: N815
    resourceRev: Rev | None = -1  # noqa: N815
    rev: Rev
    assignedTo: _Never = 1  # noqa: N815
    queue: _Never = 1
    routedTo: None = None  # noqa: N815
    reservation: None = None
    workItem: None = None  # noqa: N815


class _Relationships(Struct, frozen=True, gc=False, kw_only=True):
    resource: _Resource | None = None
    queue: Linked = UNSET
    assignedTo: Linked = UNSET  # noqa: N815
    rule: Linked = UNSET
    conversation: None = None
    assignedUsers: _Never = 1  # noqa: N815
    status: _Never = 1
    routedTo: _Null | None = None  # noqa: N815
    reservation: _Null | None = None
    workItem: _Null | None = None  # noqa: N815


_NO_RELATIONSHIPS = _Relationships()


class _Data(Struct, frozen=True, gc=False, kw_only=True):
    type: str
    id: str
    attributes: _Attributes
    relationships: _Relationships = _NO_RELATIONSHIPS


class _Read(Struct, frozen=True, gc=False):
    conversationRev: Rev | None = None  # noqa: N815


class _Reason(Struct, frozen=True, gc=False):
    meta: _Read | None = None


class _Trace(Struct, frozen=True, gc=False):
    trace_id: str | int = ""


_NO_TRACE = _Trace()


class _Service(Struct, frozen=True, gc=False):
    trace_id: str | int = ""
    service: str = ""


class Patch(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """What an audit says it wrote."""

    assignedUsers: Users = UNSET  # noqa: N815
    assignedTo: Users = UNSET  # noqa: N815
    status: Text = UNSET
    rev: Rev


class Peer(Struct, frozen=True, gc=False):
    """The other record, as an audit says it was read."""

    type: str
    id: str
    rev: Rev


class AuditLine(Struct, frozen=True, gc=False):
    """An audit of a sync; or any other line, of which nothing is there but what happens to be named like it."""

    time: str | int = ""
    name: str = ""
    dd: _Service = _Service()
    conversationId: str = ""  # noqa: N815
    workItemId: str = ""  # noqa: N815
    peer: Peer | None = None
    updatedConversation: Patch | None = None  # noqa: N815
    updatedWorkItem: Patch | None = None  # noqa: N815
    msg: str = ""
    org: str = ""
    trace_id: _Never = 1
    body: None = None
    record: None = None
    guard: None = None
    outcome: None = None
    winner: None = None
    losers: None = None
    policy: None = None
    basis: None = None


ATTRIBUTES: dict[str, Any] = {
    "rev": RevMoved,
    "assignedUsers": UsersMoved,
    "status": TextMoved,
    "resourceRev": RevMoved,
}
RELATIONSHIPS: dict[str, Any] = {"queue": LinkMoved, "assignedTo": LinkMoved, "rule": LinkMoved}
"""The changes whose values a row needs."""


def line_type(attributes: list[str], relationships: list[str], *, strict: bool = True) -> type[Any]:
    """The type of an event's line; any other object fits too, and has no body then. The names are those of further
    fields whose change may be passed over, or is only noted: a line that changes yet another field does not fit, if it
    is taken strictly."""
    options: dict[str, Any] = {"frozen": True, "gc": False, "kw_only": True}
    members: list[Any] = []
    for name, known, further in (
        ("attributes", ATTRIBUTES, attributes),
        ("relationships", RELATIONSHIPS, relationships),
    ):
        fields = [(n, t | None, None) for n, t in known.items()]
        fields += [(n, Skipped | None, None) for n in further]
        moved = msgspec.defstruct(name, fields, forbid_unknown_fields=strict, **options)
        members.append((name, moved, moved()))
    changes = msgspec.defstruct("changes", members, **options)
    inner = [
        ("id", str),
        ("name", str),
        ("org", str),
        ("partition", str, ""),
        ("data", _Data),
        ("changes", changes, changes()),
        ("routingReasons", tuple[_Reason, ...] | None, None),
        ("isSync", bool, False),
        ("client", str, ""),
        ("sourceType", str | None, ""),
        *((name, None, None) for name in ("actor", "basis", "effectKey", "leaseEpoch", "cause")),
    ]
    body = msgspec.defstruct("inner", inner, **options)
    outer = [("traceparent", _Never, 1), ("body", body), ("sequence", None, None)]
    envelope = msgspec.defstruct("outer", outer, **options)
    whole = [
        ("dd", _Trace, _NO_TRACE),
        ("trace_id", _Never, 1),
        ("fullBodyLength", int | None, None),
        ("body", envelope | None, None),
    ]
    return msgspec.defstruct("line", whole, **options)
