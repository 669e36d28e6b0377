"""Searching: the reference's search language on conversations, customers, messages and notes.

A condition is `{"conversation_updated_at": {"gte": "2026-03-02T09:00:00Z"}}`: one field with one or more tests, all of
which must hold. Operators and families are those of queue rules; a few fields more can be searched. Names may be
written with underscores or capitals. A record matches if every `and` holds, none of `not` does, and at least one `or`,
if there are any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal, cast

import msgspec

from interlock.domain.conversation import Conversation
from interlock.domain.criteria import CONDITIONS_MAX, Condition, Holds, compile_condition, conditions
from interlock.domain.customer import Customer
from interlock.domain.errors import InvalidValue, Malformed, TooMany
from interlock.domain.facts import Facts, Family, Field, field_of
from interlock.domain.message import Message
from interlock.domain.note import Note
from interlock.domain.record import Record

Context = Literal["customer", "conversation", "message", "note"]
KINDS: dict[Context, type[Record]] = {
    "customer": Customer,
    "conversation": Conversation,
    "message": Message,
    "note": Note,
}
REACH: dict[Context, tuple[str, ...]] = {
    "customer": ("customer",),
    "conversation": ("conversation", "customer"),
    "message": ("message", "conversation", "customer"),
    "note": ("note",),
}
"""The objects whose fields each kind of search may name: what is found, and what it hangs on."""
SORTS_MAX = 3
Side = Literal["and", "or", "not"]
SIDES: tuple[Side, ...] = ("and", "or", "not")


class Sort(msgspec.Struct, frozen=True):
    """One key of the order: what it reads, and whether it runs down."""

    name: str
    read: Callable[[Facts], Any]
    descending: bool


class Search(msgspec.Struct, frozen=True):
    """A search that was read: whether a record matches, in which order, and within which times of the last change (ms;
    `before` 0: none). `by_change`: the order is that of the last change alone. `joins`: what has to be loaded beside.
    """

    context: Context
    holds: Holds
    sort: tuple[Sort, ...]
    since: int
    before: int
    joins: frozenset[str]

    @property
    def by_change(self) -> bool:
        """Whether the order is that of the last change, so that nothing has to be sorted."""
        return len(self.sort) == 1 and self.sort[0].name == f"{self.context}_updatedAt"

    def key(self, sort: Sort) -> Callable[[tuple[Record, Facts]], Any]:
        """The order of one key: missing values last whichever way it runs, texts without case."""

        def of(pair: tuple[Record, Facts]) -> tuple[int, Any]:
            value = sort.read(pair[1])
            if isinstance(value, tuple):
                value = next(iter(cast("tuple[Any, ...]", value)), None)
            missing = value is None
            rank = int(missing) if not sort.descending else int(not missing)
            return rank, ("" if missing else value.casefold() if isinstance(value, str) else value)

        return of


_OWN: dict[str, dict[str, Family]] = {
    "customer": {"id": "list", "updatedAt": "datetime", "modifiedAt": "datetime", "externalId": "string_notanalyzed"},
    "conversation": {
        "id": "list",
        "updatedAt": "datetime",
        "modifiedAt": "datetime",
        "externalId": "string_notanalyzed",
        "priority": "number",
        "assignedUsers": "list",
        "assignedTeams": "list",
        "queue": "list",
        "customer": "list",
        "ended": "boolean",
        "endedAt": "datetime",
        "lastMessageAt": "datetime",
        "lastActivityAt": "datetime",
        "preview": "text",
        "spam": "boolean",
        "deleted": "boolean",
    },
    "message": {
        "id": "list",
        "createdAt": "datetime",
        "updatedAt": "datetime",
        "sentAt": "datetime",
        "externalId": "string_notanalyzed",
        "conversation": "list",
        "customer": "list",
        "createdBy": "list",
    },
    "note": {
        "id": "list",
        "createdAt": "datetime",
        "updatedAt": "datetime",
        "body": "text",
        "conversation": "list",
        "customer": "list",
        "createdBy": "list",
    },
}
"""Fields that can be searched beside those that queue rules test."""
_NAME = re.compile(r"(customer|conversation|message|note)_(\w+)", re.ASCII)


def _camel(name: str) -> str:
    """`updated_at` is `updatedAt`; custom attributes and names with capitals stand as they are."""
    if name.startswith("custom_") or name.lower() != name:
        return name
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda c: f"_{c[0].lower()}", name)


def searched(name: str) -> Field | None:
    """The field that a search names; `None` if there is none of this name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    part, tail = found[1], _camel(found[2])
    family = _OWN[part].get(tail)
    if family is None:
        return field_of(name) or field_of(f"{part}_{tail}")
    get = attrgetter(_snake(tail))

    def read(facts: Facts) -> Any:
        record = getattr(facts, "message" if part == "note" else part)
        return None if record is None else get(record)

    return Field(family, read)


def read_search(body: Mapping[str, Any], context: Context) -> Search:
    """A search as it is carried out. Raises `Malformed` for what cannot be understood, `InvalidValue` for a field that
    this kind of search does not reach.
    """
    sides: dict[Side, list[Condition]] = {s: list(conditions(_plain(body, s), s, "", searched)) for s in SIDES}
    everything = [c for found in sides.values() for c in found]
    if len(everything) > CONDITIONS_MAX:
        raise TooMany(f"A search has at most {CONDITIONS_MAX} conditions.", pointer="/and")
    sort = tuple(_sorts(body, context))
    for name, pointer in [*((c.name, c.pointer) for c in everything), *((s.name, "/sort") for s in sort)]:
        part = name.partition("_")[0]
        if part not in REACH[context]:
            reached = ", ".join(REACH[context])
            raise InvalidValue(f"A search for {context} reaches {reached}; {name} is not there.", pointer=pointer)
    since, before = _span(sides["and"], context)
    own = "message" if context == "note" else context
    joins = frozenset(c.name.partition("_")[0] for c in everything) | frozenset(s.name.partition("_")[0] for s in sort)
    return Search(context, _all(sides), sort, since, before, joins - {own, context})


def _plain(body: Mapping[str, Any], side: Side) -> dict[str, Any]:
    """One side in the form that queue rules have: `{field: {operator, value}}`, one test each."""
    listed = body.get(side, ())
    if not isinstance(listed, list | tuple):
        raise Malformed(f"{side} is a list of conditions.", pointer=f"/{side}")
    out: list[Any] = []
    for place, each in enumerate(cast("list[Any]", listed)):
        if not isinstance(each, Mapping) or len(cast("Mapping[str, Any]", each)) != 1:
            raise Malformed('A condition is {"<field>": {"<operator>": <value>}}.', pointer=f"/{side}/{place}")
        [(name, tests)] = cast("Mapping[str, Any]", each).items()
        if not isinstance(tests, Mapping) or not tests:
            raise Malformed("A test is an operator with its value.", pointer=f"/{side}/{place}/{name[:100]}")
        if side == "or" and len(cast("Mapping[str, Any]", tests)) > 1:
            raise Malformed("Here one test for each condition.", pointer=f"/{side}/{place}/{name[:100]}")
        out += [{name: {"operator": o, "value": v}} for o, v in cast("Mapping[str, Any]", tests).items()]
    return {side: out}


def _sorts(body: Mapping[str, Any], context: Context) -> Iterable[Sort]:
    listed = body.get("sort") or [{f"{context}_updatedAt": "desc"}]
    if not isinstance(listed, list | tuple) or len(cast("list[Any]", listed)) > SORTS_MAX:
        raise Malformed(f'sort is a list of at most {SORTS_MAX} {{"<field>": "asc" or "desc"}}.', pointer="/sort")
    for place, each in enumerate(cast("list[Any]", listed)):
        at = f"/sort/{place}"
        if not isinstance(each, Mapping) or len(cast("Mapping[str, Any]", each)) != 1:
            raise Malformed('An order is {"<field>": "asc" or "desc"}.', pointer=at)
        [(name, way)] = cast("Mapping[str, Any]", each).items()
        field = searched(name)
        if field is None or way not in ("asc", "desc"):
            raise Malformed(f"{name[:100]} cannot be sorted so; say asc or desc of a known field.", pointer=at)
        part, _, tail = name.partition("_")
        yield Sort(f"{part}_{_camel(tail)}", field.read, way == "desc")


def _span(known: Sequence[Condition], context: Context) -> tuple[int, int]:
    """The times of the last change between which every match lies, as far as the conditions tell."""
    since, before = 0, 0
    for c in known:
        part, _, tail = c.name.partition("_")
        if f"{part}_{_camel(tail)}" != f"{context}_updatedAt":
            continue
        if c.operator in ("gt", "gte"):
            since = max(since, int(c.value))
        elif c.operator in ("lt", "lte"):
            end = int(c.value) + 1
            before = min(before, end) if before else end
    return since, before


def _all(sides: Mapping[Side, Sequence[Condition]]) -> Holds:
    must = [compile_condition(c) for c in sides["and"]]
    some = [compile_condition(c) for c in sides["or"]]
    never = [compile_condition(c) for c in sides["not"]]

    def holds(facts: Facts) -> bool:
        return (
            all(h(facts) for h in must)
            and not any(h(facts) for h in never)
            and (not some or any(h(facts) for h in some))
        )

    return holds
