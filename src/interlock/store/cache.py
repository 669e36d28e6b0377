"""Decoded records and holders of unique names, so that an unchanged body is not decoded twice.

Records are frozen: sharing them is safe. What is in here was true when it was put in; whether it still is, the store
knows (`watch`), or it has read the current rev and gets exactly that version.
"""

from __future__ import annotations

from typing import Final

from interlock.domain import kinds
from interlock.domain.record import Address, Index, Record


class Unknown:
    """Not in the cache; different from `None`, which says that there is no such record."""


UNKNOWN: Final = Unknown()


class RecordCache:
    """The latest version of up to `records_max` records with its promoted columns, and as many names with holders."""

    def __init__(self, records_max: int) -> None:
        self._max = records_max
        self._kept: dict[Address, tuple[Record, Index | None] | None] = {}
        self._names: dict[str, Address | None] = {}

    def clear(self) -> None:
        """Forget everything: others may have written."""
        self._kept.clear()
        self._names.clear()

    def get(self, address: Address) -> Record | Unknown | None:
        """The version that was last put in here, `None` for one that is not there."""
        kept = self._kept.get(address, UNKNOWN)
        if kept is None or isinstance(kept, Unknown):
            return kept
        return kept[0]

    def record(self, type: str, org: str, id: str, rev: int, body: bytes) -> Record:
        """The record at `rev`, as it was just read: from here, or decoded from its body."""
        address = Address(type, org, id)
        kept = self._kept.get(address)
        if kept is not None and kept[0].rev == rev:
            return kept[0]
        record = kinds.decode(type, body)
        self.keep(address, record, None)
        return record

    def index(self, record: Record) -> Index:
        """The promoted columns of a version that was read from here, without computing them anew where possible."""
        kept = self._kept.get(record.address)
        if kept is not None and kept[0] is record and kept[1] is not None:
            return kept[1]
        return record.index()

    def keep(self, address: Address, record: Record | None, index: Index | None) -> None:
        """Remember a committed version in place of the one before; the longest unchanged ones make room."""
        self._kept.pop(address, None)
        self._kept[address] = (record, index) if record is not None else None
        if len(self._kept) > self._max:
            del self._kept[next(iter(self._kept))]

    def holder(self, name: str) -> Address | Unknown | None:
        """Who held a unique name when it was last put in here, `None` for nobody."""
        return self._names.get(name, UNKNOWN)

    def hold(self, name: str, holder: Address | None) -> None:
        """Remember who holds a name."""
        self._names.pop(name, None)
        self._names[name] = holder
        if len(self._names) > self._max:
            del self._names[next(iter(self._names))]
