"""Shapes that bodies of several nouns share, and the step from a body to domain fields.

Absent, `null` and empty are three things: an absent member is no opinion, `null` and an empty list clear.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from interlock.api.call import Seen
from interlock.domain.errors import Malformed
from interlock.domain.record import Record

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=4_096)]
Long = Annotated[str, Meta(max_length=65_536)]
Rev = Annotated[int, Meta(ge=1, le=2**53)]
Small = Annotated[int, Meta(ge=0, le=1_000_000)]
Moment = Annotated[datetime, Meta(tz=True)]
Free = dict[str, Any]
Ids = Annotated[tuple[Id, ...], Meta(max_length=1_000)]
Words = Annotated[tuple[Text, ...], Meta(max_length=1_000)]
Frees = Annotated[tuple[Free, ...], Meta(max_length=1_000)]
Channel = Literal["email", "sms", "chat", "facebook", "twitter-dm", "twitter-tweet", "voice", "instagram", "whatsapp"]
StatusType = Literal["available", "busy", "unavailable", "offline"]

K = TypeVar("K", bound=Record)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


SeenRevs = Annotated[tuple[Seen, ...], Meta(max_length=100)]
"""The versions that an automatic writer's decision rested on."""


class Base(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A body: camel case names, and none that it does not know."""


class Guarded(Base, frozen=True, kw_only=True):
    """A body that may say what its author had seen. `rev` is a precondition, never a value."""

    rev: Rev | UnsetType = UNSET
    basis: SeenRevs | UnsetType = UNSET


class Nothing(Guarded, frozen=True, kw_only=True):
    """A body in which nothing has to stand."""


class QueueRef(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A queue of ours by id, or one outside by its vendor's name."""

    id: Id | UnsetType = UNSET
    external: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET


class PriorityLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much weight of one queue priority."""

    priority: Annotated[int, Meta(ge=1, le=100)]
    limit: Small


class CapacityIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits: weight in all, items per channel, weight per queue priority."""

    total: Small | UnsetType = UNSET
    channels: dict[str, Small] | UnsetType = UNSET
    priorities: Annotated[tuple[PriorityLimit, ...], Meta(max_length=100)] | UnsetType = UNSET


class RelaxIn(Base, frozen=True, kw_only=True):
    """From so many seconds of waiting on: another level, another mode, or nothing is asked any more."""

    after_seconds: Annotated[int, Meta(ge=1, le=10_000_000)]
    level: Annotated[int, Meta(ge=1, le=5)] | None = None
    mode: Literal["required", "preferred"] | None = None
    drop: bool = False


class RequirementIn(Base, frozen=True, kw_only=True):
    """A skill that is asked for. Required: nobody below the level gets it. Preferred: who reaches it goes first."""

    skill: Id
    level: Annotated[int, Meta(ge=1, le=5)] = 1
    mode: Literal["required", "preferred"] = "required"
    relax: Annotated[tuple[RelaxIn, ...], Meta(max_length=10)] = ()


Requirements = Annotated[tuple[RequirementIn, ...], Meta(max_length=20)]


def ms(at: datetime) -> int:
    """Milliseconds since 1970; raises for a time before."""
    since = (at - _EPOCH) // _MS
    if since < 0:
        raise Malformed(f"{at.isoformat()} lies before 1970.")
    return since


_GUARDS = frozenset({"rev", "basis"})


def fields_of(body: msgspec.Struct, kind: type[Record], *, but: Collection[str] = ()) -> dict[str, Any]:
    """The domain fields that a body names. `null` clears: the field's default takes its place."""
    defaults = _defaults(kind)
    out: dict[str, Any] = {}
    for field in body.__struct_fields__:
        value = getattr(body, field)
        if value is UNSET or field in _GUARDS or field in but:
            continue
        if value is None:
            value = defaults.get(field)
        elif isinstance(value, datetime):
            value = ms(value)
        elif isinstance(value, msgspec.Struct) or (isinstance(value, tuple) and _structs(value)):
            value = msgspec.json.decode(msgspec.json.encode(value), type=_types(kind)[field])
        out[field] = value
    return out


def _structs(values: tuple[Any, ...]) -> bool:
    return bool(values) and isinstance(values[0], msgspec.Struct)


def defaults_of(body: type[msgspec.Struct], kind: type[Record], *, but: Collection[str] = ()) -> dict[str, Any]:
    """The values that writable fields have when nothing was ever said of them: what `replace=true` starts from."""
    defaults = _defaults(kind)
    return {f: defaults[f] for f in body.__struct_fields__ if f in defaults and f not in _GUARDS and f not in but}


@lru_cache(64)
def _types(kind: type[Record]) -> dict[str, Any]:
    return {info.name: info.type for info in msgspec.structs.fields(kind)}


@lru_cache(64)
def _defaults(kind: type[Record]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for info in msgspec.structs.fields(kind):
        if info.default is not msgspec.NODEFAULT:
            found[info.name] = info.default
        elif info.default_factory is not msgspec.NODEFAULT:
            found[info.name] = info.default_factory()
    return found
