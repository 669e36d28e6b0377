"""Rows of CouchDB's `_changes`: {seq, id, changes: [{rev}], doc?, deleted?}.

The rev is the generation before the dash. `_changes` shows the last version only, so revs between two rows are absent
rather than lost; what moved is worked out against the version before in the input, and only where that is rev n − 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interlock.investigation.observation import Entry, Observation, RecordRef, Times
from interlock.investigation.readers.derive import Versions, moved_between
from interlock.investigation.readers.shape import Item, Json
from interlock.investigation.scalars import ms_of, text, whole

_TIMES = ("updatedAt", "updated_at", "modified", "timestamp")


class CouchChanges:
    """The feed of one database."""

    NAME = "couchdb-changes"

    def __init__(self) -> None:
        self._versions = Versions()

    def entries(self, item: Item) -> Iterable[Entry] | None:
        """One observation for each leaf of a row: more than one means that the document is in conflict."""
        row = item.value
        if isinstance(row, dict) and "last_seq" in row and isinstance(row.get("results"), list):
            return [o for inner in row["results"] for o in self.entries(Item(item.place, inner, item.grade)) or ()]
        if not isinstance(row, dict) or "seq" not in row or not isinstance(row.get("id"), str):
            return None
        leaves = row.get("changes")
        if not isinstance(leaves, list) or not all(isinstance(c, dict) and "rev" in c for c in leaves):
            return None
        return [self._observation(item, row, text(leaf["rev"]), n == 0) for n, leaf in enumerate(leaves)]

    def _observation(self, item: Item, row: Json, leaf: str, winner: bool) -> Observation:
        doc: Any = row.get("doc")
        fields = {k: v for k, v in doc.items() if not k.startswith("_")} if winner and isinstance(doc, dict) else None
        rev = whole(leaf.partition("-")[0])
        before = self._versions.swap(row["id"], (rev, fields)) if winner else None
        last_rev, last = before or (None, None)
        follows = rev is not None and last_rev == rev - 1
        kind = text(fields.get("type")) if fields else ""
        seq = row["seq"]
        return Observation(
            place=item.place,
            record=RecordRef(kind or "document", row["id"]),
            group=row["id"],
            rev=rev,
            before_rev=last_rev if follows else None,
            verb="delete" if row.get("deleted") is True else "create" if rev == 1 else "update",
            changes=moved_between(last, fields) if follows and last and fields else {},
            snapshot=fields,
            times=Times(commit=next((t for n in _TIMES if fields and (t := ms_of(fields.get(n))) is not None), None)),
            event_id=leaf,
            sequence=whole(seq.partition("-")[0]) if isinstance(seq, str) else whole(seq),
            grade=item.grade,
            unknown=item.unknown,
        )
