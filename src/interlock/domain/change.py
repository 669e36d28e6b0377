"""What one decision did to one record: before and after of every field that moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from interlock.domain.record import Record

Op = Literal["add", "replace", "remove"]
R = TypeVar("R", bound=Record)


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field's move. `add` has no `before`, `remove` has no `after`: absent and null are two things.

    Readers of other people's logs meet `add` with `before: null` as well; ours never writes it.
    """

    op: Op
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET


Fields = dict[str, Change]


class ChangeSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record from `before_rev` (0: it was created) to `rev`, with its whole state at that rev beside the moves.

    Names are outward ones (`assignedTo`); a relationship's value is the bare id. `snapshot` is the encoded record.
    """

    type: str
    id: str
    before_rev: int
    rev: int
    snapshot: msgspec.Raw
    attributes: Fields = {}
    relationships: Fields = {}

    @property
    def verb(self) -> str:
        """What happened to the record, as event names say it."""
        return "update" if self.before_rev else "create"

    @property
    def moved(self) -> frozenset[str]:
        """The outward names of the fields that moved; of a creation, which moves everything, none."""
        return frozenset(self.attributes) | frozenset(self.relationships)

    def touches(self, names: frozenset[str]) -> bool:
        """Whether any of these outward names moved; a creation touches everything."""
        return not self.before_rev or not names.isdisjoint(self.attributes) or not names.isdisjoint(self.relationships)


_PLAIN = frozenset({str, int, float, bool, type(None)})
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_SKIP = frozenset({"id", "org"})


def _plain(value: Any) -> Any:
    """The value as a reader of the stored log gets it (lists, text keys), so that a fresh row equals a stored one."""
    return value if type(value) in _PLAIN else _decode(_encode(value))


def move(before: Any, after: Any) -> Change:
    """The change from one value to another, `None` meaning that the field is not there."""
    if before is None:
        return Change("add", msgspec.UNSET, _plain(after))
    if after is None:
        return Change("remove", _plain(before))
    return Change("replace", _plain(before), _plain(after))


class _Plan(NamedTuple):
    """How versions of one kind are compared: all fields fetched in one go, and what each is called outside."""

    fetch: Callable[[Record], tuple[Any, ...]]
    names: tuple[tuple[str, bool], ...]


@cache
def _plan(kind: type[Record]) -> _Plan:
    fields = [f for f in kind.__struct_fields__ if f not in _SKIP]
    return _Plan(attrgetter(*fields), tuple((kind.outward(f), f in kind.RELATIONS) for f in fields))


def diff(before: Record, after: Record) -> tuple[Fields, Fields]:
    """Attributes and relationships that differ between two versions of one record."""
    attributes: Fields = {}
    relationships: Fields = {}
    fetch, names = _plan(type(after))
    olds, news = fetch(before), fetch(after)
    # Most fields of two versions are the very same value: they are passed over without a step of ours for each.
    for old, new, (name, related) in compress(zip(olds, news, names, strict=True), map(is_not, olds, news)):
        if old != new:
            (relationships if related else attributes)[name] = move(old, new)
    return attributes, relationships


def invert(fields: Mapping[str, Change]) -> Fields:
    """The changes that undo these."""
    swap: dict[Op, Op] = {"add": "remove", "remove": "add", "replace": "replace"}
    return {name: Change(swap[c.op], before=c.after, after=c.before) for name, c in fields.items()}


def apply(record: R, attributes: Mapping[str, Change], relationships: Mapping[str, Change]) -> R:
    """`record` with these changes made, whatever its own values were. Raises `msgspec.ValidationError` on a bad
    value.
    """
    values: dict[str, Any] = msgspec.to_builtins(record, str_keys=True)
    for field, stored in zip(record.__struct_fields__, record.__struct_encode_fields__, strict=True):
        moved = relationships if field in record.RELATIONS else attributes
        change = moved.get(record.outward(field))
        if change is None:
            continue
        if change.op == "remove":
            values[stored] = None
        else:
            values[stored] = change.after
    return msgspec.convert(values, type(record), str_keys=True)
