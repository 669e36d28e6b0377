"""Which of the two services owns a kind of record, where each has a database of its own.

What one decision writes is all on one side: nothing here needs a transaction over two databases. The two meet as the
protocol of sync has them meet, each reading the other and writing its own.
"""

from __future__ import annotations

from typing import Literal

from interlock.domain.record import Record

Side = Literal["records", "routing"]

OF_RECORDS = frozenset({"conversation", "message", "note", "customer", "user", "team", "tag", "shortcut"})
"""What the records service owns. Everything else is routing's, which keeps copies of these."""


def side_of(type: str) -> Side:
    """The side that owns records of this type."""
    return "records" if type in OF_RECORDS else "routing"


class Collected(Record, frozen=True, kw_only=True):
    """How far routing's log has taken in the records service's log: its rev is the position reached.

    A record, and no mark as consumers' positions are, since only a record is checked against what was read: rows from
    position n + 1 on are taken in only where n is the last, whoever else is at it. It is the store's own: it has no
    row.
    """

    TYPE = "collected"


def collected_up_to(position: int) -> Collected:
    """The record that says so."""
    return Collected(id="records", org="", rev=position)
