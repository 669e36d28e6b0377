"""A record: (type, id, org, rev) and what it says. Every noun is a frozen subclass.

Times are whole milliseconds since 1970 in every field whose name ends in `_at`; durations are milliseconds. A field
named in `RELATIONS` holds the id of another record and is shown as a relationship. A field named in `HIDDEN` is kept
and logged but never shown. Absent, `None` and empty are three things only at the door; inside a record there is
always a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import msgspec

__all__ = ["Address", "Index", "Record", "Ref", "api_name"]


class Address(NamedTuple):
    """Where a record is: its type, org and id. The org is part of the key, so no read can cross organisations."""

    type: str
    org: str
    id: str


class Ref(msgspec.Struct, frozen=True):
    """A mention of a record: its type and id, within the org of the record that mentions it."""

    type: str
    id: str


class Index(msgspec.Struct, frozen=True):
    """What stores promote to columns, so that the named queries of `ports.QUERIES` need no scan.

    state   the word a list is filtered by          parent  the record this one hangs on
    queue   the queue it waits in                   owner   the user it belongs to
    sort    text that orders a list                 due_at  when time itself asks for a decision (ms)
    mark    digest of the coupled state, so that a pair out of step is found without reading bodies
    """

    state: str = ""
    parent: str = ""
    queue: str = ""
    owner: str = ""
    sort: str = ""
    due_at: int | None = None
    mark: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The common part of every noun. `rev` is 1 at creation and grows by one with every stored change."""

    TYPE: ClassVar[str] = ""
    PATH: ClassVar[str] = ""
    """Path below which records of this type answer, with a slash at the end; empty: no address of its own."""
    NOUN: ClassVar[str] = ""
    """The noun in event names (`work-item` in `interlock.work-item.update`); empty: changes are logged, not
    announced.
    """
    RELATIONS: ClassVar[Mapping[str, str]] = {}
    HIDDEN: ClassVar[frozenset[str]] = frozenset()
    NAMES: ClassVar[Mapping[str, str]] = {}
    """Outward names that do not follow from the field's own."""

    id: str
    org: str
    rev: int = 1
    created_at: int = 0
    updated_at: int = 0
    modified_at: int = 0

    @property
    def address(self) -> Address:
        """Where this record is."""
        return Address(self.TYPE, self.org, self.id)

    @property
    def ref(self) -> Ref:
        """How other records mention this one."""
        return Ref(self.TYPE, self.id)

    def with_(self, **fields: Any) -> Self:
        """A copy with these fields changed; nothing else moves, `rev` included."""
        return msgspec.structs.replace(self, **fields)

    @classmethod
    def outward(cls, field: str) -> str:
        """The name under which a field is shown."""
        return cls.NAMES.get(field) or api_name(field)

    def index(self) -> Index:
        """The promoted columns of this version."""
        return Index()

    def claims(self) -> tuple[str, ...]:
        """Names this version holds that no other record may hold at the same time (unique keys, each unique in the
        store).
        """
        return ()


_names: dict[str, str] = {}


def api_name(field: str) -> str:
    """The outward name of a field: `assigned_to` is shown as `assignedTo`."""
    name = _names.get(field)
    if name is None:
        head, *rest = field.split("_")
        name = _names[field] = head + "".join(part.capitalize() for part in rest)
    return name
