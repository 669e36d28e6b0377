"""Paths into a record, by the names under which it is shown: `defaultLang`, `custom.tierStr`, `channels.0`.

The resource form is read too: `attributes.status` is `status`, and `relationships.queue.data.id` is `queue`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

import msgspec

from interlock.domain.record import Record


@cache
def names_of(kind: type[Record]) -> Mapping[str, str]:
    """The fields of a record that are shown, by outward name; of two of one name the attribute, not the relation."""
    shown = [f for f in kind.__struct_fields__ if f not in kind.HIDDEN]
    return {kind.outward(f): f for f in sorted(shown, key=lambda f: f not in kind.RELATIONS)}


def plain_path(names: Sequence[str]) -> Sequence[str]:
    """A path in resource form as one by the names alone; any other as it is."""
    if names[:1] == ["attributes"]:
        return names[1:]
    if names[:1] == ["relationships"] and list(names[2:]) == ["data", "id"]:
        return names[1:2]
    return names


def value_at(record: Record, names: Sequence[str]) -> Any:
    """What stands there, as plain values (times in ms); `None` if the path leads nowhere."""
    field = names_of(type(record)).get(names[0]) if names else None
    if field is None:
        return None
    value: Any = msgspec.to_builtins(getattr(record, field), str_keys=True)
    for name in names[1:]:
        value = _member(value, name)
    return value


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value).get(name)
    if isinstance(value, list | tuple) and name.isascii() and name.isdecimal():
        held = cast("Sequence[Any]", value)
        return held[int(name)] if int(name) < len(held) else None
    return None
