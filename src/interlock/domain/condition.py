"""Conditions of transitions: `{op, values}`, and references into the record that a workflow works on.

A value that begins with `/#steps.` is a reference: `/#steps.<id>.<path>`, by the trigger's id or `1`, is a path into
the record as it is now; `/#steps.<id>.changes.<field>` is true where the event moved that field.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import ge, gt, le, lt
from typing import Any, cast

import msgspec

from interlock.domain.conversation import Conversation
from interlock.domain.errors import InvalidValue, Malformed
from interlock.domain.facts import as_number, parse_time
from interlock.domain.paths import names_of, plain_path, value_at
from interlock.domain.record import Record

DEPTH_MAX = 10
"""How deep conditions may be nested."""
REFERENCE_MAX = 200


class Scene(msgspec.Struct, frozen=True):
    """What references are read from: the trigger's id, the record as it is now, and the fields that the event moved."""

    trigger: str
    record: Record
    changed: frozenset[str]


_REFERENCE = re.compile(r"/#steps\.([^.]+)\.(.+)")


def holds(condition: Any, scene: Scene) -> bool:
    """Whether a condition is true of the record. One that this version does not understand never is."""
    found: Mapping[str, Any] = cast("Mapping[str, Any]", condition) if isinstance(condition, Mapping) else {}
    op, given = found.get("op"), found.get("values")
    values = cast("Sequence[Any]", given) if isinstance(given, list | tuple) else ()
    if op == "and":
        return bool(values) and all(_truth(v, scene) for v in values)
    if op == "or":
        return any(_truth(v, scene) for v in values)
    read = [resolved(v, scene) for v in values]
    if len(read) == 1 and op in _ONE:
        return _ONE[op](read[0])
    return len(read) == 2 and op in _TWO and _TWO[op](read[0], read[1])


def _truth(value: Any, scene: Scene) -> bool:
    """A value of `and` and `or`: a condition, or something that is true itself."""
    if isinstance(value, Mapping):
        return holds(cast("Mapping[str, Any]", value), scene)
    return resolved(value, scene) is True


def resolved(value: Any, scene: Scene) -> Any:
    """What a reference leads to (`None`: nowhere); any other value as it is."""
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    if found[1] not in (scene.trigger, "1"):
        return None
    names = plain_path(found[2].split("."))
    if names[:1] == ["changes"]:
        return True if names[-1] in scene.changed else None
    return value_at(scene.record, names)


def there(value: Any) -> bool:
    """Whether a value exists. An empty text, list or object does not."""
    return value is not None and value != "" and value != [] and value != () and value != {}


def _same(a: Any, b: Any) -> bool:
    """Equality of plain values; true is not 1, and a list is a list however it is kept."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        mine, theirs = cast("Sequence[Any]", a), cast("Sequence[Any]", b)
        return len(mine) == len(theirs) and all(map(_same, mine, theirs))
    return a == b


def _has(a: Any, b: Any) -> bool:
    if isinstance(a, str):
        return isinstance(b, str) and b in a
    return isinstance(a, list | tuple) and any(_same(x, b) for x in cast("Sequence[Any]", a))


def _ordered(test: Callable[[float, float], bool], read: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    def compare(a: Any, b: Any) -> bool:
        left, right = read(a), read(b)
        return left is not None and right is not None and test(left, right)

    return compare


def _moment(value: Any) -> float | None:
    return parse_time(value) if isinstance(value, str) else as_number(value)


def _not(test: Callable[..., bool]) -> Callable[..., bool]:
    return lambda *values: not test(*values)


_ONE: dict[Any, Callable[[Any], bool]] = {
    "exists": there,
    "dne": _not(there),
    "true": partial(_same, True),
    "false": partial(_same, False),
}
_TWO: dict[Any, Callable[[Any, Any], bool]] = {
    "eq": _same,
    "neq": _not(_same),
    "gt": _ordered(gt, as_number),
    "gte": _ordered(ge, as_number),
    "lt": _ordered(lt, as_number),
    "lte": _ordered(le, as_number),
    "gt-date": _ordered(gt, _moment),
    "lt-date": _ordered(lt, _moment),
    "contains": _has,
    "not-contains": _not(_has),
}
"""The operators beside `and` and `or`. What is not there is neither true nor false, and equals only null."""


def is_reference(value: Any) -> bool:
    """Whether a value is read from the record, or meant to be."""
    return isinstance(value, str) and value.startswith("/#steps.")


def near(word: str, known: Iterable[str]) -> str:
    """A sentence that names the likeliest of `known`, with a space before it; empty if none is near."""
    found = difflib.get_close_matches(word[:100], list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""


def members(value: Any, allowed: set[str], at: str) -> Mapping[str, Any]:
    """An object that has these members only. Raises `Malformed` for any other."""
    if not isinstance(value, Mapping):
        raise Malformed(f"An object with {', '.join(sorted(allowed))}.", pointer=at)
    held = cast("Mapping[str, Any]", value)
    for name in held:
        if name not in allowed:
            raise Malformed(f"{name[:100]} is not understood here.{near(name, allowed)}", pointer=f"{at}/{name[:100]}")
    return held


def check_references(value: Any, scope: str, at: str) -> None:
    """Every reference in a value leads to a field of a conversation, or to what the event may have moved."""
    if isinstance(value, Mapping):
        for key, each in cast("Mapping[str, Any]", value).items():
            check_references(each, scope, f"{at}/{key}")
    elif isinstance(value, list | tuple):
        for place, each in enumerate(cast("Sequence[Any]", value)):
            check_references(each, scope, f"{at}/{place}")
    elif is_reference(value):
        found = _REFERENCE.fullmatch(value) if len(value) <= REFERENCE_MAX else None
        if found is None or found[1] not in (scope, "1"):
            raise InvalidValue(f"A reference is /#steps.{scope}.<path>, into the conversation.", pointer=at)
        names = plain_path(found[2].split("."))
        field = names[1] if len(names) == 2 and names[0] == "changes" else names[0] if names else "attributes"
        known = names_of(Conversation)
        if field not in known:
            raise InvalidValue(f"A conversation has no {field}.{near(field, known)}", pointer=at)


def check_condition(value: Any, scope: str, at: str, depth: int = 1) -> None:
    """Raises `Malformed` unless `{op, values}` can be evaluated; `scope` is the id of the trigger it refers to."""
    condition = members(value, {"op", "values"}, at)
    op, values = condition.get("op"), condition.get("values")
    known = ("and", "or", *_ONE, *_TWO)
    if op not in known:
        raise Malformed(f"op is one of {', '.join(known)}.{near(str(op), known)}", pointer=f"{at}/op")
    many = op in ("and", "or")
    wanted = "1 to 100" if many else "1" if op in _ONE else "2"
    count = len(cast("Sequence[Any]", values)) if isinstance(values, list | tuple) else 0
    if not (1 <= count <= 100 if many else str(count) == wanted):
        raise Malformed(f"{op} needs a list of {wanted} values.", pointer=f"{at}/values")
    if depth > DEPTH_MAX:
        raise Malformed(f"Conditions are nested at most {DEPTH_MAX} deep.", pointer=at)
    for place, each in enumerate(cast("Sequence[Any]", values)):
        where = f"{at}/values/{place}"
        if many and isinstance(each, Mapping):
            check_condition(each, scope, where, depth + 1)
        elif isinstance(each, Mapping):
            raise Malformed("Conditions stand in and, or; this compares values.", pointer=where)
        else:
            check_references(each, scope, where)
