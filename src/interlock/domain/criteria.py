"""Criteria: what a queue rule tests, read and typed when it is saved and compiled to closures when it is used.

A condition is `{"conversation_channel": {"operator": "equals", "value": "email"}}`: one field, by the object it is read
from, and a test. Which operators a family has is in `FAMILIES`; some are ours, where the reference's search language
has none. A field that holds several values passes a test if one of them does. Every `not_` operator is the opposite of
its other half, so a missing value makes exactly the `not_` ones true; an empty text or list counts as missing.
"""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from operator import ge, gt, le, lt
from typing import Any, Literal, cast

import msgspec

from interlock.domain.errors import InvalidValue, Malformed, TooMany
from interlock.domain.facts import (
    FIELDS,
    SUFFIXES,
    TIME,
    Facts,
    Family,
    Field,
    Read,
    as_bool,
    as_number,
    field_of,
    parse_time,
)

CONDITIONS_MAX = 100
"""Conditions of one rule, both sides together."""
VALUES_MAX = 1_000
"""Values of one list in a condition."""
SKEW_MS = 5_000
"""A time so far ahead still counts as just now in `within_last`: it may have been written by another server's clock."""

FAMILIES: dict[Family, tuple[str, ...]] = {
    "string": ("equals", "not_equals", "in", "not_in", "set", "not_set", "contains", "not_contains", "starts_with",
               "ends_with"),
    "string_notanalyzed": ("equals", "not_equals", "in", "not_in", "set", "not_set", "starts_with"),
    "text": ("set", "not_set", "contains", "not_contains"),
    "number": ("equals", "not_equals", "gt", "gte", "lt", "lte", "in", "not_in", "set", "not_set"),
    "datetime": ("gt", "gte", "lt", "lte", "set", "not_set", "within_last", "older_than"),
    "boolean": ("equals", "not_equals", "set", "not_set"),
    "list": ("equals", "not_equals", "in", "not_in", "set", "not_set", "contains_all"),
    "tree": ("equals", "set", "not_set", "in_subtree", "not_in_subtree"),
}  # fmt: skip
"""The operators of each family. `string` ignores case, `text` looks for whole words, the others are exact."""


Holds = Callable[[Facts], bool]
Test = Callable[[Any], bool]

_DURATION = re.compile(
    r"P(?=\d|T\d)(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)
_DAYS_MAX = 36_525


def parse_duration(text: str) -> int | None:
    """Milliseconds of an ISO 8601 duration in weeks, days, hours, minutes, seconds; `None` if it is none of at most a
    century.
    """
    found = _DURATION.fullmatch(text)
    if found is None or any(len(n) > 12 for n in found.groupdict("0").values()):
        return None
    parts = {name: int(n) for name, n in found.groupdict("0").items()}
    seconds = ((parts["weeks"] * 7 + parts["days"]) * 24 + parts["hours"]) * 3600 + parts["minutes"] * 60
    ms = (seconds + parts["seconds"]) * 1000
    return ms if ms <= _DAYS_MAX * 86_400_000 else None


def fold(text: str) -> str:
    """A text as it is compared where case is ignored."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


class Condition(msgspec.Struct, frozen=True):
    """One condition, read and typed: where it stands (a JSON pointer), what it names, and what it wants."""

    pointer: str
    name: str
    field: Field
    operator: str
    value: Any


def conditions(
    criteria: Mapping[str, Any],
    side: Literal["and", "or", "not"],
    pointer: str = "/criteria",
    find: Callable[[str], Field | None] = field_of,
) -> Iterator[Condition]:
    """The conditions of one side, on the fields that `find` knows. Raises `Malformed` at the first that cannot be
    understood, with where and what to do.
    """
    listed = criteria.get(side, ())
    if not isinstance(listed, list | tuple):
        raise Malformed(f"{side} is a list of conditions.", pointer=f"{pointer}/{side}")
    for place, each in enumerate(cast("list[Any]", listed)):
        at = f"{pointer}/{side}/{place}"
        if not isinstance(each, Mapping) or len(cast("Mapping[str, Any]", each)) != 1:
            raise Malformed('A condition is {"<field>": {"operator": …, "value": …}}, one field each.', pointer=at)
        [(name, test)] = cast("Mapping[str, Any]", each).items()
        yield _condition(name, test, f"{at}/{_escaped(name)}", find)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _condition(name: str, test: Any, at: str, find: Callable[[str], Field | None]) -> Condition:
    field = find(name)
    if field is None:
        raise Malformed(f"There is no field {name[:100]}.{_unknown_field(name)}", pointer=at)
    if not isinstance(test, Mapping) or not {"operator"} <= set(cast("Mapping[str, Any]", test)) <= {
        "operator",
        "value",
    }:
        raise Malformed('A test has the members "operator" and "value".', pointer=at)
    held = cast("Mapping[str, Any]", test)
    operator = held["operator"]
    known = FAMILIES[field.family]
    if operator not in known:
        near = _near(operator, known) if isinstance(operator, str) else ""
        raise Malformed(
            f"{name} cannot be tested with {str(operator)[:100]}.{near or ' Use one of: ' + ', '.join(known) + '.'}",
            pointer=f"{at}/operator", allowed=list(known),
        )  # fmt: skip
    return Condition(at, name, field, operator, _typed(name, field, operator, held.get("value"), f"{at}/value"))


def _unknown_field(name: str) -> str:
    if "_custom_" in name:
        return f" A custom attribute is customer_custom_… or conversation_custom_… and ends in {', '.join(SUFFIXES)}."
    return _near(name, tuple(FIELDS)) or " GET /v1/routing/queue-rules-criteria lists them."


def _near(word: str, known: tuple[str, ...]) -> str:
    lower = {k.lower(): k for k in known}
    found = difflib.get_close_matches(word.lower()[:100], list(lower), n=1, cutoff=0.6)
    return f" Did you mean {lower[found[0]]}?" if found else ""


_MANY = frozenset({"in", "not_in", "contains_all"})
_WANTS: dict[Family, str] = {
    "string": "text", "string_notanalyzed": "text", "text": "text", "number": "a number", "boolean": "true or false",
    "datetime": "a time with its zone, RFC 3339, such as 2026-03-02T09:00:00Z", "list": "text",
    "tree": "a path such as a.b.c",
}  # fmt: skip


def _typed(name: str, field: Field, operator: str, value: Any, at: str) -> Any:
    """The value of a condition as it is compared. Raises `Malformed` if it has not the type that the operator wants."""
    if operator in ("set", "not_set"):
        if value not in (None, True):
            raise Malformed(f"{operator} needs no value; leave it out.", pointer=at)
        return None
    if operator in ("within_last", "older_than"):
        ms = parse_duration(value) if isinstance(value, str) else None
        if ms is None:
            text = "needs a duration, ISO 8601, such as PT30M or P30D; years and months have no fixed length."
            raise Malformed(f"{operator} {text}", pointer=at)
        return ms
    if operator not in _MANY:
        return _single(name, field, value, at)
    if not isinstance(value, list | tuple) or not 0 < len(cast("list[Any]", value)) <= VALUES_MAX:
        raise Malformed(f"{operator} needs a list of 1 to {VALUES_MAX} values.", pointer=at)
    return tuple(_single(name, field, v, f"{at}/{i}") for i, v in enumerate(cast("list[Any]", value)))


_TREE = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")


def _single(name: str, field: Field, value: Any, at: str) -> Any:
    typed = _TYPES[field.family](value)
    if typed is None:
        raise Malformed(f"{name} is compared with {_WANTS[field.family]}.", pointer=at)
    if field.enum and typed not in field.enum:
        near = _near(str(typed), field.enum) or f" Use one of: {', '.join(field.enum)}."
        raise Malformed(f"{name} is never {str(typed)[:100]}.{near}", pointer=at, allowed=list(field.enum))
    return typed


def _want_text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 1024 else None


def _want_words(value: Any) -> str | None:
    return _want_text(value) if isinstance(value, str) and re.search(r"\w", value) else None


def _want_number(value: Any) -> float | None:
    return value if as_number(value) is not None and math.isfinite(value) else None


def _want_time(value: Any) -> float | None:
    found = TIME.fullmatch(value) if isinstance(value, str) else None
    return parse_time(value) if found and found["zone"] else None


def _want_path(value: Any) -> str | None:
    return value if isinstance(value, str) and _TREE.fullmatch(value) else None


_TYPES: dict[Family, Callable[[Any], Any]] = {
    "string": _want_text, "string_notanalyzed": _want_text, "text": _want_words, "number": _want_number,
    "datetime": _want_time, "boolean": as_bool, "list": _want_text, "tree": _want_path,
}  # fmt: skip


def check_criteria(criteria: Any, pointer: str = "/criteria") -> None:
    """Raises unless `{and, or}` can be evaluated as it stands.

    `Malformed`: an unknown field or operator, a value of the wrong type. `InvalidValue`: no condition at all.
    """
    if not isinstance(criteria, Mapping) or not set(cast("Mapping[str, Any]", criteria)) <= {"and", "or"}:
        raise Malformed('Criteria have the members "and" and "or", each a list of conditions.', pointer=pointer)
    given = cast("Mapping[str, Any]", criteria)
    found = [*conditions(given, "and", pointer), *conditions(given, "or", pointer)]
    if not found:
        raise InvalidValue("A rule needs at least one condition; the default queue takes the rest.", pointer=pointer)
    if len(found) > CONDITIONS_MAX:
        raise TooMany(f"A rule has at most {CONDITIONS_MAX} conditions.", pointer=pointer)


def compile_condition(condition: Condition) -> Holds:
    """The condition as a function of the facts."""
    operator = condition.operator
    if operator.startswith("not_"):
        positive = compile_condition(msgspec.structs.replace(condition, operator=operator.removeprefix("not_")))
        return lambda facts: not positive(facts)
    read, value = condition.field.read, condition.value
    match operator:
        case "set":
            return lambda facts: read(facts) not in (None, "", ())
        case "within_last":
            return _where(read, lambda v, now: now - value <= v <= now + SKEW_MS)
        case "older_than":
            return _where(read, lambda v, now: v < now - value)
        case "contains_all":
            return _all_of(read, frozenset(value))
        case "equals" | "in" if condition.field.family in _EXACT:
            return _is(read, value) if operator == "equals" else _is_in(read, frozenset(value))
        case _:
            return _some(read, _test(condition.field.family, operator, value))


def _is(read: Read, wanted: Any) -> Holds:
    def holds(facts: Facts) -> bool:
        v = read(facts)
        return v == wanted or (type(v) is tuple and wanted in v)

    return holds


def _is_in(read: Read, wanted: frozenset[Any]) -> Holds:
    def holds(facts: Facts) -> bool:
        v = read(facts)
        return not wanted.isdisjoint(cast("tuple[Any, ...]", v)) if type(v) is tuple else v in wanted

    return holds


def _where(read: Read, test: Callable[[Any, int], bool]) -> Holds:
    def holds(facts: Facts) -> bool:
        v = read(facts)
        return v is not None and test(v, facts.now)

    return holds


def _all_of(read: Read, wanted: frozenset[str]) -> Holds:
    def holds(facts: Facts) -> bool:
        v = read(facts)
        return bool(v) and wanted.issubset((v,) if isinstance(v, str) else v)

    return holds


def _some(read: Read, test: Test) -> Holds:
    def holds(facts: Facts) -> bool:
        v = read(facts)
        if v is None or v == "":
            return False
        if type(v) is tuple:
            return any(map(test, cast("tuple[Any, ...]", v)))
        return test(v)

    return holds


_EXACT = frozenset({"string_notanalyzed", "number", "boolean", "list", "tree"})
"""Families whose values are equal or not; no value equals a missing one, for conditions name none that is empty."""
_ORDER: dict[str, Callable[[Any, Any], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}


def _test(family: Family, operator: str, value: Any) -> Test:
    """The test of a single value that is there."""
    if family == "string":
        return _folded(operator, value)
    if family == "text":
        words = r"\W+".join(map(re.escape, re.findall(r"\w+", fold(value))))
        search = re.compile(rf"(?<!\w){words}(?!\w)").search
        return lambda v: search(fold(v)) is not None
    match operator:
        case "starts_with":
            return lambda v: v.startswith(value)
        case "in_subtree":
            below = f"{value}."
            return lambda v: v == value or v.startswith(below)
        case _:
            compare = _ORDER[operator]
            return lambda v: compare(v, value)


def _folded(operator: str, value: Any) -> Test:
    if operator == "in":
        among = frozenset(map(fold, value))
        return lambda v: fold(v) in among
    wanted = fold(value)
    match operator:
        case "contains":
            return lambda v: wanted in fold(v)
        case "starts_with":
            return lambda v: fold(v).startswith(wanted)
        case "ends_with":
            return lambda v: fold(v).endswith(wanted)
        case _:
            return lambda v: fold(v) == wanted


_JSON_TYPE: dict[Family, str] = {"number": "number", "boolean": "boolean"}


def described_criteria() -> dict[str, Any]:
    """The table as a document: `{type, properties {<field>: {type, format, enum, operator}}, definitions}`.

    `patternProperties` has the custom attributes, by suffix.
    """
    definitions: dict[str, Any] = {"user": {"type": "string", "description": "The id of a user."}}
    for family, operators in FAMILIES.items():
        definitions[family] = {"type": "string", "enum": list(operators)}
    custom = {
        f"^(customer|conversation)_custom_\\w+{suffix}$": _described(Field(family, _nothing))
        for suffix, family in SUFFIXES.items()
    }
    return {
        "type": "object", "properties": {name: _described(field) for name, field in FIELDS.items()},
        "patternProperties": custom, "definitions": definitions,
    }  # fmt: skip


def _nothing(_: Facts) -> None:
    return None


def _described(field: Field) -> dict[str, Any]:
    told: dict[str, Any] = {"type": _JSON_TYPE.get(field.family, "string")}
    if field.family == "datetime" or field.user:
        told["format"] = "user" if field.user else "date-time"
    if field.enum:
        told["enum"] = list(field.enum)
    return told | {"operator": {"$ref": f"#/definitions/{field.family}"}}


class Checked(msgspec.Struct, frozen=True):
    """One condition as it came out: what the field held, and whether that is what was wanted."""

    condition: Condition
    found: Any
    holds: bool


def check_each(criteria: Mapping[str, Any], side: Literal["and", "or"], facts: Facts) -> list[Checked]:
    """Every condition of one side, tried; for people, who want to see more than the first that fails."""
    return [Checked(c, c.field.read(facts), compile_condition(c)(facts)) for c in conditions(criteria, side)]
