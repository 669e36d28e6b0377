"""CSV and TSV: one row for each version of a case. What moved is worked out between successive rows of a case.

Which column is what comes from a map, or from the columns' names where these leave no doubt.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator

from interlock.investigation.finding import Refused
from interlock.investigation.mapping import Constant, Mapping
from interlock.investigation.observation import Entry, Place
from interlock.investigation.readers.mapped import Mapped
from interlock.investigation.readers.shape import Found, Item, Json
from interlock.investigation.readers.source import Line

CELL_BYTES_MAX = 131_072
"""A cell's longest text, as the csv module has it; a quote that is never closed ends there."""

_DELIMITERS = (",", "\t", ";", "|")
_HEAD_CELL = re.compile(r'"?[\w .:/#()-]{0,80}"?')

_IDS = (
    "id",
    "number",
    "case_id",
    "case",
    "case id",
    "record_id",
    "key",
    "ticket",
    "ticket_id",
    "incident",
    "conversation_id",
)
_REVS = ("rev", "revision", "version", "sys_mod_count", "mod_count", "lock_version", "row_version", "seq")
_TIMES = (
    "updated_at",
    "sys_updated_at",
    "sys_updated_on",
    "updatedat",
    "modified_at",
    "changed_at",
    "timestamp",
    "time",
)
_CLIENTS = ("client", "updated_by", "sys_updated_by", "changed_by", "modified_by", "user")
_NOTHING = ("", "?", "NULL", "null", r"\N")


def delimiter_of(rows: list[str]) -> str | None:
    """The delimiter of a text that begins with these rows, `None` if it is no table."""
    filled = [row for row in rows if row.strip()]
    if not filled:
        return None
    for delimiter in _DELIMITERS:
        head = _cells(filled[0], delimiter)
        if len(head) < 3 or not all(_HEAD_CELL.fullmatch(c) for c in head) or len(set(head)) < len(head):
            continue
        if all(len(_cells(row, delimiter)) == len(head) for row in filled[1:3] if '"' not in row):
            return delimiter
    return None


def _cells(row: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([row[:CELL_BYTES_MAX]], delimiter=delimiter), [])
    except csv.Error:
        return []


def items_of(lines: Iterator[Line], input: int) -> Iterator[Found]:
    """The rows of a table as objects, keyed by the names in its first row."""
    refused: list[Refused] = []
    feed = _Feed(lines, input, refused)
    first = next(feed, None)
    if first is None:
        yield from refused
        return
    delimiter = delimiter_of([first]) or ("\t" if "\t" in first else ",")
    head = [name.strip() for name in _cells(first, delimiter)]
    reader = csv.reader(feed, delimiter=delimiter)
    while True:
        feed.begin = None
        try:
            row = next(reader, None)
        except csv.Error as error:
            refused.append(Refused(feed.place, f"the row cannot be read: {error}"))
            row = []
        yield from refused
        refused.clear()
        if row is None:
            return
        if row and len(row) != len(head):
            yield Refused(feed.place, f"{len(row)} cells, where the table has {len(head)} columns")
        elif row:
            yield Item(feed.place, dict(zip(head, row, strict=True)))


class _Feed(Iterator[str]):
    """Lines as text for the csv module; knows where the row that is being read began."""

    def __init__(self, lines: Iterator[Line], input: int, refused: list[Refused]) -> None:
        self._lines, self._input, self._refused = lines, input, refused
        self.begin: Place | None = None
        self._last = Place(input, 1)

    @property
    def place(self) -> Place:
        return self.begin or self._last

    def __next__(self) -> str:
        for line in self._lines:
            self._last = Place(self._input, line.number, line.offset)
            try:
                text = line.data.decode("utf-8")
            except UnicodeDecodeError as why:
                self._refused.append(Refused(self._last, f"not UTF-8 at byte {why.start + 1} of the line"))
                continue
            if line.over or "\0" in text:
                why = f"the line is longer than {len(line.data):,} bytes" if line.over else "the line has NUL bytes"
                self._refused.append(Refused(self._last, why))
                continue
            self.begin = self.begin or self._last
            return text + "\n"
        raise StopIteration


class GuessedTable:
    """Rows of a table that came without a map: the columns' names say what is what."""

    NAME = "table"

    def __init__(self) -> None:
        self._mapped: Mapped | None = None

    def entries(self, item: Item) -> Iterable[Entry] | None:
        """The row's observation; nothing where no column is called an id or a rev."""
        if self._mapped is None and isinstance(item.value, dict):
            mapping = guess(item.value)
            self._mapped = Mapped(mapping) if mapping else None
        return self._mapped.entries(item) if self._mapped else None


def guess(row: Json) -> Mapping | None:
    """A map from column names; `None` unless there are an id and a rev."""
    names = {name.lower().strip(): name for name in row}
    id, rev, client, time = (
        next((names[n] for n in among if n in names), "") for among in (_IDS, _REVS, _CLIENTS, _TIMES)
    )
    if not id or not rev:
        return None
    return Mapping(record=Constant("row"), id=id, rev=rev, client=client, time=time or None, nothing=_NOTHING)
