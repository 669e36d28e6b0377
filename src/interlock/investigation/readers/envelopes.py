"""Event envelopes and audit lines of the incident's kind and of our own, also inside an export of a log viewer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from interlock.investigation.observation import Entry
from interlock.investigation.readers.audit import audit_of
from interlock.investigation.readers.event import observation_of
from interlock.investigation.readers.shape import Item, Json

_WRAPPERS = (
    "content", "attributes", "message", "log", "msg", "_raw", "line", "@message", "textPayload", "jsonPayload",
    "_source", "result", "event", "data", "body", "Message", "payload",
)  # fmt: skip
"""Members in which exports of log viewers and collectors keep the line that was logged: as text, or as an object."""

_LISTS = ("data", "logs", "events", "logEvents", "hits", "items", "records", "results", "rows", "entries")
"""Members in which an export keeps its lines."""

_DEPTH_MAX = 5
_LINE_BYTES_MIN = 20


class Envelopes:
    """Events and audits."""

    NAME = "envelopes"

    def entries(self, item: Item) -> Iterable[Entry] | None:
        """The events and audits in the object, however deep an export has wrapped them."""
        found = [*_search(item, item.value, 0)]
        return found or None


def _search(item: Item, value: Any, depth: int) -> Iterator[Entry]:
    if isinstance(value, dict):
        own = observation_of(value, item.place, grade=item.grade, unknown=item.unknown) or audit_of(
            value, item.place, grade=item.grade
        )
        if own is not None:
            yield own
        elif depth < _DEPTH_MAX:
            yield from _unwrap(item, value, depth)
    elif isinstance(value, list) and depth < _DEPTH_MAX:
        for inner in value:
            yield from _search(item, inner, depth + 1)


def _unwrap(item: Item, value: Json, depth: int) -> Iterator[Entry]:
    for name in _LISTS:
        inner = value.get(name)
        if isinstance(inner, list):
            yield from _search(item, inner, depth + 1)
            return
    hits = value.get("hits")
    if isinstance(hits, dict):
        yield from _search(item, hits, depth + 1)
        return
    for name in _WRAPPERS:
        if name not in value:
            continue
        found = [*_search(item, line_in(value[name]), depth + 1)]
        if found:
            yield from found
            return


def line_in(value: Any) -> Any:
    """The object that a text holds, if it holds one; any other value as it is."""
    if not isinstance(value, str) or len(value) < _LINE_BYTES_MIN:
        return value
    begin = value.find("{")
    if begin < 0 or not value.rstrip().endswith("}"):
        return value
    try:
        return msgspec.json.decode(value[begin:])
    except (msgspec.DecodeError, RecursionError):
        return value
