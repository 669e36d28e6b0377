"""Debezium envelopes: {before, after, source, op, ts_ms}, bare or as `payload` beside a schema.

A row has no revision counter of its own unless a column is one; the position in the source's log orders the rows. What
moved is worked out from the two sides of each envelope, as the source told them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interlock.investigation.observation import Entry, Observation, RecordRef, Times
from interlock.investigation.readers.derive import moved_between
from interlock.investigation.readers.shape import Item, Json
from interlock.investigation.scalars import ms_of, text, whole

_VERBS = {"c": "create", "r": "create", "u": "update", "d": "delete"}
_IDS = ("id", "_id", "uuid", "key")
_REVS = ("rev", "version", "revision", "lock_version", "row_version")
_POSITIONS = ("lsn", "pos", "scn", "change_lsn", "ord")


class Debezium:
    """Change events of one or several tables."""

    NAME = "debezium"

    def entries(self, item: Item) -> Iterable[Entry] | None:
        """One observation for each row that was made, changed or deleted; heartbeats and schema changes are nothing."""
        value = item.value.get("payload", item.value) if isinstance(item.value, dict) else None
        if not isinstance(value, dict) or text(value.get("op")) not in _VERBS:
            return None
        if not isinstance(value.get("source"), dict):
            return None
        before, after = value.get("before"), value.get("after")
        row: Any = after or before
        if not isinstance(row, dict):
            return None
        name, id = _key(row)
        source: Json = value["source"]
        rev, before_rev = _rev(after), _rev(before)
        record = RecordRef(_table(source), id)
        observation = Observation(
            place=item.place,
            record=record,
            group=f"{record.type}/{id}",
            rev=rev,
            before_rev=before_rev if value["op"] == "u" else None,
            verb=_VERBS[value["op"]],  # type: ignore[arg-type]
            changes=moved_between(before, after, skip={name}) if value["op"] == "u" else {},
            snapshot=after if isinstance(after, dict) else None,
            times=Times(commit=ms_of(source.get("ts_ms")), publish=ms_of(value.get("ts_ms"))),
            service=text(source.get("connector")),
            host=text(source.get("name")),
            version=text(source.get("version")),
            trace=text(source.get("txId")),
            event_id=text(source.get("gtid")),
            name=f"{record.type}.{_VERBS[value['op']]}",
            sequence=next((whole(source[p]) for p in _POSITIONS if whole(source.get(p)) is not None), None),
            grade=item.grade,
            unknown=item.unknown,
        )
        return [observation]


def _table(source: Json) -> str:
    return ".".join(text(source[k]) for k in ("schema", "table", "collection") if source.get(k))


def _key(row: Json) -> tuple[str, str]:
    """The column that names the row, and its value; the first column where none is called an id."""
    name = next((n for n in _IDS if n in row), next(iter(row), ""))
    return name, str(row.get(name, ""))


def _rev(row: Any) -> int | None:
    return next((whole(row[n]) for n in _REVS if n in row), None) if isinstance(row, dict) else None
