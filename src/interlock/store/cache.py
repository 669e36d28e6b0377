"""Decoded records, so that an unchanged body is not decoded twice. Records are frozen: sharing them is safe."""

from __future__ import annotations

from interlock.domain import kinds
from interlock.domain.record import Address, Index, Record


class RecordCache:
    """The latest decoded version of up to `records_max` records, with its promoted columns.

    It never answers for the store: whoever asks has read the current rev from there and gets exactly that version.
    """

    def __init__(self, records_max: int) -> None:
        self._max = records_max
        self._kept: dict[Address, tuple[Record, Index | None]] = {}

    def record(self, type: str, org: str, id: str, rev: int, body: bytes) -> Record:
        """The record at `rev`, from the cache or decoded from its body."""
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

    def keep(self, address: Address, record: Record, index: Index | None) -> None:
        """Remember a committed version in place of the one before; the longest unchanged ones make room."""
        self._kept.pop(address, None)
        self._kept[address] = (record, index)
        if len(self._kept) > self._max:
            del self._kept[next(iter(self._kept))]
