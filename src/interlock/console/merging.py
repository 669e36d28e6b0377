"""What saving a form would change, and what becomes of it if somebody else wrote meanwhile. Values only, no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from interlock.console.door import Json
from interlock.console.fields import Field, text_of, value_of

Texts = Mapping[str, str]


class Merge(msgspec.Struct, frozen=True):
    """Three texts of each field in one. `clashes`: fields that both moved, and differently; mine stays until I say."""

    texts: dict[str, str]
    clashes: tuple[str, ...]
    theirs: tuple[str, ...]


def merge(base: Texts, theirs: Texts, mine: Texts) -> Merge:
    """What I moved is mine; what I left alone is theirs."""
    moved_by_me = {n for n in mine if mine[n] != base.get(n, "")}
    moved_by_them = {n for n in mine if theirs.get(n, "") != base.get(n, "")}
    texts = {n: mine[n] if n in moved_by_me else theirs.get(n, "") for n in mine}
    clashes = tuple(n for n in mine if n in moved_by_me & moved_by_them and mine[n] != theirs.get(n, ""))
    return Merge(texts, clashes, tuple(n for n in mine if n in moved_by_them))


def moved(before: Texts, after: Texts) -> list[str]:
    """The names of the fields that differ."""
    return [n for n in after if after[n] != before.get(n, "")]


def texts_of(fields: Sequence[Field], values: Mapping[str, Any]) -> dict[str, str]:
    """What a form shows of a record."""
    out: dict[str, str] = {}
    for f in fields:
        held: Any = values.get(f.parent or f.name)
        if f.parent:
            held = held.get(f.name.partition(".")[2]) if isinstance(held, dict) else None
        out[f.name] = "" if f.only == "write" else text_of(f, held)
    return out


def values_of(resource: Json) -> dict[str, Any]:
    """Attributes and relationships of a record as one mapping; a relationship is its id, or its ids."""
    out: dict[str, Any] = {**resource.get("attributes", {}), "id": resource["id"]}
    for name, related in resource.get("relationships", {}).items():
        if (held := _ids(related.get("data"))) is not None:
            out[name] = held
    return out


def plain(value: Any) -> Any:
    """A relationship as its id, or its ids, `None` for none; any other value as it is."""
    return _ids(value["data"]) if isinstance(value, dict) and "data" in value else value


def _ids(data: Any) -> Any:
    return [d["id"] for d in data] if isinstance(data, list) else data["id"] if data else None


def body_of(
    fields: Sequence[Field], before: Texts, after: Texts, present: Mapping[str, Any], types: dict[str, str]
) -> Json:
    """What a PUT has to say: the fields that moved; an object of which one member moved goes whole."""
    out: Json = {}
    changed = set(moved(before, after))
    for parent in dict.fromkeys(f.parent for f in fields if f.parent and f.name in changed):
        members = [f for f in fields if f.parent == parent]
        if not any(after[m.name] for m in members):
            out[parent] = None
            continue
        kept = dict(present.get(parent) or {})
        kept |= {m.name.partition(".")[2]: value_of(m, after[m.name], types) for m in members}
        out[parent] = {k: v for k, v in kept.items() if v is not None}
    for f in fields:
        if f.name in changed and not f.parent:
            out[f.name] = value_of(f, after[f.name], types)
    return out


def as_it_was(values: Mapping[str, Any], entries: Sequence[Json], rev: int) -> dict[str, Any] | None:
    """A record at an older rev: its changes taken back, newest first. `None` if the log does not reach so far back."""
    out, at = dict(values), int(values.get("rev", 0))
    for entry in entries:
        if at <= rev:
            break
        changes = entry.get("changes")
        if entry["rev"] != at or changes is None:
            return None
        for name, move in {**changes["attributes"], **changes["relationships"]}.items():
            out[name] = plain(move.get("before"))
        at -= 1
    return {**out, "rev": at} if at == rev else None
