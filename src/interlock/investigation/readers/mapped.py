"""Objects and table rows read by a map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

from msgspec import UNSET

from interlock.investigation.mapping import Link, Mapping, at, moment, number, said
from interlock.investigation.observation import Entry, Moved, Observation, ReadMark, RecordRef, Times
from interlock.investigation.readers.derive import Versions, moved_between
from interlock.investigation.readers.event import op_of
from interlock.investigation.readers.shape import Item, Json

Verb = Literal["create", "update", "delete"]
_VERBS: dict[str, Verb] = {
    **{v: v for v in get_args(Verb)}, "insert": "create", "c": "create", "i": "create", "d": "delete",
    "remove": "delete",
}  # fmt: skip


class Mapped:
    """Whatever a map describes. An object without the map's id says nothing."""

    NAME = "map"

    def __init__(self, mapping: Mapping) -> None:
        self._map = mapping
        self._versions = Versions()
        self._used = mapping.used()
        self._nothing = frozenset(mapping.nothing)

    def entries(self, item: Item) -> Iterable[Entry] | None:
        """The observation that one object comes to."""
        value, m = item.value, self._map
        id = said(value, m.id).strip() if isinstance(value, dict) else ""
        if not id or id in self._nothing:
            return None
        org = self._word(value, m.org)
        record = RecordRef(self._word(value, m.record) or "record", id, org)
        resource = self._link(value, m.resource, org)
        snapshot = self._snapshot(value)
        rev = number(value, m.rev)
        times = {name: moment(value, when) for name, when in m.times.items()}
        times.setdefault("commit", moment(value, m.time))
        observation = Observation(
            place=item.place,
            record=record,
            group=self._word(value, m.group) or (resource.id if resource else id),
            rev=rev,
            before_rev=number(value, m.before_rev),
            verb=_VERBS.get(self._word(value, m.verb).lower(), "update"),
            client=self._word(value, m.client),
            actor=self._word(value, m.actor),
            actor_class=self._word(value, m.actor_class),
            is_sync=m.sync is not None and at(value, m.sync.path) in m.sync.among,
            changes=self._changes(value, record, snapshot),
            snapshot=snapshot,
            marks=tuple(self._marks(value, org)),
            resource=resource,
            times=Times(**times),
            service=self._word(value, m.service),
            trace=self._word(value, m.trace),
            event_id=self._word(value, m.event),
            sequence=number(value, m.sequence),
            grade=item.grade,
            unknown=item.unknown,
        )
        return [observation]

    def _word(self, value: Any, where: Any) -> str:
        found = said(value, where).strip()
        return "" if found in self._nothing else found

    def _snapshot(self, value: Json) -> Json | None:
        m = self._map
        if m.fields:
            return {name: self._plain(found) for name in m.fields if (found := at(value, name)) is not ...}
        if m.changes or m.before or m.after or m.snapshot:
            whole = at(value, m.snapshot or m.after)
            return {k: self._plain(v) for k, v in whole.items()} if isinstance(whole, dict) else None
        return {name: self._plain(found) for name, found in value.items() if name not in self._used}

    def _plain(self, found: Any) -> Any:
        return None if isinstance(found, str) and found in self._nothing else found

    def _changes(self, value: Json, record: RecordRef, snapshot: Json | None) -> dict[str, Moved]:
        m = self._map
        if m.changes:
            said_ = at(value, m.changes)
            return (
                {n: self._moved(c) for n, c in said_.items() if isinstance(c, dict)} if isinstance(said_, dict) else {}
            )
        if m.before or m.after:
            return moved_between(*({} if (side := at(value, p)) is ... else side for p in (m.before, m.after)))
        before = self._versions.swap(f"{record.org}\0{record.type}\0{record.id}", snapshot)
        return moved_between(before, snapshot) if before is not None else {}

    def _moved(self, change: Json) -> Moved:
        before, after = (self._plain(change[s]) if s in change else UNSET for s in ("before", "after"))
        return Moved(op_of(change), before, after)

    def _link(self, value: Json, link: Link | None, org: str) -> RecordRef | None:
        id = self._word(value, link.id) if link else ""
        return RecordRef(self._word(value, link.type), id, org) if link and id else None

    def _marks(self, value: Json, org: str) -> Iterable[ReadMark]:
        for mark in self._map.marks:
            id, rev = self._word(value, mark.id), number(value, mark.rev)
            if id and rev is not None:
                yield ReadMark(RecordRef(self._word(value, mark.type), id, org), rev, mark.name)
