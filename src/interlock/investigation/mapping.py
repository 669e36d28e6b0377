"""`--map FILE`: a small YAML that says where a log keeps what, for formats that nobody foresaw.

    record: {is: incident}                # the type of record; `{is: …}` is a constant, a plain word a path
    id: number                            # paths go down with dots: data.attributes.rev
    rev: sys_mod_count
    client: sys_updated_by
    time: {path: sys_updated_at, format: "%d-%m-%Y %H:%M", zone: Europe/Berlin}
    nothing: ["?"]                        # words that mean nothing
    fields: [assigned_to, state]          # what the record holds; left out: everything that is named nowhere else

Also: format, org, before_rev, actor, actor_class, verb, group, trace, event, service, sequence, without; sync
{path, in}; resource {type, id}; marks [{type, id, rev, name}]; times {commit, event, publish, log}; changes (field →
{before, after}), or before and after (two objects); without those, what moved is worked out between the versions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from interlock.investigation.scalars import ms_of, ms_of_moment, text, whole

Json = dict[str, Any]

UNITS = {"s": 1_000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
"""Milliseconds in one unit of an epoch."""

MAP_BYTES_MAX = 1 << 20


class BadMapping(ValueError):
    """The map cannot be used."""


class Constant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same for every entry."""

    value: str = msgspec.field(name="is")


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a time is and how it is written: a `format` of strptime, or an epoch's `unit`, or ISO; `zone` if naive."""

    path: str
    format: str = ""
    unit: Literal["", "s", "ms", "us", "ns"] = ""
    zone: str = "UTC"


class Among(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """True where the value at `path` is one of these."""

    path: str
    among: tuple[Any, ...] = msgspec.field(name="in", default=(True,))


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another record."""

    type: str | Constant
    id: str


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of another record that the author had read."""

    type: str | Constant
    id: str
    rev: str
    name: str = "map"


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The map; see the head of this file."""

    id: str
    record: str | Constant = Constant("record")
    format: Literal["", "csv", "tsv", "json-lines", "json", "incident-document"] = ""
    org: str | Constant = ""
    rev: str = ""
    before_rev: str = ""
    client: str | Constant = ""
    actor: str = ""
    actor_class: str | Constant = ""
    verb: str = ""
    group: str = ""
    trace: str = ""
    event: str = ""
    service: str | Constant = ""
    sequence: str = ""
    sync: Among | None = None
    resource: Link | None = None
    marks: tuple[Mark, ...] = ()
    time: str | When | None = None
    times: dict[Literal["commit", "event", "publish", "log"], str | When] = {}
    fields: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    snapshot: str = ""
    changes: str = ""
    before: str = ""
    after: str = ""
    nothing: tuple[str, ...] = ()

    def used(self) -> frozenset[str]:
        """Paths that are something else than a field of the record."""
        clocks = [*self.times.values(), self.time]
        paths = [w.path if isinstance(w, When) else w for w in clocks if w]
        own = (
            self.id, self.record, self.org, self.rev, self.before_rev, self.client, self.actor, self.actor_class,
            self.verb, self.group, self.trace, self.event, self.service, self.sequence,
        )  # fmt: skip
        return frozenset([*paths, *(p for p in own if isinstance(p, str)), *self.without])


def load(path: Path) -> Mapping:
    """Reads a map. Raises `BadMapping` with what is wrong and where."""
    try:
        with path.open("rb") as file:
            data = file.read(MAP_BYTES_MAX + 1)
    except OSError as error:
        raise BadMapping(f"{path}: {error.strerror or error}") from error
    if len(data) > MAP_BYTES_MAX:
        raise BadMapping(f"{path}: a map is at most {MAP_BYTES_MAX:,} bytes long")
    return parse(data, str(path))


def parse(data: bytes, name: str = "map") -> Mapping:
    """The map that a YAML text says. Raises `BadMapping`."""
    import yaml

    try:
        said = yaml.safe_load(data)
        mapping = msgspec.convert(said, Mapping)
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise BadMapping(f"{name}: {error}") from error
    for when in [*mapping.times.values(), mapping.time]:
        if isinstance(when, When):
            clock(when)
    return mapping


def at(value: Any, path: str) -> Any:
    """What stands at a path, `...` where nothing does. A member whose name has dots in it is found too."""
    if not path:
        return ...
    if isinstance(value, dict) and path in value:
        return value[path]
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return ...
    return value


def said(value: Any, where: str | Constant) -> str:
    """Text at a path, or the constant."""
    return where.value if isinstance(where, Constant) else _word(at(value, where))


def _word(found: Any) -> str:
    return repr(found) if isinstance(found, float) else text(found)


def number(value: Any, path: str) -> int | None:
    """A whole number at a path."""
    found = at(value, path)
    return whole(found.strip() if isinstance(found, str) else found)


def moment(value: Any, when: str | When | None) -> int | None:
    """A time at a path, in ms; `None` where there is none or it is not written as the map says."""
    if when is None:
        return None
    if isinstance(when, str):
        return ms_of(at(value, when))
    found = at(value, when.path)
    return None if found is ... or found is None else clock(when)(found)


@lru_cache(64)
def clock(when: When) -> Callable[[Any], int | None]:
    """How a time of this kind is read. Raises `BadMapping` for a zone that does not exist."""
    if when.unit:
        factor = UNITS[when.unit]
        return lambda found: _scaled(found, factor)
    try:
        zone = ZoneInfo(when.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadMapping(f"there is no time zone {when.zone!r}") from error

    @lru_cache(4096)
    def read(found: str) -> int | None:
        try:
            if when.format:
                told = datetime.strptime(found, when.format)  # noqa: DTZ007 - the zone is added below
            else:
                told = datetime.fromisoformat(found.strip())
        except ValueError:
            return None
        return ms_of_moment(told if told.tzinfo else told.replace(tzinfo=zone))

    return lambda found: read(found) if isinstance(found, str) else ms_of(found)


def _scaled(found: Any, factor: float) -> int | None:
    if isinstance(found, str):
        exact = whole(found.strip())
        if exact is None:
            try:
                found = float(found)
            except ValueError:
                return None
        else:
            found = exact
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < 1e20:
        return None
    return int(found * factor) if factor >= 1 else int(found // (1 / factor))
